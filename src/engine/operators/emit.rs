//! `emit`: writes a derived event: the envelope, which is the engine's, around the fields of the step. What is the same in each event was
//! encoded when the topology was read.

use super::{Flow, Halt, Next, halt};
use crate::engine::expr::{Fault, Slot, eval};
use crate::engine::json::encode;
use crate::engine::plan::{Emit, Field, Output, Step};
use crate::engine::value::{Money, Texts, Value};
use crate::engine::{bytes, decimal, event_id};

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, emit: &'r Emit) -> Result<Next, Halt> {
    let mark = flow.effects.mark();
    let (slots, texts) = (&*flow.slots, flow.texts);
    let mut fault = None;
    let mut output = flow.effects.output();
    if let Some(key) = &emit.key {
        match eval::eval(key, slots, texts) {
            Ok(Value::Null) => {}
            Ok(key) => output.key(|it| encode::text(&key, it)),
            Err(found) => fault = Some(found),
        }
    }
    let id = event_id::derived(emit.namespace, flow.envelope.event_id, flow.place);
    output.value(|it| {
        it.extend_from_slice(&emit.head);
        encode::uuid(id, it);
        if let Err(found) = fields(&emit.value, slots, texts, it) {
            fault = Some(found);
        }
        bytes::append(&emit.middle, it);
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

fn fields<'r>(fields: &'r [Field], slots: &[Value<'r>], texts: &'r Texts, into: &mut Vec<u8>) -> Result<(), Fault> {
    for field in fields {
        bytes::append(&field.lead, into);
        match &field.value {
            Output::Slot(slot) => match eval::slot_value(*slot, slots) {
                Value::Int(it) => encode::integer(*it, into),
                other => encode::value(other, into),
            },
            Output::AmountOf(slot) => decimal::write(decimal::amount_of(money(*slot, slots, ".amount")?), into),
            Output::CurrencyOf(slot) => bytes::append(money(*slot, slots, ".currency")?.currency.as_str().as_bytes(), into),
            Output::Computed(expr) => encode::value(&eval::eval(expr, slots, texts)?, into),
        }
    }
    Ok(())
}

#[inline]
fn money(slot: Slot, slots: &[Value<'_>], part: &'static str) -> Result<Money, Fault> {
    eval::money(eval::slot_value(slot, slots), part)
}
