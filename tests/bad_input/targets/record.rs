//! Any bytes as a record's value: as an event of the schemas, and as a repartition record.

use std::sync::{Arc, OnceLock};

use goyt::engine::failure::code;
use goyt::engine::json::decode::{self, Decoded};
use goyt::engine::plan::{Decode, Plan, Role, Subtopology};
use goyt::engine::record::{RecordRef, TopicPartition};
use goyt::engine::repartition;
use goyt::engine::state::{Committed, StoreError};
use goyt::engine::task::effects::Effects;
use goyt::engine::task::{Outcome, Task};
use goyt::engine::topology::{Sources, plan};
use goyt::engine::value::{Texts, Value};
use serde::de::IgnoredAny;

use super::reference;

/// An event with a field of every kind, in two major versions.
pub const SCHEMA: &str = r#"{ "type": "object", "required": ["n", "amount", "text", "kind"], "properties": {
  "n": { "type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991 },
  "wide": { "type": ["integer", "null"] },
  "amount": { "type": "string", "format": "decimal" },
  "currency": { "type": "string", "format": "currency" },
  "text": { "type": "string", "minLength": 1, "maxLength": 2000000 },
  "kind": { "type": "string", "enum": ["A", "B"] },
  "id": { "type": "string", "format": "uuid" },
  "at": { "type": "string", "format": "date-time" },
  "flag": { "type": ["boolean", "null"] },
  "inner": { "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" }, "b": { "type": "string" } } },
  "list": { "type": "array" } } }"#;
const SECOND: &str = r#"{ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } }"#;
const OUT: &str = r#"{ "type": "object", "properties": { "n": { "type": "integer" }, "text": { "type": "string" }, "list": { "type": ["array", "null"] } } }"#;

const TOPOLOGY: &str = r#"topology: bad
description: Every field is used.
inputs:
  - topic: in
    events: [E@1, E@2]
    dedup: { by: eventId, window: 1d }
steps:
  - branch:
      id: versions
      cases:
        - event: E@1
          steps:
            - let:
                id: amount
                amount: money(event.amount, coalesce(event.currency, "KES")) else reject(AMOUNT)
            - require: { id: positive, that: amount >= 0, else: reject(NEGATIVE) }
            - key: { id: by-text, by: event.text }
            - emit: { to: out, event: OUT@1, key: event.text, value: { n: event.n, text: event.text, list: event.list } }
"#;

/// The plan that the bytes are given to.
pub fn bad() -> Arc<Plan> {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    Arc::clone(PLAN.get_or_init(|| {
        let events = [("E@1.json", SCHEMA), ("E@2.json", SECOND), ("OUT@1.json", OUT)];
        let events = events.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec();
        let sources = Sources { topologies: vec![("bad.yaml".to_owned(), TOPOLOGY.to_owned())], events };
        Arc::new(plan("app", &sources).unwrap_or_else(|it| panic!("{}", it.iter().map(|it| format!("{it}\n")).collect::<String>())))
    }))
}

/// A value is an event or has exactly one dead letter; what became of it agrees with serde_json and with the reference.
pub fn run(value: &[u8]) {
    agrees(value);
    let plan = bad();
    let first = &plan.subtopologies[0];
    let (outcome, effects) = processed(first, value).unwrap_or_else(|it| panic!("no event stops a task: {it}"));
    match outcome {
        Outcome::Dead | Outcome::Undecodable => {
            assert_eq!(effects.len(), 1, "one dead letter");
            let letter = effects.get(0).unwrap();
            assert_eq!((Some(letter.topic), letter.value), (first.dead_letters, Some(value)), "byte for byte");
            assert!(effects.headers(0).any(|(name, code)| name == "goyt.reason" && code.is_some_and(|it| !it.is_empty())));
        }
        Outcome::Processed => {
            assert_eq!(effects.len(), 1, "one repartition record");
            let sent = effects.get(0).unwrap();
            assert_eq!(plan.topics[usize::from(sent.topic.0)].role, Role::Repartition);
            let (outcome, effects) = processed(&plan.subtopologies[1], sent.value.unwrap()).unwrap();
            assert_eq!((outcome, effects.len()), (Outcome::Processed, 1));
            serde_json::from_slice::<IgnoredAny>(effects.get(0).unwrap().value.unwrap()).unwrap();
        }
        Outcome::PassedBy | Outcome::Filtered => assert!(effects.is_empty()),
        Outcome::Duplicate => panic!("nothing was seen before"),
    }
    repartition(&plan, value);
}

