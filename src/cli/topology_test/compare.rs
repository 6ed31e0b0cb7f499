//! What a test expects beside what came out: the differences, each in a line.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Case, ExpectedRecord, ExpectedStore, ExpectedValue, Outcome, Record};
use crate::sim::entries::Entry;

/// The differences, in words; none: the test has passed.
#[must_use]
pub fn differences(case: &Case, outcome: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(why) = &outcome.stopped {
        found.push(format!("a task stopped: {why}"));
    }
    let expected: BTreeMap<&str, &[ExpectedRecord]> = case.then.iter().map(|it| (it.topic.as_str(), it.records.as_slice())).collect();
    for topic in case.then.iter().map(|it| it.topic.as_str()).filter(|it| !outcome.topics.contains_key(*it)) {
        found.push(format!("{topic}: no topology of this test writes to it"));
    }
    for (topic, records) in &outcome.topics {
        compare_topic(topic, expected.get(topic.as_str()).copied(), records, &case.given, &mut found);
    }
    for store in &case.stores {
        match entries(&outcome.facts.stores, &store.store) {
            Ok(entries) => compare_store(store, entries, &mut found),
            Err(why) => found.push(format!("store {}: {why}", store.store)),
        }
    }
    found
}

fn compare_topic(topic: &str, expected: Option<&[ExpectedRecord]>, found: &[Record], given: &[Record], differences: &mut Vec<String>) {
    let known = expected.unwrap_or_default();
    for (n, (expected, found)) in known.iter().zip(found).enumerate() {
        let place = format!("{topic}: record {} (line {})", n + 1, expected.line);
        compare_record(&place, expected, found, given, differences);
    }
    for (n, missing) in known.iter().enumerate().skip(found.len()) {
        differences.push(format!("{topic}: record {} (line {}) is missing", n + 1, missing.line));
    }
    for record in found.iter().skip(known.len()) {
        let why = if expected.is_some() { "one record too many" } else { "nothing was expected here" };
        differences.push(format!("{topic}: {why}: {}", shown(record)));
    }
}

fn compare_record(place: &str, expected: &ExpectedRecord, found: &Record, given: &[Record], differences: &mut Vec<String>) {
    let mut compare = |what: &str, expected: Option<&[u8]>, found: Option<&[u8]>| {
        if expected != found {
            differences.push(format!("{place}: {what}: expected {}, found {}", text(expected), text(found)));
        }
    };
    let as_given = expected.given.and_then(|it| given.get(it));
    if let Some(given) = as_given {
        compare("key", given.key.as_deref(), found.key.as_deref());
        compare("value", given.value.as_deref(), found.value.as_deref());
    }
    if let Some(key) = &expected.key {
        compare("key", key.as_deref(), found.key.as_deref());
    }
    match &expected.value {
        Some(ExpectedValue::Null) => compare("value", None, found.value.as_deref()),
        Some(ExpectedValue::Bytes(bytes)) => compare("value", Some(bytes), found.value.as_deref()),
        Some(ExpectedValue::Json(expected)) => match found.value.as_deref().map(serde_json::from_slice::<Json>) {
            Some(Ok(json)) => compare_json(place, "", expected, &json, differences),
            _ => differences.push(format!("{place}: expected JSON, found {}", text(found.value.as_deref()))),
        },
        None => {}
    }
    if let Some(timestamp) = expected.timestamp.filter(|it| *it != found.timestamp) {
        differences.push(format!("{place}: record timestamp: expected {}, found {}", instant(timestamp), instant(found.timestamp)));
    }
    for (name, value) in as_given.iter().flat_map(|it| &it.headers).chain(&expected.headers) {
        match found.headers.iter().find(|it| it.0 == *name) {
            Some((_, found)) if found == value => {}
            Some((_, found)) => {
                differences.push(format!("{place}: header {name}: expected {}, found {}", text(value.as_deref()), text(found.as_deref())));
            }
            None => differences.push(format!("{place}: header {name}: expected {}, but there is none", text(value.as_deref()))),
        }
    }
}

/// Compares what is expected; fields of `found` that are not named are passed over, at any depth.
fn compare_json(place: &str, path: &str, expected: &Json, found: &Json, differences: &mut Vec<String>) {
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => {
            for (name, value) in expected {
                let path = format!("{path}/{name}");
                match found.get(name) {
                    Some(found) => compare_json(place, &path, value, found, differences),
                    None => differences.push(format!("{place}: {path}: expected {value}, but there is no such field")),
                }
            }
        }
        (Json::Array(expected), Json::Array(found)) if expected.len() == found.len() => {
            for (n, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare_json(place, &format!("{path}/{n}"), expected, found, differences);
            }
        }
        (expected, found) if expected == found => {}
        (expected, found) => differences.push(format!("{place}: {path}: expected {expected}, found {found}")),
    }
}

fn compare_store(expected: &ExpectedStore, found: &[Entry], differences: &mut Vec<String>) {
    let key = |it: &Entry| Json::from(it.key.clone()).to_string();
    let found: BTreeMap<String, &Json> = found.iter().map(|it| (key(it), &it.value)).collect();
    let named: BTreeMap<String, &Json> = expected.entries.iter().map(|it| (key(it), &it.value)).collect();
    for (key, value) in &named {
        let place = format!("store {}: {key}", expected.store);
        match found.get(key) {
            Some(found) => compare_json(&place, "", value, found, differences),
            None => differences.push(format!("{place} is missing")),
        }
    }
    for (key, value) in found.iter().filter(|it| !named.contains_key(it.0)) {
        differences.push(format!("store {}: {key} was not expected: {value}", expected.store));
    }
}

/// The entries of a store that is named in full or, where only one topology has it, by its id.
fn entries<'a>(stores: &'a BTreeMap<String, Vec<Entry>>, named: &str) -> Result<&'a [Entry], String> {
    if let Some(entries) = stores.get(named) {
        return Ok(entries);
    }
    let known: Vec<_> = stores.iter().filter(|it| it.0.rsplit_once('.').is_some_and(|(_, id)| id == named)).collect();
    match known.as_slice() {
        [(_, entries)] => Ok(entries),
        [] => Err(format!("there is no such store; there are {}", stores.keys().cloned().collect::<Vec<_>>().join(", "))),
        several => Err(format!("there is more than one: {}", several.iter().map(|it| it.0.as_str()).collect::<Vec<_>>().join(", "))),
    }
}

/// A record in a line.
fn shown(record: &Record) -> String {
    let headers =
        record.headers.iter().filter(|it| it.0.starts_with("goyt.")).map(|(name, value)| format!(", {name} {}", text(value.as_deref())));
    format!("key {}, value {}{}", text(record.key.as_deref()), text(record.value.as_deref()), headers.collect::<String>())
}

/// Bytes for people: as they are when they are text.
fn text(bytes: Option<&[u8]>) -> String {
    match bytes.map(std::str::from_utf8) {
        None => "null".to_owned(),
        Some(Ok(text)) => format!("`{text}`"),
        Some(Err(_)) => format!("bytes {}", bytes.unwrap_or_default().iter().map(|it| format!("{it:02x}")).collect::<String>()),
    }
}

fn instant(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| format!("{millis} ms"), |it| it.to_string())
}
