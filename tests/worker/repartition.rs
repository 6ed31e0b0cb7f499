//! What goes through a repartition topic: handed over within its transaction, or read from the log, in packs.

use std::sync::Arc;
use std::time::Duration;

use goyt::adapters::memory::cluster::Cluster;
use goyt::adapters::memory::driver::TopologyDriver;
use goyt::adapters::memory::network::{Fate, Network, Request};
use goyt::adapters::memory::partition::Content;
use goyt::engine::plan::{Decode, Plan};
use goyt::engine::record::TopicId;
use goyt::engine::repartition::pack::{self, Pack};
use goyt::runtime::open_task::State;
use goyt::runtime::status::Change;

use super::{NOW, counting, event, rounds, send, values};

/// How many records stand in the repartition topic.
fn repartitioned(driver: &TopologyDriver) -> usize {
    let mut count = 0;
    for it in driver.cluster.read_all("app-counting-by-k-repartition").unwrap() {
        let unpacked = pack::unpack(it.content.value.as_deref(), |_| {
            count += 1;
            Ok::<(), pack::Damaged>(())
        });
        assert_eq!(unpacked, Ok(()));
    }
    count
}

#[test]
fn alone_on_a_repartition_topic_a_worker_takes_a_record_through_it_in_one_transaction() {
    let driver = TopologyDriver::new(counting(), 3, NOW);
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert!(driver.changes().contains(&Change::HandsOver { topics: 1 }));
    for id in 0..3 {
        let commits = driver.board.totals().commits;
        send(&driver, event(id, "a", 1));
        rounds(&driver, &mut worker, 60);
        assert_eq!(values(&driver, "out").len(), id as usize + 1);
        assert_eq!(driver.board.totals().commits, commits + 1, "event {id}");
    }
    // What was handed over stands in the log for whoever comes next, who does not read it once more.
    assert_eq!(repartitioned(&driver), 3);
    drop(worker);
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!((worker.processed(), values(&driver, "out").len()), (0, 3));
}

#[test]
fn what_others_wrote_to_a_repartition_topic_is_read_before_anything_is_handed_over() {
    let driver = TopologyDriver::new(counting(), 4, NOW);
    let (mut first, mut second) = (driver.worker("first"), driver.worker("second"));
    first.join().unwrap();
    second.join().unwrap();
    for _ in 0..50 {
        rounds(&driver, &mut first, 1);
        rounds(&driver, &mut second, 1);
    }
    assert!(!driver.changes().contains(&Change::HandsOver { topics: 1 }), "neither has all partitions");
    (0..400).for_each(|id| send(&driver, event(id, ["a", "b", "c", "d", "e"][id as usize % 5], 1)));
    let left = |driver: &TopologyDriver| 400 - values(driver, "out").len();
    for _ in 0..1000 {
        if 100 <= repartitioned(&driver) {
            break;
        }
        rounds(&driver, &mut second, 1);
    }
    assert!(300 < left(&driver), "much is to be read");
    second.stop();
    driver.run_until_idle(&mut first).unwrap();
    assert!(driver.changes().contains(&Change::HandsOver { topics: 1 }));
    let expected: Vec<String> = ["a", "b", "c", "d", "e"].iter().flat_map(|k| (1..=80).map(move |n| format!("{k}={n}"))).collect();
    let mut found = values(&driver, "out");
    found.sort_by_key(|it| (it[..1].to_owned(), it[2..].parse::<u32>().unwrap()));
    assert_eq!(found, expected);
}

#[test]
fn a_record_that_fails_when_it_is_handed_over_goes_through_the_log_and_stops_its_task_there() {
    let mut plan = Plan::clone(&counting());
    let Some(Decode::Repartition(layout)) = plan.subtopologies.get_mut(1).map(|it| &mut it.decode) else { panic!("the second reads it") };
    layout.fingerprint = 8;
    let driver = TopologyDriver::new(Arc::new(plan), 1, NOW);
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    for id in 0..5 {
        send(&driver, event(id, "a", 1));
        driver.run_until_idle(&mut worker).unwrap();
    }
    let position = |topic| worker.tasks().sources.iter().find(|(tp, _)| tp.topic == TopicId(topic)).and_then(|(_, it)| it.committed);
    assert_eq!((position(0), position(3)), (Some(5), None));
    let stopped = driver.changes().into_iter().filter_map(|it| match it {
        Change::Stopped { reason, .. } => Some(reason),
        _ => None,
    });
    let stopped: Vec<_> = stopped.collect();
    assert!(matches!(&stopped[..], [only] if only.contains("another version") && only.contains("at offset")), "{stopped:?}");
}

#[test]
fn what_is_handed_over_to_a_task_that_has_stopped_waits_in_the_log() {
    let driver = TopologyDriver::new(counting(), 1, NOW);
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert!(driver.changes().contains(&Change::HandsOver { topics: 1 }));
    send(&driver, event(0, "a", 1));
    (0..3).for_each(|_| worker.round().unwrap());
    send(&driver, event(1, "a", 1));
    worker.round().unwrap();
    assert_eq!((worker.processed(), repartitioned(&driver)), (4, 1), "the second one is processed, and its transaction is open");
    let behind = worker.tasks_mut().iter_mut().find(|it| it.source.topic == TopicId(3)).unwrap();
    behind.state = State::Stopped("for this test".to_owned());
    send(&driver, event(2, "a", 1));
    for _ in 0..200 {
        worker.round().unwrap();
        driver.clock.advance(Duration::from_millis(20));
    }
    assert_eq!(repartitioned(&driver), 3);
    drop(worker);
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!(values(&driver, "out"), ["a=1", "a=2", "a=3"], "it was not passed over");
}

