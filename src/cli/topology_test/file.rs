//! The test file: what may stand in it, and how it is read.

use serde_json::Value as Json;

use super::tree::{Fields, Kind, Node, Reading};
use super::value::{self, Value};
use super::{Case, Entry, ExpectedRecord, ExpectedStore, ExpectedTopic, ExpectedValue, Record, TestFile};
use crate::engine::record::Millis;
use crate::engine::topology::Mistake;

/// 2026-01-01T00:00:00Z: the record timestamp where a test does not say.
const NEW_YEAR: Millis = 1_767_225_600_000;

const RECORD_FIELDS: [&str; 8] = ["topic", "key", "value", "text", "hex", "timestamp", "headers", "like"];

/// Reads a test file.
///
/// # Errors
/// All mistakes in it.
pub fn read(path: &str, text: &str) -> Result<TestFile, Vec<Mistake>> {
    let mut reading = Reading::new(path, text);
    let file = reading.tree().map(|root| read_file(root, &mut reading));
    match file {
        Some(file) if reading.mistakes.is_empty() => Ok(file),
        None if reading.mistakes.is_empty() => Ok(TestFile { topologies: Vec::new(), cases: Vec::new() }),
        _ => {
            reading.mistakes.sort_by_key(|it| (it.line, it.column));
            Err(reading.mistakes)
        }
    }
}

fn read_file(root: Node, reading: &mut Reading<'_>) -> TestFile {
    let mut fields = reading.fields(root, "a test file", &["topologies", "samples", "tests"]);
    let topologies = fields.require("topologies", "the file", reading).map(|it| reading.list(it, "topologies")).unwrap_or_default();
    let topologies = topologies.iter().filter_map(|it| reading.word(it, "topology")).collect();
    let samples = fields.take("samples").map(|it| read_samples(it, reading)).unwrap_or_default();
    let tests = fields.require("tests", "the file", reading).map(|it| reading.list(it, "tests")).unwrap_or_default();
    TestFile { topologies, cases: tests.into_iter().filter_map(|it| read_case(it, &samples, reading)).collect() }
}

/// Records by name, after which others are made.
type Samples = Vec<(String, Draft)>;

fn read_samples(node: Node, reading: &mut Reading<'_>) -> Samples {
    let Kind::Map(entries) = node.kind else {
        reading.mistake(node.span, "samples is no mapping", "write `name: { topic: …, value: … }`");
        return Vec::new();
    };
    let mut samples: Samples = Vec::new();
    for (name, node) in entries {
        let fields = reading.fields(node, "a sample", &RECORD_FIELDS[..7]);
        let draft = read_draft(fields, Draft::default(), reading);
        samples.extend(reading.word(&name, "name").map(|it| (it, draft)));
    }
    samples
}

fn read_case(node: Node, samples: &Samples, reading: &mut Reading<'_>) -> Option<Case> {
    let line = node.line();
    let mut fields = reading.fields(node, "a test", &["name", "given", "then", "stores"]);
    let name = fields.require("name", "the test", reading).and_then(|it| reading.word(&it, "name"));
    let given = fields.require("given", "the test", reading).map(|it| reading.list(it, "given")).unwrap_or_default();
    let given: Vec<Option<Record>> = given.into_iter().map(|it| read_given(it, samples, reading)).collect();
    let given_count = given.len();
    let given: Vec<Record> = given.into_iter().flatten().collect();
    let then = fields.take("then").map(|it| reading.list(it, "then")).unwrap_or_default();
    let then = then.into_iter().filter_map(|it| read_topic(it, given_count, reading)).collect();
    let stores = fields.take("stores").map(|it| read_stores(it, reading)).unwrap_or_default();
    Some(Case { name: name?, line, given, then, stores })
}

