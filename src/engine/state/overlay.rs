//! The overlay: writes that are not committed, seen over what is.
//!
//! ```text
//!  open                   of the open Kafka transaction; dropped when it is aborted. Writes of a record that fails are taken back
//!  sealed                 of the transaction that is being committed
//!  unwritten              committed; go to the store on disk when there are many, or little else is to be done
//!  recent                 committed and on disk, in memory, bounded
//!  the store on disk
//! ```

use super::entries::{Entries, Key};
use super::{Committed, StoreError};
use crate::engine::bytes;

/// The stores of one task.
#[derive(Debug)]
pub struct Overlay {
    stores: Vec<View>,
    undo: Undo,
    /// Of what is not written.
    limit_bytes: usize,
}

#[derive(Debug, Default)]
struct View {
    open: Entries,
    sealed: Entries,
    unwritten: Entries,
    recent: Recent,
}

/// Committed entries that were written lately: two generations, of which the older is dropped when the younger is full.
#[derive(Debug, Default)]
struct Recent {
    young: Entries,
    old: Entries,
    limit_bytes: usize,
}

/// Where a key that was read stands in the open transaction, if it does: so that it is not looked for again when it is written. Holds until
/// something is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place(Option<usize>);

impl Place {
    /// Whether the open transaction wrote it.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.0.is_some()
    }
}

/// What is not written may be such a part of the memory for entries, where there are recent ones, too.
const UNWRITTEN_PART: usize = 4;

/// Where bytes begin and end.
type Span = (usize, usize);

/// How the writes of the record under way are taken back.
#[derive(Debug, Default)]
struct Undo {
    /// The store of each write, in order, and what was there before.
    writes: Vec<(usize, Before)>,
    /// Values that were there.
    bytes: Vec<u8>,
}

/// What was there before a write.
#[derive(Debug)]
enum Before {
    /// No entry: the write made the last one.
    Nothing,
    /// The entry at this index, with this value; `None`: a deletion.
    Entry(usize, Option<Span>),
}

impl Overlay {
    /// For stores of which the given ones keep recent entries in memory. These, and what is not written, have `cache_bytes` together.
    #[must_use]
    pub fn new(cached: &[bool], cache_bytes: usize) -> Self {
        let sharing = cached.iter().filter(|it| **it).count();
        let limit_bytes = if sharing == 0 { cache_bytes } else { cache_bytes / UNWRITTEN_PART };
        let of_each = (cache_bytes - limit_bytes) / sharing.max(1);
        let view =
            |it: &bool| View { recent: Recent { limit_bytes: if *it { of_each / 2 } else { 0 }, ..Recent::default() }, ..View::default() };
        Self { stores: cached.iter().map(view).collect(), undo: Undo::default(), limit_bytes }
    }

    /// Reads a key; whether there is a value.
    ///
    /// # Errors
    /// When the store on disk fails.
    pub fn get(&mut self, committed: &mut dyn Committed, store: usize, key: Key<'_>, value: &mut Vec<u8>) -> Result<bool, StoreError> {
        self.locate(committed, store, key, value).map(|(exists, _)| exists)
    }

    /// Reads a key; whether there is a value, and where to write the next one.
    ///
    /// # Errors
    /// When the store on disk fails.
    pub fn locate(
        &mut self,
        committed: &mut dyn Committed,
        store: usize,
        key: Key<'_>,
        value: &mut Vec<u8>,
    ) -> Result<(bool, Place), StoreError> {
        let Some(view) = self.stores.get_mut(store) else { return Ok((false, Place(None))) };
        if let Some(index) = view.open.find(key) {
            return Ok((copy(view.open.value(index), value), Place(Some(index))));
        }
        view.get(committed, store, key, value).map(|exists| (exists, Place(None)))
    }

    /// Reads a key that the open transaction wrote; where it stands.
    pub fn locate_open(&self, store: usize, key: Key<'_>, value: &mut Vec<u8>) -> Place {
        let Some(View { open, .. }) = self.stores.get(store) else { return Place(None) };
        let place = open.find(key);
        if let Some(index) = place {
            copy(open.value(index), value);
        }
        Place(place)
    }

    /// Writes a key for the record under way; `None` deletes.
    pub fn put(&mut self, store: usize, key: Key<'_>, value: Option<&[u8]>) {
        let place = self.stores.get(store).map_or(Place(None), |it| Place(it.open.find(key)));
        self.put_at(store, key, place, value);
    }

