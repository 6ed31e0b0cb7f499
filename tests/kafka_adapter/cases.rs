//! What only a real broker shows.

use std::time::{Duration, Instant};

use goyt::adapters::kafka::{ClientSettings, KafkaAdmin, KafkaLog};
use goyt::engine::record::{Offset, TopicPartition};
use goyt::runtime::ports::{Cause, Log, OutRecord, SendError};
use goyt::runtime::reaction::Reaction;

use crate::conformance::steps::{LEAVE, WAIT, commit, input, join, out, places, read_records, record, text, until};
use crate::conformance::{IN, World};
use crate::support::wait;
use crate::world::KafkaWorld;

/// A member that is gone but has not left is kept for this long: longer than a test waits.
const LONG_SESSION: Duration = Duration::from_secs(300);

fn member(world: &KafkaWorld) -> KafkaLog {
    let settings = ClientSettings { session_timeout: LONG_SESSION, ..world.settings("a") };
    let mut log = world.log_with(&settings);
    log.parts().producer.init().unwrap();
    join(&mut log, &[IN]);
    log
}

#[test]
fn a_static_member_that_leaves_is_gone_at_once() {
    let world = KafkaWorld::new();
    let mut log = member(&world);
    assert_eq!(world.admin.group().unwrap().members.len(), 1);
    log.parts().consumer.leave(false, LEAVE).unwrap();
    assert_eq!(world.admin.group().unwrap().members, [""; 0]);
}

#[test]
fn a_static_member_that_stays_is_still_there_when_its_process_is_not() {
    let world = KafkaWorld::new();
    let mut log = member(&world);
    let before = world.admin.group().unwrap().members;
    log.parts().consumer.leave(true, LEAVE).unwrap();
    drop(log);
    assert_eq!(world.admin.group().unwrap().members, before);
}

#[test]
fn a_member_whose_place_is_taken_stops_by_name() {
    let world = KafkaWorld::new();
    let mut first = member(&world);
    let mut second = world.log_with(&world.settings("a"));
    second.parts().consumer.subscribe(&[IN]).unwrap();
    let error = until("an error", || {
        drop(second.parts().consumer.poll(WAIT, 10, &mut |_| 1));
        first.parts().consumer.poll(WAIT, 10, &mut |_| 1).err()
    });
    assert_eq!((error.code, error.reaction), ("FENCED_INSTANCE_ID", Reaction::Rejoin));
    assert!(error.message.contains("another process runs with this instance.id"), "{error}");
}

#[test]
fn rewinding_hands_out_no_stale_record() {
    const RECORDS: Offset = 20_000;
    let world = KafkaWorld::new();
    world.append_all(input(0), (0..RECORDS).map(|it| it.to_string()));
    let mut log = world.log_with(&world.settings("a"));
    join(&mut log, &[IN]);
    // Each round goes back while a lot is fetched ahead; from there on each record must be the next one. In some, a record counts for
    // several, so that some were taken and are not handed out yet.
    for round in 0..20 {
        let from = round * 700;
        log.parts().consumer.assign(&[(input(0), from)], &[]).unwrap();
        let mut next = from;
        until("records", || {
            let consumer = log.parts().consumer;
            consumer
                .poll(WAIT, 500, &mut |it| {
                    assert_eq!((it.source, it.offset), (input(0), next), "round {round}");
                    next += 1;
                    1 + usize::try_from(round % 3).unwrap()
                })
                .unwrap();
            (from + 2_000 <= next).then_some(())
        });
    }
}

/// What stands for many records, such as a pack, must not make a round long.
#[test]
fn a_poll_ends_when_it_has_handed_out_enough() {
    let world = KafkaWorld::new();
    world.append_all(input(0), (0..100).map(|it| it.to_string()));
    let mut log = world.log_with(&world.settings("a"));
    join(&mut log, &[IN]);
    log.parts().consumer.assign(&[(input(0), 0)], &[]).unwrap();
    let mut read = Vec::new();
    until("all records", || {
        let mut polled = 0;
        log.parts()
            .consumer
            .poll(WAIT, 10, &mut |it| {
                read.push(it.offset);
                polled += 1;
                4
            })
            .unwrap();
        assert!(polled <= 3, "{polled} times 4 records");
        (read.len() == 100).then_some(())
    });
    assert_eq!(read, (0..100).collect::<Vec<_>>());
}

