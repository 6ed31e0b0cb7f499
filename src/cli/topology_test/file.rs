//! The test file: what may stand in it, and how it is read.

use serde_json::Value as Json;

use super::value::{self, Value};
use super::{Case, ExpectedRecord, ExpectedStore, ExpectedTopic, ExpectedValue, Header, Record, TestFile};
use crate::engine::record::Millis;
use crate::engine::topology::Mistake;
use crate::engine::topology::mistake::Mistakes;
use crate::engine::topology::reading::{Fields, Reading};
use crate::engine::topology::tree::{self, Node};
use crate::sim::entries::Entry;

/// 2026-01-01T00:00:00Z: the record timestamp where a test does not say.
const NEW_YEAR: Millis = 1_767_225_600_000;

/// What must hold after each test: see [`super::invariants`], since it is read with the plan at hand.
pub(super) const INVARIANTS: &str = "invariants";

const SAMPLE: [&str; 7] = ["topic", "key", "value", "text", "hex", "timestamp", "headers"];
const GIVEN: [&str; 10] = ["like", "with", "without", "topic", "key", "value", "text", "hex", "timestamp", "headers"];
const EXPECTED: [&str; 7] = ["given", "key", "value", "text", "hex", "timestamp", "headers"];

/// Reads a test file.
///
/// # Errors
/// All mistakes in it.
pub fn read(path: &str, text: &str) -> Result<TestFile, Vec<Mistake>> {
    let mut mistakes = Mistakes::of(path, text);
    let root = tree::read(&mut mistakes);
    let file = root.and_then(|it| read_file(&it, &mut Reading { mistakes: &mut mistakes }));
    match file {
        Some(file) if mistakes.is_empty() => Ok(file),
        _ => Err(mistakes.into_sorted()),
    }
}

fn read_file(root: &Node, reading: &mut Reading<'_, '_>) -> Option<TestFile> {
    let what = "a test file";
    let fields = reading.fields(root, what, &["topologies", "samples", "tests", INVARIANTS])?;
    let topologies = reading.required(&fields, what, "topologies", "topologies: [name]").and_then(|it| reading.one_or_more(it));
    let topologies = topologies.unwrap_or_default().into_iter().filter_map(|it| reading.text(it)).map(str::to_owned).collect();
    let samples = fields.get("samples").map(|it| read_samples(it, reading)).unwrap_or_default();
    // Invariants alone are something to be checked, too: by simulations.
    let tests = match fields.get(INVARIANTS) {
        Some(_) => fields.get("tests"),
        None => reading.required(&fields, what, "tests", "tests:"),
    };
    let tests = tests.and_then(|it| reading.list(it, "tests")).unwrap_or_default();
    Some(TestFile { topologies, cases: tests.iter().filter_map(|it| read_case(it, &samples, reading)).collect() })
}

/// Records by name, after which others are made.
type Samples<'t> = Vec<(&'t str, Draft)>;

fn read_samples<'t>(node: &'t Node, reading: &mut Reading<'_, '_>) -> Samples<'t> {
    let mut samples = Vec::new();
    for (name, node) in reading.map(node, "samples").map(|it| it.entries).unwrap_or_default() {
        let draft = reading.fields(node, "a sample", &SAMPLE).map(|it| read_draft(&it, Draft::default(), reading));
        samples.push((name.text.as_str(), draft.unwrap_or_default()));
    }
    samples
}

fn read_case(node: &Node, samples: &Samples<'_>, reading: &mut Reading<'_, '_>) -> Option<Case> {
    let fields = reading.fields(node, "a test", &["name", "given", "then", "stores"])?;
    let name = reading.required(&fields, "a test", "name", "name: what it shows").and_then(|it| reading.text(it));
    let given = reading.required(&fields, "a test", "given", "given:").and_then(|it| reading.list(it, "given")).unwrap_or_default();
    let count = given.len();
    let given = given.iter().filter_map(|it| read_given(it, samples, reading)).collect();
    let then = fields.get("then").and_then(|it| reading.list(it, "then")).unwrap_or_default();
    let then = then.iter().filter_map(|it| read_topic(it, count, reading)).collect();
    let stores = fields.get("stores").map(|it| read_stores(it, reading)).unwrap_or_default();
    Some(Case { name: name?.to_owned(), line: line(node, reading), given, then, stores })
}

