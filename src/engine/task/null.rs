//! `goyt run --null`: the same reads, writes and transactions without the logic; the limit to measure against.
//!
//! Each record makes as many outputs, of about the same size, as the steps would make on average; no field is read, no state kept.

use super::effects::Effects;
use crate::engine::plan::{Operator, Step, Subtopology};
use crate::engine::record::{Millis, RecordRef, TopicId};

/// About the size of a repartition record, and of a derived event.
const HOP_BYTES: usize = 120;
const EVENT_BYTES: usize = 260;

/// What the steps would write for the record, without looking at it.
pub fn process(plan: &Subtopology, record: &RecordRef<'_>, timestamp: Millis, effects: &mut Effects) {
    outputs(&plan.steps, record, timestamp, effects);
}

fn outputs(steps: &[Step], record: &RecordRef<'_>, timestamp: Millis, effects: &mut Effects) {
    for (index, step) in steps.iter().enumerate() {
        match &step.operator {
            Operator::Emit(emit) => output(emit.to, EVENT_BYTES, record, timestamp, effects),
            Operator::Key { to, .. } => return output(*to, HOP_BYTES, record, timestamp, effects),
            Operator::Branch(cases) => {
                return cases.first().map_or((), |it| outputs(&it.steps, record, timestamp, effects));
            }
            Operator::Split(legs) => {
                // Between one leg and all of them, in turn.
                let count = 1 + usize::try_from(record.offset).unwrap_or(0) % legs.len().max(1);
                for _ in 0..count {
                    outputs(steps.get(index + 1..).unwrap_or_default(), record, timestamp, effects);
                }
                return;
            }
            Operator::Let(_)
            | Operator::Require { .. }
            | Operator::Filter { .. }
            | Operator::Dedup { .. }
            | Operator::Unique { .. }
            | Operator::Allot { .. }
            | Operator::Aggregate(_) => {}
        }
    }
}

fn output(to: TopicId, bytes: usize, record: &RecordRef<'_>, timestamp: Millis, effects: &mut Effects) {
    let mut output = effects.output();
    if let Some(key) = record.key {
        output.key(|it| it.extend_from_slice(key));
    }
    let value = record.value.unwrap_or_default();
    output.value(|it| {
        it.extend_from_slice(value.get(..bytes.min(value.len())).unwrap_or_default());
        it.resize(it.len() + bytes.saturating_sub(value.len()), b' ');
    });
    output.send(to, None, timestamp, (record.source, record.offset));
}