    /// The same, for a key that was located.
    pub fn put_at(&mut self, store: usize, key: Key<'_>, Place(place): Place, value: Option<&[u8]>) {
        let Some(View { open, .. }) = self.stores.get_mut(store) else { return };
        match place {
            Some(index) => {
                self.undo.note(store, index, open.value(index));
                open.replace(index, value);
            }
            None => {
                self.undo.writes.push((store, Before::Nothing));
                open.add(key, value);
            }
        }
    }

    /// Drops the writes of the record under way.
    pub fn roll_back_record(&mut self) {
        while let Some((store, before)) = self.undo.writes.pop() {
            let Some(View { open, .. }) = self.stores.get_mut(store) else { continue };
            match before {
                Before::Nothing => open.remove_last(),
                Before::Entry(index, value) => {
                    open.replace(index, value.map(|(start, end)| self.undo.bytes.get(start..end).unwrap_or_default()))
                }
            }
        }
        self.undo.clear();
    }

    /// Makes the writes of the record under way part of the open transaction.
    pub fn keep_record(&mut self) {
        self.undo.clear();
    }

    /// Bytes that are not committed yet, about.
    #[must_use]
    pub fn dirty_bytes(&self) -> usize {
        self.stores.iter().map(|it| it.open.size() + it.sealed.size()).sum()
    }

    /// What the open transaction wrote to a store.
    pub fn open(&self, store: usize) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.stores.get(store).into_iter().flat_map(|it| it.open.iter().map(|(key, value)| (key.bytes(), value)))
    }

    /// Drops what the open transaction wrote to a store: it is written in another form.
    pub fn drop_open(&mut self, store: usize) {
        self.undo.clear();
        if let Some(view) = self.stores.get_mut(store) {
            view.open.clear();
        }
    }

    /// The transaction is about to be committed: its writes are handed out, for the changelog.
    pub fn seal(&mut self, mut write: impl FnMut(usize, &[u8], Option<&[u8]>)) {
        for (store, view) in self.stores.iter_mut().enumerate() {
            debug_assert!(view.sealed.is_empty(), "one commit at a time");
            std::mem::swap(&mut view.open, &mut view.sealed);
            for (key, value) in view.sealed.iter() {
                write(store, key.bytes(), value);
            }
        }
    }

    /// The sealed writes.
    pub fn sealed(&self) -> impl Iterator<Item = (usize, &[u8], Option<&[u8]>)> {
        self.all(|it| &it.sealed)
    }

    /// The sealed writes are committed: the last one of each key is to be written to the store on disk.
    pub fn committed(&mut self) {
        for View { sealed, unwritten, .. } in &mut self.stores {
            if unwritten.is_empty() {
                std::mem::swap(sealed, unwritten);
                continue;
            }
            for (key, value) in sealed.iter() {
                unwritten.put(key, value);
            }
            sealed.clear();
        }
    }

    /// What is committed and not on disk.
    pub fn unwritten(&self) -> impl Iterator<Item = (usize, &[u8], Option<&[u8]>)> {
        self.all(|it| &it.unwritten)
    }

    /// Whether there is any of a store.
    #[must_use]
    pub fn has_unwritten(&self, store: usize) -> bool {
        self.stores.get(store).is_some_and(|it| !it.unwritten.is_empty())
    }

    /// Whether it is as much as may wait in memory.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.limit_bytes <= self.stores.iter().map(|it| it.unwritten.size()).sum()
    }

    /// All that is committed is on disk.
    pub fn written(&mut self) {
        for View { unwritten, recent, .. } in &mut self.stores {
            for (key, value) in unwritten.iter() {
                recent.insert(key, value);
            }
            unwritten.clear();
        }
    }

    fn all<'v>(&'v self, entries: impl Fn(&'v View) -> &'v Entries) -> impl Iterator<Item = (usize, &'v [u8], Option<&'v [u8]>)> {
        let stores = self.stores.iter().enumerate();
        stores.flat_map(move |(store, view)| entries(view).iter().map(move |(key, value)| (store, key.bytes(), value)))
    }

    /// Nothing of what is not committed will be: all of it is dropped.
    pub fn discard(&mut self) {
        self.undo.clear();
        for view in &mut self.stores {
            view.open.clear();
            view.sealed.clear();
        }
    }

    /// What is in memory of the committed state counts no more: the store is to be restored, from what is on disk.
    pub fn forget(&mut self) {
        self.discard();
        for view in &mut self.stores {
            view.unwritten.clear();
            view.recent.young.clear();
            view.recent.old.clear();
        }
    }
}

