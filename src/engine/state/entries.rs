//! Entries of a store in memory: their bytes one behind the other, found by a hash table, so that a write has no allocation of its own.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::engine::bytes;

/// What an entry costs beside its bytes, about: 64 bytes of its places, and what tables and memory have in reserve to grow.
pub const ENTRY_OVERHEAD: usize = 128;

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
    /// Indices into `entries`.
    table: HashTable<usize>,
    /// In the order in which they were first written.
    entries: Vec<Entry>,
    /// Keys and values. A value that is replaced by a longer one leaves a gap.
    bytes: Vec<u8>,
}

/// Where bytes begin and end.
type Span = (usize, usize);

#[derive(Debug)]
struct Entry {
    hash: u64,
    key: Span,
    value: Option<Span>,
}

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
        let is = |it: &usize| self.entries.get(*it).is_some_and(|it| it.hash == key.hash && bytes::equal(self.span(it.key), key.bytes));
        self.table.find(key.hash, is).copied()
    }

    /// The value of the entry at an index.
    #[must_use]
    pub fn value(&self, index: usize) -> Option<&[u8]> {
        self.entries.get(index)?.value.map(|it| self.span(it))
    }

    /// Writes the value of the entry at an index.
    pub fn replace(&mut self, index: usize, value: Option<&[u8]>) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.value = match (entry.value, value) {
            (_, None) => None,
            (Some((start, end)), Some(new)) if new.len() <= end - start => {
                let end = start + new.len();
                if let Some(place) = self.bytes.get_mut(start..end) {
                    place.copy_from_slice(new);
                }
                Some((start, end))
            }
            (_, Some(new)) => Some(append(&mut self.bytes, new)),
        };
    }

    /// The entries in the order in which they were first written.
    pub fn iter(&self) -> impl Iterator<Item = (Key<'_>, Option<&[u8]>)> {
        self.entries.iter().map(|it| (Key { bytes: self.span(it.key), hash: it.hash }, it.value.map(|it| self.span(it))))
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
        table.insert_unique(key.hash, entries.len(), |it| entries.get(*it).map_or(0, |it| it.hash));
        let (hash, key) = (key.hash, append(bytes, key.bytes));
        entries.push(Entry { hash, key, value: value.map(|it| append(bytes, it)) });
    }

    /// Takes back the entry that was added last. Its bytes are left where they are: those of others may stand behind them.
    pub fn remove_last(&mut self) {
        let Some(Entry { hash, .. }) = self.entries.pop() else { return };
        let index = self.entries.len();
        if let Ok(it) = self.table.find_entry(hash, |it| *it == index) {
            it.remove();
        }
    }

    fn span(&self, (start, end): Span) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }
}

fn append(bytes: &mut Vec<u8>, more: &[u8]) -> Span {
    let start = bytes.len();
    bytes::append(more, bytes);
    (start, bytes.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_are_those_of_a_map(writes in prop::collection::vec((0_u8..20, prop::option::of(prop::collection::vec(any::<u8>(), 0..6))), 0..100)) {
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
