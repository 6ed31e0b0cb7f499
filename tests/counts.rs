//! What workers show of themselves, over the in-memory log: counts of what is committed, and of nothing else.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use goyt::adapters::memory::driver::TopologyDriver;
use goyt::adapters::memory::partition::Content;
use goyt::engine::plan::{Plan, Role};
use goyt::engine::task::EVENT_TIMES_MAX;
use goyt::engine::topology::Sources;
use goyt::runtime::board::{SAMPLE_EVERY, TopicCounts, Totals};
use goyt::runtime::operations::exposition::exposition;
use goyt::runtime::status::Change;
use goyt::runtime::worker::Worker;
use goyt::telemetry::metrics::METRICS;

/// 2027-01-15T08:00:00Z
const NOW: i64 = 1_800_000_000_000;
/// When the events happened: ten seconds before.
const HAPPENED: &str = "2027-01-15T07:59:50Z";

const EVENT: &str = r#"{
  "type": "object",
  "required": ["k", "n"],
  "properties": { "k": { "type": "string" }, "n": { "type": "integer", "minimum": -9, "maximum": 9 } }
}"#;

const SUMS: &str = "
topology: sums
description: Sums by k.
inputs:
  - topic: in
    events: [E@1]
    dedup: { by: eventId, window: 1d }
steps:
  - filter: { id: counts, that: event.n != 0 }
  - require: { id: positive, that: event.n > 0, else: reject(NEGATIVE) }
  - key: { id: by-k, by: event.k }
  - aggregate:
      id: sums
      by: event.k
      init: { sum: 0 }
      update: { sum: state.sum + event.n }
  - emit: { to: out, event: SUM@1, key: event.k, value: { k: event.k, sum: sums.sum } }
";

const COPIES: &str = "
topology: copies
description: Copies what is small.
inputs:
  - topic: in
    events: [E@1]
steps:
  - require: { id: small, that: event.n < 5, else: reject(LARGE) }
  - emit: { to: copies, event: COPIED@1, key: event.k, value: { k: event.k } }
";

fn plan(topologies: &[&str]) -> Arc<Plan> {
    let file = |text: &&str| {
        let name = text.trim_start().lines().next().unwrap().trim_start_matches("topology: ");
        (format!("{name}.yaml"), text.trim_start().to_owned())
    };
    let sources = Sources { topologies: topologies.iter().map(file).collect(), events: vec![("E@1.json".into(), EVENT.into())] };
    Arc::new(goyt::engine::topology::plan("app", &sources).unwrap())
}

fn of_type(event_type: &str, id: u32, k: &str, n: i32) -> Content {
    let value = format!(
        r#"{{"eventType":"{event_type}","eventId":"00000000-0000-4000-8000-{id:012}","k":"{k}","n":{n},"timestamp":"{HAPPENED}","metadata":{{"source":"t","version":"1.0"}}}}"#
    );
    Content { key: Some(k.into()), value: Some(value.into_bytes()), headers: Vec::new(), timestamp: NOW }
}

fn event(id: u32, k: &str, n: i32) -> Content {
    of_type("E", id, k, n)
}

fn no_json() -> Content {
    Content { key: None, value: Some(b"no json".to_vec()), headers: Vec::new(), timestamp: NOW }
}

/// A few records of each kind.
fn all_kinds() -> Vec<Content> {
    vec![
        event(1, "a", 2),
        event(2, "b", 7),
        event(1, "a", 2),
        event(3, "a", 0),
        event(4, "b", -1),
        event(5, "c", -2),
        of_type("OTHER", 6, "a", 1),
        no_json(),
    ]
}

fn driver(topologies: &[&str], partitions: i32, records: impl IntoIterator<Item = Content>) -> TopologyDriver {
    let driver = TopologyDriver::new(plan(topologies), partitions, NOW);
    for record in records {
        driver.cluster.append("in", None, record).unwrap();
    }
    driver
}

fn joined(driver: &TopologyDriver) -> Worker {
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    worker
}

/// Rounds without a commit: time stands still.
fn process(worker: &mut Worker, records: u64) {
    while worker.processed() < records {
        worker.round().unwrap();
    }
}