impl View {
    /// Reads a key that is not in the open transaction; whether there is a value.
    fn get(&self, committed: &mut dyn Committed, store: usize, key: Key<'_>, value: &mut Vec<u8>) -> Result<bool, StoreError> {
        // What is read here is written soon, and is among the recent ones then: it need not be put there now.
        for entries in [&self.sealed, &self.unwritten, &self.recent.young, &self.recent.old] {
            if let Some(found) = entries.get(key) {
                return Ok(copy(found, value));
            }
        }
        committed.get(store, key.bytes(), value)
    }
}

impl Recent {
    fn insert(&mut self, key: Key<'_>, value: Option<&[u8]>) {
        if self.limit_bytes == 0 {
            return;
        }
        // What the older generation has of the key is out of date from now on, and not looked at.
        self.young.put(key, value);
        if self.limit_bytes < self.young.size() {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
    }
}

impl Undo {
    fn note(&mut self, store: usize, index: usize, value: Option<&[u8]>) {
        let start = self.bytes.len();
        bytes::append(value.unwrap_or_default(), &mut self.bytes);
        self.writes.push((store, Before::Entry(index, value.map(|_| (start, self.bytes.len())))));
    }

    fn clear(&mut self) {
        self.writes.clear();
        self.bytes.clear();
    }
}

fn copy(found: Option<&[u8]>, into: &mut Vec<u8>) -> bool {
    into.clear();
    bytes::append(found.unwrap_or_default(), into);
    found.is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::entries::ENTRY_OVERHEAD;
    use super::*;

    proptest! {
        #[test]
        fn only_records_that_succeed_leave_something(
            records in prop::collection::vec((any::<bool>(), prop::collection::vec((0_u8..6, prop::option::of("[a-z]{0,5}")), 0..6)), 0..20),
        ) {
            let (mut overlay, mut disk) = (Overlay::new(&[true], 1000), Disk::default());
            let mut map = BTreeMap::new();
            for (succeeds, writes) in records {
                let before = map.clone();
                for (key, value) in writes {
                    overlay.put(0, Key::of(&[key]), value.as_ref().map(String::as_bytes));
                    map.insert(key, value);
                    for (key, value) in &map {
                        prop_assert_eq!(get(&mut overlay, &mut disk, &[*key]), value.clone().map(String::into_bytes));
                    }
                }
                if succeeds {
                    overlay.keep_record();
                } else {
                    overlay.roll_back_record();
                    map = before;
                }
                let mut logged = BTreeMap::new();
                overlay.stores[0].open.iter().for_each(|(key, value)| drop(logged.insert(key.bytes()[0], value.map(<[u8]>::to_vec))));
                let expected: BTreeMap<_, _> = map.iter().map(|(key, value)| (*key, value.clone().map(String::into_bytes))).collect();
                prop_assert_eq!(logged, expected);
            }
        }
    }

    #[derive(Default)]
    struct Disk(BTreeMap<Vec<u8>, Vec<u8>>, usize);

    impl Committed for Disk {
        fn get(&mut self, _: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
            self.1 += 1;
            Ok(copy(self.0.get(key).map(Vec::as_slice), value))
        }
    }

    fn get(overlay: &mut Overlay, disk: &mut Disk, key: &[u8]) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        overlay.get(disk, 0, Key::of(key), &mut value).unwrap().then_some(value)
    }

    #[test]
    fn a_record_that_fails_leaves_no_trace() {
        let (mut overlay, mut disk) = (Overlay::new(&[true], 1000), Disk::default());
        overlay.put(0, Key::of(b"a"), Some(b"1"));
        overlay.keep_record();
        overlay.put(0, Key::of(b"a"), Some(b"2"));
        overlay.put(0, Key::of(b"b"), Some(b"2"));
        assert_eq!(get(&mut overlay, &mut disk, b"a"), Some(b"2".to_vec()));
        overlay.roll_back_record();
        assert_eq!(get(&mut overlay, &mut disk, b"a"), Some(b"1".to_vec()));
        assert_eq!(get(&mut overlay, &mut disk, b"b"), None);
    }

