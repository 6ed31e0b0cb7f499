//! `key`: sends what the steps behind need through a repartition topic, by another key.

use super::operand::Values;
use super::{Flow, Halt, Way, halt};
use crate::engine::expr::Fault;
use crate::engine::json::Envelope;
use crate::engine::pen::{Pen, Put as _};
use crate::engine::plan::{Layout, Operand, Step};
use crate::engine::record::TopicId;
use crate::engine::repartition;

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, by: &'r [Operand], to: TopicId, layout: &Layout) -> Result<Way, Box<Halt>> {
    let (values, envelope, place) = (Values { slots: flow.slots, texts: flow.texts }, &flow.envelope, flow.place);
    let mut output = flow.effects.output();
    output.write(|it| write(by, layout, (envelope, place), values, it).map(Some)).map_err(|fault| halt(step, &fault, None))?;
    for (name, value) in flow.record.headers {
        output.header(name, *value);
    }
    output.send(to, None, flow.timestamp, (flow.record.source, flow.record.offset));
    Ok(Way::Through)
}

/// Writes the record's key and, behind it, its value; where the key ends. Kept apart, as in [`emit`](super::emit).
#[inline(never)]
fn write<'r>(
    by: &'r [Operand],
    layout: &Layout,
    cause: (&Envelope<'r>, u32),
    values: Values<'_, 'r>,
    into: &mut Pen<'_>,
) -> Result<usize, Box<Fault>> {
    for (index, part) in by.iter().enumerate() {
        if index != 0 {
            into.push(b'|');
        }
        values.text(part, into)?;
    }
    let key_end = into.position();
    repartition::write(layout, cause, values.slots, into);
    Ok(key_end)
}
