//! Keys of a dedup store: the ids, an index of them by time (local, not in the changelog), and the stream time.
//!
//! | key | value |
//! |---|---|
//! | `00` | stream time, milliseconds, as a value of type time |
//! | `01` id | the event time at which the id was seen |
//! | `02` time, big-endian · id | nothing: the order in which ids expire |

use crate::engine::codec;
use crate::engine::record::Millis;
use crate::engine::value::Value;

/// The key of the stream time.
pub const STREAM_TIME: &[u8] = &[0];
const ID: u8 = 1;
const EXPIRY: u8 = 2;

/// Whether a key goes to the changelog: the index is made anew from the ids.
#[must_use]
pub fn is_logged(key: &[u8]) -> bool {
    key.first() != Some(&EXPIRY)
}

/// Begins the key of an id; its parts follow.
pub fn begin_id(into: &mut Vec<u8>) {
    into.push(ID);
}

/// The key of the id behind a changelog or index key.
#[must_use]
pub fn id_key(id: &[u8]) -> Vec<u8> {
    [&[ID], id].concat()
}

/// The id of a key that begins like one.
#[must_use]
pub fn id_of(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(&[ID])
}

/// The index key of an id's key and its time.
pub fn expiry_key(id_key: &[u8], time: Millis, into: &mut Vec<u8>) {
    into.push(EXPIRY);
    codec::write_key(&Value::Time(time), into);
    into.extend_from_slice(id_key.get(1..).unwrap_or_default());
}

/// The first index key of all.
#[must_use]
pub fn first_expiry_key() -> Vec<u8> {
    vec![EXPIRY]
}

/// The time and the id of an index key.
#[must_use]
pub fn read_expiry_key(key: &[u8]) -> Option<(Millis, &[u8])> {
    let mut rest = key.strip_prefix(&[EXPIRY])?;
    match codec::read_key(&mut rest, &crate::engine::value::Type::Time) {
        Ok(Value::Time(time)) => Some((time, rest)),
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

/// The index entry that belongs to a restored changelog record of an id.
#[must_use]
pub fn index_entry(key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    if key.first() != Some(&ID) {
        return None;
    }
    let mut index = Vec::with_capacity(key.len() + 8);
    expiry_key(key, read_time(value)?, &mut index);
    Some(index)
}
