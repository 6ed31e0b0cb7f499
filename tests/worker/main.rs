//! The worker's loop over the in-memory log: what is committed together, what a crash leaves, what is restored.

#![cfg(test)]

mod dedup;
mod repartition;

use std::sync::Arc;

use goyt::adapters::memory::driver::TopologyDriver;
use goyt::adapters::memory::partition::Content;
use goyt::engine::expr::{Arithmetic, Comparison, Expr, Otherwise};
use goyt::engine::plan::{
    Aggregate, Binding, Decode, Emit, EventPlan, Fold, Late, Layout, Operand, Operator, Plan, Role, Step, StoreKind, StorePlan,
    Subtopology, Topic, Written,
};
use goyt::engine::record::TopicId;
use goyt::engine::schema::{Kind, ObjectSchema, Property};
use goyt::engine::state::dedup_keys::PageName;
use goyt::engine::state::dedup_pages;
use goyt::engine::value::{Type, Value};
use goyt::runtime::status::Change;
use goyt::runtime::worker::Worker;

const NOW: i64 = 1_800_000_000_000;

fn topic(name: &str, role: Role) -> Topic {
    Topic { name: name.into(), role, like: (role != Role::Input).then_some(TopicId(0)) }
}

fn property(name: &str, kind: Kind, slot: Option<u16>) -> Property {
    Property { slot, ..Property::new(name, kind) }
}

/// Counts events by `k`, behind a repartition; events with a negative `n` are rejected, and each id counts once a day.
#[expect(clippy::too_many_lines, reason = "one plan, written out")]
fn counting() -> Arc<Plan> {
    let field = |name: &str, slot| (name.to_owned(), Written::Value(Expr::Slot(slot)));
    let string = || Kind::String { min_length: 0, max_length: usize::MAX, one_of: Vec::new() };
    let metadata = ObjectSchema { properties: vec![property("source", string(), None), property("version", string(), None)] };
    let fields = ObjectSchema {
        properties: vec![
            property("eventType", string(), None),
            property("eventId", Kind::Uuid, Some(0)),
            property("k", string(), Some(1)),
            property("n", Kind::Int { min: -9, max: 9 }, Some(2)),
            property("timestamp", Kind::Time, None),
            property("metadata", Kind::Object(metadata), None),
        ],
    };
    let step = |id: &str, operator| Step { id: id.into(), operator };
    let layout = Layout { fields: vec![(1, 0, Type::String), (2, 1, Type::Int)], fingerprint: 7 };
    let positive = Expr::Compare(Comparison::GreaterOrEqual, Box::new(Expr::Slot(2)), Box::new(Expr::Const(Value::Int(0))));
    let bind = |into, value| Binding { into, value, otherwise: None };
    let add = |a, b| Expr::Arithmetic(Arithmetic::Add, Box::new(Expr::Slot(a)), Box::new(Expr::Slot(b)));
    let store = |id: &str, changelog, kind, key, value| StorePlan {
        id: String::from(id),
        changelog: TopicId(changelog),
        key,
        value,
        kind,
        each: None,
    };
    let first = Subtopology {
        topology: "counting".into(),
        name: "in".into(),
        source: TopicId(0),
        decode: Decode::Events(vec![EventPlan { event_type: "E".into(), major: 1, fields }]),
        dead_letters: Some(TopicId(2)),
        slots: 3,
        stores: vec![store("dedup", 4, StoreKind::Dedup { window_ms: 86_400_000 }, vec![Type::Uuid], vec![("seen".into(), Type::Time)])],
        steps: vec![
            step("dedup", Operator::Dedup { store: 0, by: vec![Operand::Slot(0)], window_ms: 86_400_000, late: Late::Reject }),
            step("positive", Operator::Require { that: positive.into(), otherwise: Otherwise::Reject("NEGATIVE".into()) }),
            step("by-k", Operator::Key { by: vec![Operand::Slot(1)], to: TopicId(3), layout: layout.clone() }),
        ],
        fingerprint: "1".into(),
    };
    let second = Subtopology {
        topology: "counting".into(),
        name: "by-k".into(),
        source: TopicId(3),
        decode: Decode::Repartition(layout),
        dead_letters: None,
        slots: 4,
        stores: vec![store("sums", 5, StoreKind::Aggregate, vec![Type::String], vec![("sum".into(), Type::Int)])],
        steps: vec![
            step(
                "sums",
                Operator::Aggregate(Aggregate {
                    store: 0,
                    by: vec![Operand::Slot(0)],
                    fold: Fold { init: vec![bind(2, Expr::Const(Value::Int(0)))], update: vec![bind(3, add(2, 1))], state: vec![2] },
                    each: None,
                }),
            ),
            step(
                "out",
                Operator::Emit(Emit::new(
                    TopicId(1),
                    "SUM",
                    ("counting", "1.0"),
                    Some(Expr::Slot(0)),
                    vec![field("k", 0), field("sum", 3)],
                    1,
                )),
            ),
        ],
        fingerprint: "2".into(),
    };
    Arc::new(Plan {
        application_id: "app".into(),
        descriptions: Default::default(),
        topics: vec![
            topic("in", Role::Input),
            topic("out", Role::Output),
            topic("in.dlq", Role::DeadLetter),
            topic("app-counting-by-k-repartition", Role::Repartition),
            topic("app-counting-dedup-changelog", Role::Changelog),
            topic("app-counting-sums-changelog", Role::Changelog),
        ],
        subtopologies: vec![first, second],
    })
}