/// All of it, to the last commit; the worker has ended then.
fn totals(driver: &TopologyDriver, mut worker: Worker) -> Totals {
    driver.run_until_idle(&mut worker).unwrap();
    drop(worker);
    driver.board.totals()
}

/// (in, processed, passed by, filtered, duplicate, dead) of all tasks of a subtopology.
fn outcomes(totals: &Totals, subtopology: usize) -> [u64; 6] {
    let mut sum = [0; 6];
    for (_, counts) in totals.tasks.iter().filter(|(task, _)| task.0 == subtopology) {
        let it = counts.outcomes;
        let one = [it.records_in, it.processed, it.passed_by, it.filtered, it.duplicate, it.dead];
        sum.iter_mut().zip(one).for_each(|(sum, it)| *sum += it);
    }
    sum
}

fn dead(totals: &Totals, subtopology: usize) -> Vec<(String, String, u64)> {
    let tasks = totals.tasks.iter().filter(|(task, _)| task.0 == subtopology);
    tasks.flat_map(|(_, it)| &it.dead).map(|((step, reason), count)| (step.clone(), reason.clone(), *count)).collect()
}

/// What stands in each topic that the application writes, as a reader of committed records sees it.
fn published(driver: &TopologyDriver, plan: &Plan) -> Vec<(String, u64, u64)> {
    let written = plan.topics.iter().filter(|it| it.role != Role::Input);
    let bytes = |it: &Content| (it.key.as_ref().map_or(0, Vec::len) + it.value.as_ref().map_or(0, Vec::len)) as u64;
    let topic = |name: &str| {
        let records = driver.cluster.read_all(name).unwrap();
        (name.to_owned(), records.len() as u64, records.iter().map(|it| bytes(&it.content)).sum())
    };
    written.map(|it| topic(&it.name)).collect()
}

fn counted_as_published(totals: &Totals, plan: &Plan) -> Vec<(String, u64, u64)> {
    let written = plan.topics.iter().zip(&totals.topics).filter(|(topic, _)| topic.role != Role::Input);
    written.map(|(topic, it)| (topic.name.clone(), it.published_records, it.published_bytes)).collect()
}

fn of_topic(totals: &Totals, plan: &Plan, name: &str) -> TopicCounts {
    totals.topics[plan.topics.iter().position(|it| it.name == name).unwrap()]
}

#[test]
fn each_record_has_one_outcome_and_they_add_up() {
    let driver = driver(&[SUMS], 1, all_kinds());
    let totals = totals(&driver, joined(&driver));
    let text = |(step, reason, count): (&str, &str, u64)| (step.to_owned(), reason.to_owned(), count);
    assert_eq!(outcomes(&totals, 0), [8, 2, 1, 1, 1, 3], "in, processed, passed by, filtered, duplicate, dead");
    assert_eq!(outcomes(&totals, 1), [2, 2, 0, 0, 0, 0], "behind the repartition");
    assert_eq!(dead(&totals, 0), [("decode", "NOT_JSON", 1), ("positive", "NEGATIVE", 2)].map(text));
    assert_eq!(totals.accounting_errors, 0);
}

#[test]
fn a_topic_that_two_topologies_read_is_consumed_once() {
    let (records, plan) = (all_kinds(), plan(&[SUMS, COPIES]));
    let bytes: usize = records.iter().map(|it| it.key.as_ref().map_or(0, Vec::len) + it.value.as_ref().map_or(0, Vec::len)).sum();
    let driver = driver(&[SUMS, COPIES], 2, records);
    let totals = totals(&driver, joined(&driver));
    let input = of_topic(&totals, &plan, "in");
    assert_eq!((input.consumed_records, input.consumed_bytes), (8, bytes as u64));
    let both: u64 = plan.subtopologies.iter().enumerate().filter(|(_, it)| it.name == "in").map(|(at, _)| outcomes(&totals, at)[0]).sum();
    assert_eq!(both, 16, "each topology takes in all of them");
}

#[test]
fn what_is_counted_as_published_stands_in_the_topics() {
    let plan = plan(&[SUMS, COPIES]);
    let driver = driver(&[SUMS, COPIES], 2, all_kinds());
    let totals = totals(&driver, joined(&driver));
    assert_eq!(counted_as_published(&totals, &plan), published(&driver, &plan));
    let (letters, out) = (of_topic(&totals, &plan, "in.dlq"), of_topic(&totals, &plan, "out"));
    assert_eq!((letters.published_records, out.published_records), (4, 2));
}

