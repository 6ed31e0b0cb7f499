//! One partition's log: records, control records, and what of them a reader of committed records sees.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::engine::record::{Millis, Offset};

/// The number of a transaction, unique in its cluster.
pub type Serial = u64;

/// A record without its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The record timestamp.
    pub timestamp: Millis,
}

/// What compaction does with the last record of a key when it is a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstones {
    /// It stays, as within `delete.retention.ms`.
    Keep,
    /// It goes too, as afterwards.
    Remove,
}

/// A position at which there is nothing to read, neither now nor later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange {
    /// The first offset.
    pub start: Offset,
    /// The end offset.
    pub end: Offset,
}

/// A partition.
#[derive(Debug, Default)]
pub struct Partition {
    start: Offset,
    end: Offset,
    /// In the order of offsets; after a compaction with gaps.
    entries: VecDeque<Entry>,
    /// The first offset of each open transaction.
    open: BTreeMap<Serial, Offset>,
    /// Transactions whose records are not to be seen.
    aborted: BTreeSet<Serial>,
}

#[derive(Debug)]
struct Entry {
    offset: Offset,
    transaction: Option<Serial>,
    /// `None`: a control record, the end of a transaction.
    content: Option<Arc<Content>>,
}

impl Partition {
    /// The first offset.
    #[must_use]
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The offset after the last record, control records included: the high watermark.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The last stable offset: the first of an open transaction, else the end. Readers of committed records see nothing from there on.
    #[must_use]
    pub fn stable_end(&self) -> Offset {
        self.open.values().copied().min().unwrap_or(self.end)
    }

    /// The offset of the first record before the last stable offset that is not older than `time`.
    #[must_use]
    pub fn at(&self, time: Millis) -> Option<Offset> {
        let stable_end = self.stable_end();
        let mut stable = self.entries.iter().take_while(|entry| entry.offset < stable_end);
        stable.find(|entry| entry.content.as_ref().is_some_and(|it| time <= it.timestamp)).map(|entry| entry.offset)
    }

    /// Appends a record, and returns its offset.
    pub fn append(&mut self, transaction: Option<Serial>, content: Content) -> Offset {
        if let Some(serial) = transaction {
            self.open.entry(serial).or_insert(self.end);
        }
        self.push(transaction, Some(Arc::new(content)))
    }

    /// Appends the control record that ends a transaction here.
    pub fn mark(&mut self, transaction: Serial, committed: bool) {
        self.open.remove(&transaction);
        if !committed {
            self.aborted.insert(transaction);
        }
        self.push(Some(transaction), None);
    }

    /// Adds at most `max` committed records from a position on to `records`, and returns the next position: behind the last of them,
    /// or the last stable offset when there are no more.
    ///
    /// # Errors
    /// When the position is before the start or after the end.
    pub fn read(&self, from: Offset, max: usize, records: &mut Vec<(Offset, Arc<Content>)>) -> Result<Offset, OutOfRange> {
        if from < self.start || from > self.end {
            return Err(OutOfRange { start: self.start, end: self.end });
        }
        let stable_end = self.stable_end();
        let mut left = max;
        let first = self.entries.partition_point(|entry| entry.offset < from);
        for entry in self.entries.range(first..).take_while(|entry| entry.offset < stable_end) {
            let Some(content) = self.visible(entry) else { continue };
            if left == 0 {
                return Ok(entry.offset);
            }
            left -= 1;
            records.push((entry.offset, Arc::clone(content)));
        }
        Ok(stable_end.max(from))
    }

    /// As [`Partition::read`], for a reader of uncommitted records.
    ///
    /// # Errors
    /// When the position is before the start or after the end.
    pub fn read_uncommitted(&self, from: Offset, max: usize, records: &mut Vec<(Offset, Arc<Content>)>) -> Result<Offset, OutOfRange> {
        if from < self.start || from > self.end {
            return Err(OutOfRange { start: self.start, end: self.end });
        }
        let first = self.entries.partition_point(|entry| entry.offset < from);
        let mut next = from;
        for entry in self.entries.range(first..).take(max) {
            next = entry.offset + 1;
            records.extend(entry.content.clone().map(|content| (entry.offset, content)));
        }
        Ok(next)
    }

    /// Keeps, of what is stable, the last committed record of each key only. Offsets stay as they are.
    pub fn compact(&mut self, tombstones: Tombstones) {
        let stable_end = self.stable_end();
        let mut last: BTreeMap<Vec<u8>, Offset> = BTreeMap::new();
        for entry in self.entries.iter().take_while(|entry| entry.offset < stable_end) {
            if let Some(key) = self.visible(entry).and_then(|content| content.key.clone()) {
                last.insert(key, entry.offset);
            }
        }
        let aborted = &self.aborted;
        self.entries.retain(|entry| {
            let Some(content) = &entry.content else { return entry.offset >= stable_end };
            let gone = entry.transaction.is_some_and(|it| aborted.contains(&it));
            let is_last = content.key.as_ref().is_some_and(|key| last.get(key) == Some(&entry.offset));
            let tombstone_stays = content.value.is_some() || tombstones == Tombstones::Keep;
            entry.offset >= stable_end || (!gone && is_last && tombstone_stays)
        });
        self.forget_transactions();
    }

    /// Removes all before an offset (at most all that is there): the log starts there now.
    pub fn delete_before(&mut self, offset: Offset) {
        self.start = offset.clamp(self.start, self.end);
        let gone = self.entries.partition_point(|entry| entry.offset < self.start);
        self.entries.drain(..gone);
        self.forget_transactions();
    }

    /// As [`Partition::delete_before`], but the records are kept out of sight, for who checks what came of them.
    pub fn hide_before(&mut self, offset: Offset) {
        self.start = offset.clamp(self.start, self.end);
    }

    /// Brings back what was hidden.
    pub fn show_hidden(&mut self) {
        self.start = self.entries.front().map_or(self.start, |first| self.start.min(first.offset));
    }

    /// Removes all from an offset on. Transactions that are open there stay open until their marker comes.
    pub fn truncate(&mut self, from: Offset) {
        self.end = from.clamp(self.start, self.end);
        let left = self.entries.partition_point(|entry| entry.offset < self.end);
        self.entries.truncate(left);
    }

    fn push(&mut self, transaction: Option<Serial>, content: Option<Arc<Content>>) -> Offset {
        let offset = self.end;
        self.entries.push_back(Entry { offset, transaction, content });
        self.end += 1;
        offset
    }

    fn visible<'a>(&self, entry: &'a Entry) -> Option<&'a Arc<Content>> {
        let aborted = entry.transaction.is_some_and(|it| self.aborted.contains(&it));
        entry.content.as_ref().filter(|_| !aborted)
    }

    /// An aborted transaction need not be remembered when nothing of it is left.
    fn forget_transactions(&mut self) {
        let left: BTreeSet<Serial> = self.entries.iter().filter_map(|entry| entry.transaction).collect();
        self.aborted.retain(|serial| left.contains(serial));
    }
}