/// What the decoder says of a value, held against serde_json and the reference.
fn agrees(value: &[u8]) {
    let plan = bad();
    let Decode::Events(events) = &plan.subtopologies[0].decode else { panic!("the first one reads events") };
    let mut slots = vec![Value::Null; usize::from(plan.subtopologies[0].slots)];
    let texts = Texts::new();
    let decoded = decode::decode(events, Some(value), &mut slots, &texts);
    let Ok(text) = std::str::from_utf8(value) else {
        assert_eq!(decoded.unwrap_err().code, code::INVALID_UTF8);
        return;
    };
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    match decoded.as_ref().map_err(|it| it.code.as_ref()) {
        Ok(_) => assert!(is_json, "accepted, and serde_json does not"),
        Err(code::NOT_JSON) => assert!(!is_json, "{decoded:?}, and serde_json accepts it"),
        Err(code::NOT_AN_OBJECT) => assert!(is_json && !text.trim_start().starts_with('{'), "{decoded:?}"),
        // What is wrong with a field is told before the rest is read.
        Err(_) => {}
    }
    // The tree of serde_json has limits of its own: 127 levels, finite numbers, whole surrogate pairs.
    let Ok(tree) = serde_json::from_str::<serde_json::Value>(text) else { return };
    let accepted = reference::accepts(events, &tree);
    match decoded {
        Ok(Decoded::Event(event, _)) => assert_eq!(accepted, Some(Some(event)), "{text}"),
        Ok(Decoded::PassedBy(_)) => assert_eq!(accepted, Some(None), "{text}"),
        Err(failure) => {
            let twice = reference::repeats_a_name(text, &tree);
            assert!(twice || accepted.is_none() && failure.code != code::DUPLICATE_FIELD, "{failure:?}: {text}");
        }
    }
}

/// The bytes as a repartition record, as they are and behind a right head: read to the end or refused, and nothing is rejected there.
fn repartition(plan: &Plan, bytes: &[u8]) {
    let part = &plan.subtopologies[1];
    let Decode::Repartition(layout) = &part.decode else { panic!("the second one reads the repartition topic") };
    let headed = [&[2], &layout.fingerprint.to_le_bytes()[..], bytes].concat();
    for bytes in [bytes, &headed] {
        let mut slots = vec![Value::Null; usize::from(part.slots)];
        let read = repartition::read(Some(bytes), layout, &mut slots);
        match processed(part, bytes) {
            Ok((outcome, _)) => assert!(read.is_ok() && outcome != Outcome::Dead, "{outcome:?}"),
            Err(message) => assert!(!message.is_empty()),
        }
        if read.is_ok() {
            let longer = [bytes, &[0]].concat();
            assert!(repartition::read(Some(&longer), layout, &mut slots.clone()).is_err(), "a byte too much was not noticed");
        }
    }
}

struct Nothing;

impl Committed for Nothing {
    fn get(&mut self, _: usize, _: &[u8], _: &mut Vec<u8>) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// What a new task makes of a value; the text of what stopped it.
fn processed(part: &Subtopology, value: &[u8]) -> Result<(Outcome, Effects), String> {
    let mut task = Task::new(Arc::new(part.clone()), 0, 0);
    let mut effects = Effects::default();
    let source = TopicPartition { topic: part.source, partition: 0 };
    let record = RecordRef { source, offset: 0, timestamp: Some(super::NOW), key: Some(b"k"), value: Some(value), headers: &[] };
    let outcome = task.process(record, super::NOW, false, &mut Nothing, &mut effects, None);
    outcome.map(|it| (it, effects)).map_err(|it| it.to_string())
}
