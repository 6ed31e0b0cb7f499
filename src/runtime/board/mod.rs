//! The board: what each worker shows of itself, for metrics, HTTP and lag reports. Workers put up a picture now and then; others read it.

mod meter;
mod show;
mod steps;
mod totals;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::operations::lag::LagReport;
use crate::engine::record::{Millis, Offset, TopicPartition};
use crate::engine::task::Outcomes;

pub use meter::Meter;
pub(super) use steps::Sample;
pub use steps::{SAMPLE_EVERY, StepTimes};
pub use totals::{TaskCounts, TaskKey, Times, TopicCounts, Totals};

/// The pictures of all workers of this process.
#[derive(Debug, Default)]
pub struct Board {
    pictures: Mutex<BTreeMap<usize, Arc<Picture>>>,
    /// Of the workers that have ended.
    ended: Mutex<Totals>,
    lag: Mutex<Arc<[LagReport]>>,
    counters: Mutex<Counters>,
    turns: Mutex<BTreeMap<usize, Millis>>,
}

/// What a worker shows of itself.
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
    /// What it has done since its start.
    pub totals: Totals,
    /// What waits in it.
    pub waiting: Waiting,
}

/// What waits in a worker and its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Bytes of effects that wait for a commit to end.
    pub unsent: usize,
    /// Bytes of state that are not committed.
    pub state: usize,
    /// Records and requests in the producer's queue.
    pub producer: usize,
    /// Records that the consumer has fetched.
    pub consumer: usize,
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
    pub state: super::open_task::State,
    /// While it restores: (offsets gone through, of so many).
    pub restored: Option<(Offset, Offset)>,
    /// What became of its records, as far as they are committed, since the worker's start.
    pub outcomes: Outcomes,
    /// Of these, its dead letters: (step, reason) → how many. The step of what can't be decoded is `decode`.
    pub dead: BTreeMap<(String, String), u64>,
    /// By store: see [`crate::engine::task::Task::ids_without_entries`].
    pub ids_without_entries: Vec<u64>,
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

/// What is counted of the process as a whole, beside the workers' pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Workers that failed.
    pub worker_failures: u64,
}

impl Board {
    /// Puts up a worker's picture, over its last one.
    pub fn put(&self, picture: Picture) {
        locked(&self.pictures).insert(picture.worker, Arc::new(picture));
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

    /// Takes a worker's picture down: it has ended. What it has done still counts.
    pub fn take_down(&self, last: &Picture) {
        let mut pictures = locked(&self.pictures);
        pictures.remove(&last.worker);
        locked(&self.turns).remove(&last.worker);
        locked(&self.ended).add(&last.totals);
    }

    /// What all workers of this process have done, those that have ended included.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let pictures = locked(&self.pictures);
        let mut totals = locked(&self.ended).clone();
        pictures.values().for_each(|it| totals.add(&it.totals));
        totals
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
