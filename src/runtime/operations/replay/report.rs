//! What a replay found: where live and replay agree, and where they differ.

use super::join::{Joined, Kind};
use crate::engine::plan::Role;
use crate::engine::record::Offset;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The topology.
    pub topology: String,
    /// Records processed by the replay.
    pub records: u64,
    /// What was read, by source partition.
    pub sources: Vec<SourceRow>,
    /// What was written, by live topic.
    pub topics: Vec<TopicRow>,
    /// State, by store and partition.
    pub stores: Vec<StoreRow>,
    /// The first differences of each kind and place.
    pub differences: Vec<Difference>,
    /// What was not compared, and why.
    pub notes: Vec<String>,
}

/// What was read of a source partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub from: Offset,
    /// Up to here: the live application's committed offset.
    pub until: Offset,
}

/// A topic, live and replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRow {
    /// The live topic.
    pub topic: String,
    /// What it is for.
    pub role: Role,
    /// How many are the same, and how many are not.
    pub joined: Joined,
}

/// A partition of a store, live and replayed, at the same offset of its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRow {
    /// The task.
    pub task: String,
    /// The store.
    pub store: String,
    /// The partition.
    pub partition: i32,
    /// The offset of the task's input at which both were looked at.
    pub at: Offset,
    /// Keys with the same value.
    pub same: u64,
    /// Keys with another value.
    pub changed: u64,
    /// Keys that only the live store has.
    pub only_live: u64,
    /// Keys that only the replay's store has.
    pub only_replay: u64,
    /// Sum of the digests of the live entries.
    pub live_digest: u64,
    /// Sum of the digests of the replay's entries.
    pub replay_digest: u64,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The live topic, or `<task> <store>`.
    pub place: String,
    /// How they differ.
    pub kind: Kind,
    /// The event id, the place of the dead letter's origin, or the store's key.
    pub id: String,
    /// Where it stands live: `partition@offset`; of a store, its value.
    pub live: Option<String>,
    /// Where it stands in the replay; of a store, its value.
    pub replay: Option<String>,
    /// The fields that differ, with both values.
    pub fields: Vec<String>,
}

impl StoreRow {
    /// Whether both have the same.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.changed == 0 && self.only_live == 0 && self.only_replay == 0
    }
}

impl Report {
    /// Whether everything that was compared is the same.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.topics.iter().all(|it| it.joined.is_identical()) && self.stores.iter().all(StoreRow::is_identical)
    }
}
