//! Keys of a dedup store: the ids, the pages that they were written in, and the stream time.
//!
//! | key | value | |
//! |---|---|---|
//! | `00` | stream time, milliseconds, as a value of type time | in the changelog |
//! | `01` id | the event time at which the id was seen, likewise | local: made from the pages |
//! | `02` newest time · position · number, each 8 bytes | ids of one commit, [packed](super::dedup_pages) | in the changelog |
//!
//! Pages lie in the order in which they expire.

use crate::engine::codec;
use crate::engine::record::{Millis, Offset};
use crate::engine::value::{Texts, Type, Value};

/// The key of the stream time.
pub const STREAM_TIME: &[u8] = &[0];
const ID: u8 = 1;
const PAGE: u8 = 2;

/// Whether a key goes to the changelog: ids are made anew from the pages.
#[must_use]
pub fn is_logged(key: &[u8]) -> bool {
    key.first() != Some(&ID)
}

/// Begins the key of an id; its parts follow.
pub fn begin_id(into: &mut Vec<u8>) {
    into.push(ID);
}

/// The id of a key that begins like one.
#[must_use]
pub fn id_of(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(&[ID])
}

/// Appends the key of a page. `newest`: the greatest time in it; `position`: where the task stands at the commit, so that no two
/// commits have a key in common; `number`: which of the commit's pages.
pub fn page_key(newest: Millis, position: Offset, number: usize, into: &mut Vec<u8>) {
    into.push(PAGE);
    codec::write_key(&Value::Time(newest), into);
    codec::write_key(&Value::Int(position), into);
    into.extend_from_slice(&(number as u64).to_be_bytes());
}

/// Before the first page of all.
#[must_use]
pub fn before_pages() -> Vec<u8> {
    vec![PAGE]
}

/// The greatest time in the page of this key; `None`: it is no page's key.
#[must_use]
pub fn newest_of(key: &[u8]) -> Option<Millis> {
    let mut rest = key.strip_prefix(&[PAGE])?;
    match codec::read_key(&mut rest, &Type::Time, &Texts::new()) {
        Ok(Value::Time(time)) if rest.len() == 16 => Some(time),
        _ => None,
    }
}

/// The bytes of a time as a value.
pub fn write_time(time: Millis, into: &mut Vec<u8>) {
    codec::write_int(time, into);
}

/// A time from its bytes as a value.
#[must_use]
pub fn read_time(mut bytes: &[u8]) -> Option<Millis> {
    codec::read_int(&mut bytes)
}
