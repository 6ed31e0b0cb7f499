//! `emit`: writes a derived event: the envelope, which is the engine's, around the fields of the step. What is the same in each event was
//! encoded when the topology was read.

use super::{Flow, Halt, Next, halt};
use crate::engine::event_id;
use crate::engine::expr::{Fault, eval};
use crate::engine::json::encode;
use crate::engine::plan::{Emit, Field, Output, Step};
use crate::engine::value::Value;

pub(super) fn run(flow: &mut Flow<'_, '_>, step: &Step, emit: &Emit) -> Result<Next, Halt> {
    let mark = flow.effects.mark();
    let slots = &flow.slots;
    let mut fault = None;
    let mut output = flow.effects.output();
    if let Some(key) = &emit.key {
        let write = |key: &Value<'_>| {
            if !key.is_null() {
                output.key(|it| encode::text(key, it));
            }
            Ok(())
        };
        fault = eval::with(key, slots, write).err();
    }
    let id = event_id::derived(emit.namespace, flow.envelope.event_id, flow.place);
    output.value(|it| {
        it.extend_from_slice(&emit.head);
        encode::uuid(id, it);
        if let Err(found) = fields(&emit.value, slots, it) {
            fault = Some(found);
        }
        it.extend_from_slice(&emit.middle);
        flow.envelope.timestamp.write(it);
        it.extend_from_slice(&emit.tail);
    });
    for (name, value) in flow.record.headers {
        output.header(name, *value);
    }
    output.send(emit.to, None, flow.timestamp, (flow.record.source, flow.record.offset));
    match fault {
        None => Ok(Next::Step),
        Some(fault) => {
            flow.effects.take_back(mark);
            Err(halt(step, &fault, None))
        }
    }
}

fn fields(fields: &[Field], slots: &[Value<'_>], into: &mut Vec<u8>) -> Result<(), Fault> {
    for field in fields {
        into.extend_from_slice(&field.lead);
        match &field.value {
            Output::Slot(slot) => encode::value(eval::slot_value(*slot, slots), into),
            Output::AmountOf(slot) => encode::amount(eval::money(eval::slot_value(*slot, slots), ".amount")?, into),
            Output::CurrencyOf(slot) => encode::currency(eval::money(eval::slot_value(*slot, slots), ".currency")?.currency, into),
            Output::Computed(expr) => eval::with(expr, slots, |it| Ok(encode::value(it, into)))?,
        }
    }
    Ok(())
}
