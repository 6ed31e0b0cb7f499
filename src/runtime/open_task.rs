//! A task that is open: the engine's part, its store, and where it is in its life.

use std::collections::BTreeMap;
use std::time::Duration;

use super::board::TaskKey;
use super::fail_point::{self, fail_point};
use super::mutant::{self, Mutant};
use super::ports::{Store, StoreError};
use crate::engine::record::{Offset, TopicPartition};
use crate::engine::state::Committed;
use crate::engine::task::{Sweep, Tally, Task};

/// The life of a task.
///
/// ```text
///            open            restored            revoked
///  (closed) ──────▶ Restoring ──────▶ Running ──────────▶ Suspended
///                      ▲   │             │                   │ given back, nobody wrote since: Running
///                      │   ▼             ▼                   │ given back, written since: Restoring
///                      │ Stopped ◀───────┘                   │ not given back: closed
///                      └─────────────────────────────────────┘
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its stores lack the tail of the changelogs.
    Restoring,
    /// It processes records.
    Running,
    /// Its partition is with nobody for now; its stores stay open.
    Suspended,
    /// It can't go on, for a reason that a person must look at.
    Stopped(String),
}

/// A task and its stores.
pub struct OpenTask {
    /// The engine's part.
    pub task: Task,
    /// Its store; `None` while it can't be opened.
    pub store: Box<dyn Store>,
    /// Where it is in its life.
    pub state: State,
    /// Index of its subtopology in the plan.
    pub subtopology: usize,
    /// What it reads.
    pub source: TopicPartition,
    /// What became of the records of the transaction that is being committed.
    pub sealed: Tally,
    /// The changelog partition of each of its stores.
    pub changelogs: Vec<TopicPartition>,
    /// The group's committed offset that its state reflects; `None`: not known, to be restored.
    pub reflects: Option<Option<Offset>>,
    /// Of its stores with committed state that is not on disk yet: the changelog offsets that it corresponds to.
    pub positions: BTreeMap<usize, Offset>,
    /// When the first of that was committed.
    pub unwritten_since: Duration,
}

impl State {
    /// The names of all states.
    pub const NAMES: [&'static str; 4] = ["restoring", "running", "suspended", "stopped"];

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Restoring => "restoring",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Stopped(_) => "stopped",
        }
    }
}

impl OpenTask {
    /// Which task of the plan it is.
    #[must_use]
    pub fn key(&self) -> TaskKey {
        (self.subtopology, self.source.partition)
    }

    /// What it did is committed, up to `offset` of its source, and its changelogs end there: its state is to be written.
    pub(super) fn committed(&mut self, offset: Option<Offset>, ends: &[(TopicPartition, Offset)], now: Duration) {
        if let Some(offset) = offset {
            self.task.committed(offset);
        }
        if self.state == State::Restoring {
            // It lacks what it did: since its commit began, its state failed. It gets it from its changelogs.
            return;
        }
        if offset.is_some() {
            self.reflects = Some(offset);
        }
        if self.positions.is_empty() {
            self.unwritten_since = now;
        }
        let store = |changelog: &TopicPartition| self.changelogs.iter().position(|it| it == changelog);
        self.positions.extend(ends.iter().filter_map(|(changelog, end)| Some((store(changelog)?, *end))));
        self.task.overlay.committed();
    }

    /// Its state is to be restored, from what is on disk: nothing else of it counts any more.
    pub(super) fn forget(&mut self) {
        self.state = State::Restoring;
        self.reflects = None;
        self.positions.clear();
        if mutant::is(Mutant::SeenStays) {
            return self.task.overlay.forget();
        }
        self.task.forget();
    }

    /// Writes committed state to disk, in one batch with the changelog offsets that it corresponds to.
    ///
    /// # Errors
    /// When it can't be written: it is to be restored then.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        if self.positions.is_empty() {
            return Ok(());
        }
        fail_point(fail_point::BEFORE_STORE_WRITE);
        let positions: Vec<_> = self.positions.iter().map(|(store, offset)| (*store, *offset)).collect();
        let written = self.store.write(&mut self.task.overlay.unwritten(), &positions);
        if !mutant::is(Mutant::FailedWriteForgotten) {
            written?;
        }
        self.positions.clear();
        self.task.overlay.written();
        Ok(())
    }
}

/// A task's store as the engine sees it.
pub struct Disk<'s>(pub &'s mut dyn Store);

impl Committed for Disk<'_> {
    fn get(&mut self, store: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        self.0.get(store, key, value)
    }
}

impl Sweep for Disk<'_> {
    fn scan(&mut self, store: usize, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.0.scan(store, from, entry)
    }
}
