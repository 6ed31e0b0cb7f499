//! The cluster that clients share: topics, transactions and groups behind one lock, and what an administrator does with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::adapters::memory::error;
use crate::adapters::memory::group::{Group, Place};
use crate::adapters::memory::partition::{Content, OutOfRange, Partition, Tombstones};
use crate::adapters::memory::transactions::{Transaction, Transactions};
use crate::engine::partition::partition_of;
use crate::engine::record::Offset;
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// The largest record that is taken, bytes of key, value and headers: the client's default.
pub const RECORD_BYTES_MAX: usize = 1_000_000;

/// A cluster in memory. A clone is the same cluster.
#[derive(Debug, Clone, Default)]
pub struct Cluster(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether clients that find nothing to do wait as long as they are told, or return at once.
    waits: bool,
}

/// All that a cluster is.
#[derive(Debug, Default)]
pub(super) struct State {
    topics: BTreeMap<String, Topic>,
    transactions: Transactions,
    groups: BTreeMap<String, Group>,
}

#[derive(Debug, Default)]
struct Topic {
    partitions: Vec<Partition>,
    /// Where the next record without a key goes.
    turn: i32,
}

/// A record where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: Offset,
    /// The record.
    pub content: Arc<Content>,
}

impl Cluster {
    /// A cluster for one thread under a virtual clock: no call ever waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A cluster for several threads: a poll that finds nothing waits as long as it is told, or until something is written.
    #[must_use]
    pub fn that_waits() -> Self {
        Self(Arc::new(Shared { waits: true, ..Shared::default() }))
    }

