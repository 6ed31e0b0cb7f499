//! The operators, one file each, and the way of a record through the steps.

mod aggregate;
mod allot;
mod branch;
mod dedup;
mod emit;
mod filter;
mod key;
mod let_;
mod operand;
mod require;
mod split;
mod unique;

use crate::engine::expr::{Expr, Fault, Otherwise, eval};
use crate::engine::failure::{Failure, code};
use crate::engine::json::Envelope;
use crate::engine::plan::{Binding, Operand, Operator, Step, Subtopology};
use crate::engine::record::{Millis, RecordRef};
use crate::engine::state::overlay::{Overlay, Place};
use crate::engine::state::page_index::PageIndex;
use crate::engine::state::seen::Seen;
use crate::engine::state::{Committed, Key, StoreError};
use crate::engine::task::effects::Effects;
use crate::engine::value::{Texts, Value};

use operand::Values;

/// A record on its way through the steps.
pub struct Flow<'t, 'r> {
    /// The subtopology.
    pub plan: &'r Subtopology,
    /// The record.
    pub record: RecordRef<'r>,
    /// Which event it is: index into the plan's events.
    pub event: usize,
    /// Its envelope, or that of the event behind the repartition.
    pub envelope: Envelope<'r>,
    /// Which legs it went through: 0, then ·256 + leg + 1 for each split.
    pub place: u32,
    /// The scalars that steps name.
    pub slots: &'t mut [Value<'r>],
    /// Their texts that stand neither in the record nor in the plan.
    pub texts: &'r Texts,
    /// Stream time of the task's partition, this record counted in; milliseconds.
    pub stream_time: Millis,
    /// What outputs are stamped with: the input's record timestamp, at most now.
    pub timestamp: Millis,
    /// The state, and what of it is not committed yet.
    pub overlay: &'t mut Overlay,
    /// What is known of the ids of a dedup that have entries, by store.
    pub seen: &'t [Seen],
    /// Where those of them are that have none, by store.
    pub pages: &'t [PageIndex],
    /// The committed state.
    pub committed: &'t mut dyn Committed,
    /// What the record does.
    pub effects: &'t mut Effects,
    /// Memory for keys and values, kept from record to record.
    pub scratch: &'t mut Scratch,
    /// Who is told of its way, if anybody.
    pub probe: Option<&'t mut dyn Probe>,
}

/// Is told which step a record enters. Time between two calls was spent in the step of the first one.
pub trait Probe {
    /// The record enters a step.
    fn enter(&mut self, step: &str);
}

/// Memory that steps write into.
#[derive(Debug, Default)]
pub struct Scratch {
    key: Vec<u8>,
    /// Of the key: it is asked for when state is read, and again when it is written.
    hash: u64,
    /// Where the key was found.
    place: Place,
    value: Vec<u8>,
    /// The key of a part of the value, and then its fields; the value that will be.
    part: Vec<u8>,
    next: Vec<u8>,
    /// Ids of a dedup.
    page: Vec<u8>,
}

impl Scratch {
    fn key(&self) -> Key<'_> {
        Key::hashed(&self.key, self.hash)
    }
}

/// What became of a record, or of one of its legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It went through all steps.
    Through,
    /// A filter or a branch let it go.
    Filtered,
    /// Its id was seen before.
    Duplicate,
}

/// Why a record went no further: rare and large, and therefore in a box wherever it may come.
#[derive(Debug)]
pub enum Halt {
    /// It can't be processed: a dead letter.
    Failed(Failure),
    /// The task can't go on: only the operator can decide, or the state failed.
    Stop(Stop),
}

/// Why a task stops.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// A step says `stop`, or has to, since nothing may be rejected behind a repartition.
    #[error("step `{step}`: {message}")]
    Step {
        /// The step's id.
        step: String,
        /// In words.
        message: String,
    },
    /// The state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StoreError> for Box<Halt> {
    fn from(error: StoreError) -> Self {
        Self::new(Halt::Stop(Stop::Store(error)))
    }
}

/// Whether the next step follows.
enum Next {
    Step,
    End(Way),
}

