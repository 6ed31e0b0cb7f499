//! Records of a changelog, and what they are in the store.

use std::collections::BTreeSet;

use crate::engine::plan::StoreKind;
use crate::engine::record::Offset;
use crate::engine::state::{dedup_keys, dedup_pages};
use crate::runtime::mutant::{self, Mutant};
use crate::runtime::ports::StoreError;
use crate::runtime::tasks::OpenTask;

/// Records of one changelog partition, in one buffer.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// End of the key; end of the value, or none.
    entries: Vec<(usize, Option<usize>)>,
    /// After the last of them.
    pub(super) next: Offset,
}

impl Batch {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Appends one.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.entries.push((key_end, value.map(|_| self.bytes.len())));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    fn iter(&self) -> Entries<'_> {
        Entries { batch: self, at: 0, start: 0 }
    }
}

/// Its entries, one after the other.
struct Entries<'b> {
    batch: &'b Batch,
    at: usize,
    start: usize,
}

impl<'b> Iterator for Entries<'b> {
    type Item = (&'b [u8], Option<&'b [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key_end, value_end) = *self.batch.entries.get(self.at)?;
        let key = self.batch.bytes.get(self.start..key_end)?;
        let value = value_end.and_then(|end| self.batch.bytes.get(key_end..end));
        self.at += 1;
        self.start = value_end.unwrap_or(key_end);
        Some((key, value))
    }
}

/// Writes what the records are in the store, and that the changelog was read up to there.
pub(super) fn write_batch(open: &mut OpenTask, store: usize, batch: &Batch) -> Result<(), StoreError> {
    let dedup = open.task.plan.stores.get(store).is_some_and(|it| matches!(it.kind, StoreKind::Dedup { .. }));
    if !dedup {
        return write_entries(open, store, batch, &[(store, batch.next)]);
    }
    let mut unpacked = Batch { next: batch.next, ..Batch::default() };
    // Pages that are in `unpacked`, and not yet in the store.
    let mut pages: BTreeSet<&[u8]> = BTreeSet::new();
    let mut page = Vec::new();
    for (key, value) in batch.iter() {
        let is_page = dedup_keys::newest_of(key).is_some();
        if is_page && (pages.contains(key) || open.store.get(store, key, &mut page)? && value != Some(&page)) {
            // What it had goes with it, but ids that a later page has, too. What was read so far is written first, to be looked at.
            write_entries(open, store, &unpacked, &[])?;
            unpacked.clear();
            pages.clear();
            delete_ids(open, store, key, &mut unpacked)?;
        }
        if is_page && value.is_some() {
            pages.insert(key);
        }
        let malformed = |error| {
            StoreError::Foreign(format!("its changelog is not of the layout that this version reads: {error}; `goyt reset` begins anew"))
        };
        dedup_pages::unpack(key, value, |key, value| unpacked.push(key, value)).map_err(malformed)?;
    }
    write_entries(open, store, &unpacked, &[(store, batch.next)])
}

/// Deletions of those ids of a page that are in no later one.
fn delete_ids(open: &mut OpenTask, store: usize, key: &[u8], into: &mut Batch) -> Result<(), StoreError> {
    let (mut page, mut id_key, mut seen_at) = (Vec::new(), Vec::new(), Vec::new());
    open.store.get(store, key, &mut page)?;
    let ids = dedup_pages::read(key, &page).filter(|_| !mutant::is(Mutant::ExpiredIdsStay)).unwrap_or_default();
    for (id, time) in ids {
        id_key.clear();
        dedup_keys::begin_id(&mut id_key);
        id_key.extend_from_slice(id);
        if open.store.get(store, &id_key, &mut seen_at)? && dedup_keys::read_time(&seen_at) == Some(time) {
            into.push(&id_key, None);
        }
    }
    Ok(())
}

fn write_entries(open: &mut OpenTask, store: usize, batch: &Batch, positions: &[(usize, Offset)]) -> Result<(), StoreError> {
    open.store.write(&mut batch.iter().map(|(key, value)| (store, key, value)), positions)
}
