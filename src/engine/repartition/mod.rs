//! Repartition records: what the steps behind a `key` need of an event, and how many of them go in one record of the log.
//!
//! A value begins with what is as long in each: format (1 byte), fingerprint of the layout (4), event id (16), event time (8), place (4), length
//! of the event time's text (2, the highest bit: whether it needs no escapes); numbers with their lowest byte first. Then come that text and
//! the slots of the layout, in order.

pub mod pack;

use crate::engine::codec;
use crate::engine::expr::eval;
use crate::engine::json::{Envelope, Text};
use crate::engine::pen::{Pen, Put as _};
use crate::engine::plan::Layout;
use crate::engine::value::Value;

const FORMAT: u8 = 2;
const HEAD: usize = 1 + 4 + 16 + 8 + 4 + 2;
/// Among the length of the text: it needs no escapes. No instant is written with so many characters.
const PLAIN: u16 = 1 << 15;

/// What each value begins with.
struct Head {
    fingerprint: u32,
    event_id: u128,
    micros: i64,
    place: u32,
    text: u16,
}

impl Head {
    #[inline]
    fn to_bytes(&self) -> [u8; HEAD] {
        let mut bytes = [FORMAT; HEAD];
        bytes[1..5].copy_from_slice(&self.fingerprint.to_le_bytes());
        bytes[5..21].copy_from_slice(&self.event_id.to_le_bytes());
        bytes[21..29].copy_from_slice(&self.micros.to_le_bytes());
        bytes[29..33].copy_from_slice(&self.place.to_le_bytes());
        bytes[33..].copy_from_slice(&self.text.to_le_bytes());
        bytes
    }

    /// Takes it off the front of a value; `None`: this is not the format, or there are too few bytes.
    #[inline]
    fn take(value: &[u8]) -> Option<(Self, &[u8])> {
        fn part<const N: usize>(bytes: &[u8; HEAD], at: usize) -> [u8; N] {
            bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
        }
        let (bytes, rest) = value.split_first_chunk::<HEAD>().filter(|(bytes, _)| bytes[0] == FORMAT)?;
        let head = Self {
            fingerprint: u32::from_le_bytes(part(bytes, 1)),
            event_id: u128::from_le_bytes(part(bytes, 5)),
            micros: i64::from_le_bytes(part(bytes, 21)),
            place: u32::from_le_bytes(part(bytes, 29)),
            text: u16::from_le_bytes(part(bytes, 33)),
        };
        Some((head, rest))
    }
}

/// Writes the value of a record that an event caused, at this place of it.
pub fn write(layout: &Layout, (envelope, place): (&Envelope<'_>, u32), slots: &[Value<'_>], into: &mut Pen<'_>) {
    let text = envelope.timestamp.as_bytes();
    let plain = if matches!(envelope.timestamp, Text::Plain(_)) { PLAIN } else { 0 };
    let head = Head {
        fingerprint: layout.fingerprint,
        event_id: envelope.event_id,
        micros: envelope.micros,
        place,
        text: text.len() as u16 & !PLAIN | plain,
    };
    into.put(head.to_bytes(), HEAD);
    into.append(text);
    for (slot, _, of) in &layout.fields {
        codec::write_value(eval::slot_value(*slot, slots), of, into);
    }
}

/// Fills slots from a value; its envelope and place.
///
/// # Errors
/// In words, when the value was written by another version of the topology, or is damaged.
pub fn read<'r>(value: Option<&'r [u8]>, layout: &Layout, slots: &mut [Value<'r>]) -> Result<(Envelope<'r>, u32), String> {
    let value = value.unwrap_or_default();
    let Some((head, mut bytes)) = Head::take(value).filter(|(head, _)| head.fingerprint == layout.fingerprint) else {
        return Err(unreadable(value));
    };
    let text = codec::take(&mut bytes, usize::from(head.text & !PLAIN)).ok_or_else(damaged)?;
    let timestamp = if head.text & PLAIN == 0 { Text::of(text).ok_or_else(damaged)? } else { Text::Plain(text) };
    for (_, slot, of) in &layout.fields {
        let place = slots.get_mut(usize::from(*slot)).ok_or_else(damaged)?;
        codec::read_into(place, &mut bytes, of, |it| it).ok_or_else(|| codec::malformed(of).to_string())?;
    }
    if !bytes.is_empty() {
        return Err(damaged());
    }
    Ok((Envelope { event_id: head.event_id, timestamp, micros: head.micros }, head.place))
}

/// The id of the event that caused a record, and its place; `None`: this is no such value.
#[must_use]
pub fn cause(value: &[u8]) -> Option<(u128, u32)> {
    Head::take(value).map(|(head, _)| (head.event_id, head.place))
}

fn damaged() -> String {
    "a repartition record is damaged".to_owned()
}

#[cold]
fn unreadable(value: &[u8]) -> String {
    if value.len() < HEAD && value.first().is_none_or(|it| *it == FORMAT) {
        return damaged();
    }
    "a repartition record was written by another version of Goyt or of this topology: run that version until its lag is 0, \
     or replay into a new application.id"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::pen::Arena;
    use crate::engine::value::Type;

    fn layout(fingerprint: u32) -> Layout {
        Layout { fields: vec![(0, 1, Type::Int), (1, 0, Type::String)], fingerprint }
    }

    fn written(timestamp: &'static str, place: u32) -> Vec<u8> {
        let envelope = Envelope { event_id: 7 << 100, timestamp: timestamp.into(), micros: -1 };
        let mut arena = Arena::default();
        arena.write(|it| write(&layout(9), (&envelope, place), &[Value::Int(300), Value::Str("k")], it));
        arena.to_vec()
    }

    #[test]
    fn what_crosses_is_what_was_sent() {
        for timestamp in ["2026-01-01T10:00:00Z", "2026-01-01T10:00:00\u{e9}", ""] {
            let value = written(timestamp, 258);
            let mut slots = [Value::Null, Value::Null];
            let read = read(Some(&value), &layout(9), &mut slots);
            assert_eq!(read, Ok((Envelope { event_id: 7 << 100, timestamp: timestamp.into(), micros: -1 }, 258)));
            assert_eq!(slots, [Value::Str("k"), Value::Int(300)]);
            assert_eq!(cause(&value), Some((7 << 100, 258)));
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let value = written("2026-01-01T10:00:00Z", 0);
        let refused = |value: &[u8], fingerprint| read(Some(value), &layout(fingerprint), &mut [Value::Null, Value::Null]).unwrap_err();
        assert!(refused(&value, 8).contains("another version"));
        assert!(refused(&[1, 0, 0, 0, 9], 9).contains("another version"), "format 1");
        for end in 0..value.len() {
            let message = refused(&value[..end], 9);
            assert!(message.contains("damaged") || message.contains("not of type"), "cut off at {end}: {message}");
        }
        assert_eq!(refused(&[&value[..], &[0]].concat(), 9), damaged());
    }
}
