//! Keys of a dedup store: the ids, the pages that they were written in, and the stream time.
//!
//! | key | value | |
//! |---|---|---|
//! | `00` | stream time, milliseconds, as a value of type time | in the changelog |
//! | `01` id | the event time at which the id was seen, likewise | local: made from the pages |
//! | `02` newest time · position · number, each 8 bytes | ids of one commit, [packed](super::dedup_pages) | in the changelog |
//! | `03` likewise | likewise, of a page whose ids have no entries: they are found by the [index](super::page_index) | in the changelog as `02` |
//!
//! Pages lie in the order in which they expire.

use std::borrow::Cow;

use crate::engine::codec;
use crate::engine::record::{Millis, Offset};
use crate::engine::value::{Texts, Type, Value};

/// The key of the stream time.
pub const STREAM_TIME: &[u8] = &[0];
const ID: u8 = 1;
const PAGE: u8 = 2;
const INDEXED: u8 = 3;

/// What a page is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageName {
    /// The greatest time in it.
    pub newest: Millis,
    /// Where the task stands at the commit, so that no two commits have a name in common.
    pub position: Offset,
    /// Which of the commit's pages.
    pub number: u64,
}

impl PageName {
    /// The page of this key; `None`: it is no page's key in the changelog, nor of one whose ids have entries.
    #[must_use]
    pub fn of(key: &[u8]) -> Option<Self> {
        Self::read(key.strip_prefix(&[PAGE])?)
    }

    /// The page of this key; `None`: it is not that of a page whose ids are found by the index.
    #[must_use]
    pub fn of_indexed(key: &[u8]) -> Option<Self> {
        Self::read(key.strip_prefix(&[INDEXED])?)
    }

    /// Its key in the changelog, and in the store when its ids have entries.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        self.write(PAGE)
    }

    /// Its key in the store when its ids have no entries.
    #[must_use]
    pub fn indexed_key(&self) -> Vec<u8> {
        self.write(INDEXED)
    }

    fn read(mut rest: &[u8]) -> Option<Self> {
        let texts = Texts::new();
        let Ok(Value::Time(newest)) = codec::read_key(&mut rest, &Type::Time, &texts) else { return None };
        let Ok(Value::Int(position)) = codec::read_key(&mut rest, &Type::Int, &texts) else { return None };
        Some(Self { newest, position, number: u64::from_be_bytes(rest.try_into().ok()?) })
    }

    fn write(&self, kind: u8) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + 3 * size_of::<u64>());
        key.push(kind);
        codec::write_key(&Value::Time(self.newest), &mut key);
        codec::write_key(&Value::Int(self.position), &mut key);
        key.extend_from_slice(&self.number.to_be_bytes());
        key
    }
}

/// What a key is called in the changelog; `None`: it is not there, since ids are made anew from the pages.
#[must_use]
pub fn logged(key: &[u8]) -> Option<Cow<'_, [u8]>> {
    match key.split_first() {
        Some((&ID, _)) => None,
        Some((&INDEXED, name)) => Some(Cow::Owned([&[PAGE], name].concat())),
        _ => Some(Cow::Borrowed(key)),
    }
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

/// Before the first page of all.
#[must_use]
pub fn before_pages() -> Vec<u8> {
    vec![PAGE]
}

/// Before the first page of those whose ids are found by the index.
#[must_use]
pub fn before_indexed_pages() -> Vec<u8> {
    vec![INDEXED]
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