/// The client sleeps for a second when nothing is to be fetched, and resuming does not wake it by itself.
#[test]
fn what_was_held_is_read_at_once_when_it_is_resumed() {
    let world = KafkaWorld::new();
    world.append_all(input(0), (0..10).map(|it| it.to_string()));
    let mut log = world.log_with(&world.settings("a"));
    join(&mut log, &[IN]);
    for round in 0..3 {
        let consumer = log.parts().consumer;
        consumer.assign(&[(input(0), 1)], &[input(0)]).unwrap();
        consumer.poll(WAIT, 10, &mut |it| panic!("a record of a partition that is held: {it:?}")).unwrap();
        consumer.resume(&[input(0)]).unwrap();
        let begun = Instant::now();
        let mut read = 0;
        until("records", || {
            log.parts()
                .consumer
                .poll(WAIT, 10, &mut |_| {
                    read += 1;
                    1
                })
                .unwrap();
            (read == 9).then_some(())
        });
        assert!(begun.elapsed() < Duration::from_millis(500), "round {round}: {:?}", begun.elapsed());
    }
}

/// A worker moves to an end that it is told. One of before a rewind would let it leave out what it is to read again.
#[test]
fn rewinding_tells_no_stale_end() {
    const RECORDS: Offset = 50;
    let world = KafkaWorld::new();
    world.append_all(input(0), (0..RECORDS).map(|it| it.to_string()));
    let mut log = world.log_with(&world.settings("a"));
    join(&mut log, &[IN]);
    for round in 0..100 {
        // Its end is told among the records of a rewind, or waits to be told when the next one comes.
        let from = round % RECORDS;
        let consumer = log.parts().consumer;
        // Read at once, or held and resumed; and sometimes paused once more.
        let held = [input(0)];
        consumer.assign(&[(input(0), from)], if round % 2 == 0 { &held } else { &[] }).unwrap();
        consumer.resume(&held).unwrap();
        if round % 3 == 0 {
            consumer.pause(&held).unwrap();
            consumer.resume(&held).unwrap();
        }
        let mut next = from;
        until("some records", || {
            let max = if round % 2 == 0 { 1 } else { usize::try_from(RECORDS - from).unwrap() };
            consumer
                .poll(WAIT, max, &mut |it| {
                    next = it.offset + 1;
                    1
                })
                .unwrap();
            let told = consumer.ends().iter().find(|it| it.0 == input(0));
            assert!(told.is_none_or(|it| (it.1, next) == (RECORDS, RECORDS)), "round {round}: {told:?} at {next}");
            (from < next).then_some(())
        });
    }
}

#[test]
fn empty_is_not_null() {
    let mut world = KafkaWorld::new();
    let mut log = world.log_with(&world.settings("a"));
    log.parts().producer.init().unwrap();
    log.parts().producer.begin().unwrap();
    let headers: [(&str, Option<&[u8]>); 3] = [("", Some(b"")), ("naïve", None), ("twice", Some(b"1"))];
    log.parts().producer.send(&OutRecord { headers: &headers, ..record(out(0), "", "") }).unwrap();
    commit(&mut log, &[]).result.unwrap();
    let mut found = Vec::new();
    read_records(&mut world, &[(out(0), None)], &mut |it| found.push(format!("{:?} {:?} {:?}", it.key, it.value, it.headers)));
    assert_eq!(found, [format!("Some([]) Some([]) {headers:?}")]);
}