    #[test]
    fn an_aborted_transaction_leaves_what_was_committed() {
        let (mut overlay, mut disk) = (Overlay::new(&[true], 1000), Disk::default());
        overlay.put(0, Key::of(b"a"), Some(b"1"));
        overlay.keep_record();
        overlay.seal(|_, _, _| {});
        disk.0.insert(b"a".to_vec(), b"1".to_vec());
        overlay.committed();
        overlay.put(0, Key::of(b"a"), None);
        overlay.keep_record();
        assert_eq!(get(&mut overlay, &mut disk, b"a"), None);
        overlay.discard();
        assert_eq!(get(&mut overlay, &mut disk, b"a"), Some(b"1".to_vec()));
        assert_eq!(overlay.dirty_bytes(), 0);
    }

    #[test]
    fn a_key_is_logged_once_a_transaction() {
        let mut overlay = Overlay::new(&[true], 1000);
        for value in [b"1", b"2", b"3"] {
            overlay.put(0, Key::of(b"a"), Some(value));
            overlay.keep_record();
        }
        let mut logged = Vec::new();
        overlay.seal(|_, key, value| logged.push((key.to_vec(), value.map(<[u8]>::to_vec))));
        assert_eq!(logged, [(b"a".to_vec(), Some(b"3".to_vec()))]);
    }

    #[test]
    fn writes_made_while_a_commit_runs_are_the_next_ones() {
        let (mut overlay, mut disk) = (Overlay::new(&[true], 1000), Disk::default());
        overlay.put(0, Key::of(b"a"), Some(b"1"));
        overlay.keep_record();
        overlay.seal(|_, _, _| {});
        overlay.put(0, Key::of(b"a"), Some(b"2"));
        overlay.keep_record();
        let sealed: Vec<_> = overlay.sealed().map(|(_, key, value)| (key.to_vec(), value.unwrap().to_vec())).collect();
        assert_eq!(sealed, [(b"a".to_vec(), b"1".to_vec())]);
        overlay.committed();
        assert_eq!(get(&mut overlay, &mut disk, b"a"), Some(b"2".to_vec()));
    }

    #[test]
    fn what_is_committed_waits_to_be_written_and_each_key_is_written_once() {
        let (mut overlay, mut disk) = (Overlay::new(&[true], 1000), Disk::default());
        for (key, value) in [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")] {
            overlay.put(0, Key::of(key), Some(value));
            overlay.keep_record();
            overlay.seal(|_, _, _| {});
            overlay.committed();
        }
        overlay.put(0, Key::of(b"a"), Some(b"3"));
        overlay.keep_record();
        overlay.discard();
        assert_eq!(get(&mut overlay, &mut disk, b"a"), Some(b"2".to_vec()), "an aborted transaction leaves it");
        for (_, key, value) in overlay.unwritten() {
            assert_eq!(disk.0.insert(key.to_vec(), value.unwrap().to_vec()), None);
        }
        overlay.written();
        assert_eq!((disk.0[&b"a"[..]].as_slice(), disk.0[&b"b"[..]].as_slice()), (&b"2"[..], &b"1"[..]));
        assert_eq!((overlay.unwritten().count(), get(&mut overlay, &mut disk, b"a")), (0, Some(b"2".to_vec())));
    }

    #[test]
    fn recent_entries_are_bounded() {
        let (mut overlay, mut disk) = (Overlay::new(&[true], 10_000), Disk::default());
        for i in 0..10_000_u32 {
            overlay.put(0, Key::of(&i.to_be_bytes()), Some(&[0; 10]));
            overlay.keep_record();
            overlay.seal(|_, key, value| drop(disk.0.insert(key.to_vec(), value.unwrap().to_vec())));
            overlay.committed();
            overlay.written();
        }
        let recent = &overlay.stores[0].recent;
        assert!(recent.young.size() + recent.old.size() <= 10_000 + 2 * (4 + 10 + ENTRY_OVERHEAD));
        let read = disk.1;
        for (it, from_disk) in [(9_999_u32, 0), (0, 1), (0, 2)] {
            assert_eq!(get(&mut overlay, &mut disk, &it.to_be_bytes()), Some(vec![0; 10]));
            assert_eq!(disk.1 - read, from_disk, "the last one is still in memory, the first one no more, and is not since it was read");
        }
    }
}
