//! `key`: sends what the steps behind need through a repartition topic, by another key.
//!
//! A repartition record's value: format (1 byte), layout fingerprint (4), event id (16), event time (varint), its text, place
//! (varint), then the slots of the layout in order.

use super::{Flow, Halt, Way, halt};
use crate::engine::codec;
use crate::engine::expr::{Expr, eval};
use crate::engine::json::{Envelope, Text, encode};
use crate::engine::plan::{Layout, Step};
use crate::engine::record::TopicId;
use crate::engine::value::Value;

const FORMAT: u8 = 1;

pub(super) fn run<'r>(flow: &mut Flow<'_, 'r>, step: &Step, by: &'r [Expr], to: TopicId, layout: &Layout) -> Result<Way, Halt> {
    let (slots, texts) = (&*flow.slots, flow.texts);
    let mut fault = None;
    let mark = flow.effects.mark();
    let mut output = flow.effects.output();
    output.key(|it| {
        for (index, part) in by.iter().enumerate() {
            if index != 0 {
                it.push(b'|');
            }
            match eval::eval(part, slots, texts) {
                Ok(value) => encode::text(&value, it),
                Err(found) => fault = Some(found),
            }
        }
    });
    output.value(|it| {
        it.push(FORMAT);
        it.extend_from_slice(&layout.fingerprint.to_be_bytes());
        it.extend_from_slice(&flow.envelope.event_id.to_be_bytes());
        codec::write_int(flow.envelope.micros, it);
        codec::write_bytes(flow.envelope.timestamp.as_bytes(), it);
        codec::write_int(flow.place.into(), it);
        for (slot, _, of) in &layout.fields {
            codec::write_value(slots.get(usize::from(*slot)).unwrap_or(&Value::Null), of, it);
        }
    });
    for (name, value) in flow.record.headers {
        output.header(name, *value);
    }
    output.send(to, None, flow.timestamp, (flow.record.source, flow.record.offset));
    match fault {
        None => Ok(Way::Through),
        Some(fault) => {
            flow.effects.take_back(mark);
            Err(halt(step, &fault, None))
        }
    }
}

/// Fills slots from a repartition record's value; its envelope and place.
///
/// # Errors
/// In words, when the value was written by another version of the topology, or is damaged.
pub fn read<'r>(value: Option<&'r [u8]>, layout: &Layout, slots: &mut [Value<'r>]) -> Result<(Envelope<'r>, u32), String> {
    let damaged = || "a repartition record is damaged".to_owned();
    let mut bytes = value.ok_or_else(damaged)?;
    let format = codec::take(&mut bytes, 1).ok_or_else(damaged)?;
    let fingerprint = codec::take(&mut bytes, 4).ok_or_else(damaged)?;
    if format != [FORMAT] || fingerprint != layout.fingerprint.to_be_bytes() {
        return Err("a repartition record was written by another version of this topology: run that version until its lag is 0, \
                    or replay into a new application.id"
            .to_owned());
    }
    let event_id = codec::take(&mut bytes, 16).and_then(|it| it.try_into().ok()).map(u128::from_be_bytes).ok_or_else(damaged)?;
    let micros = codec::read_int(&mut bytes).ok_or_else(damaged)?;
    let timestamp = codec::read_bytes(&mut bytes).and_then(Text::of).ok_or_else(damaged)?;
    let place = codec::read_int(&mut bytes).and_then(|it| u32::try_from(it).ok()).ok_or_else(damaged)?;
    for (_, slot, of) in &layout.fields {
        let place = slots.get_mut(usize::from(*slot)).ok_or_else(damaged)?;
        codec::read_into(place, &mut bytes, of, |it| it).ok_or_else(|| codec::malformed(of).to_string())?;
    }
    if !bytes.is_empty() {
        return Err(damaged());
    }
    Ok((Envelope { event_id, timestamp, micros }, place))
}
