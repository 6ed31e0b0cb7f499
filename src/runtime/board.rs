//! The board: what each worker shows of itself, for metrics, HTTP and lag reports. Workers put up a picture now and then; others read it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::operations::lag::LagReport;
use crate::engine::record::{Millis, Offset, TopicPartition};
use crate::engine::task::Outcomes;
use crate::telemetry::histogram::Histogram;

/// The pictures of all workers of this process.
#[derive(Debug, Default)]
pub struct Board {
    pictures: Mutex<BTreeMap<usize, Arc<Picture>>>,
    lag: Mutex<Arc<[LagReport]>>,
    counters: Mutex<Counters>,
    turns: Mutex<BTreeMap<usize, Millis>>,
}

/// What a worker shows of itself. All counts are of committed records, since the worker's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Which worker.
    pub worker: usize,
    /// When it was taken, wall clock.
    pub at: Millis,
    /// Whether it has its place in the group: partitions were given to it, though perhaps none.
    pub assigned: bool,
    /// Its tasks.
    pub tasks: Vec<TaskPicture>,
    /// Its source partitions.
    pub sources: Vec<SourcePicture>,
    /// Records and bytes by topic, in the order of [`crate::engine::plan::Plan::topics`].
    pub topics: Vec<TopicCounts>,
    /// Times measured.
    pub times: Times,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions given up.
    pub rewinds: u64,
    /// Producers replaced.
    pub recycles: u64,
    /// Times at which the outcomes did not add up to the records taken in.
    pub accounting_errors: u64,
}

/// What a task shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPicture {
    /// `<topology>.<subtopology>_<partition>`
    pub id: String,
    /// Index into [`crate::engine::plan::Plan::subtopologies`].
    pub subtopology: usize,
    /// What it reads.
    pub source: TopicPartition,
    /// Where it is in its life.
    pub state: super::tasks::State,
    /// While it restores: (offsets gone through, of so many).
    pub restored: Option<(Offset, Offset)>,
    /// What became of its records.
    pub outcomes: Outcomes,
    /// Its dead letters: (step, reason) → how many. The step of what can't be decoded is `decode`.
    pub dead: BTreeMap<(String, String), u64>,
}

/// Where a source partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourcePicture {
    /// The partition.
    pub partition: TopicPartition,
    /// The next record to process.
    pub position: Offset,
    /// The group's committed offset.
    pub committed: Option<Offset>,
}

/// Records and bytes (keys and values) of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicCounts {
    /// Records processed.
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
    /// In a step, of a sample of records, by (subtopology, step).
    pub steps: BTreeMap<(usize, String), Histogram>,
    /// A task's restore.
    pub restore: Histogram,
    /// From partitions given up to tasks running again.
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

/// What is counted of the process as a whole, beside the workers' pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Rebalances seen.
    pub rebalances: u64,
    /// Workers that failed.
    pub worker_failures: u64,
}

impl Board {
    /// Puts up a worker's picture, over its last one.
    pub fn put(&self, picture: Picture) {
        locked(&self.pictures).insert(picture.worker, Arc::new(picture));
    }

    /// Takes a worker's picture down: it has ended.
    pub fn take_down(&self, worker: usize) {
        locked(&self.pictures).remove(&worker);
        locked(&self.turns).remove(&worker);
    }

    /// Notes that a worker's loop turned, or its pause between starts.
    pub fn turn(&self, worker: usize, at: Millis) {
        locked(&self.turns).insert(worker, at);
    }

    /// When the loop of each worker turned last, wall clock.
    #[must_use]
    pub fn turns(&self) -> Vec<(usize, Millis)> {
        locked(&self.turns).iter().map(|(worker, at)| (*worker, *at)).collect()
    }

    /// The latest picture of each worker.
    #[must_use]
    pub fn pictures(&self) -> Vec<Arc<Picture>> {
        locked(&self.pictures).values().cloned().collect()
    }

    /// Puts up how the tasks of this process stand.
    pub fn put_lag(&self, reports: Vec<LagReport>) {
        *locked(&self.lag) = reports.into();
    }

    /// How the tasks of this process stand, as last reported.
    #[must_use]
    pub fn lag(&self) -> Arc<[LagReport]> {
        Arc::clone(&locked(&self.lag))
    }

    /// Counts.
    pub fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut locked(&self.counters));
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *locked(&self.counters)
    }
}

/// Locks; what a thread left that panicked is whole, since each lock is held for one step only.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
