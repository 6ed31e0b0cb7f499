//! Would the topologies take a record? Tried by tasks that have no state, so that what is written is mostly not refused.

use std::sync::Arc;

use super::Input;
use crate::engine::plan::Subtopology;
use crate::engine::record::{HeaderRef, RecordRef, TopicPartition};
use crate::engine::state::{Committed, StoreError};
use crate::engine::task::effects::Effects;
use crate::engine::task::{Outcome, Task};

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes through the steps of some topology.
    Effect,
    /// It is filtered, or passed by.
    Nothing,
    /// A dead letter.
    Dead,
    /// It would stop a task.
    Stops,
}

/// The subtopologies that read a topic.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) readers: Vec<Arc<Subtopology>>,
    effects: Effects,
}

/// A state in which nothing was ever written.
struct Empty;

impl Committed for Empty {
    fn get(&mut self, _store: usize, _key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        value.clear();
        Ok(false)
    }
}

impl Trial {
    pub(super) fn new(readers: Vec<Arc<Subtopology>>) -> Self {
        Self { readers, effects: Effects::default() }
    }

    pub(super) fn verdict(&mut self, input: &Input) -> Verdict {
        let headers: Vec<HeaderRef<'_>> = input.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let record = RecordRef {
            source: TopicPartition { topic: input.topic, partition: 0 },
            offset: 0,
            timestamp: Some(input.timestamp),
            key: input.key.as_deref(),
            value: input.value.as_deref(),
            headers: &headers,
        };
        let mut verdict = Verdict::Nothing;
        for reader in &self.readers {
            self.effects.clear();
            match Task::new(Arc::clone(reader), 0, 0).process(record, input.timestamp, false, &mut Empty, &mut self.effects, None) {
                Err(_) => return Verdict::Stops,
                Ok(Outcome::Undecodable | Outcome::Dead) => verdict = Verdict::Dead,
                Ok(Outcome::Processed) if verdict == Verdict::Nothing => verdict = Verdict::Effect,
                Ok(_) => {}
            }
        }
        verdict
    }
}