fn event(id: u32, k: &str, n: i32) -> Content {
    let value = format!(
        r#"{{"eventType":"E","eventId":"00000000-0000-4000-8000-{id:012}","k":"{k}","n":{n},"timestamp":"2026-01-01T00:00:00Z","metadata":{{"source":"t","version":"1.0"}}}}"#
    );
    Content { key: Some(k.into()), value: Some(value.into_bytes()), headers: vec![("trace".into(), Some(b"x".to_vec()))], timestamp: NOW }
}

fn send(driver: &TopologyDriver, content: Content) {
    driver.cluster.append("in", None, content).unwrap();
}

/// The values of `field` in a topic, by key, in order.
fn values(driver: &TopologyDriver, topic: &str) -> Vec<String> {
    let mut all: Vec<String> = driver
        .cluster
        .read_all(topic)
        .unwrap()
        .into_iter()
        .map(|it| {
            let json: serde_json::Value = serde_json::from_slice(it.content.value.as_ref().unwrap()).unwrap();
            format!("{}={}", json["k"].as_str().unwrap(), json["sum"])
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_record_takes_effect_once_and_a_bad_one_is_a_dead_letter() {
    let driver = TopologyDriver::new(counting(), 3, NOW);
    for (id, k, n) in [(1, "a", 2), (2, "b", 5), (1, "a", 2), (3, "a", 4), (4, "a", -1)] {
        send(&driver, event(id, k, n));
    }
    send(&driver, Content { key: None, value: Some(b"no json".to_vec()), headers: Vec::new(), timestamp: NOW });
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!(values(&driver, "out"), ["a=2", "a=6", "b=5"]);
    let letters = driver.cluster.read_all("in.dlq").unwrap();
    let mut reasons: Vec<_> = letters
        .iter()
        .map(|it| it.content.headers.iter().find(|(name, _)| name == "goyt.reason").unwrap().1.clone().unwrap())
        .map(|it| String::from_utf8(it).unwrap())
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["NEGATIVE", "NOT_JSON"]);
    let out = &driver.cluster.read_all("out").unwrap()[0];
    assert_eq!(out.content.headers, [("trace".to_owned(), Some(b"x".to_vec()))], "headers of the cause are carried");
    assert!(driver.stores.entries("counting.by-k_0", "sums").is_some());
}

#[test]
fn without_logic_the_outputs_of_the_first_records_come_again_and_nothing_is_kept() {
    const LEARNED: u32 = 2_000;
    let driver = TopologyDriver::new(counting(), 1, NOW);
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    worker.tasks_mut().iter_mut().for_each(|it| it.task.without_logic());
    (0..LEARNED).for_each(|id| send(&driver, event(id, "a", 1)));
    driver.run_until_idle(&mut worker).unwrap();
    let learned: Vec<String> = (1..=LEARNED).map(|sum| format!("a={sum}")).collect();
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(values(&driver, "out"), sorted(learned.clone()));
    // What comes now is not looked at.
    for _ in 0..50 {
        send(&driver, Content { key: None, value: Some(b"no json".to_vec()), headers: Vec::new(), timestamp: NOW });
    }
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!(values(&driver, "out"), sorted(learned.iter().chain(&learned[..50]).cloned().collect()));
    for topic in driver.topics(Role::Changelog).iter().chain(&driver.topics(Role::DeadLetter)) {
        assert!(driver.cluster.read_all(topic).unwrap().is_empty(), "{topic}");
    }
    assert!(driver.stores.entries("counting.by-k_0", "sums").is_none_or(|it| it.is_empty()));
    assert!(worker.is_idle(), "the positions are committed");
}

#[test]
fn a_crash_at_any_round_loses_and_doubles_nothing() {
    for crash_after in 1..40 {
        let driver = TopologyDriver::new(counting(), 3, NOW);
        for id in 0..200 {
            send(&driver, event(id, ["a", "b", "c"][id as usize % 3], 1));
        }
        let mut worker = driver.worker("w");
        worker.join().unwrap();
        for _ in 0..crash_after {
            worker.round().unwrap();
            driver.clock.advance(std::time::Duration::from_millis(30));
        }
        drop(worker);
        let mut worker = driver.worker("w");
        worker.join().unwrap();
        driver.run_until_idle(&mut worker).unwrap();
        let mut expected: Vec<String> = (1..=67).map(|n| format!("a={n}")).collect();
        expected.extend((1..=67).map(|n| format!("b={n}")).chain((1..=66).map(|n| format!("c={n}"))));
        expected.sort();
        assert_eq!(values(&driver, "out"), expected, "after a crash behind round {crash_after}");
    }
}

#[test]
fn an_idle_worker_stands_behind_the_last_control_record_and_commits_that_once() {
    let driver = TopologyDriver::new(counting(), 2, NOW);
    (0..50).for_each(|id| send(&driver, event(id, ["a", "b", "c"][id as usize % 3], 1)));
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    let ends = || (0..2).map(|it| driver.cluster.bounds("app-counting-by-k-repartition", it).unwrap().2);
    let stands = |worker: &Worker| -> Vec<_> {
        let repartition = worker.tasks().sources.iter().filter(|(tp, _)| tp.topic == TopicId(3));
        repartition.map(|(_, it)| (it.next, it.committed)).collect()
    };
    let expected: Vec<_> = ends().map(|end| (end, (end != 0).then_some(end))).collect();
    assert_eq!(stands(&worker), expected, "the worker's own transactions end in control records");

    let commits = driver.board.totals().commits;
    for _ in 0..100 {
        worker.round().unwrap();
        driver.clock.advance(std::time::Duration::from_millis(30));
    }
    assert_eq!(driver.board.totals().commits, commits, "no commit follows from one that moved over control records");
    let sums = values(&driver, "out");
    drop(worker);

    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!((worker.processed(), values(&driver, "out")), (0, sums), "nothing is read again, and nothing was left out");
    send(&driver, event(50, "a", 1));
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!(values(&driver, "out").len(), 51);
}

#[test]
fn a_commit_comes_early_when_little_is_left_to_be_read() {
    let driver = TopologyDriver::new(counting(), 1, NOW);
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    let mut committed_after = |ms, rounds| {
        driver.clock.advance(std::time::Duration::from_millis(ms));
        (0..rounds).for_each(|_| worker.round().unwrap());
        let mut sources = worker.tasks().sources.iter();
        sources.find(|(tp, _)| tp.topic == TopicId(0)).and_then(|(_, it)| it.committed)
    };
    send(&driver, event(0, "a", 1));
    assert_eq!(committed_after(0, 10), Some(1), "long after the last commit");
    send(&driver, event(1, "a", 1));
    assert_eq!(committed_after(19, 10), Some(1), "not so soon again");
    assert_eq!(committed_after(1, 10), Some(2), "the least interval is over");
    // A round takes 100 records: more than that are left behind the first one.
    (2..302).for_each(|id| send(&driver, event(id, "a", 1)));
    assert_eq!(committed_after(20, 2), Some(2), "much is left to be read");
    assert!(committed_after(0, 10) > Some(200), "little is left to be read");
}

#[test]
fn committed_state_goes_to_disk_when_little_is_left_to_be_read_and_else_within_a_second() {
    let driver = TopologyDriver::new(counting(), 1, NOW);
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    // Ids stand in pages.
    let ids = |(key, page): &(Vec<u8>, Vec<u8>)| Some(dedup_pages::read(PageName::of_indexed(key)?, page)?.len());
    let on_disk = || driver.stores.entries("counting.in_0", "dedup").map_or(0, |it| it.iter().filter_map(ids).sum::<usize>());
    send(&driver, event(0, "a", 1));
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!(on_disk(), 1);
    // A round takes 100 records.
    (1..400).for_each(|id| send(&driver, event(id, "a", 1)));
    while committed(&worker) == Some(1) {
        worker.round().unwrap();
    }
    assert_eq!((committed(&worker), on_disk()), (Some(101), 1), "much is left to be read");
    driver.clock.advance(std::time::Duration::from_secs(1));
    worker.round().unwrap();
    assert_eq!(on_disk(), 101);
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!(on_disk(), 400, "little is left to be read");
}

#[test]
fn committed_state_that_is_not_on_disk_is_written_at_a_stop_and_restored_behind_a_crash() {
    for crash in [false, true] {
        let driver = TopologyDriver::new(counting(), 1, NOW);
        let mut worker = driver.worker("w");
        worker.join().unwrap();
        driver.run_until_idle(&mut worker).unwrap();
        (0..400).for_each(|id| send(&driver, event(id, "a", 1)));
        while committed(&worker).is_none() {
            worker.round().unwrap();
        }
        if crash {
            drop(worker);
        } else {
            worker.stop();
        }
        let before = driver.changes().len();
        let mut worker = driver.worker("w");
        worker.join().unwrap();
        driver.run_until_idle(&mut worker).unwrap();
        let sums: Vec<String> = (1..=400).map(|sum| format!("a={sum}")).collect();
        assert_eq!(values(&driver, "out").len(), sums.len());
        assert!(sums.iter().all(|it| values(&driver, "out").contains(it)));
        let restored = driver.changes()[before..].iter().any(|it| matches!(it, Change::Restored { read, .. } if *read != 0));
        assert_eq!(restored, crash);
    }
}

/// The group's offset of the input.
fn committed(worker: &Worker) -> Option<i64> {
    worker.tasks().sources.iter().find(|(tp, _)| tp.topic == TopicId(0)).and_then(|(_, it)| it.committed)
}

/// Rounds without time passing, but for what a commit needs.
fn rounds(driver: &TopologyDriver, worker: &mut Worker, count: usize) {
    for _ in 0..count {
        worker.round().unwrap();
        driver.clock.advance(std::time::Duration::from_millis(5));
    }
}

#[test]
fn lost_state_is_restored_from_the_changelog() {
    let driver = TopologyDriver::new(counting(), 2, NOW);
    send(&driver, event(1, "a", 3));
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert!(worker.stop(), "all is committed");
    for task in driver.stores.tasks() {
        driver.stores.remove(&task);
    }
    send(&driver, event(1, "a", 3));
    send(&driver, event(2, "a", 4));
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert_eq!(values(&driver, "out"), ["a=3", "a=7"]);
    let restored = driver.changes().iter().filter(|it| matches!(it, Change::Restored { read, .. } if *read != 0)).count();
    assert!(0 < restored);
}

#[test]
fn a_changelog_cut_short_stops_the_task_by_name() {
    let driver = TopologyDriver::new(counting(), 1, NOW);
    send(&driver, event(1, "a", 3));
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    worker.stop();
    let (_, _, end) = driver.cluster.bounds("app-counting-sums-changelog", 0).unwrap();
    driver.cluster.delete_records("app-counting-sums-changelog", 0, end).unwrap();
    driver.stores.remove("counting.by-k_0");
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    send(&driver, event(2, "a", 4));
    for _ in 0..100 {
        worker.round().unwrap();
        driver.clock.advance(std::time::Duration::from_millis(100));
    }
    let stopped = driver.changes().into_iter().find_map(|it| match it {
        Change::Stopped { task, reason } => Some((task, reason)),
        _ => None,
    });
    let (task, reason) = stopped.unwrap();
    assert_eq!(task, "counting.by-k_0");
    assert!(reason.contains("its beginning is missing"), "{reason}");
    assert_eq!(values(&driver, "out"), ["a=3"], "nothing is computed from half a state");
}

#[test]
fn partitions_move_between_workers_and_back() {
    let driver = TopologyDriver::new(counting(), 4, NOW);
    let mut first = driver.worker("w1");
    first.join().unwrap();
    let mut id = 0;
    let mut feed = |count: u32| {
        for _ in 0..count {
            send(&driver, event(id, ["a", "b", "c", "d", "e"][id as usize % 5], 1));
            id += 1;
        }
    };
    feed(50);
    let mut second = None;
    for round in 0..600 {
        if round % 10 == 0 {
            feed(5);
        }
        first.round().unwrap();
        if let Some(worker) = &mut second {
            Worker::round(worker).unwrap();
        }
        driver.clock.advance(std::time::Duration::from_millis(30));
        if round % 100 == 50 {
            let mut worker = driver.worker("w2");
            worker.join().unwrap();
            second = Some(worker);
        }
        if round % 100 == 99 {
            second.take().unwrap().stop();
        }
    }
    driver.run_until_idle(&mut first).unwrap();
    let outputs = values(&driver, "out");
    assert_eq!(outputs.len(), 350);
    let mut expected: Vec<String> = ["a", "b", "c", "d", "e"].iter().flat_map(|k| (1..=70).map(move |n| format!("{k}={n}"))).collect();
    expected.sort();
    assert_eq!(outputs, expected);
    let rebalances = driver.changes().iter().filter(|it| matches!(it, Change::Assigned { .. })).count();
    assert!(10 <= rebalances, "{rebalances}");
}

const EVENT: &str = r#"{
  "type": "object",
  "required": ["k", "n"],
  "properties": { "k": { "type": "string" }, "n": { "type": "integer", "minimum": -9, "maximum": 9 } }
}"#;

fn reader(name: &str) -> (String, String) {
    let text = format!(
        r#"topology: {name}
description: Copies.
inputs:
  - topic: in
    events: [E@1]
steps:
  - require: {{ id: small, that: event.n < 5, else: reject(LARGE) }}
  - emit: {{ to: {name}-out, event: COPIED@1, key: event.k, value: {{ k: event.k }} }}
"#
    );
    (format!("{name}.yaml"), text)
}

#[test]
fn two_topologies_that_read_one_topic_share_its_offset_and_its_undecodable_records() {
    let sources = goyt::engine::topology::Sources {
        topologies: vec![reader("first"), reader("second")],
        events: vec![("E@1.json".into(), EVENT.into())],
    };
    let plan = Arc::new(goyt::engine::topology::plan("app", &sources).unwrap());
    let driver = TopologyDriver::new(plan, 1, NOW);
    send(&driver, event(1, "a", 1));
    send(&driver, Content { key: None, value: Some(b"no json".to_vec()), headers: Vec::new(), timestamp: NOW });
    send(&driver, event(2, "b", 7));
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    for out in ["first-out", "second-out"] {
        assert_eq!(driver.cluster.read_all(out).unwrap().len(), 1, "{out}");
    }
    let letters = driver.cluster.read_all("in.dlq").unwrap();
    let header = |it: &goyt::adapters::memory::cluster::Stored, name: &str| {
        let value = it.content.headers.iter().find(|(of, _)| of == name).unwrap().1.clone().unwrap();
        String::from_utf8(value).unwrap()
    };
    let told: Vec<_> = letters.iter().map(|it| (header(it, "goyt.topology"), header(it, "goyt.reason"))).collect();
    let expected = [("first", "NOT_JSON"), ("first", "LARGE"), ("second", "LARGE")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(told, expected, "what no topology can decode is told once");
}
