//! Dead letters with the real binary: found, understood, rehearsed, sent back once, whatever is killed and whoever else tries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::support::broker;
use crate::support::goyt::Goyt;
use crate::support::platform::Input;
use crate::support::reader::{Counter, read_all};
use crate::support::stage::Stage;

const GOOD: usize = 10;
const BAD: usize = 30;
/// The mistake in the schema, and how it should read.
const WRONG: &str = r#""customerId": {"type": "integer", "minimum": 1, "maximum": 100}"#;
const RIGHT: &str = r#""customerId": {"type": "integer", "minimum": 1, "maximum": 9007199254740991}"#;

/// A stage whose schema of KYC_VERIFIED takes customers up to 100 only, and what came of that.
struct Desk(Stage);

impl Desk {
    fn new(test: &str) -> Self {
        let desk = Self(Stage::new(test, 2));
        desk.edit_schema(RIGHT, WRONG);
        let events: Vec<Input> = (1..=GOOD).chain(1_001..=1_000 + BAD).map(verified).collect();
        desk.0.send(&events);
        let dead = (desk.topic("kyc-events.dlq"), BAD);
        let told = (desk.topic("notification-events"), GOOD);
        let counts = BTreeMap::from([dead, told]);
        let running = Goyt::start(&desk.0, "a");
        Counter::new(counts.keys()).wait_for(&counts);
        running.stop();
        desk
    }

    fn topic(&self, contract: &str) -> String {
        self.0.topic(contract)
    }

    fn edit_schema(&self, from: &str, to: &str) {
        let path = self.0.topologies().join("events/KYC_VERIFIED@1.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goyt"));
        command.arg("dlq").args(arguments).arg("--topologies").arg(self.0.topologies());
        command.env("KAFKA_BOOTSTRAP_SERVERS", broker::bootstrap()).env("GOYT_APPLICATION_ID", self.0.application());
        command.stdin(Stdio::null());
        command
    }

    /// Its exit code must be this; returns what it printed, data first.
    fn dlq(&self, code: i32, arguments: &[&str]) -> String {
        ended(code, &self.command(arguments).output().unwrap())
    }

    fn begin(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until records beyond those sent at first are on the input.
    fn wait_for_some_back(&self) {
        let counts = BTreeMap::from([(self.topic("kyc-events"), GOOD + BAD + 1)]);
        Counter::new(counts.keys()).wait_for(&counts);
    }

    /// Each bad record is on the input twice, once with the count of redrives, and is marked once.
    fn check_each_once(&self) {
        let mut back: BTreeMap<Vec<u8>, (usize, usize)> = BTreeMap::new();
        for record in read_all(&self.topic("kyc-events")) {
            let entry = back.entry(record.value.clone().unwrap()).or_default();
            entry.0 += 1;
            entry.1 += usize::from(record.header("goyt.redrive.count").as_deref() == Some("1"));
        }
        let counts = |it: (usize, usize)| back.values().filter(|found| **found == it).count();
        assert_eq!((counts((1, 0)), counts((2, 1))), (GOOD, BAD));
        let events: Vec<Value> = read_all(&format!("{}-audit", self.0.application()))
            .into_iter()
            .map(|it| serde_json::from_slice(&it.value.unwrap()).unwrap())
            .collect();
        let letters: BTreeSet<String> = events.iter().map(|it| format!("{}/{}", it["letterPartition"], it["letterOffset"])).collect();
        assert_eq!((events.len(), letters.len()), (BAD, BAD), "one event for each dead letter");
        for event in events {
            assert_eq!(event["eventType"], "DEAD_LETTER_REDRIVEN");
            assert_eq!(event["reason"], "schema mended");
            assert_eq!(event["reasonCode"], "OUT_OF_RANGE");
            assert!(event["by"].as_str().unwrap().contains('@'));
        }
    }
}

fn verified(customer: usize) -> Input {
    let id = uuid::Uuid::from_u128(customer as u128);
    let value = format!(
        r#"{{"eventType":"KYC_VERIFIED","eventId":"{id}","customerId":{customer},"kycCheckId":{customer},"timestamp":"2026-01-01T10:00:00Z","metadata":{{"source":"test","version":"1.0"}}}}"#
    );
    Input { topic: "kyc-events", key: Some(customer.to_string().into_bytes()), value: Some(value.into_bytes()), trace: None }
}

fn ended(code: i32, output: &Output) -> String {
    let [data, said] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    assert_eq!(output.status.code(), Some(code), "{data}{said}");
    data + &said
}

