//! Totals: what a worker, or a process, has done since its start. Of records only what is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::task::{Outcomes, Tally};
use crate::telemetry::histogram::Histogram;

/// A task of the plan: the index of its subtopology, and its partition.
pub type TaskKey = (usize, i32);

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Records and bytes by topic, in the order of [`crate::engine::plan::Plan::topics`].
    pub topics: Vec<TopicCounts>,
    /// What became of the records of each task, those that are closed by now included.
    pub tasks: BTreeMap<TaskKey, TaskCounts>,
    /// Times measured.
    pub times: Times,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions given up.
    pub rewinds: u64,
    /// Producers replaced.
    pub recycles: u64,
    /// Times that partitions were given out anew.
    pub rebalances: u64,
    /// Times at which the outcomes of a task did not add up to the records it took in.
    pub accounting_errors: u64,
}

/// What became of a task's records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskCounts {
    /// Its outcomes.
    pub outcomes: Outcomes,
    /// Its dead letters: (step, reason) → how many. The step of what can't be decoded is `decode`.
    pub dead: BTreeMap<(String, String), u64>,
}

/// Records and bytes (keys and values) of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicCounts {
    /// Records processed, once each, however many topologies read them.
    pub consumed_records: u64,
    /// Their bytes.
    pub consumed_bytes: u64,
    /// Records written.
    pub published_records: u64,
    /// Their bytes.
    pub published_bytes: u64,
}

/// Times that a worker measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// From the start of a commit to its end.
    pub commit: Histogram,
    /// From an event's own timestamp to the commit that made its effects visible, by subtopology.
    pub end_to_end: BTreeMap<usize, Histogram>,
    /// In a step, of a sample of records: by subtopology, then by step.
    pub steps: BTreeMap<usize, Vec<(String, Histogram)>>,
    /// A task's restore.
    pub restore: Histogram,
    /// From partitions given up, or first given, to all tasks running again.
    pub rebalance: Histogram,
}

/// Bounds of the buckets for waits: commits, restores, end to end.
pub const WAITS: &[Duration] = &[
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
];

/// Bounds of the buckets for work on one record.
pub const WORK: &[Duration] = &[
    Duration::from_nanos(500),
    Duration::from_micros(1),
    Duration::from_micros(2),
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_millis(1),
    Duration::from_millis(10),
];

impl Default for Times {
    fn default() -> Self {
        Self {
            commit: Histogram::new(WAITS),
            end_to_end: BTreeMap::new(),
            steps: BTreeMap::new(),
            restore: Histogram::new(WAITS),
            rebalance: Histogram::new(WAITS),
        }
    }
}

impl Totals {
    /// Adds what another worker did.
    pub fn add(&mut self, other: &Self) {
        self.topics.resize(self.topics.len().max(other.topics.len()), TopicCounts::default());
        for (topic, other) in self.topics.iter_mut().zip(&other.topics) {
            topic.add(other);
        }
        for (task, other) in &other.tasks {
            let counts = self.tasks.entry(*task).or_default();
            counts.outcomes.add(&other.outcomes);
            for (why, count) in &other.dead {
                *counts.dead.entry(why.clone()).or_default() += count;
            }
        }
        self.times.add(&other.times);
        self.commits += other.commits;
        self.rewinds += other.rewinds;
        self.recycles += other.recycles;
        self.rebalances += other.rebalances;
        self.accounting_errors += other.accounting_errors;
    }
}

impl TopicCounts {
    pub(super) fn add(&mut self, other: &Self) {
        self.consumed_records += other.consumed_records;
        self.consumed_bytes += other.consumed_bytes;
        self.published_records += other.published_records;
        self.published_bytes += other.published_bytes;
    }
}

impl TaskCounts {
    /// Adds what was committed.
    pub(super) fn add(&mut self, tally: &Tally) {
        self.outcomes.add(&tally.outcomes);
        for (why, count) in &tally.dead {
            match self.dead.get_mut(why) {
                Some(so_far) => *so_far += count,
                None => drop(self.dead.insert(why.clone(), *count)),
            }
        }
    }
}

impl Times {
    fn add(&mut self, other: &Self) {
        self.commit.add(&other.commit);
        self.restore.add(&other.restore);
        self.rebalance.add(&other.rebalance);
        for (part, other) in &other.end_to_end {
            self.end_to_end.entry(*part).or_insert_with(|| Histogram::new(WAITS)).add(other);
        }
        for (part, steps) in &other.steps {
            let of_part = self.steps.entry(*part).or_default();
            for (step, other) in steps {
                match of_part.iter_mut().find(|(name, _)| name == step) {
                    Some((_, times)) => times.add(other),
                    None => of_part.push((step.clone(), other.clone())),
                }
            }
        }
    }
}