    /// Creates a topic; one that exists already stays as it is.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        self.state().topics.entry(name.to_owned()).or_insert(Topic { partitions, turn: 0 });
    }

    /// The number of partitions of each topic.
    #[must_use]
    pub fn topics(&self) -> BTreeMap<String, i32> {
        self.state().partition_counts()
    }

    /// Appends a record, outside any transaction: to this partition, else the one that its key belongs to, else to each in turn.
    ///
    /// # Errors
    /// When there is no such topic or partition, or the record is too large.
    pub fn append(&self, topic: &str, partition: Option<i32>, content: Content) -> Result<(i32, Offset), LogError> {
        let mut state = self.state();
        let partition = state.choose(topic, partition, content.key.as_deref())?;
        let offset = state.partition(topic, partition)?.append(None, checked(content)?);
        drop(state);
        self.wake();
        Ok((partition, offset))
    }

    /// All committed records of a topic, partition by partition, in their order.
    ///
    /// # Errors
    /// When there is no such topic.
    pub fn read_all(&self, topic: &str) -> Result<Vec<Stored>, LogError> {
        let mut state = self.state();
        let mut all = Vec::new();
        for (number, partition) in (0..).zip(&state.topic(topic)?.partitions) {
            let mut records = Vec::new();
            let read = partition.read(partition.start(), usize::MAX, &mut records);
            read.map_err(|it| out_of_range(topic, number, partition.start(), it))?;
            all.extend(records.into_iter().map(|(offset, content)| Stored { partition: number, offset, content }));
        }
        Ok(all)
    }

    /// The first offset, the last stable offset and the end (high watermark) of a partition.
    ///
    /// # Errors
    /// When there is no such topic or partition.
    pub fn bounds(&self, topic: &str, partition: i32) -> Result<(Offset, Offset, Offset), LogError> {
        let mut state = self.state();
        let partition = state.partition(topic, partition)?;
        Ok((partition.start(), partition.stable_end(), partition.end()))
    }

    /// Compacts all partitions of a topic.
    ///
    /// # Errors
    /// When there is no such topic.
    pub fn compact(&self, topic: &str, tombstones: Tombstones) -> Result<(), LogError> {
        self.state().topic(topic)?.partitions.iter_mut().for_each(|it| it.compact(tombstones));
        Ok(())
    }

    /// Removes a partition's records before an offset.
    ///
    /// # Errors
    /// When there is no such topic or partition.
    pub fn delete_records(&self, topic: &str, partition: i32, before: Offset) -> Result<(), LogError> {
        self.state().partition(topic, partition)?.delete_before(before);
        Ok(())
    }

    /// A group's committed offsets.
    #[must_use]
    pub fn committed(&self, group: &str) -> BTreeMap<Place, Offset> {
        self.state().groups.get(group).map(|it| it.all_committed().clone()).unwrap_or_default()
    }

    /// The names of a group's members.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<String> {
        self.state().groups.get(group).map(|it| it.member_names().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// Expels a member, as a broker does when it has not heard of it for the session timeout.
    pub fn expel(&self, group: &str, member: &str) {
        let mut state = self.state();
        let counts = state.partition_counts();
        if let Some(group) = state.groups.get_mut(group) {
            group.expel(member, &counts);
        }
        drop(state);
        self.wake();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those that wait for something to read.
    pub(super) fn wake(&self) {
        self.0.changed.notify_all();
    }

    /// Waits until something is written, at most so long, where this cluster waits at all.
    pub(super) fn wait(&self, state: MutexGuard<'_, State>, time: Duration) {
        if self.0.waits && !time.is_zero() {
            drop(self.0.changed.wait_timeout(state, time));
        }
    }
}

impl State {
    pub(super) fn partition(&mut self, topic: &str, partition: i32) -> Result<&mut Partition, LogError> {
        let found = usize::try_from(partition).ok().and_then(|it| self.topics.get_mut(topic)?.partitions.get_mut(it));
        found.ok_or_else(|| unknown(&format!("{topic}-{partition}")))
    }

    pub(super) fn group(&mut self, group: &str) -> &mut Group {
        self.groups.entry(group.to_owned()).or_default()
    }

    pub(super) fn partition_counts(&self) -> BTreeMap<String, i32> {
        let count = |topic: &Topic| i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        self.topics.iter().map(|(name, topic)| (name.clone(), count(topic))).collect()
    }

    /// A producer takes a transactional id over; returns its epoch.
    pub(super) fn take_over(&mut self, transactional_id: &str) -> u32 {
        let (epoch, left_open) = self.transactions.take_over(transactional_id);
        self.write_markers(left_open, false);
        epoch
    }

    /// Appends a record of a producer's open transaction.
    pub(super) fn send(
        &mut self,
        transactional_id: &str,
        epoch: u32,
        topic: &str,
        partition: Option<i32>,
        content: Content,
    ) -> Result<(i32, Offset), LogError> {
        let partition = self.choose(topic, partition, content.key.as_deref())?;
        let transaction = self.transactions.open(transactional_id, epoch)?;
        transaction.partitions.insert((topic.to_owned(), partition));
        let serial = transaction.serial;
        let offset = self.partition(topic, partition)?.append(Some(serial), content);
        Ok((partition, offset))
    }

    /// Adds a group's consumed offsets to a producer's open transaction.
    pub(super) fn hold_offsets(
        &mut self,
        transactional_id: &str,
        epoch: u32,
        group: &str,
        offsets: Vec<(Place, Offset)>,
    ) -> Result<(), LogError> {
        let transaction = self.transactions.open(transactional_id, epoch)?;
        transaction.groups.insert(group.to_owned());
        let serial = transaction.serial;
        self.group(group).hold(serial, offsets);
        Ok(())
    }

    /// Ends a producer's open transaction.
    pub(super) fn end(&mut self, transactional_id: &str, epoch: u32, committed: bool) -> Result<(), LogError> {
        let ended = self.transactions.end(transactional_id, epoch)?;
        self.write_markers(ended, committed);
        Ok(())
    }

    fn write_markers(&mut self, ended: Option<Transaction>, committed: bool) {
        let Some(Transaction { serial, partitions, groups }) = ended else { return };
        for (topic, number) in partitions {
            // A topic deleted meanwhile needs no marker.
            if let Ok(partition) = self.partition(&topic, number) {
                partition.mark(serial, committed);
            }
        }
        for group in groups {
            self.group(&group).end(serial, committed);
        }
    }

    fn topic(&mut self, topic: &str) -> Result<&mut Topic, LogError> {
        self.topics.get_mut(topic).ok_or_else(|| unknown(topic))
    }

    fn choose(&mut self, topic: &str, partition: Option<i32>, key: Option<&[u8]>) -> Result<i32, LogError> {
        let topic = self.topic(topic)?;
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX).max(1);
        Ok(match (partition, key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of(key, count),
            (None, None) => {
                let turn = topic.turn;
                topic.turn = (turn + 1) % count;
                turn
            }
        })
    }
}

/// A record, unless it is too large.
pub(super) fn checked(content: Content) -> Result<Content, LogError> {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers: usize = content.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
    let size = length(&content.key) + length(&content.value) + headers;
    if size <= RECORD_BYTES_MAX {
        return Ok(content);
    }
    let text = format!("the record has {size} bytes, more than {RECORD_BYTES_MAX}");
    Err(error("MSG_SIZE_TOO_LARGE", Reaction::RefuseRecord, text))
}

/// The error of a reader whose position is nowhere in the log.
pub(super) fn out_of_range(topic: &str, partition: i32, position: Offset, OutOfRange { start, end }: OutOfRange) -> LogError {
    let text = format!("offset {position} is not in the log, which goes from {start} to {end}");
    LogError { at: Some(format!("{topic}-{partition}")), ..error("OFFSET_OUT_OF_RANGE", Reaction::Stop, text) }
}

fn unknown(what: &str) -> LogError {
    error("UNKNOWN_TOPIC_OR_PART", Reaction::Stop, format!("there is no {what}"))
}