#[test]
fn a_dead_letter_is_found_understood_and_sent_back_once_after_its_schema_is_mended() {
    let desk = Desk::new("dlq");
    let text = desk.dlq(0, &["ls", "--group-by", "reason,step"]);
    let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().take(4).collect();
    assert_eq!(row, ["OUT_OF_RANGE", "decode", "30", "0"], "{text}");
    let text = desk.dlq(0, &["ls", "--key", "1007"]);
    let id = text.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let text = desk.dlq(0, &["show", &id]);
    for part in [
        "OUT_OF_RANGE at /customerId",
        "kyc-notify: fails with OUT_OF_RANGE",
        "\"customerId\": 1007,    ◀── OUT_OF_RANGE",
        "state     open",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }

    let text = desk.dlq(1, &["redrive", "--code", "OUT_OF_RANGE", "--dry-run"]);
    assert!(text.contains("fails") && text.contains("nothing was changed"), "{text}");
    desk.edit_schema(WRONG, RIGHT);
    let text = desk.dlq(0, &["redrive", "--code", "OUT_OF_RANGE", "--dry-run"]);
    assert!(text.contains("passes") && !text.contains("fails"), "{text}");
    let text = desk.dlq(2, &["redrive", "--code", "OUT_OF_RANGE"]);
    assert!(text.contains("--reason is missing"), "{text}");

    // Killed when some are back, and run again.
    let mut killed = desk.begin(&["redrive", "--code", "OUT_OF_RANGE", "--reason", "schema mended", "--rate", "5"]);
    desk.wait_for_some_back();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let text = desk.dlq(0, &["redrive", "--code", "OUT_OF_RANGE", "--reason", "schema mended", "--output", "json"]);
    let summary: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let [done, already] = ["done", "already"].map(|it| summary[it].as_u64().unwrap());
    assert!(done + already == BAD as u64 && 0 < done && 0 < already, "{text}");
    desk.check_each_once();

    let text = desk.dlq(0, &["redrive", "--code", "OUT_OF_RANGE", "--reason", "once more"]);
    assert!(text.contains("nothing to do"), "{text}");
    desk.check_each_once();
    let text = desk.dlq(0, &["show", &id]);
    assert!(text.contains("redriven") && text.contains(": schema mended"), "{text}");

    let told = BTreeMap::from([(desk.topic("notification-events"), GOOD + BAD)]);
    let running = Goyt::start(&desk.0, "a");
    Counter::new(told.keys()).wait_for(&told);
    running.stop();
    let customers: BTreeSet<Vec<u8>> = read_all(&desk.topic("notification-events")).into_iter().map(|it| it.key.unwrap()).collect();
    assert_eq!(customers.len(), GOOD + BAD, "each customer is told once");
}

#[test]
fn of_two_redrives_at_once_one_goes_on_and_each_record_is_back_once() {
    let desk = Desk::new("dlq-two");
    let all = ["redrive", "--all-open", "--reason", "schema mended"];
    let first = desk.begin(&[&all[..], &["--rate", "5"]].concat());
    desk.wait_for_some_back();
    desk.dlq(0, &all);
    let text = ended(1, &first.wait_with_output().unwrap());
    assert!(text.contains("has taken over"), "{text}");
    desk.check_each_once();
}

#[test]
fn discarded_letters_are_done_and_an_export_has_every_byte() {
    let desk = Desk::new("dlq-discard");
    let text = desk.dlq(0, &["discard", "--key", "1007", "--reason", "a test", "--yes"]);
    assert!(text.starts_with("1 dead letter discarded"), "{text}");
    assert_eq!(read_all(&desk.topic("kyc-events")).len(), GOOD + BAD, "nothing is sent back");
    let (file, folder) = ("letters.jsonl", tempfile::tempdir().unwrap());
    let path = folder.path().join(file);
    desk.dlq(0, &["export", "--to", path.to_str().unwrap()]);
    let lines: Vec<Value> = fs::read_to_string(&path).unwrap().lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let text = |it: &Value| it["value"]["text"].as_str().unwrap().as_bytes().to_vec();
    let found: BTreeSet<Vec<u8>> = lines.iter().map(text).collect();
    let expected = (1_001..=1_000 + BAD).filter(|it| *it != 1_007).map(|it| verified(it).value.unwrap()).collect();
    assert_eq!(found, expected);
    assert!(desk.dlq(0, &["ls", "--done"]).contains("discarded"));
}
