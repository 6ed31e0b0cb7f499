//! The ids of a dedup as people see them: those that have entries, and those that stand in pages alone. The latter are read through.

use std::collections::BTreeMap;

use super::{Entry, Page, Store};
use crate::engine::codec::Malformed;
use crate::engine::record::Millis;
use crate::engine::state::dedup_keys::{self, PageName};
use crate::engine::state::dedup_pages;
use crate::runtime::operations::access::StateReader;
use crate::runtime::ports::StoreError;

impl Store<'_> {
    /// See [`Store::get`].
    pub(super) fn get_id(&self, reader: &dyn StateReader, task: &str, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let mut seen = reader.get(task, &self.store.id, key)?.and_then(|it| dedup_keys::read_time(&it));
        self.in_pages(reader, task, |id, time| {
            if dedup_keys::id_of(key) == Some(id) {
                seen = seen.max(Some(time));
            }
        })?;
        seen.map(|time| self.seen_at(task, key, time)).transpose()
    }

    /// See [`Store::scan`].
    pub(super) fn scan_ids(&self, reader: &dyn StateReader, task: &str, page: &Page) -> Result<(Vec<Entry>, bool), StoreError> {
        let first = if page.prefix.is_empty() { self.first_key() } else { page.prefix.clone() };
        let wanted = |key: &[u8]| key.starts_with(&first) && page.after.as_deref().is_none_or(|after| after < key);
        // One more than is asked for tells whether there are more; of all ids, no more are held than that.
        let mut found: BTreeMap<Vec<u8>, Millis> = BTreeMap::new();
        let mut note = |key: &[u8], time: Millis| {
            if found.len() <= page.limit || found.last_key_value().is_some_and(|(last, _)| key <= last.as_slice()) {
                let seen = found.entry(key.to_vec()).or_insert(time);
                *seen = time.max(*seen);
                if page.limit + 1 < found.len() {
                    found.pop_last();
                }
            }
        };
        let from = page.after.as_ref().filter(|it| first < **it).unwrap_or(&first);
        let (mut entries, mut malformed) = (0, None);
        reader.scan(task, &self.store.id, from, &mut |key, value| {
            if !key.starts_with(&first) || page.limit + 1 < entries {
                return false;
            }
            match dedup_keys::read_time(value) {
                Some(time) if wanted(key) => {
                    note(key, time);
                    entries += 1;
                }
                Some(_) => {}
                None => malformed = Some(Malformed("time of an id".to_owned())),
            }
            malformed.is_none()
        })?;
        if let Some(error) = malformed {
            return Err(self.malformed(task, &error));
        }
        let mut key = Vec::new();
        self.in_pages(reader, task, |id, time| {
            key.clear();
            dedup_keys::begin_id(&mut key);
            key.extend_from_slice(id);
            if wanted(&key) {
                note(&key, time);
            }
        })?;
        let more = page.limit < found.len();
        let entries = found.iter().take(page.limit).map(|(key, time)| self.seen_at(task, key, *time)).collect::<Result<_, _>>()?;
        Ok((entries, more))
    }

    /// How many ids stand in pages alone, less these pages: for which the files count one entry each.
    pub(super) fn not_counted(&self, reader: &dyn StateReader, task: &str) -> Result<u64, StoreError> {
        if !self.is_of_ids() {
            return Ok(0);
        }
        let mut ids = 0_u64;
        let pages = self.in_pages(reader, task, |_, _| ids += 1)?;
        Ok(ids.saturating_sub(pages))
    }

    /// Hands out the ids that stand in pages alone, and their times; how many pages there are.
    fn in_pages(&self, reader: &dyn StateReader, task: &str, mut id: impl FnMut(&[u8], Millis)) -> Result<u64, StoreError> {
        let (mut pages, mut damaged) = (0, false);
        reader.scan(task, &self.store.id, &dedup_keys::before_indexed_pages(), &mut |key, page| {
            match PageName::of_indexed(key).and_then(|name| dedup_pages::read(name, page)) {
                Some(ids) => ids.into_iter().for_each(|(it, time)| id(it, time)),
                None => damaged = true,
            }
            pages += 1;
            !damaged
        })?;
        if damaged { Err(self.malformed(task, &Malformed("page of ids".to_owned()))) } else { Ok(pages) }
    }

    fn seen_at(&self, task: &str, key: &[u8], time: Millis) -> Result<Entry, StoreError> {
        let mut value = Vec::new();
        dedup_keys::write_time(time, &mut value);
        match self.entry(task, key, &value) {
            Ok(Some(entry)) => Ok(entry),
            Ok(None) => Err(self.malformed(task, &Malformed("id".to_owned()))),
            Err(error) => Err(self.malformed(task, &error)),
        }
    }
}
