//! Would the topologies take a record? Tried by tasks that have no state, so that what is written is mostly not refused.

use std::sync::Arc;

use crate::engine::plan::Subtopology;
use crate::engine::record::{Millis, RecordRef};
use crate::engine::state::{Committed, StoreError};
use crate::engine::task::effects::Effects;
use crate::engine::task::{Outcome, Task};

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
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
pub struct Trial {
    /// They.
    pub readers: Vec<Arc<Subtopology>>,
    effects: Effects,
}

/// A state in which nothing was ever written.
pub struct Empty;

impl Committed for Empty {
    fn get(&mut self, _store: usize, _key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        value.clear();
        Ok(false)
    }
}

impl Trial {
    /// Of these readers.
    #[must_use]
    pub fn new(readers: Vec<Arc<Subtopology>>) -> Self {
        Self { readers, effects: Effects::default() }
    }

    /// What would become of the record, at this wall-clock time.
    pub fn verdict(&mut self, record: RecordRef<'_>, now: Millis) -> Verdict {
        let mut verdict = Verdict::Nothing;
        for reader in &self.readers {
            self.effects.clear();
            match Task::new(Arc::clone(reader), 0, 0).process(record, now, false, &mut Empty, &mut self.effects, None) {
                Err(_) => return Verdict::Stops,
                Ok(Outcome::Undecodable | Outcome::Dead) => verdict = Verdict::Dead,
                Ok(Outcome::Processed) if verdict == Verdict::Nothing => verdict = Verdict::Effect,
                Ok(_) => {}
            }
        }
        verdict
    }
}