/// The broker refuses batches, not records. The small ones in a batch that is too large must not be taken for the cause.
#[test]
fn a_record_that_is_too_large_is_told_from_its_neighbours() {
    let mut world = KafkaWorld::with(&[("max.message.bytes", "20000")]);
    let mut log = world.log_with(&world.settings("a"));
    let (small, large) = ("s".repeat(1_000), "l".repeat(30_000));
    let cause = |offset| Cause::Input(input(0), offset);
    let attempt = |log: &mut KafkaLog, with_large: bool| {
        log.parts().producer.init().unwrap();
        log.parts().producer.begin().unwrap();
        for offset in (0..100).filter(|it| with_large || *it != 50) {
            let value = if offset == 50 { &large } else { &small };
            log.parts().producer.send(&OutRecord { cause: cause(offset), ..record(out(0), "k", value) }).unwrap();
        }
        let committed = commit(log, &[]);
        if committed.result.is_err() {
            log.parts().producer.abort().unwrap();
        }
        committed
    };
    // At first it is unclear which one it was.
    let refused = until("the refused record", || {
        let committed = attempt(&mut log, true);
        committed.result.unwrap_err();
        (!committed.refused.is_empty()).then_some(committed.refused)
    });
    let refused: Vec<_> = refused.into_iter().map(|(cause, error)| (cause, error.code, error.reaction)).collect();
    assert_eq!(refused, [(cause(50), "MSG_SIZE_TOO_LARGE", Reaction::RefuseRecord)]);

    // The others are too much for one batch, which is nobody's fault: batches become smaller.
    until("a commit", || {
        let committed = attempt(&mut log, false);
        assert_eq!(committed.refused, []);
        committed.result.ok()
    });
    let mut count = 0;
    read_records(&mut world, &[(out(0), None)], &mut |_| count += 1);
    assert_eq!(count, 99);
}

#[test]
fn a_timestamp_that_the_broker_refuses_is_told_by_its_cause() {
    let world = KafkaWorld::with(&[("message.timestamp.after.max.ms", "1000")]);
    let mut log = world.log_with(&world.settings("a"));
    let refused = until("the refused record", || {
        let producer = log.parts().producer;
        producer.init().unwrap();
        producer.begin().unwrap();
        for (offset, timestamp) in [(1, 1_700_000_000_000), (2, 99_000_000_000_000), (3, 1_700_000_000_000)] {
            producer.send(&OutRecord { timestamp, cause: Cause::Input(input(0), offset), ..record(out(0), "k", "v") }).unwrap();
        }
        let committed = commit(&mut log, &[]);
        assert_eq!(committed.result.unwrap_err().reaction, Reaction::AbortAndRewind);
        log.parts().producer.abort().unwrap();
        (!committed.refused.is_empty()).then_some(committed.refused)
    });
    let refused: Vec<_> = refused.into_iter().map(|(cause, error)| (cause, error.code)).collect();
    assert_eq!(refused, [(Cause::Input(input(0), 2), "INVALID_TIMESTAMP")]);
}

#[test]
fn a_commit_that_is_done_ends_the_wait_for_records() {
    let world = KafkaWorld::new();
    let mut log = member(&world);
    log.parts().producer.begin().unwrap();
    log.parts().producer.send(&record(out(0), "k", "v")).unwrap();
    let parts = log.parts();
    let begun = Instant::now();
    parts.producer.commit(&[(input(0), 0)], &[], parts.consumer).unwrap();
    let committed = wait::until("the commit", || {
        parts.consumer.poll(wait::LONG, 10, &mut |_| panic!("a record")).unwrap();
        parts.producer.committed(Duration::ZERO)
    });
    committed.result.unwrap();
    assert!(begun.elapsed() < wait::LONG);
    log.parts().consumer.leave(false, LEAVE).unwrap();
}

#[test]
fn a_full_queue_says_so_and_empties() {
    let mut world = KafkaWorld::new();
    let mut settings = world.settings("a");
    settings.producer.insert("queue.buffering.max.messages".into(), "100".into());
    let mut log = world.log_with(&settings);
    let producer = log.parts().producer;
    producer.init().unwrap();
    producer.begin().unwrap();
    let mut full = 0;
    for _ in 0..1_000 {
        until("room", || match producer.send(&record(out(0), "k", "v")) {
            Ok(()) => Some(()),
            Err(SendError::Full) => {
                full += 1;
                producer.serve(WAIT);
                None
            }
            Err(other) => panic!("{other}"),
        });
    }
    assert!(0 < full);
    commit(&mut log, &[]).result.unwrap();
    let mut count = 0;
    read_records(&mut world, &[(out(0), Some(1_001))], &mut |_| count += 1);
    assert_eq!(count, 1_000);
}

