//! How far a task is behind its source partition: the report that goes to Kafka, to metrics and to people.

pub mod evaluation;
mod event;
pub mod overview;
pub mod peeks;

use std::fmt;

pub use event::{read, topic};

use crate::engine::record::{Millis, Offset};

/// How one task stands. Written as a `LAG_REPORTED` event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LagReport {
    /// `application.id`
    pub application: String,
    /// `instance.id`
    pub instance: String,
    /// Where the instance's HTTP is reached, if anywhere: `application.server`.
    pub address: Option<String>,
    /// The topology.
    pub topology: String,
    /// The task.
    pub task: String,
    /// Its source.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next record to process.
    pub position: Offset,
    /// The group's committed offset.
    pub committed: Option<Offset>,
    /// The end of what a reader of committed records can see.
    pub visible_end: Offset,
    /// Records that can be seen and are not processed; control records do not count when nothing else is left.
    pub records_behind: i64,
    /// Now − append time of the next unprocessed record; 0 when there is none.
    pub behind: Millis,
    /// What this means.
    pub status: LagStatus,
    /// When it was taken.
    pub at: Millis,
}

/// What a lag means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LagStatus {
    /// Nothing is left to do, or it is getting less.
    Ok,
    /// It moves on, and falls back.
    Slow,
    /// Records wait, and it does not move.
    Stalled,
    /// The task stopped, or nobody has it.
    Stopped,
    /// An open transaction of a producer holds the end back.
    Blocked,
}

impl LagStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Slow, Self::Stalled, Self::Stopped, Self::Blocked];

    /// As it stands in events and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Slow => "slow",
            Self::Stalled => "stalled",
            Self::Stopped => "stopped",
            Self::Blocked => "blocked",
        }
    }
}

impl fmt::Display for LagStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
