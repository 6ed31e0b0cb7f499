//! The ports of operation: topics by name, read outside the group and written a few records at a time, and committed state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::record::{HeaderRef, Millis, Offset};
use crate::runtime::ports::{LogError, StoreError};

/// One partition of a topic, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The first offset that is left.
    pub first: Offset,
    /// The last stable offset: up to here committed records can be read. An open transaction holds it back.
    pub visible: Offset,
    /// The high watermark.
    pub high: Offset,
}

/// A record as it was read, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct ReadRecord<'a> {
    /// Where it stands.
    pub place: &'a Place,
    /// Its offset there.
    pub offset: Offset,
    /// Its timestamp; `None` when the log has none.
    pub timestamp: Option<Millis>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The headers, in their order.
    pub headers: &'a [HeaderRef<'a>],
}

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRecord {
    /// The topic.
    pub topic: String,
    /// `None`: by the key's murmur2 hash, as Java clients do; by chance without a key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The record timestamp; `None`: now.
    pub timestamp: Option<Millis>,
}

/// Gives readers and writers of one cluster, each with connections of its own.
pub trait Access: Send + Sync {
    /// A reader. [`TopicReader::committed`] asks for the offsets of this group.
    ///
    /// # Errors
    /// When the client refuses its properties.
    fn reader(&self, group: &str) -> Result<Box<dyn TopicReader>, LogError>;

    /// A reader for a single record here and there: as [`Access::reader`], but it fetches as little ahead as the client can.
    ///
    /// # Errors
    /// When the client refuses its properties.
    fn peeker(&self, group: &str) -> Result<Box<dyn TopicReader>, LogError> {
        self.reader(group)
    }

    /// A writer, with this transactional id or without transactions.
    ///
    /// # Errors
    /// When the client refuses its properties.
    fn writer(&self, transactional_id: Option<&str>) -> Result<Box<dyn TopicWriter>, LogError>;
}

/// Reads topics by name, read_committed, outside any group: it never joins nor commits. All calls block for a bounded time.
pub trait TopicReader: Send {
    /// The partition counts of those of these topics that exist.
    ///
    /// # Errors
    /// When the cluster does not answer in time.
    fn partitions(&mut self, topics: &[&str]) -> Result<BTreeMap<String, i32>, LogError>;

    /// Where each partition begins and ends, in the order asked for.
    ///
    /// # Errors
    /// When the cluster does not answer in time.
    fn ends(&mut self, places: &[Place]) -> Result<Vec<Ends>, LogError>;

    /// The first offset in each partition whose record is not older than `time`; `None`: all are older, or there is none.
    ///
    /// # Errors
    /// When the cluster does not answer in time.
    fn at(&mut self, places: &[Place], time: Millis) -> Result<Vec<Option<Offset>>, LogError>;

    /// The group's committed offsets, stable only: offsets of a transaction that is being committed are waited for, bounded.
    ///
    /// # Errors
    /// When they can't be had in time.
    fn committed(&mut self, places: &[Place]) -> Result<Vec<Option<Offset>>, LogError>;

    /// Begins to read a partition from an offset, beside those under way; one under way is read anew from there.
    ///
    /// # Errors
    /// When the client refuses.
    fn start(&mut self, place: &Place, from: Offset) -> Result<(), LogError>;

    /// Stops reading a partition.
    fn stop(&mut self, place: &Place);