/// A record that is being put together.
#[derive(Debug, Clone, Default)]
struct Draft {
    topic: Option<String>,
    key: Option<Option<Vec<u8>>>,
    value: Option<Value>,
    timestamp: Option<Millis>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn read_given(node: Node, samples: &Samples, reading: &mut Reading<'_>) -> Option<Record> {
    let known = [&RECORD_FIELDS[..], &["with", "without"]].concat();
    let mistakes_before = reading.mistakes.len();
    let mut fields = reading.fields(node, "a record", &known);
    let span = fields.span;
    let mut draft = Draft::default();
    if let Some(like) = fields.take("like") {
        let name = reading.word(&like, "like")?;
        match samples.iter().find(|it| it.0 == name) {
            Some((_, sample)) => draft.clone_from(sample),
            None if samples.is_empty() => reading.mistake(like.span, "there are no samples", "write `samples:` before `tests:`"),
            None => {
                let names = samples.iter().map(|it| it.0.as_str()).collect::<Vec<_>>().join(", ");
                reading.mistake(like.span, format!("there is no sample {name:?}"), format!("the samples are: {names}"));
            }
        }
    }
    let (with, without) = (fields.take("with"), fields.take("without"));
    draft = read_draft(fields, draft, reading);
    if let Some(with) = with {
        value::with(&mut draft.value, with, reading);
    }
    for field in without.map(|it| reading.list(it, "without")).unwrap_or_default() {
        value::without(&mut draft.value, &field, reading);
    }
    if mistakes_before < reading.mistakes.len() {
        // What is missing now may be what could not be read.
        return None;
    }
    let Some(topic) = draft.topic else {
        reading.mistake(span, "the record has no topic", "add `topic:`, or `like:` a sample that has one");
        return None;
    };
    let Some(value) = draft.value else {
        reading.mistake(span, "the record has no value", "add `value:` (`value: null` for none), `text:` or `hex:`");
        return None;
    };
    let key = draft.key.unwrap_or_default();
    Some(Record { topic, key, value: value.bytes(), timestamp: draft.timestamp.unwrap_or(NEW_YEAR), headers: draft.headers })
}

/// Reads what is said of a record over what is known of it already.
fn read_draft(mut fields: Fields, mut draft: Draft, reading: &mut Reading<'_>) -> Draft {
    if let Some(topic) = fields.take("topic").and_then(|it| reading.word(&it, "topic")) {
        draft.topic = Some(topic);
    }
    if let Some(key) = fields.take("key").and_then(|it| bytes(&it, "key", reading)) {
        draft.key = Some(key);
    }
    if let Some(value) = read_value(&mut fields, reading) {
        draft.value = Some(value);
    }
    if let Some(timestamp) = fields.take("timestamp").and_then(|it| instant(&it, reading)) {
        draft.timestamp = Some(timestamp);
    }
    if let Some(headers) = fields.take("headers") {
        draft.headers = read_headers(headers, reading);
    }
    draft
}

/// A value: JSON written as YAML, text as it is, or bytes in hexadecimal digits.
fn read_value(fields: &mut Fields, reading: &mut Reading<'_>) -> Option<Value> {
    let given = [fields.take("value"), fields.take("text"), fields.take("hex")];
    if let [Some(_), Some(other), _] | [Some(_), None, Some(other)] | [None, Some(_), Some(other)] = &given {
        reading.mistake(other.span, "the record has two values", "keep one of `value`, `text` and `hex`");
    }
    match given {
        [Some(node), ..] => value::read(node, reading),
        [_, Some(node), _] => reading.word(&node, "text").map(|it| Value::Bytes(it.into_bytes())),
        [.., Some(node)] => value::hex(&node, reading).map(Value::Bytes),
        [None, None, None] => None,
    }
}

fn read_headers(node: Node, reading: &mut Reading<'_>) -> Vec<(String, Option<Vec<u8>>)> {
    let Kind::Map(entries) = node.kind else {
        reading.mistake(node.span, "headers is no mapping", "write `headers: { name: \"text\" }`");
        return Vec::new();
    };
    let header = |(name, value): (Node, Node)| Some((reading.word(&name, "name")?, bytes(&value, "header", reading)?));
    entries.into_iter().filter_map(header).collect()
}

/// Text as bytes; `null` for none.
fn bytes(node: &Node, what: &str, reading: &mut Reading<'_>) -> Option<Option<Vec<u8>>> {
    if node.is_null() {
        return Some(None);
    }
    reading.word(node, what).map(|it| Some(it.into_bytes()))
}

fn instant(node: &Node, reading: &mut Reading<'_>) -> Option<Millis> {
    let text = reading.word(node, "timestamp")?;
    match text.parse::<jiff::Timestamp>() {
        Ok(instant) => Some(instant.as_millisecond()),
        Err(_) => {
            reading.mistake(node.span, format!("{text:?} is no instant"), "write it like 2026-01-31T12:00:00Z");
            None
        }
    }
}

fn read_topic(node: Node, given: usize, reading: &mut Reading<'_>) -> Option<ExpectedTopic> {
    let mut fields = reading.fields(node, "an expected topic", &["topic", "records"]);
    let topic = fields.require("topic", "the expected topic", reading).and_then(|it| reading.word(&it, "topic"));
    let records = fields.require("records", "the expected topic", reading).map(|it| reading.list(it, "records")).unwrap_or_default();
    let records = records.into_iter().map(|it| read_expected(it, given, reading)).collect();
    Some(ExpectedTopic { topic: topic?, records })
}

fn read_expected(node: Node, given: usize, reading: &mut Reading<'_>) -> ExpectedRecord {
    let line = node.line();
    let mut fields = reading.fields(node, "an expected record", &["given", "key", "value", "text", "hex", "timestamp", "headers"]);
    let given = fields.take("given").and_then(|it| position(&it, given, reading));
    let value = read_value(&mut fields, reading).map(|it| match it {
        Value::Null => ExpectedValue::Null,
        Value::Bytes(bytes) => ExpectedValue::Bytes(bytes),
        Value::Json(json) => ExpectedValue::Json(json.parsed()),
    });
    let timestamp = fields.take("timestamp").and_then(|it| instant(&it, reading));
    let headers = fields.take("headers").map(|it| read_headers(it, reading)).unwrap_or_default();
    ExpectedRecord { line, given, key: fields.take("key").and_then(|it| bytes(&it, "key", reading)), value, timestamp, headers }
}

/// The place of a given record: written from 1, held from 0.
fn position(node: &Node, count: usize, reading: &mut Reading<'_>) -> Option<usize> {
    let position = reading.word(node, "given")?.parse::<usize>().ok().filter(|it| (1..=count).contains(it));
    if position.is_none() {
        reading.mistake(node.span, "there is no such given record", format!("they are counted from 1 to {count}"));
    }
    position?.checked_sub(1)
}

fn read_stores(node: Node, reading: &mut Reading<'_>) -> Vec<ExpectedStore> {
    let Kind::Map(entries) = node.kind else {
        reading.mistake(node.span, "stores is no mapping", "write `stores: { id: [ { key: […], value: { … } } ] }`");
        return Vec::new();
    };
    let mut stores = Vec::new();
    for (name, node) in entries {
        let entries = reading.list(node, "a store").into_iter().filter_map(|it| read_entry(it, reading)).collect();
        stores.extend(reading.word(&name, "name").map(|store| ExpectedStore { store, entries }));
    }
    stores
}

fn read_entry(node: Node, reading: &mut Reading<'_>) -> Option<Entry> {
    let mut fields = reading.fields(node, "an entry", &["key", "value"]);
    let key = fields.require("key", "the entry", reading).map(|it| reading.list(it, "key"))?;
    let key = key.into_iter().filter_map(|it| value::json(it, reading)).map(|it| it.parsed()).collect();
    let value =
        fields.take("value").and_then(|it| value::json(it, reading)).map_or_else(|| Json::Object(serde_json::Map::new()), |it| it.parsed());
    Some(Entry { key, value })
}
