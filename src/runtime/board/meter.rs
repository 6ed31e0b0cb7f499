//! The meter: what a worker counts. What belongs to the open transaction counts when it is committed, and is dropped when it is not.

use std::mem::Discriminant;
use std::time::Duration;

use super::totals::{TaskKey, TopicCounts, Totals, WAITS};
use crate::engine::record::{Millis, TopicId};
use crate::engine::task::Tally;
use crate::runtime::open_task::State;
use crate::telemetry::histogram::Histogram;

/// What a worker counts.
#[derive(Debug, Default)]
pub struct Meter {
    /// What is done for good.
    pub(in crate::runtime) totals: Totals,
    /// Records and bytes of the open transaction, or of the one that is being committed: nothing is sent meanwhile.
    open: Vec<TopicCounts>,
    /// Whether partitions were given to the worker, though perhaps none.
    pub(in crate::runtime) assigned: bool,
    /// Since when partitions are on their way.
    moving_since: Option<Duration>,
    /// When it was shown last.
    pub(super) shown: Option<Duration>,
    /// The tasks as they were shown last.
    pub(super) states: Vec<(TaskKey, Discriminant<State>)>,
}

impl Meter {
    /// Nothing counted yet, of so many topics.
    pub(in crate::runtime) fn new(topics: usize) -> Self {
        let none = vec![TopicCounts::default(); topics];
        Self { totals: Totals { topics: none.clone(), ..Totals::default() }, open: none, ..Self::default() }
    }

    /// A record was sent.
    pub(in crate::runtime) fn published(&mut self, topic: TopicId, key: Option<&[u8]>, value: Option<&[u8]>) {
        if let Some(counts) = self.open.get_mut(usize::from(topic.0)) {
            counts.published_records += 1;
            counts.published_bytes += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;
        }
    }

    /// Records were processed, and are part of the transaction.
    pub(in crate::runtime) fn consumed(&mut self, topic: TopicId, records: u64, bytes: u64) {
        if let Some(counts) = self.open.get_mut(usize::from(topic.0)) {
            counts.consumed_records += records;
            counts.consumed_bytes += bytes;
        }
    }

    /// The transaction was given up.
    pub(in crate::runtime) fn rewound(&mut self) {
        self.totals.rewinds += 1;
        self.open.fill(TopicCounts::default());
    }

    /// The transaction is committed; this took so long.
    pub(in crate::runtime) fn committed(&mut self, took: Duration) {
        self.totals.commits += 1;
        self.totals.times.commit.observe(took);
        for (total, open) in self.totals.topics.iter_mut().zip(&mut self.open) {
            total.add(&std::mem::take(open));
        }
    }

    /// What a task did in the transaction that is committed; `now`: when that was.
    pub(in crate::runtime) fn task_committed(&mut self, task: TaskKey, tally: &Tally, now: Millis) {
        self.totals.tasks.entry(task).or_default().add(tally);
        if tally.event_times.is_empty() {
            return;
        }
        let times = self.totals.times.end_to_end.entry(task.0).or_insert_with(|| Histogram::new(WAITS));
        for event_time in &tally.event_times {
            // An event from the future took no time.
            times.observe(Duration::from_millis(u64::try_from(now.saturating_sub(*event_time)).unwrap_or(0)));
        }
    }

    /// Partitions are to be given up, or were given.
    pub(in crate::runtime) fn partitions_move(&mut self, now: Duration) {
        self.moving_since.get_or_insert(now);
    }

    /// All tasks run again, if they did not.
    pub(super) fn partitions_settled(&mut self, now: Duration) {
        if let Some(since) = self.moving_since.take() {
            self.totals.times.rebalance.observe(now.saturating_sub(since));
        }
    }

    /// Whether partitions are on their way.
    pub(super) fn is_moving(&self) -> bool {
        self.moving_since.is_some()
    }
}
