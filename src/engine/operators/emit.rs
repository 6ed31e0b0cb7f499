//! `emit`: writes a derived event: the envelope, which is the engine's, around the fields of the step. What is the same in each event was
//! encoded when the topology was read.

use super::operand::Values;
use super::{Flow, Halt, Next, halt};
use crate::engine::event_id;
use crate::engine::expr::Fault;
use crate::engine::json::{Text, encode};
use crate::engine::pen::Pen;
use crate::engine::plan::{Emit, Step};

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, emit: &'r Emit) -> Result<Next, Box<Halt>> {
    let id = event_id::derived(emit.namespace, flow.envelope.event_id, flow.place);
    let (values, timestamp) = (Values { slots: flow.slots, texts: flow.texts }, &flow.envelope.timestamp);
    let mut output = flow.effects.output();
    output.write(|it| write(emit, id, timestamp, values, it)).map_err(|fault| halt(step, &fault, None))?;
    for (name, value) in flow.record.headers {
        output.header(name, *value);
    }
    output.send(emit.to, None, flow.timestamp, (flow.record.source, flow.record.offset));
    Ok(Next::Step)
}

/// Writes the record's key and, behind it, the event; where the key ends, if there is one. Kept apart: who calls it does so in a loop, for which
/// all of this would be made ready beforehand.
#[inline(never)]
fn write<'r>(
    emit: &'r Emit,
    id: u128,
    timestamp: &Text<'r>,
    values: Values<'_, 'r>,
    into: &mut Pen<'_>,
) -> Result<Option<usize>, Box<Fault>> {
    let key_end = match &emit.key {
        Some(key) => values.text(key, into)?.then(|| into.position()),
        None => None,
    };
    emit.head.write(into);
    encode::uuid(id, into);
    for field in &emit.value {
        field.lead.write(into);
        values.json(&field.value, into)?;
    }
    emit.middle.write(into);
    timestamp.write(into);
    emit.tail.write(into);
    Ok(key_end)
}
