//! Lag as `goyt lag` shows it: with instances and without, of transactional input, and what its statuses mean.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::TopicPartitionList;
use serde_json::Value;

use crate::support::goyt::Goyt;
use crate::support::platform::{Load, Platform};
use crate::support::stage::Stage;
use crate::support::traffic::wait_for_outputs;
use crate::support::{broker, reader, wait};

/// Looks often, so that a judgement takes two seconds.
const OFTEN: (&str, &str) = ("GOYT_LAG_REPORT_INTERVAL_MS", "300");

fn goyt_lag(stage: &Stage, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goyt"));
    command.arg("lag").args(arguments).arg(stage.topologies()).env(OFTEN.0, OFTEN.1);
    command.env("KAFKA_BOOTSTRAP_SERVERS", broker::bootstrap()).env("GOYT_APPLICATION_ID", stage.application());
    command.output().expect("the binary starts")
}

/// Its exit code, and all tasks.
fn look(stage: &Stage) -> (Option<i32>, Vec<Value>) {
    let output = goyt_lag(stage, &["--output", "json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let tasks = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), tasks)
}

/// The task of a partition of `kyc-events`.
fn kyc(tasks: &[Value], partition: i64) -> Value {
    let found = tasks.iter().find(|it| it["topology"] == "kyc-notify" && it["partition"] == partition);
    found.unwrap_or_else(|| panic!("no task in {tasks:#?}")).clone()
}

/// Looks until the task of partition 0 is so; its fields and the exit code.
fn until_it(stage: &Stage, what: &str, holds: impl Fn(&Value) -> bool) -> (Option<i32>, Value) {
    wait::until_ok(|| {
        let (code, tasks) = look(stage);
        let task = kyc(&tasks, 0);
        if holds(&task) { Ok((code, task)) } else { Err(format!("{what}; now {task}")) }
    })
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn decision(n: u32) -> String {
    format!(
        r#"{{"eventType":"KYC_VERIFIED","eventId":"00000000-0000-4000-8000-{n:012}","customerId":1,"kycCheckId":{n},"timestamp":"2025-12-28T10:00:00Z","metadata":{{"source":"t","version":"1.0"}}}}"#
    )
}

fn send(producer: &BaseProducer, stage: &Stage, partition: i32, n: u32, timestamp: i64) {
    let (topic, value) = (stage.topic("kyc-events"), decision(n));
    producer.send(BaseRecord::to(&topic).partition(partition).key("1").payload(&value).timestamp(timestamp)).map_err(|it| it.0).unwrap();
    producer.flush(wait::LONG).unwrap();
}

fn transactional(stage: &Stage) -> BaseProducer {
    let id = format!("{}-kyc", stage.application());
    let producer: BaseProducer = broker::client().set("transactional.id", id).create().unwrap();
    producer.init_transactions(wait::LONG).unwrap();
    producer
}

#[test]
fn idle_input_of_a_transactional_producer_is_no_lag_and_an_open_transaction_blocks() {
    let stage = Stage::new("lag-transactions", 1);
    let producer = transactional(&stage);
    let _goyt = Goyt::start_with(&stage, "a", &[OFTEN]);

    producer.begin_transaction().unwrap();
    send(&producer, &stage, 0, 1, now());
    send(&producer, &stage, 0, 2, now());
    producer.commit_transaction(wait::LONG).unwrap();
    let (_, idle) = until_it(&stage, "two committed", |it| it["committed"] == 3 && it["recordsBehind"] == 0);
    assert_eq!((&idle["visibleEnd"], &idle["secondsBehind"], &idle["status"]), (&3.into(), &0.0.into(), &"ok".into()), "{idle}");

    producer.begin_transaction().unwrap();
    send(&producer, &stage, 0, 3, now());
    let (code, blocked) = until_it(&stage, "blocked", |it| it["status"] == "blocked");
    assert_eq!((code, &blocked["recordsBehind"]), (Some(1), &0.into()), "{blocked}");
    producer.commit_transaction(wait::LONG).unwrap();
    let (code, _) = until_it(&stage, "ok", |it| it["status"] == "ok" && it["committed"] == 5);
    assert_eq!(code, Some(0));
}

/// What `kafka-consumer-groups` calls the lag of the application's group: from its committed offsets to the ends of the logs.
fn lag_by_kafka(stage: &Stage) -> Vec<(String, i32, i64)> {
    let group: BaseConsumer = broker::client().set("group.id", stage.application()).create().unwrap();
    let mut asked = TopicPartitionList::new();
    for topic in stage.topics() {
        for partition in reader::partitions(&topic) {
            asked.add_partition(&topic, partition);
        }
    }
    let committed = group.committed_offsets(asked, wait::LONG).unwrap();
    let behind = committed.elements().into_iter().filter_map(|it| {
        let end = reader::ends(it.topic(), "read_uncommitted")[usize::try_from(it.partition()).unwrap()];
        Some((it.topic().to_owned(), it.partition(), end - it.offset().to_raw().filter(|offset| 0 <= *offset)?))
    });
    behind.collect()
}

#[test]
fn kafkas_own_tools_see_no_lag_of_an_idle_application_whose_topics_are_written_in_transactions() {
    let stage = Stage::new("lag-by-kafka", 2);
    let producer = transactional(&stage);
    producer.begin_transaction().unwrap();
    (1..=20).for_each(|n| send(&producer, &stage, i32::try_from(n % 2).unwrap(), n, now()));
    producer.commit_transaction(wait::LONG).unwrap();
    let mut platform = Platform::new(7);
    stage.send(&platform.events(&Load { users: 20, transactions: 60, ..Load::default() }));
    let _goyt = Goyt::start_with(&stage, "a", &[OFTEN]);
    wait_for_outputs(&stage, &platform);
    wait::until_ok(|| {
        let lag = lag_by_kafka(&stage);
        let repartitions = lag.iter().filter(|it| it.0.ends_with("-repartition")).count();
        let all_read = 0 < repartitions && lag.iter().all(|it| it.2 == 0);
        if all_read { Ok(()) } else { Err(format!("no lag, of repartition topics too; now {lag:?}")) }
    });
}

#[test]
fn without_an_instance_tasks_are_stopped_and_seconds_are_the_age_of_the_next_record() {
    let stage = Stage::new("lag-alone", 1);
    let producer: BaseProducer = broker::client().create().unwrap();
    let sent = now() - 60_000;
    send(&producer, &stage, 0, 1, sent);
    send(&producer, &stage, 0, 2, now());
    let age = || Duration::from_millis(u64::try_from(now() - sent).unwrap()).as_secs_f64();

    let least = age();
    let (code, tasks) = look(&stage);
    let most = age();
    let alone = kyc(&tasks, 0);
    assert_eq!(
        (code, &alone["status"], &alone["recordsBehind"], &alone["committed"]),
        (Some(1), &"stopped".into(), &2.into(), &Value::Null)
    );
    let seconds = alone["secondsBehind"].as_f64().unwrap();
    assert!(least - 0.001 <= seconds && seconds <= most, "{least} <= {seconds} <= {most}");

    let goyt = Goyt::start_with(&stage, "a", &[OFTEN]);
    let (_, running) = until_it(&stage, "all done", |it| it["committed"] == 2 && it["status"] == "ok");
    assert_eq!((&running["instance"], &running["secondsBehind"]), (&"a".into(), &0.0.into()));
    goyt.stop();
    // No waiting: it has said that it leaves.
    let output = goyt_lag(&stage, &[]);
    let (table, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{table}{said}");
    let row = table.lines().find(|it| it.starts_with("kyc-notify")).unwrap();
    assert_eq!(row.split_whitespace().skip(3).collect::<Vec<_>>(), ["0", "2", "2", "0", "0.0", "stopped", "a"], "{table}");
    assert!(said.contains("no instance"), "{said}");
}

#[test]
fn two_instances_report_and_a_stopped_task_is_told_from_the_others() {
    let stage = Stage::new("lag-two", 2);
    stage.edit("kyc-notify", "\nsteps:\n", "\nsteps:\n  - require: { id: low, that: event.kycCheckId < 100, else: stop }\n");
    let _both = [Goyt::start_with(&stage, "a", &[OFTEN]), Goyt::start_with(&stage, "b", &[OFTEN])];
    wait::until_ok(|| {
        let (_, tasks) = look(&stage);
        let instances: BTreeSet<Option<&str>> = tasks.iter().map(|it| it["instance"].as_str()).collect();
        let ok = tasks.iter().all(|it| it["status"] == "ok") && instances == [Some("a"), Some("b")].into();
        if ok { Ok(()) } else { Err(format!("both instances; now {tasks:#?}")) }
    });
    let producer: BaseProducer = broker::client().create().unwrap();
    send(&producer, &stage, 0, 100, now());
    send(&producer, &stage, 1, 1, now());
    let (code, stopped) = until_it(&stage, "stopped", |it| it["status"] == "stopped");
    assert_eq!((code, &stopped["recordsBehind"]), (Some(1), &1.into()), "{stopped}");
    let (_, tasks) = look(&stage);
    assert_eq!(tasks.iter().filter(|it| it["status"] != "ok").count(), 1, "{tasks:#?}");
}
