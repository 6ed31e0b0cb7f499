//! `emit`: writes a derived event: the envelope, which is the engine's, around the fields of the step.

use super::{Flow, Halt, Next, halt};
use crate::engine::event_id;
use crate::engine::expr::{Fault, eval};
use crate::engine::json::encode;
use crate::engine::plan::{Emit, Output, Step};
use crate::engine::value::Value;

pub(super) fn run(flow: &mut Flow<'_, '_>, step: &Step, emit: &Emit) -> Result<Next, Halt> {
    let mark = flow.effects.mark();
    let slots = &flow.slots;
    let mut fault = None;
    let mut output = flow.effects.output();
    if let Some(key) = &emit.key {
        match eval::eval(key, slots) {
            Ok(Value::Null) => {}
            Ok(key) => output.key(|it| encode::text(&key, it)),
            Err(it) => fault = Some(it),
        }
    }
    let id = event_id::derived(emit.namespace, flow.envelope.event_id, flow.place);
    output.value(|it| {
        it.extend_from_slice(b"{\"eventType\":");
        encode::string(&emit.event_type, it);
        it.extend_from_slice(b",\"eventId\":\"");
        encode::uuid(id, it);
        it.push(b'"');
        for (name, value) in &emit.value {
            it.push(b',');
            if let Err(found) = field(name, value, slots, it) {
                fault = Some(found);
            }
        }
        it.extend_from_slice(b",\"timestamp\":");
        encode::string(&flow.envelope.timestamp, it);
        it.extend_from_slice(b",\"metadata\":{\"source\":");
        encode::string(&flow.plan.topology, it);
        it.extend_from_slice(b",\"version\":");
        encode::string(&emit.version, it);
        it.extend_from_slice(b"}}");
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

fn field(name: &str, value: &Output, slots: &[Value<'_>], into: &mut Vec<u8>) -> Result<(), Fault> {
    encode::string(name, into);
    into.push(b':');
    match value {
        Output::Value(expr) => encode::value(&eval::eval(expr, slots)?, into),
        Output::Object(fields) => {
            into.push(b'{');
            for (index, (name, value)) in fields.iter().enumerate() {
                if index != 0 {
                    into.push(b',');
                }
                field(name, value, slots, into)?;
            }
            into.push(b'}');
        }
    }
    Ok(())
}