/// Takes a record through the steps.
///
/// # Errors
/// When it can't be processed, or the task can't go on.
pub fn run<'r>(flow: &mut Flow<'_, 'r>, steps: &'r [Step]) -> Result<Way, Box<Halt>> {
    for (index, step) in steps.iter().enumerate() {
        flow.enter(step);
        let next = match &step.operator {
            Operator::Let(bindings) => let_::run(flow, step, bindings)?,
            Operator::Require { that, otherwise } => require::run(flow, step, that, otherwise)?,
            Operator::Filter { that } => filter::run(flow, step, that)?,
            Operator::Dedup { store, by, window_ms, late } => dedup::run(flow, step, *store, by, *window_ms, *late)?,
            Operator::Unique { store, by } => unique::run(flow, step, *store, by)?,
            Operator::Allot { store, into } => allot::run(flow, step, *store, *into)?,
            Operator::Aggregate(aggregate) => aggregate::run(flow, step, aggregate)?,
            Operator::Emit(emit) => emit::run(flow, step, emit)?,
            Operator::Key { by, to, layout } => return key::run(flow, step, by, *to, layout),
            Operator::Branch(cases) => return branch::run(flow, step, cases),
            Operator::Split(legs) => return split::run(flow, step, legs, steps.get(index + 1..).unwrap_or_default()),
        };
        if let Next::End(way) = next {
            return Ok(way);
        }
    }
    Ok(Way::Through)
}

impl<'r> Flow<'_, 'r> {
    fn enter(&mut self, step: &Step) {
        if let Some(probe) = &mut self.probe {
            probe.enter(&step.id);
        }
    }

    /// Computes a binding into its slot.
    fn bind(&mut self, step: &Step, binding: &'r Binding) -> Result<(), Box<Halt>> {
        let mut value = Value::Null;
        if let Expr::Slot(slot) = &binding.value {
            value = *eval::slot_value(*slot, self.slots);
        } else if let Err(fault) = eval::compute(&binding.value, self.slots, self.texts, &mut value) {
            return Err(halt(step, &fault, binding.otherwise.as_ref()));
        }
        if let Some(slot) = self.slots.get_mut(usize::from(binding.into)) {
            *slot = value;
        }
        Ok(())
    }

    /// Writes the key of parts into the scratch memory, behind `begin`.
    fn state_key(&mut self, step: &Step, by: &'r [Operand], begin: impl FnOnce(&mut Vec<u8>)) -> Result<(), Box<Halt>> {
        self.scratch.key.clear();
        begin(&mut self.scratch.key);
        append_key(self.slots, self.texts, step, by, &mut self.scratch.key)?;
        self.scratch.hash = Key::of(&self.scratch.key).hash();
        Ok(())
    }

    /// Reads the value of the key in the scratch memory into the scratch memory; whether there is one.
    fn read_state(&mut self, store: usize) -> Result<bool, Box<Halt>> {
        let Scratch { key, hash, place, value, .. } = &mut *self.scratch;
        let (exists, at) = self.overlay.locate(self.committed, store, Key::hashed(key, *hash), value)?;
        *place = at;
        Ok(exists)
    }

    /// Writes the value in the scratch memory for the key there, which was read before.
    fn write_state(&mut self, store: usize) {
        self.overlay.put_at(store, self.scratch.key(), self.scratch.place, Some(&self.scratch.value));
    }
}

/// Appends the parts of a key.
fn append_key<'r>(slots: &[Value<'r>], texts: &'r Texts, step: &Step, by: &'r [Operand], into: &mut Vec<u8>) -> Result<(), Box<Halt>> {
    let values = Values { slots, texts };
    by.iter().try_for_each(|part| values.key(part, into)).map_err(|it| halt(step, &it, None))
}

/// What a fault of an expression makes of the record.
fn halt(step: &Step, fault: &Fault, otherwise: Option<&Otherwise>) -> Box<Halt> {
    ended(step, otherwise, fault.to_string())
}

fn ended(step: &Step, otherwise: Option<&Otherwise>, message: String) -> Box<Halt> {
    Box::new(match otherwise {
        Some(Otherwise::Reject(reason)) => {
            Halt::Failed(Failure { code: reason.clone().into(), path: String::new(), message, step: Some(step.id.clone()) })
        }
        Some(Otherwise::Stop) | None => Halt::Stop(Stop::Step { step: step.id.clone(), message }),
    })
}

fn too_old(step: &Step, message: String) -> Box<Halt> {
    Box::new(Halt::Failed(Failure { code: code::TOO_OLD.into(), path: "/timestamp".into(), message, step: Some(step.id.clone()) }))
}
