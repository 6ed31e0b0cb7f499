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

/// The format before, which is read: fingerprint and event id with their highest byte first, then time, text and place, as the codec has them.
const FORMER: u8 = 1;

/// What each value begins with.
struct Head<'v> {
    fingerprint: u32,
    event_id: u128,
    micros: i64,
    place: u32,
    /// The event time's text; `plain`: it is known to need no escapes.
    text: &'v [u8],
    plain: bool,
}

impl<'v> Head<'v> {
    #[inline]
    fn to_bytes(&self) -> [u8; HEAD] {
        let length = self.text.len() as u16 & !PLAIN | if self.plain { PLAIN } else { 0 };
        let mut bytes = [FORMAT; HEAD];
        bytes[1..5].copy_from_slice(&self.fingerprint.to_le_bytes());
        bytes[5..21].copy_from_slice(&self.event_id.to_le_bytes());
        bytes[21..29].copy_from_slice(&self.micros.to_le_bytes());
        bytes[29..33].copy_from_slice(&self.place.to_le_bytes());
        bytes[33..].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// Takes it off the front of a value, with the text behind it; `None`: of another format, or too short.
    #[inline]
    fn take(value: &mut &'v [u8]) -> Option<Self> {
        fn part<const N: usize>(bytes: &[u8; HEAD], at: usize) -> [u8; N] {
            bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
        }
        let Some((bytes, rest)) = value.split_first_chunk::<HEAD>().filter(|(bytes, _)| bytes[0] == FORMAT) else {
            return Self::take_former(value);
        };
        *value = rest;
        let length = u16::from_le_bytes(part(bytes, 33));
        Some(Self {
            fingerprint: u32::from_le_bytes(part(bytes, 1)),
            event_id: u128::from_le_bytes(part(bytes, 5)),
            micros: i64::from_le_bytes(part(bytes, 21)),
            place: u32::from_le_bytes(part(bytes, 29)),
            text: codec::take(value, usize::from(length & !PLAIN))?,
            plain: length & PLAIN != 0,
        })
    }

    #[cold]
    fn take_former(value: &mut &'v [u8]) -> Option<Self> {
        *value = value.strip_prefix(&[FORMER])?;
        let fingerprint = u32::from_be_bytes(codec::take(value, 4)?.try_into().ok()?);
        let event_id = u128::from_be_bytes(codec::take(value, 16)?.try_into().ok()?);
        let (micros, text) = (codec::read_int(value)?, codec::read_bytes(value)?);
        let place = codec::read_int(value).and_then(|it| u32::try_from(it).ok())?;
        Some(Self { fingerprint, event_id, micros, place, text, plain: false })
    }
}

/// Writes the value of a record that an event caused, at this place of it.
pub fn write(layout: &Layout, (envelope, place): (&Envelope<'_>, u32), slots: &[Value<'_>], into: &mut Pen<'_>) {
    let head = Head {
        fingerprint: layout.fingerprint,
        event_id: envelope.event_id,
        micros: envelope.micros,
        place,
        text: envelope.timestamp.as_bytes(),
        plain: matches!(envelope.timestamp, Text::Plain(_)),
    };
    into.put(head.to_bytes(), HEAD);
    into.append(head.text);
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
    let mut bytes = value;
    let head = match Head::take(&mut bytes) {
        Some(it) if it.fingerprint == layout.fingerprint => it,
        head => return Err(unreadable(value, head.is_some())),
    };
    let timestamp = if head.plain { Text::Plain(head.text) } else { Text::of(head.text).ok_or_else(damaged)? };
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
pub fn cause(mut value: &[u8]) -> Option<(u128, u32)> {
    Head::take(&mut value).map(|head| (head.event_id, head.place))
}

fn damaged() -> String {
    "a repartition record is damaged".to_owned()
}

#[cold]
fn unreadable(value: &[u8], begins_well: bool) -> String {
    if !begins_well && value.first().is_none_or(|it| [FORMER, FORMAT].contains(it)) {
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
        assert!(refused(&[3, 9, 0, 0, 0], 9).contains("another version"), "format 3");
        for end in 0..value.len() {
            let message = refused(&value[..end], 9);
            assert!(message.contains("damaged") || message.contains("not of type"), "cut off at {end}: {message}");
        }
        assert_eq!(refused(&[&value[..], &[0]].concat(), 9), damaged());
    }

    #[test]
    fn the_format_before_is_read() {
        let text = "2026-01-01T00:00:00Z";
        let mut value = vec![FORMER, 0, 0, 0, 9];
        value.extend((7_u128 << 100).to_be_bytes());
        codec::write_int(-1, &mut value);
        codec::write_bytes(text.as_bytes(), &mut value);
        codec::write_int(258, &mut value);
        codec::write_int(300, &mut value);
        codec::write_bytes(b"k", &mut value);
        let mut slots = [Value::Null, Value::Null];
        let read = read(Some(&value), &layout(9), &mut slots);
        assert_eq!(read, Ok((Envelope { event_id: 7 << 100, timestamp: text.into(), micros: -1 }, 258)));
        assert_eq!((slots, cause(&value)), ([Value::Str("k"), Value::Int(300)], Some((7 << 100, 258))));
        assert_eq!(super::read(Some(&value[..20]), &layout(9), &mut [Value::Null, Value::Null]), Err(damaged()));
    }
}
