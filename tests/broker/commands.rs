//! The commands beside `run`, on a real cluster: what topics and reset show, refuse and do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::goyt::Goyt;
use crate::support::platform::{Load, Platform};
use crate::support::reader::{Counter, read_all};
use crate::support::stage::Stage;
use crate::support::{broker, wait};

const LOAD: Load = Load { users: 50, decisions: 50, transactions: 300, copies: 50, bad: 20 };
const DERIVED: [&str; 4] = ["customer-events", "wallet-events", "balance-events", "notification-events"];

/// Runs a command on the stage's topologies, with the state of an instance.
fn goyt(stage: &Stage, arguments: &[&str], state: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goyt"));
    command.args(arguments).arg(stage.topologies());
    command.env("KAFKA_BOOTSTRAP_SERVERS", broker::bootstrap());
    command.env("GOYT_APPLICATION_ID", stage.application()).env("GOYT_STATE_DIR", state);
    command.output().expect("the binary starts")
}

/// Its exit code must be this; returns what it printed.
fn ends_with(code: i32, output: &Output) -> String {
    let [data, said] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    assert_eq!(output.status.code(), Some(code), "{data}{said}");
    data + &said
}

#[test]
fn topics_shows_what_is_missing_and_creates_it_when_told() {
    let stage = Stage::new("topics", 3);
    let state = stage.state("a");
    let changelog = format!("{}-kyc-notify-dedup-changelog", stage.application());
    let row = |text: &str, topic: &str| {
        let line = text.lines().find(|it| it.split_whitespace().next() == Some(topic));
        line.unwrap_or_else(|| panic!("no {topic} in\n{text}")).split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    let before = stage.topics();

    let text = ends_with(0, &goyt(&stage, &["topics"], &state));
    assert_eq!(row(&text, &stage.topic("kyc-events")), "input any 3 ok");
    assert_eq!(row(&text, &changelog), "changelog 3 - would be created");
    assert_eq!(stage.topics(), before, "looking creates nothing");

    let text = ends_with(0, &goyt(&stage, &["topics", "--create"], &state));
    assert_eq!(row(&text, &changelog), "changelog 3 3 created");
    assert_eq!(row(&ends_with(0, &goyt(&stage, &["topics"], &state)), &changelog), "changelog 3 3 ok");
}

#[test]
fn a_missing_input_is_named_and_run_does_not_start() {
    let stage = Stage::new("missing", 2);
    let (there, other) = (stage.topic("kyc-events"), stage.topic("other-events"));
    stage.edit("kyc-notify", &format!("topic: {there}"), &format!("topic: {other}"));
    for command in ["topics", "run"] {
        let text = ends_with(1, &goyt(&stage, &[command], &stage.state("a")));
        assert!(text.lines().any(|it| it.contains(&other) && it.contains("missing")), "{text}");
    }
    assert!(!stage.topics().contains(&other));
}

#[test]
fn reset_is_refused_while_an_instance_runs_and_then_all_begins_anew_with_the_same_events() {
    let (stage, mut platform) = (Stage::new("reset", 2), Platform::new(71));
    let (state, elsewhere) = (stage.state("a"), stage.state("b"));
    let events = platform.events(&LOAD);
    stage.send(&events);
    let counts = platform.expected.counts();
    let times = |n: usize| -> BTreeMap<String, usize> { counts.iter().map(|(topic, count)| (stage.topic(topic), count * n)).collect() };
    let running = Goyt::start(&stage, "a");
    Counter::new(times(1).keys()).wait_for(&times(1));
    let first = event_ids(&stage);

    let text = ends_with(1, &goyt(&stage, &["reset", "--execute"], &elsewhere));
    assert!(text.contains("has 1 member"), "{text}");
    let text = ends_with(1, &goyt(&stage, &["reset", "--execute"], &state));
    assert!(text.contains("in use by process"), "{text}");
    running.stop();

    let text = ends_with(0, &goyt(&stage, &["reset", "--dry-run"], &state));
    for what in ["would delete offsets of group", "by-wallet-repartition", "balances-changelog", "would delete state of task kyc-notify."] {
        assert!(text.contains(what), "{what} is not in\n{text}");
    }
    let internal =
        |stage: &Stage| stage.topics().into_iter().filter(|it| it.ends_with("-changelog") || it.ends_with("-repartition")).count();
    assert_eq!(internal(&stage), 8, "looking deletes nothing");

    ends_with(0, &goyt(&stage, &["reset", "--execute"], &state));
    wait::until("internal topics to be gone", || (internal(&stage) == 0).then_some(()));
    let text = ends_with(0, &goyt(&stage, &["reset", "--dry-run"], &state));
    assert!(text.contains("nothing to reset"), "{text}");

    let running = Goyt::start(&stage, "a");
    Counter::new(times(2).keys()).wait_for(&times(2));
    running.stop();
    assert_eq!(event_ids(&stage), first, "a replay gives each event the id that it had");
}

/// The ids of all derived events, with their topics.
fn event_ids(stage: &Stage) -> BTreeSet<(&'static str, String)> {
    let id = |value: &[u8]| {
        let event: serde_json::Value = serde_json::from_slice(value).expect("an event");
        event["eventId"].as_str().expect("an id").to_owned()
    };
    let of = |topic: &'static str| read_all(&stage.topic(topic)).into_iter().map(move |it| (topic, id(&it.value.expect("a value"))));
    DERIVED.into_iter().flat_map(of).collect()
}
