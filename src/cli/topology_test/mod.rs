//! Tests of topologies as files: given these records, then these records, dead letters and store entries.

pub mod compare;
pub mod file;
pub mod invariants;
pub mod report;
pub mod run;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::engine::record::Millis;
use crate::sim::entries::Entry;
use crate::sim::facts::Facts;
use crate::sim::workload::Sample;

/// A test file.
#[derive(Debug, Clone, PartialEq)]
pub struct TestFile {
    /// The topologies that run together, by the names of their files, without `.yaml`.
    pub topologies: Vec<String>,
    /// The tests, in order.
    pub cases: Vec<Case>,
}

impl TestFile {
    /// The given records of all tests, for a simulation to make others after them.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let sample = |it: &Record| {
            let Record { topic, key, value, headers, .. } = it.clone();
            Sample { topic, key, value, headers }
        };
        self.cases.iter().flat_map(|it| &it.given).map(sample).collect()
    }
}

/// One test: the records are processed by an application that has never run before.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The line in which it begins.
    pub line: usize,
    /// The records that are read, in this order.
    pub given: Vec<Record>,
    /// All records that are written, by topic; a topic that is not named gets none.
    pub then: Vec<ExpectedTopic>,
    /// All entries of the stores that are named.
    pub stores: Vec<ExpectedStore>,
}

/// A header: its name, and its value if it has one.
pub type Header = (String, Option<Vec<u8>>);

/// A record as it is read or was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: String,
    /// The key; `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a null value.
    pub value: Option<Vec<u8>>,
    /// The record timestamp.
    pub timestamp: Millis,
    /// The headers, in order.
    pub headers: Vec<Header>,
}

/// The records that a topic must have got, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedTopic {
    /// The topic.
    pub topic: String,
    /// Its records.
    pub records: Vec<ExpectedRecord>,
}

/// What a record must be. What is not said is not compared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpectedRecord {
    /// The line in which it begins.
    pub line: usize,
    /// Key, value and headers of this given record (counted from 0), byte for byte; it may have more headers.
    pub given: Option<usize>,
    /// The key.
    pub key: Option<Option<Vec<u8>>>,
    /// The value.
    pub value: Option<ExpectedValue>,
    /// The record timestamp.
    pub timestamp: Option<Millis>,
    /// Headers that must be there.
    pub headers: Vec<Header>,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpectedValue {
    /// Null.
    Null,
    /// JSON with these fields, and perhaps others.
    Json(Json),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// The entries that a store must have, in any order.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedStore {
    /// The store's id; where several topologies have such a store, `<topology>.<id>`.
    pub store: String,
    /// Its entries.
    pub entries: Vec<Entry>,
}

/// What came of a test's records.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The records of all topics of the plan that are written and not internal, in the order of offsets.
    pub topics: BTreeMap<String, Vec<Record>>,
    /// The same as invariants see it, and the entries of all stores.
    pub facts: Facts,
    /// Why a task stopped, if one did.
    pub stopped: Option<String>,
}