    /// Hands out at most `max` committed records of the partitions under way, waiting at most `wait` for the first. Returns the ends
    /// reached: a partition, and the offset at which there was nothing more to read, past control records. Reading goes on there:
    /// an end may be reported again later, at a greater offset.
    ///
    /// # Errors
    /// Errors of the client or of a partition.
    fn poll(&mut self, wait: Duration, max: usize, record: &mut dyn FnMut(ReadRecord<'_>)) -> Result<Vec<(Place, Offset)>, LogError>;
}

/// Writes records to topics by name. All calls block for a bounded time.
pub trait TopicWriter: Send {
    /// Takes the place of another writer with the same transactional id: what that one left open is aborted, and it can't commit any
    /// more. Needed once before [`TopicWriter::transact`], and again after one of its errors.
    ///
    /// # Errors
    /// When it can't be done in time.
    fn init(&mut self) -> Result<(), LogError>;

    /// Writes all of them in one transaction.
    ///
    /// # Errors
    /// Then none was written; or, when the reaction is [`crate::runtime::reaction::Reaction::Recycle`], the outcome is to be looked up
    /// after [`TopicWriter::init`].
    fn transact(&mut self, records: &[NewRecord]) -> Result<(), LogError>;

    /// Writes them without a transaction, each for itself, and waits until all are acknowledged.
    ///
    /// # Errors
    /// The first that failed.
    fn write(&mut self, records: &[NewRecord]) -> Result<(), LogError>;
}

/// A part of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The partition.
    pub place: Place,
    /// The first offset.
    pub from: Offset,
    /// The offset behind the last one.
    pub until: Offset,
}

/// How long one wait for records of a range lasts.
const RANGE_WAIT: Duration = Duration::from_millis(200);
/// Waits in a row that may bring nothing.
const EMPTY_WAITS_MAX: u32 = 150;
/// Records taken in one poll.
const RANGE_BATCH: usize = 2_000;

/// Reads ranges to their ends, the partitions side by side; `record` says whether to go on.
///
/// # Errors
/// Errors of the client or of a partition; when nothing comes for half a minute.
pub fn read_ranges(reader: &mut dyn TopicReader, ranges: &[Range], mut record: impl FnMut(ReadRecord<'_>) -> bool) -> Result<(), LogError> {
    let mut left: BTreeMap<Place, Offset> = BTreeMap::new();
    for range in ranges.iter().filter(|it| it.from < it.until) {
        reader.start(&range.place, range.from)?;
        left.insert(range.place.clone(), range.until);
    }
    let (mut go_on, mut empty) = (true, 0);
    while go_on && !left.is_empty() {
        let (mut done, mut moved) = (Vec::new(), false);
        let ends = reader.poll(RANGE_WAIT, RANGE_BATCH, &mut |it| {
            moved = true;
            let Some(until) = left.get(it.place) else { return };
            if go_on && it.offset < *until {
                go_on = record(it);
            }
            if *until <= it.offset + 1 {
                done.push(it.place.clone());
            }
        })?;
        done.extend(ends.into_iter().filter(|(place, at)| left.get(place).is_some_and(|until| until <= at)).map(|(place, _)| place));
        empty = if moved || !done.is_empty() { 0 } else { empty + 1 };
        for place in done {
            left.remove(&place);
            reader.stop(&place);
        }
        if EMPTY_WAITS_MAX < empty {
            let waiting: Vec<String> =
                left.iter().map(|(place, until)| format!("{}[{}] up to {until}", place.topic, place.partition)).collect();
            return Err(LogError {
                code: "NOTHING_COMES",
                reaction: crate::runtime::reaction::Reaction::Retry,
                message: format!("no records come of {}", waiting.join(", ")),
                at: None,
                partition: None,
            });
        }
    }
    for place in left.keys() {
        reader.stop(place);
    }
    Ok(())
}

/// Reads the committed state of the tasks that are open in this process. Called from other threads than the workers'.
pub trait StateReader: Send + Sync {
    /// The open tasks, sorted.
    fn tasks(&self) -> Vec<String>;

    /// The committed value of a key, `None`: there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the task is not open here or has no such store; others when the files can't be read.
    fn get(&self, task: &str, store: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Hands out committed entries from `from` on, in the order of keys, until `entry` says `false`.
    ///
    /// # Errors
    /// As [`StateReader::get`].
    fn scan(&self, task: &str, store: &str, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError>;

    /// The estimated number of entries and the bytes on disk of a store.
    ///
    /// # Errors
    /// As [`StateReader::get`].
    fn size(&self, task: &str, store: &str) -> Result<StoreSize, StoreError>;

    /// The memory of all stores together; `None`: they have none of their own.
    fn memory(&self) -> Option<StateMemory> {
        None
    }
}

/// Memory that the stores of a process use, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateMemory {
    /// Blocks of files, and what write buffers are charged.
    pub block_cache: u64,
    /// Writes that are in no file yet.
    pub write_buffers: u64,
}

/// How big a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreSize {
    /// Entries, estimated.
    pub entries: u64,
    /// Bytes on disk.
    pub bytes: u64,
}
