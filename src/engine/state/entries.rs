//! Entries of a store in memory: their bytes one behind the other, found by a hash table, so that a write has no allocation of its own.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::engine::bytes;

/// What an entry costs beside its bytes, about: 40 bytes of its places, and what tables and memory have in reserve to grow.
pub const ENTRY_OVERHEAD: usize = 64;

/// Memory that is kept for later entries in any case when all are dropped. There is one for each state of each store of each task.
const KEPT_BYTES: usize = 16 << 10;
const KEPT_ENTRIES: usize = 256;

/// A key, and its hash.
#[derive(Debug, Clone, Copy)]
pub struct Key<'k> {
    bytes: &'k [u8],
    hash: u64,
}

/// Keys and their values; `None` is a deletion.
#[derive(Debug, Default)]
pub struct Entries {
    /// Indices into `entries`. There are fewer than 2^32: the largest memory that can be set would not hold so many.
    table: HashTable<u32>,
    /// In the order in which they were first written.
    entries: Vec<Entry>,
    /// Keys, each with its value behind it. A value that is replaced by a longer one leaves a gap.
    bytes: Vec<u8>,
}

/// Where the bytes of an entry are: its key at the start, its value behind that. A store has millions of them in memory, so they are small:
/// no key or value has 2^32 bytes, since no record of Kafka has.
#[derive(Debug)]
struct Entry {
    hash: u64,
    start: usize,
    key: u32,
    /// Of the value, or [`DELETED`].
    value: u32,
    /// Bytes that a value may have at this place.
    room: u32,
}

/// In place of a value's length: a deletion.
const DELETED: u32 = u32::MAX;
/// Values that need more room get a multiple of it, bytes.
const GROWTH: u32 = 8;

impl<'k> Key<'k> {
    /// A key of these bytes.
    #[must_use]
    pub fn of(bytes: &'k [u8]) -> Self {
        Self { bytes, hash: FxBuildHasher.hash_one(bytes) }
    }

    /// A key of these bytes, whose hash was made before.
    #[must_use]
    pub fn hashed(bytes: &'k [u8], hash: u64) -> Self {
        Self { bytes, hash }
    }

    /// Its hash.
    #[must_use]
    pub fn hash(self) -> u64 {
        self.hash
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(self) -> &'k [u8] {
        self.bytes
    }
}

impl Entries {
    /// The value of a key, if there is an entry.
    #[must_use]
    pub fn get(&self, key: Key<'_>) -> Option<Option<&[u8]>> {
        self.find(key).map(|it| self.value(it))
    }

    /// Writes the value of a key.
    pub fn put(&mut self, key: Key<'_>, value: Option<&[u8]>) {
        match self.find(key) {
            Some(index) => self.replace(index, value),
            None => self.add(key, value),
        }
    }

    /// The index of a key's entry.
    #[must_use]
    pub fn find(&self, key: Key<'_>) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        let is = |it: &u32| self.entries.get(*it as usize).is_some_and(|it| it.hash == key.hash && bytes::equal(self.key(it), key.bytes));
        self.table.find(key.hash, is).map(|it| *it as usize)
    }

    /// The value of the entry at an index.
    #[must_use]
    pub fn value(&self, index: usize) -> Option<&[u8]> {
        self.entries.get(index).and_then(|it| self.value_of(it))
    }

    /// Writes the value of the entry at an index.
    pub fn replace(&mut self, index: usize, value: Option<&[u8]>) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let Some(value) = value else {
            entry.value = DELETED;
            return;
        };
        let (key, length) = (entry.key as usize, length(value));
        if entry.room < length {
            // One that has grown may grow again.
            let room = length.next_multiple_of(GROWTH);
            let start = self.bytes.len();
            self.bytes.extend_from_within(entry.start..entry.start + key);
            self.bytes.resize(start + key + room as usize, 0);
            (entry.start, entry.room) = (start, room);
        }
        entry.value = length;
        let place = entry.start + key;
        if let Some(place) = self.bytes.get_mut(place..place + value.len()) {
            place.copy_from_slice(value);
        }
    }

    /// The entries in the order in which they were first written.
    pub fn iter(&self) -> impl Iterator<Item = (Key<'_>, Option<&[u8]>)> {
        self.entries.iter().map(|it| (Key { bytes: self.key(it), hash: it.hash }, self.value_of(it)))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that they take, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * ENTRY_OVERHEAD
    }

    /// Drops all of them; keeps memory for twice as many: the next transaction is about as large as the last one.
    pub fn clear(&mut self) {
        let (entries, bytes) = ((2 * self.entries.len()).max(KEPT_ENTRIES), (2 * self.bytes.len()).max(KEPT_BYTES));
        self.table.clear();
        self.entries.clear();
        self.bytes.clear();
        self.table.shrink_to(entries, |_| 0);
        self.entries.shrink_to(entries);
        self.bytes.shrink_to(bytes);
    }

    /// Adds an entry for a key that has none.
    pub fn add(&mut self, key: Key<'_>, value: Option<&[u8]>) {
        let Self { table, entries, bytes } = self;
        let index = index(entries.len());
        table.insert_unique(key.hash, index, |it| entries.get(*it as usize).map_or(0, |it| it.hash));
        let (start, room) = (bytes.len(), value.map_or(0, length));
        bytes::append(key.bytes, bytes);
        bytes::append(value.unwrap_or_default(), bytes);
        let value = value.map_or(DELETED, |_| room);
        entries.push(Entry { hash: key.hash, start, key: length(key.bytes), value, room });
    }

    /// Takes back the entry that was added last. Its bytes are left where they are: those of others may stand behind them.
    pub fn remove_last(&mut self) {
        let Some(Entry { hash, .. }) = self.entries.pop() else { return };
        let index = index(self.entries.len());
        if let Ok(it) = self.table.find_entry(hash, |it| *it == index) {
            it.remove();
        }
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        self.span(entry.start, entry.key)
    }

    fn value_of(&self, entry: &Entry) -> Option<&[u8]> {
        (entry.value != DELETED).then(|| self.span(entry.start + entry.key as usize, entry.value))
    }

    fn span(&self, start: usize, length: u32) -> &[u8] {
        self.bytes.get(start..start + length as usize).unwrap_or_default()
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(DELETED - 1)
}

fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_are_those_of_a_map(writes in prop::collection::vec((0_u8..20, prop::option::of(prop::collection::vec(any::<u8>(), 0..20))), 0..100)) {
            let (mut entries, mut map, mut order) = (Entries::default(), BTreeMap::new(), Vec::new());
            for round in 0..2 {
                for (key, value) in &writes {
                    entries.put(Key::of(&[*key, round]), value.as_deref());
                    if map.insert(*key, value.clone()).is_none() {
                        order.push(*key);
                    }
                }
                for key in 0..20 {
                    prop_assert_eq!(entries.get(Key::of(&[key, round])).map(|it| it.map(<[u8]>::to_vec)), map.get(&key).cloned());
                }
                prop_assert_eq!(entries.iter().map(|(key, _)| key.bytes()[0]).collect::<Vec<_>>(), order.clone());
                entries.clear();
                map.clear();
                order.clear();
                prop_assert!(entries.is_empty() && entries.size() == 0);
            }
        }
    }
}
