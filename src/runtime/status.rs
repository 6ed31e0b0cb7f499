//! What is told of the state of an application: one line for each change, none for a record.

use std::fmt;
use std::time::Duration;

use crate::engine::record::Offset;

/// Takes what changed: the command line prints it, metrics count it.
pub type Report = dyn Fn(&Change) + Send + Sync;

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The worker takes its place in the group.
    Joining {
        /// Its topics.
        topics: usize,
    },
    /// Records of repartition topics are not read back from the log.
    HandsOver {
        /// Of so many topics.
        topics: usize,
    },
    /// Partitions were given to the worker.
    Assigned {
        /// How many.
        partitions: usize,
        /// How many tasks go on with the stores that they had open.
        kept: usize,
        /// How many tasks are opened.
        opened: usize,
        /// How many tasks are closed.
        closed: usize,
    },
    /// Partitions are to be given up, or were taken.
    Revoked {
        /// How many.
        partitions: usize,
        /// Whether there was no time for a last commit.
        lost: bool,
    },
    /// A task's stores are open.
    Created {
        /// The task.
        task: String,
    },
    /// A task reads its changelogs.
    Restoring {
        /// The task.
        task: String,
        /// Offsets to go through.
        behind: Offset,
        /// Why it is more than the tail, when it is.
        why: Option<String>,
    },
    /// How far it has come; told at most once in a while.
    RestoreProgress {
        /// The task.
        task: String,
        /// Offsets gone through.
        done: Offset,
        /// Of so many.
        of: Offset,
    },
    /// A task's state is complete.
    Restored {
        /// The task.
        task: String,
        /// Records read.
        read: u64,
        /// Of so many offsets that its changelogs have.
        of: Offset,
        /// In this time.
        took: Duration,
    },
    /// A task processes records.
    Running {
        /// The task.
        task: String,
    },
    /// A task's stores are closed.
    Closed {
        /// The task.
        task: String,
    },
    /// A task stopped, and its partition with it; others go on.
    Stopped {
        /// The task.
        task: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A transaction was given up; its input is read again.
    Rewound {
        /// Why.
        reason: String,
    },
    /// A producer was replaced, since a late request of the old one might still arrive.
    Recycled {
        /// Why.
        reason: String,
    },
    /// Something is waited for; told once.
    Waiting {
        /// For what.
        reason: String,
    },
    /// The outcomes of a task do not add up: a bug.
    AccountingError {
        /// The task.
        task: String,
    },
    /// A worker failed and is started again.
    WorkerFailed {
        /// Which.
        worker: usize,
        /// Why.
        reason: String,
        /// After this time; `None`: not any more.
        again_in: Option<Duration>,
    },
    /// The last commit and the leave are under way.
    Stopping,
    /// All is done.
    Ended {
        /// Records processed since the start.
        records: u64,
        /// Whether the last commit was made.
        committed: bool,
    },
}

impl Change {
    /// Whether a person must act.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Stopped { .. } | Self::AccountingError { .. } | Self::WorkerFailed { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joining { topics } => write!(f, "joining the group for {topics} topics"),
            Self::HandsOver { topics } => {
                write!(f, "alone on {topics} repartition topics: their records are processed in the transaction that writes them")
            }
            Self::Assigned { partitions, kept, opened, closed } => {
                write!(f, "rebalanced: {partitions} partitions; tasks kept {kept}, opened {opened}, closed {closed}")
            }
            Self::Revoked { partitions, lost: false } => write!(f, "rebalancing: {partitions} partitions are given up after a commit"),
            Self::Revoked { partitions, lost: true } => write!(f, "rebalancing: {partitions} partitions were taken without a last commit"),
            Self::Created { task } => write!(f, "task {task} created"),
            Self::Restoring { task, behind, why: None } => write!(f, "task {task} restoring: the last {behind} offsets"),
            Self::Restoring { task, behind, why: Some(why) } => write!(f, "task {task} restoring: {behind} offsets, all of them: {why}"),
            Self::RestoreProgress { task, done, of } => {
                write!(f, "task {task} restoring: {} % of {of} offsets", done.saturating_mul(100) / (*of).max(1))
            }
            Self::Restored { task, read, of, took } => {
                write!(f, "task {task} restored: {read} records read of {of} in {:.2} s", took.as_secs_f64())
            }
            Self::Running { task } => write!(f, "task {task} running"),
            Self::Closed { task } => write!(f, "task {task} closed"),
            Self::Stopped { task, reason } => write!(f, "task {task} stopped: {reason}"),
            Self::Rewound { reason } => write!(f, "transaction given up, reading its input again: {reason}"),
            Self::Recycled { reason } => write!(f, "producer replaced: {reason}"),
            Self::Waiting { reason } => write!(f, "waiting: {reason}"),
            Self::AccountingError { task } => write!(f, "task {task}: outcomes do not add up to the records taken in; please report this"),
            Self::WorkerFailed { worker, reason, again_in: Some(after) } => {
                write!(f, "worker {worker} failed, starting again in {:.1} s: {reason}", after.as_secs_f64())
            }
            Self::WorkerFailed { worker, reason, again_in: None } => write!(f, "worker {worker} failed for good: {reason}"),
            Self::Stopping => f.write_str("stopping: the last commit"),
            Self::Ended { records, committed: true } => write!(f, "stopped: {records} records processed, all committed"),
            Self::Ended { records, committed: false } => {
                write!(f, "stopped without the last commit: {records} records processed; the rest is processed again, nothing is lost")
            }
        }
    }
}