/// A record that is being put together.
#[derive(Debug, Clone, Default)]
struct Draft {
    topic: Option<String>,
    key: Option<Option<Vec<u8>>>,
    value: Option<Value>,
    timestamp: Option<Millis>,
    headers: Vec<Header>,
}

fn read_given(node: &Node, samples: &Samples<'_>, reading: &mut Reading<'_, '_>) -> Option<Record> {
    let before = reading.mistakes.count();
    let fields = reading.fields(node, "a record", &GIVEN)?;
    let sample = match fields.get("like") {
        Some(like) => sample(like, samples, reading)?,
        None => Draft::default(),
    };
    let mut draft = read_draft(&fields, sample, reading);
    if let Some(with) = fields.get("with") {
        value::with(&mut draft.value, with, reading);
    }
    for field in fields.get("without").and_then(|it| reading.one_or_more(it)).unwrap_or_default() {
        value::without(&mut draft.value, field, reading);
    }
    if before < reading.mistakes.count() {
        return None; // What is missing now may be what could not be read.
    }
    let Some(topic) = draft.topic else {
        return reading.mistake(&node.span, "the record has no topic", "add `topic:`, or `like:` a sample that has one");
    };
    let Some(value) = draft.value else {
        return reading.mistake(&node.span, "the record has no value", "add `value:` (`value: null` for none), `text:` or `hex:`");
    };
    let timestamp = draft.timestamp.unwrap_or(NEW_YEAR);
    Some(Record { topic, key: draft.key.unwrap_or_default(), value: value.bytes(), timestamp, headers: draft.headers })
}

fn sample(like: &Node, samples: &Samples<'_>, reading: &mut Reading<'_, '_>) -> Option<Draft> {
    let name = reading.text(like)?;
    if let Some((_, sample)) = samples.iter().find(|it| it.0 == name) {
        return Some(sample.clone());
    }
    let names = samples.iter().map(|it| it.0).collect::<Vec<_>>().join(", ");
    let hint = if names.is_empty() { "write `samples:` before `tests:`".to_owned() } else { format!("the samples are: {names}") };
    reading.mistake(&like.span, format!("there is no sample `{name}`"), hint)
}

/// Reads what is said of a record over what is known of it already.
fn read_draft(fields: &Fields<'_>, mut draft: Draft, reading: &mut Reading<'_, '_>) -> Draft {
    if let Some(topic) = fields.get("topic").and_then(|it| reading.text(it)) {
        draft.topic = Some(topic.to_owned());
    }
    if let Some(key) = fields.get("key").and_then(|it| bytes(it, reading)) {
        draft.key = Some(key);
    }
    if let Some(value) = read_value(fields, reading) {
        draft.value = Some(value);
    }
    if let Some(timestamp) = fields.get("timestamp").and_then(|it| instant(it, reading)) {
        draft.timestamp = Some(timestamp);
    }
    if let Some(headers) = fields.get("headers") {
        draft.headers = read_headers(headers, reading);
    }
    draft
}

/// A value: JSON written as YAML, text as it is, or bytes in hexadecimal digits.
fn read_value(fields: &Fields<'_>, reading: &mut Reading<'_, '_>) -> Option<Value> {
    let mut given = fields.entries.iter().filter(|it| matches!(it.0.text.as_str(), "value" | "text" | "hex"));
    let (key, node) = given.next()?;
    if let Some((second, _)) = given.next() {
        let reason = format!("the record has a value already, by `{}`", key.text);
        return reading.mistake(&second.span, reason, "keep one of `value`, `text` and `hex`");
    }
    match key.text.as_str() {
        "text" => reading.text(node).map(|it| Value::Bytes(it.as_bytes().to_vec())),
        "hex" => value::hex(node, reading).map(Value::Bytes),
        _ => value::read(node, reading),
    }
}

