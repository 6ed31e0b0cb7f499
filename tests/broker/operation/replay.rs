//! `goyt replay` beside a live application: identical, a changed rule, promoted, discarded.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::broker;
use crate::support::goyt::Goyt;
use crate::support::platform::{Load, Platform};
use crate::support::reader::Counter;
use crate::support::stage::Stage;

const LOAD: Load = Load { users: 100, decisions: 20, transactions: 2_000, copies: 50, bad: 20 };
const TOPOLOGY: &str = "transaction-balance";

/// Runs `goyt replay` on the stage's topologies, with a state directory of its own.
fn replay(stage: &Stage, arguments: &[&str]) -> Output {
    replay_of(TOPOLOGY, stage, arguments)
}

fn replay_of(topology: &str, stage: &Stage, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goyt"));
    command.args(["replay", "--topology", topology]).args(arguments).arg(stage.topologies());
    command.env("KAFKA_BOOTSTRAP_SERVERS", broker::bootstrap());
    command.env("GOYT_APPLICATION_ID", stage.application()).env("GOYT_STATE_DIR", stage.state("replay"));
    command.output().expect("the binary starts")
}

/// Its exit code must be this; returns what it printed.
fn ends_with(code: i32, output: &Output) -> (String, String) {
    let [data, said] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    assert_eq!(output.status.code(), Some(code), "{data}{said}");
    (data, said)
}

fn json(code: i32, output: &Output) -> Value {
    let (data, said) = ends_with(code, output);
    serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}{said}"))
}

/// Sends a load; waits until all that must come of it and what was before is committed.
fn process(stage: &Stage, platform: &mut Platform) {
    let events = platform.events(&LOAD);
    stage.send(&events);
    let wanted: BTreeMap<String, usize> = platform.expected.counts().iter().map(|(topic, n)| (stage.topic(topic), *n)).collect();
    Counter::new(wanted.keys()).wait_for(&wanted);
}

/// The row of a topic of the contract.
fn row<'r>(report: &'r Value, stage: &Stage, topic: &str) -> &'r Value {
    let name = stage.topic(topic);
    report["topics"].as_array().unwrap().iter().find(|it| it["topic"] == name.as_str()).unwrap_or_else(|| panic!("no {name}: {report}"))
}

fn stores_are_the_same(report: &Value) -> bool {
    let stores = report["stores"].as_array().unwrap();
    assert!(!stores.is_empty(), "{report}");
    stores.iter().all(|it| it["liveDigest"] == it["replayDigest"] && it["changed"] == 0 && it["onlyLive"] == 0 && it["onlyReplay"] == 0)
}

#[test]
fn beside_a_live_application_it_is_identical_and_a_changed_rule_is_named() {
    let (stage, mut platform) = (Stage::new("replay", 3), Platform::new(91));
    let live = Goyt::start(&stage, "a");
    process(&stage, &mut platform);
    // It has enough to do while the replay runs.
    stage.send(&platform.events(&Load { transactions: 20_000, ..LOAD }));
    let report = json(0, &replay(&stage, &["--output", "json"]));
    assert_eq!(report["identical"], true, "{report}");
    assert!(stores_are_the_same(&report), "{report}");
    for topic in ["balance-events", "notification-events", "transaction-events.dlq"] {
        let row = row(&report, &stage, topic);
        assert_eq!(row["liveDigest"], row["replayDigest"], "{row}");
        assert!(0 < row["same"].as_u64().unwrap(), "{row}");
    }
    assert_eq!(report["notes"], Value::Array(Vec::new()));

    stage.edit(TOPOLOGY, "sequence: balances.sequence", "sequence: balances.sequence + 1");
    let (text, _) = ends_with(1, &replay(&stage, &[]));
    let balances = stage.topic("balance-events");
    assert!(text.lines().any(|it| it.starts_with(&format!("{balances}: changed "))), "{text}");
    assert!(text.contains("sequence: live "), "{text}");
    assert!(text.lines().last().is_some_and(|it| it == format!("differs: {balances}")), "{text}");
    live.stop();

    let prefix = format!("{}-replay-", stage.application());
    assert!(stage.topics().iter().any(|it| it.starts_with(&prefix)));
    let (text, _) = ends_with(0, &replay(&stage, &["--discard"]));
    assert!(text.contains(&format!("deleted group {prefix}{TOPOLOGY}")), "{text}");
    assert_eq!(stage.topics().into_iter().filter(|it| it.starts_with(&prefix)).collect::<Vec<_>>(), [""; 0]);
    assert!(!stage.state("replay").join(format!("{prefix}{TOPOLOGY}")).exists());
    let (_, said) = ends_with(0, &replay(&stage, &["--discard"]));
    assert!(said.contains("nothing to discard"), "{said}");
}

#[test]
fn promoted_state_is_what_the_application_goes_on_with() {
    let (stage, mut platform) = (Stage::new("promote", 2), Platform::new(92));
    let live = Goyt::start(&stage, "a");
    process(&stage, &mut platform);
    let promote = ["--promote", "--reason", "sequences counted wrong", "--output", "json"];
    let (_, said) = ends_with(1, &replay(&stage, &promote));
    assert!(said.contains("the application is running"), "{said}");
    live.stop();

    stage.edit(TOPOLOGY, "sequence: state.sequence + 1", "sequence: state.sequence + 2");
    let report = json(0, &replay(&stage, &promote));
    assert!(0 < report["promotedKeys"].as_u64().unwrap() && !stores_are_the_same(&report), "{report}");
    let changed = row(&report, &stage, "balance-events")["changed"].clone();
    assert_ne!(changed, 0);
    assert!(stage.topics().contains(&format!("{}-audit", stage.application())));

    let live = Goyt::start(&stage, "a");
    process(&stage, &mut platform);
    let report = json(1, &replay(&stage, &["--output", "json"]));
    assert!(stores_are_the_same(&report), "{report}");
    let after = row(&report, &stage, "balance-events");
    assert_eq!(after["changed"], changed, "what was written before stays, what came since is right: {after}");
    live.stop();
    ends_with(0, &replay(&stage, &["--discard"]));
}

#[test]
fn what_can_t_be_replayed_is_refused_by_name() {
    let (stage, mut platform) = (Stage::new("replayless", 2), Platform::new(93));
    let (_, said) = ends_with(1, &replay(&stage, &[]));
    assert!(said.contains("the live application has no topic"), "{said}");
    let live = Goyt::start(&stage, "a");
    process(&stage, &mut platform);
    let (_, said) = ends_with(1, &replay(&stage, &["--from", "offset:5"]));
    assert!(said.contains("would be partial") && said.contains("--partial"), "{said}");
    let (_, said) = ends_with(1, &replay_of("no-such", &stage, &[]));
    assert!(said.contains("there is no topology `no-such`") && said.contains(TOPOLOGY), "{said}");
    live.stop();
    ends_with(0, &replay(&stage, &["--discard"]));
}