#[test]
fn a_broker_that_is_away_is_an_error_to_wait_out() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string(); // Closed at once.
    let settings = ClientSettings::new(&nobody, "app", "a");
    let error = KafkaAdmin::new(&settings).unwrap().reachable(Duration::from_secs(1)).unwrap_err();
    assert_eq!((error.reaction, error.message.starts_with("reach Kafka: ")), (Reaction::Retry, true), "{error}");
    let mut log = KafkaLog::new(&settings, vec!["in".into()], 0).unwrap();
    let error = until("an error", || log.parts().consumer.poll(WAIT, 10, &mut |_| 1).err());
    assert_eq!((error.code, error.reaction), ("_ALL_BROKERS_DOWN", Reaction::Retry));
    assert!(error.message.contains("is the broker up, and is bootstrap.servers right?"), "{error}");
    // The group could not be told, and that is not kept back.
    let error = log.parts().consumer.leave(false, Duration::from_millis(200)).unwrap_err();
    assert_eq!((error.reaction, error.message.starts_with("leave the group: ")), (Reaction::Retry, true), "{error}");
}

#[test]
fn the_admin_describes_and_resets() {
    let mut world = KafkaWorld::with(&[("retention.ms", "3600000")]);
    let topic = world.topic(out(0).topic).to_owned();
    let found = world.admin.describe(&[topic, "no-such-topic".into()]).unwrap();
    let described = found[0].as_ref().unwrap();
    assert_eq!((described.partitions, described.configs["retention.ms"].as_str(), &found[1]), (6, "3600000", &None));

    world.append(input(0), "k", "v");
    let mut log = member(&world);
    log.parts().producer.begin().unwrap();
    commit(&mut log, &[(input(0), 1), (input(1), 5)]).result.unwrap();
    let place = |it: TopicPartition| (world.topic(it.topic).to_owned(), it.partition);
    let asked = [place(input(0)), place(input(1)), place(input(2))];
    assert_eq!(world.admin.committed(&asked).unwrap(), [Some(1), Some(5), None]);

    assert_eq!(world.admin.group().unwrap().state, "Stable");
    assert_eq!(world.admin.delete_committed(&asked).unwrap_err().code, "GROUP_SUBSCRIBED_TO_TOPIC");
    assert_eq!(world.admin.delete_group().unwrap_err().code, "NON_EMPTY_GROUP");
    log.parts().consumer.leave(false, LEAVE).unwrap();
    assert_eq!(world.admin.group().unwrap().state, "Empty");
    world.admin.delete_committed(&asked[..1]).unwrap();
    assert_eq!(world.admin.committed(&asked).unwrap(), [None, Some(5), None]);
    world.admin.delete_group().unwrap();
    world.admin.delete_group().unwrap();
    assert_eq!(world.admin.committed(&asked).unwrap(), [None, None, None]);
}

#[test]
fn the_end_is_known_without_asking() {
    let mut world = KafkaWorld::new();
    for value in ["1", "2", "3"] {
        world.append(input(0), "k", value);
    }
    let mut log = member(&world);
    let mut values = Vec::new();
    until("the end", || {
        log.parts()
            .consumer
            .poll(WAIT, 10, &mut |it| {
                values.push(text(it.value));
                1
            })
            .unwrap();
        log.parts().consumer.known_end(input(0))
    });
    assert_eq!(log.parts().consumer.known_end(input(0)), Some(3));
    let partitions = places(&[IN], 0..6);
    assert_eq!(log.parts().consumer.bounds(&partitions).unwrap(), [(0, 3), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)]);
    log.parts().consumer.leave(false, LEAVE).unwrap();
}