fn read_headers(node: &Node, reading: &mut Reading<'_, '_>) -> Vec<Header> {
    let entries = reading.map(node, "headers").map(|it| it.entries).unwrap_or_default();
    entries.iter().filter_map(|(name, value)| Some((name.text.clone(), bytes(value, reading)?))).collect()
}

/// Text as bytes; `null` for none.
fn bytes(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Option<Vec<u8>>> {
    if value::is_null(node) { Some(None) } else { reading.text(node).map(|it| Some(it.as_bytes().to_vec())) }
}

fn instant(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Millis> {
    let text = reading.text(node)?;
    match text.parse::<jiff::Timestamp>() {
        Ok(instant) => Some(instant.as_millisecond()),
        Err(_) => reading.mistake(&node.span, format!("`{text}` is no instant"), "write it like 2026-01-31T12:00:00Z"),
    }
}

fn read_topic(node: &Node, given: usize, reading: &mut Reading<'_, '_>) -> Option<ExpectedTopic> {
    let what = "an expected topic";
    let fields = reading.fields(node, what, &["topic", "records"])?;
    let topic = reading.required(&fields, what, "topic", "topic: name").and_then(|it| reading.text(it));
    let records = reading.required(&fields, what, "records", "records:").and_then(|it| reading.list(it, "records")).unwrap_or_default();
    let records = records.iter().filter_map(|it| read_expected(it, given, reading)).collect();
    Some(ExpectedTopic { topic: topic?.to_owned(), records })
}

fn read_expected(node: &Node, given: usize, reading: &mut Reading<'_, '_>) -> Option<ExpectedRecord> {
    let fields = reading.fields(node, "an expected record", &EXPECTED)?;
    let given = fields.get("given").and_then(|it| position(it, given, reading));
    let key = fields.get("key").and_then(|it| bytes(it, reading));
    let value = read_value(&fields, reading).map(|it| match it {
        Value::Null => ExpectedValue::Null,
        Value::Bytes(bytes) => ExpectedValue::Bytes(bytes),
        Value::Json(json) => ExpectedValue::Json(json.parsed()),
    });
    let timestamp = fields.get("timestamp").and_then(|it| instant(it, reading));
    let headers = fields.get("headers").map(|it| read_headers(it, reading)).unwrap_or_default();
    Some(ExpectedRecord { line: line(node, reading), given, key, value, timestamp, headers })
}

/// The place of a given record: written from 1, held from 0.
fn position(node: &Node, count: usize, reading: &mut Reading<'_, '_>) -> Option<usize> {
    match reading.text(node)?.parse::<usize>() {
        Ok(position) if (1..=count).contains(&position) => position.checked_sub(1),
        _ => reading.mistake(&node.span, "there is no such given record", format!("they are counted from 1 to {count}")),
    }
}

fn read_stores(node: &Node, reading: &mut Reading<'_, '_>) -> Vec<ExpectedStore> {
    let mut stores = Vec::new();
    for (name, node) in reading.map(node, "stores").map(|it| it.entries).unwrap_or_default() {
        let entries = reading.list(node, "a store").unwrap_or_default();
        let entries = entries.iter().filter_map(|it| read_entry(it, reading)).collect();
        stores.push(ExpectedStore { store: name.text.clone(), entries });
    }
    stores
}

fn read_entry(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Entry> {
    let fields = reading.fields(node, "an entry", &["key", "value"])?;
    let key = reading.required(&fields, "an entry", "key", "key: [part]").and_then(|it| reading.list(it, "key"))?;
    let key = key.iter().filter_map(|it| value::json(it, reading)).map(|it| it.parsed()).collect();
    let value = fields.get("value").and_then(|it| value::json(it, reading));
    Some(Entry { key, value: value.map_or_else(|| Json::Object(serde_json::Map::new()), |it| it.parsed()) })
}

/// The line in which a part begins, from 1.
fn line(node: &Node, reading: &Reading<'_, '_>) -> usize {
    reading.mistakes.text().get(..node.span.start).unwrap_or_default().matches('\n').count() + 1
}
