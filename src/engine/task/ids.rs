//! The ids of a dedup at a commit: new ones are packed, expired ones forgotten, and those learned that were there before a start.

use super::{Sweep, Task};
use crate::engine::plan::StoreKind;
use crate::engine::record::Millis;
use crate::engine::state::dedup_keys::{self, PageName};
use crate::engine::state::{Committed, Key, StoreError, dedup_pages};

/// A commit sweeps pages until they have so many bytes: some 40,000 ids. With much to do there is one that does in a second.
const SWEEP_BYTES: usize = 1 << 20;

impl Task {
    /// Packs the ids that the transaction saw first, for the changelog; when there is memory for it, their pages are all that is written.
    /// The newest time of the oldest page whose ids have entries.
    pub(super) fn pack(&mut self, store: usize, window_ms: i64, committed: &mut dyn Sweep) -> Result<Millis, StoreError> {
        let oldest = self.stream_time.saturating_sub(window_ms);
        let pages = dedup_pages::pack(self.overlay.open(store), window_ms, self.position.unwrap_or_default());
        // In time when they were seen, some may have all expired within the transaction. Their page would be among those swept already.
        let (expired, pages): (Vec<_>, Vec<_>) = pages.into_iter().partition(|it| it.name.newest < oldest);
        if self.pages.get_mut(store).is_some_and(|it| it.take(&pages)) {
            self.overlay.drop_open(store);
            pages.iter().for_each(|it| self.overlay.put(store, Key::of(&it.name.indexed_key()), Some(&it.value)));
            return Ok(Millis::MAX);
        }
        if let Some(seen) = self.seen.get_mut(store) {
            for page in &pages {
                dedup_pages::each_key(page.name, &page.value, |key, time| seen.add(Key::of(key), time));
            }
        }
        expired.iter().try_for_each(|it| self.forget_ids(store, it.name, &it.value, committed))?;
        pages.iter().for_each(|it| self.overlay.put(store, Key::of(&it.name.key()), Some(&it.value)));
        Ok(pages.iter().map(|it| it.name.newest).min().unwrap_or(Millis::MAX))
    }

    /// Takes note of some of the ids that are on disk, until all of them are known.
    pub(super) fn learn(&mut self, store: usize, committed: &mut dyn Sweep) -> Result<(), StoreError> {
        let Some(seen) = self.seen.get_mut(store) else { return Ok(()) };
        let Some(from) = seen.lacks().map(<[u8]>::to_vec) else { return Ok(()) };
        let (mut bytes, mut are_pages, mut more) = (0, true, false);
        committed.scan(store, &from, &mut |key, page| {
            if PageName::of_indexed(key).is_some() {
                return false;
            }
            more = SWEEP_BYTES <= bytes;
            if !more {
                bytes += page.len();
                are_pages &= seen.learn(key, page);
            }
            !more && are_pages
        })?;
        if !are_pages {
            return Err(self.no_page());
        }
        if !more {
            seen.learned_all();
        }
        Ok(())
    }

    /// Deletes the ids of a page.
    fn forget_ids(&mut self, store: usize, name: PageName, page: &[u8], committed: &mut dyn Sweep) -> Result<(), StoreError> {
        let (overlay, mut seen_at, mut result) = (&mut self.overlay, Vec::new(), Ok(()));
        let is_page = dedup_pages::each_key(name, page, |key, time| {
            let key = Key::of(key);
            // It may have been seen again since, at another time: then it is in another page, too.
            match overlay.get(&mut SweepCommitted(committed), store, key, &mut seen_at) {
                Ok(true) if dedup_keys::read_time(&seen_at) == Some(time) => overlay.put(store, key, None),
                Ok(_) => {}
                Err(error) => result = Err(error),
            }
        });
        if is_page { result } else { Err(self.no_page()) }
    }

    /// Deletes pages whose ids have all expired, and these ids.
    pub(super) fn sweep(&mut self, store: usize, window_ms: i64, committed: &mut dyn Sweep) -> Result<(), StoreError> {
        let oldest = self.stream_time.saturating_sub(window_ms);
        if let Some(index) = self.pages.get_mut(store) {
            index.expire(oldest, window_ms).iter().for_each(|it| self.overlay.put(store, Key::of(&it.indexed_key()), None));
        }
        let (Some(from), Some(oldest_page)) = (self.swept.get(store), self.oldest_page.get_mut(store)) else { return Ok(()) };
        // A page that is not on disk yet would be passed over.
        if oldest <= *oldest_page || self.overlay.has_unwritten(store) {
            return Ok(());
        }
        let (mut expired, mut bytes) = (Vec::new(), 0);
        *oldest_page = Millis::MAX;
        committed.scan(store, from, &mut |key, value| match PageName::of(key) {
            Some(name) if name.newest < oldest && bytes < SWEEP_BYTES => {
                bytes += value.len();
                expired.push((name, value.to_vec()));
                true
            }
            Some(name) => {
                *oldest_page = name.newest;
                false
            }
            // Behind the last one.
            None => false,
        })?;
        for (name, page) in &expired {
            self.forget_ids(store, *name, page, committed)?;
            self.overlay.put(store, Key::of(&name.key()), None);
        }
        if let (Some(from), Some((last, _))) = (self.swept.get_mut(store), expired.pop()) {
            *from = last.key();
        }
        Ok(())
    }

    fn no_page(&self) -> StoreError {
        StoreError::Damaged(format!("a page of ids of {} is none", self.id))
    }

    /// Finds the indexed pages that are on disk. What is not on disk yet was indexed when it was written.
    pub(super) fn index(&mut self, store: usize, committed: &mut dyn Sweep) -> Result<(), StoreError> {
        let dedup = self.plan.stores.get(store).is_some_and(|it| matches!(it.kind, StoreKind::Dedup { .. }));
        let Some(index) = self.pages.get_mut(store) else { return Ok(()) };
        if !dedup || index.is_complete() {
            return Ok(());
        }
        let mut are_pages = true;
        committed.scan(store, &dedup_keys::before_indexed_pages(), &mut |key, page| {
            let name = PageName::of_indexed(key);
            are_pages = name.is_some_and(|name| index.learn(name, page));
            are_pages
        })?;
        if !are_pages {
            return Err(self.no_page());
        }
        index.completed();
        Ok(())
    }
}

struct SweepCommitted<'c>(&'c mut dyn Sweep);

impl Committed for SweepCommitted<'_> {
    fn get(&mut self, store: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        self.0.get(store, key, value)
    }
}