#[test]
fn a_transaction_that_is_given_up_counts_for_nothing() {
    let plan = plan(&[SUMS]);
    let driver = driver(&[SUMS], 1, all_kinds());
    let mut worker = joined(&driver);
    process(&mut worker, 8);
    worker.round().unwrap();
    let sent = driver.cluster.bounds("in.dlq", 0).unwrap();
    assert_eq!(sent.2, 3, "its effects were sent");
    driver.cluster.expel("app", "w");
    let totals = totals(&driver, worker);
    assert_eq!(totals.rewinds, 1);
    assert_eq!(outcomes(&totals, 0), [8, 2, 1, 1, 1, 3]);
    assert_eq!(of_topic(&totals, &plan, "in").consumed_records, 8);
    assert_eq!(counted_as_published(&totals, &plan), published(&driver, &plan));
    assert_eq!(totals.times.end_to_end[&0].count(), 2);
}

#[test]
fn a_worker_that_ends_before_its_commit_leaves_no_counts() {
    let driver = driver(&[SUMS], 1, all_kinds());
    let mut worker = joined(&driver);
    process(&mut worker, 8);
    drop(worker);
    assert_eq!(outcomes(&driver.board.totals(), 0), [0; 6]);
    assert!(driver.board.pictures().is_empty(), "nobody works");
    let totals = totals(&driver, joined(&driver));
    assert_eq!(outcomes(&totals, 0), [8, 2, 1, 1, 1, 3], "of both workers together");
}

#[test]
fn outcomes_that_do_not_add_up_are_told() {
    let tampering: [fn(&mut goyt::engine::task::Outcomes); 3] =
        [|it| it.processed += 1, |it| it.dead -= 1, |it| *it = goyt::engine::task::Outcomes::default()];
    for tamper in tampering {
        let driver = driver(&[SUMS], 1, all_kinds());
        let mut worker = joined(&driver);
        process(&mut worker, 8);
        let first = worker.tasks_mut().iter_mut().next().unwrap();
        tamper(&mut first.task.tally.outcomes);
        let totals = totals(&driver, worker);
        assert_eq!(totals.accounting_errors, 1);
        let told = driver.changes().into_iter().filter(|it| matches!(it, Change::AccountingError { task } if task == "sums.in_0")).count();
        assert_eq!(told, 1);
    }
}

#[test]
fn end_to_end_is_from_the_event_to_the_commit() {
    let driver = driver(&[SUMS], 1, [event(1, "a", 1), event(2, "a", 1), event(3, "a", -1)]);
    let totals = totals(&driver, joined(&driver));
    for part in [0, 1] {
        let times = &totals.times.end_to_end[&part];
        assert_eq!(times.count(), 2, "only what was processed became visible");
        let mean = times.sum() / 2;
        assert!(Duration::from_secs(10) < mean && mean < Duration::from_secs(11), "{mean:?} since ten seconds ago");
    }
}

#[test]
fn stamps_that_wait_for_a_commit_are_bounded() {
    let records = u32::try_from(EVENT_TIMES_MAX).unwrap() + 100;
    let driver = driver(&[COPIES], 1, (0..records).map(|id| event(id, "a", 1)));
    let mut worker = joined(&driver);
    process(&mut worker, records.into());
    let totals = totals(&driver, worker);
    assert_eq!((totals.commits, totals.times.end_to_end[&0].count()), (1, EVENT_TIMES_MAX as u64));
}

#[test]
fn steps_are_measured_of_a_sample() {
    const SAMPLED: u64 = 5;
    let driver = driver(&[COPIES], 1, (0..u32::try_from(SAMPLED * SAMPLE_EVERY).unwrap()).map(|id| event(id, "a", 1)));
    let totals = totals(&driver, joined(&driver));
    let steps: Vec<_> = totals.times.steps[&0].iter().map(|(step, times)| (step.as_str(), times.count())).collect();
    assert_eq!(steps, [("decode", SAMPLED), ("small", SAMPLED), ("copies", SAMPLED)]);
}