/// The markers of a transaction take three seconds, all else no time.
#[derive(Debug, Default)]
struct SlowMarkers {
    ends: bool,
}

impl Network for SlowMarkers {
    fn fate(&mut self, _: &str, request: Request) -> Fate {
        self.ends = request == Request::End;
        Fate::Done
    }

    fn delay(&mut self) -> Duration {
        Duration::from_secs(if self.ends { 3 } else { 0 })
    }
}

#[test]
fn the_position_in_what_was_handed_over_goes_behind_markers_when_they_are_there() {
    let mut driver = TopologyDriver::new(counting(), 1, NOW);
    driver.cluster = Cluster::behind(Box::new(SlowMarkers::default()), driver.clock.clone());
    counting().topics.iter().for_each(|it| driver.cluster.create_topic(&it.name, 1));
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    rounds(&driver, &mut worker, 100);
    assert!(driver.changes().contains(&Change::HandsOver { topics: 1 }));
    let topic = "app-counting-by-k-repartition";
    let end = |driver: &TopologyDriver| driver.cluster.bounds(topic, 0).unwrap().2;
    let committed = |driver: &TopologyDriver| driver.cluster.committed("app").get(&(topic.to_owned(), 0)).copied();
    for id in 0..2 {
        send(&driver, event(id, "a", 1));
        for _ in 0..100 {
            rounds(&driver, &mut worker, 1);
            assert!(committed(&driver).is_none_or(|it| it <= end(&driver)), "a position that is nowhere");
        }
    }
    assert_eq!(end(&driver), 2, "two records, and their markers are on their way");
    rounds(&driver, &mut worker, 1500);
    assert_eq!((committed(&driver), end(&driver)), (Some(4), 4));
}

/// Puts a record into the repartition topic: a pack of these records.
fn send_pack(driver: &TopologyDriver, records: &[(&[u8], &[u8])]) {
    let mut pack = Pack::default();
    records.iter().for_each(|(key, value)| pack.push(key, value, NOW, &[]));
    let content = Content { key: None, value: Some(pack.bytes().to_vec()), headers: Vec::new(), timestamp: NOW };
    driver.cluster.append("app-counting-by-k-repartition", Some(0), content).unwrap();
}

/// The value of a repartition record of [`counting`].
fn repartition_value(id: u8, k: &str, n: u8) -> Vec<u8> {
    let timestamp = "2026-01-01T00:00:00Z";
    let mut value = vec![2, 7, 0, 0, 0];
    value.extend([&[id][..], &[0; 15]].concat());
    value.extend([&[0; 8][..], &[0; 4], &[timestamp.len() as u8, 0x80], timestamp.as_bytes()].concat());
    value.extend([&[u8::try_from(k.len()).unwrap()][..], k.as_bytes(), &[2 * n]].concat());
    value
}

#[test]
fn repartition_records_are_read_one_by_one_and_in_packs() {
    let driver = TopologyDriver::new(counting(), 1, NOW);
    let plain = Content { key: Some(b"a".to_vec()), value: Some(repartition_value(1, "a", 1)), headers: Vec::new(), timestamp: NOW };
    driver.cluster.append("app-counting-by-k-repartition", Some(0), plain).unwrap();
    send_pack(
        &driver,
        &[(b"a", &repartition_value(2, "a", 2)), (b"b", &repartition_value(3, "b", 1)), (b"a", &repartition_value(4, "a", 4))],
    );
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!(values(&driver, "out"), ["a=1", "a=3", "a=7", "b=1"]);
    assert_eq!(worker.processed(), 4);
}

#[test]
fn a_pack_takes_effect_as_a_whole_or_not_at_all() {
    let cut = {
        let mut value = repartition_value(3, "a", 4);
        value.pop();
        value
    };
    let whole = [repartition_value(1, "a", 1), repartition_value(2, "a", 2)];
    for (name, last, reason) in
        [("a record that fails", &cut[..], "not of type int"), ("an end that is cut off", &[][..], "a pack of repartition records")]
    {
        let driver = TopologyDriver::new(counting(), 1, NOW);
        if last.is_empty() {
            let mut pack = Pack::default();
            whole.iter().for_each(|it| pack.push(b"a", it, NOW, &[]));
            let cut = pack.bytes()[..pack.bytes().len() - 1].to_vec();
            let content = Content { key: None, value: Some(cut), headers: Vec::new(), timestamp: NOW };
            driver.cluster.append("app-counting-by-k-repartition", Some(0), content).unwrap();
        } else {
            send_pack(&driver, &[(b"a", &whole[0]), (b"a", &whole[1]), (b"a", last)]);
        }
        let mut worker = driver.worker("w");
        worker.join().unwrap();
        for _ in 0..200 {
            worker.round().unwrap();
            driver.clock.advance(Duration::from_millis(20));
        }
        assert!(values(&driver, "out").is_empty(), "{name}");
        let stands = worker.tasks().sources.iter().find(|(tp, _)| tp.topic == TopicId(3)).and_then(|(_, it)| it.committed);
        assert_eq!(stands, None, "{name}: the pack stays unread");
        let stopped = driver.changes().into_iter().filter_map(|it| match it {
            Change::Stopped { reason, .. } => Some(reason),
            _ => None,
        });
        let stopped: Vec<_> = stopped.collect();
        assert!(matches!(&stopped[..], [only] if only.contains(reason) && only.contains("at offset 0")), "{name}: {stopped:?}");
    }
}