#[test]
fn restores_and_rebalances_are_measured() {
    let driver = driver(&[SUMS], 1, all_kinds());
    let before = totals(&driver, joined(&driver));
    assert_eq!((before.rebalances, before.times.rebalance.count(), before.times.restore.count()), (1, 1, 0));
    driver.stores.tasks().iter().for_each(|task| driver.stores.remove(task));
    let after = totals(&driver, joined(&driver));
    assert_eq!((after.rebalances, after.times.rebalance.count(), after.times.restore.count()), (2, 2, 2));
}

#[test]
fn a_picture_is_put_up_now_and_then_and_when_a_task_changes() {
    let driver = driver(&[COPIES], 1, []);
    let mut worker = joined(&driver);
    let shown = || driver.board.pictures().first().map(|it| (it.at - NOW, it.tasks.len()));
    assert_eq!(shown(), None);
    driver.clock.advance(Duration::from_millis(10));
    worker.round().unwrap();
    assert_eq!(shown(), Some((10, 1)), "at once, since there is a task now");
    driver.clock.advance(Duration::from_millis(249));
    worker.round().unwrap();
    assert_eq!(shown(), Some((10, 1)), "nothing has changed");
    driver.clock.advance(Duration::from_millis(1));
    worker.round().unwrap();
    assert_eq!(shown(), Some((260, 1)), "now and then");
    drop(worker);
    assert_eq!(shown(), None, "taken down");
}

#[test]
fn the_text_for_prometheus_has_declared_metrics_only_and_their_values() {
    let plan = plan(&[SUMS]);
    let driver = driver(&[SUMS], 1, all_kinds());
    let mut worker = joined(&driver);
    driver.run_until_idle(&mut worker).unwrap();
    driver.clock.advance(Duration::from_secs(1));
    worker.round().unwrap();
    let text = exposition(&driver.board, &plan, None);
    let told: Vec<(&str, &str)> = text.lines().filter_map(|it| it.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let declared: Vec<(&str, &str)> = METRICS.iter().map(|it| (it.name, it.kind.name())).collect();
    for metric in &told {
        assert!(declared.contains(metric), "{metric:?} is not declared");
    }
    for line in [
        r#"goyt_records_in_total{subtopology="in",task="sums.in_0",topology="sums"} 8"#,
        r#"goyt_outcomes_total{outcome="duplicate",subtopology="in",task="sums.in_0",topology="sums"} 1"#,
        r#"goyt_dead_letters_total{reason="NEGATIVE",step="positive",topology="sums"} 2"#,
        r#"goyt_accounting_errors_total 0"#,
        r#"goyt_published_records_total{role="output",topic="out"} 2"#,
        r#"goyt_consumed_records_total{role="input",topic="in"} 8"#,
        r#"goyt_task_state{state="running",subtopology="by-k",task="sums.by-k_0",topology="sums"} 1"#,
        r#"goyt_tasks{state="running"} 2"#,
        r#"goyt_source_committed{partition="0",topic="in"} 8"#,
        r#"goyt_worker_assigned{worker="0"} 1"#,
        r#"goyt_end_to_end_seconds_bucket{subtopology="in",topology="sums",le="10"} 0"#,
        r#"goyt_end_to_end_seconds_count{subtopology="in",topology="sums"} 2"#,
    ] {
        let in_order = text.lines().any(|it| sorted(it) == sorted(line));
        assert!(in_order, "no line {line}\n{text}");
    }
}

/// A line with its labels in order.
fn sorted(line: &str) -> String {
    let Some((name, rest)) = line.split_once('{') else { return line.to_owned() };
    let (labels, value) = rest.split_once('}').unwrap();
    let mut labels: Vec<&str> = labels.split(',').collect();
    labels.sort_unstable();
    format!("{name}{{{}}}{value}", labels.join(","))
}

#[test]
fn what_the_help_says_of_bounds_is_so() {
    let help = |name: &str| METRICS.iter().find(|it| it.name == name).unwrap().help();
    assert!(help("goyt_end_to_end_seconds").replace(',', "").contains(&format!("At most {EVENT_TIMES_MAX} records")));
    assert!(help("goyt_step_duration_seconds").contains(&format!("1 record in {SAMPLE_EVERY}")));
}
