//! The cluster that clients share: topics, transactions and groups behind one lock, and what an administrator does with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::adapters::clock::SystemClock;
use crate::adapters::memory::clock::VirtualClock;
use crate::adapters::memory::error;
use crate::adapters::memory::group::{Group, Place};
use crate::adapters::memory::network::Network;
use crate::adapters::memory::network::delivery::Deliveries;
use crate::adapters::memory::partition::{Content, OutOfRange, Partition, Tombstones};
use crate::adapters::memory::transactions::Transactions;
use crate::engine::partition::partition_of;
use crate::engine::record::{Millis, Offset};
use crate::runtime::ports::{Clock, LogError};
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
    waiting: Waiting,
    /// Virtual time, where it matters when something arrives.
    clock: Option<VirtualClock>,
}

/// What a client does that finds nothing to do and may wait.
#[derive(Debug, Default)]
enum Waiting {
    /// It returns at once.
    #[default]
    Never,
    /// It waits until something is written, at most as long as it may.
    UntilWritten,
    /// It moves this clock on by the time that it may wait: nobody else would in the meantime.
    MovesClock(VirtualClock),
}

/// All that a cluster is.
#[derive(Debug, Default)]
pub(super) struct State {
    topics: BTreeMap<String, Topic>,
    pub(super) transactions: Transactions,
    groups: BTreeMap<String, Group>,
    pub(super) deliveries: Deliveries,
}

#[derive(Debug, Default)]
struct Topic {
    partitions: Vec<Partition>,
    config: BTreeMap<String, String>,
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
    /// A cluster whose clients never wait.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A cluster for several threads: a poll that finds nothing waits as long as it is told, or until something is written.
    #[must_use]
    pub fn that_waits() -> Self {
        Self(Arc::new(Shared { waiting: Waiting::UntilWritten, ..Shared::default() }))
    }

    /// A cluster for one thread: a poll that finds nothing moves the clock on by its wait, and returns.
    #[must_use]
    pub fn under(clock: VirtualClock) -> Self {
        Self(Arc::new(Shared { waiting: Waiting::MovesClock(clock), ..Shared::default() }))
    }

    /// A cluster for one thread, behind a network: requests take their time, and may go astray. Clients never wait: who drives them
    /// moves the clock on.
    #[must_use]
    pub fn behind(network: Box<dyn Network>, clock: VirtualClock) -> Self {
        let shared = Shared { clock: Some(clock), ..Shared::default() };
        let cluster = Self(Arc::new(shared));
        cluster.state().deliveries.network = Some(network);
        cluster
    }

    /// Creates a topic with the default configuration; one that exists already stays as it is.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        self.create_topic_with(name, partitions, BTreeMap::new());
    }

    /// Creates a topic with this configuration; one that exists already stays as it is. Of the configuration, `cleanup.policy=compact` has
    /// an effect: such a topic takes no record without a key. Compaction and retention happen when they are called for.
    pub fn create_topic_with(&self, name: &str, partitions: i32, config: BTreeMap<String, String>) {
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        self.state().topics.entry(name.to_owned()).or_insert(Topic { partitions, config, turn: 0 });
    }

    /// Deletes a topic with all its records, if it exists.
    pub fn delete_topic(&self, name: &str) {
        self.state().topics.remove(name);
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
        let content = state.checked(topic, content)?;
        let partition = state.choose(topic, partition, content.key.as_deref())?;
        let offset = state.partition(topic, partition)?.append(None, content);
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

    /// Whether a partition has a committed record at or behind an offset.
    #[must_use]
    pub fn has_unread(&self, topic: &str, partition: i32, from: Offset) -> bool {
        let mut records = Vec::new();
        let mut state = self.state();
        let read = state.partition(topic, partition).map(|it| (it.stable_end() < it.end(), it.read(from, 1, &mut records)));
        // What is open may yet become one.
        read.is_ok_and(|(open, _)| open) || !records.is_empty()
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

    /// As [`Cluster::delete_records`]; [`Cluster::show_hidden`] brings them back.
    ///
    /// # Errors
    /// When there is no such topic or partition.
    pub fn hide_records(&self, topic: &str, partition: i32, before: Offset) -> Result<(), LogError> {
        self.state().partition(topic, partition)?.hide_before(before);
        Ok(())
    }

    /// Brings back all records that were hidden.
    pub fn show_hidden(&self) {
        self.state().topics.values_mut().flat_map(|it| &mut it.partitions).for_each(Partition::show_hidden);
    }

    /// Removes a partition's records from an offset on, as an unclean election of a leader does.
    ///
    /// # Errors
    /// When there is no such topic or partition.
    pub fn truncate(&self, topic: &str, partition: i32, from: Offset) -> Result<(), LogError> {
        self.state().partition(topic, partition)?.truncate(from);
        Ok(())
    }

    /// Adds partitions to a topic until it has so many.
    ///
    /// # Errors
    /// When there is no such topic.
    pub fn add_partitions(&self, topic: &str, count: usize) -> Result<(), LogError> {
        let mut state = self.state();
        let partitions = &mut state.topic(topic)?.partitions;
        partitions.resize_with(count.max(partitions.len()), Partition::default);
        Ok(())
    }

    /// A group's committed offsets.
    #[must_use]
    pub fn committed(&self, group: &str) -> BTreeMap<Place, Offset> {
        self.state().groups.get(group).map(|it| it.all_committed().clone()).unwrap_or_default()
    }

    /// How many transactions are open.
    #[must_use]
    pub fn open_transactions(&self) -> usize {
        self.state().transactions.open_count()
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
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clock) = &self.0.clock {
            state.deliver_until(clock.elapsed());
        }
        state
    }

    /// Lets time pass until `done`, or until nothing is on its way any more.
    pub(super) fn let_pass(&self, done: impl Fn() -> bool) {
        let Some(clock) = &self.0.clock else { return };
        while !done() {
            let Some(next) = self.state().deliveries.next() else { return };
            clock.advance(next.saturating_sub(clock.elapsed()));
        }
    }

    /// Lets so much time pass.
    pub(super) fn pass(&self, time: Duration) {
        if let Some(clock) = &self.0.clock {
            clock.advance(time);
        }
    }

    /// Wakes those that wait for something to read.
    pub(super) fn wake(&self) {
        self.0.changed.notify_all();
    }

    /// The time for records that bring none: of the clock that the cluster moves, else the system's.
    pub(super) fn now(&self) -> Millis {
        match (&self.0.waiting, &self.0.clock) {
            (Waiting::MovesClock(clock), _) | (_, Some(clock)) => clock.now(),
            (Waiting::Never | Waiting::UntilWritten, None) => SystemClock::start().now(),
        }
    }

    /// There is nothing to do for a client that may wait so long.
    pub(super) fn wait(&self, state: MutexGuard<'_, State>, time: Duration) {
        match &self.0.waiting {
            Waiting::Never => {}
            Waiting::UntilWritten if time.is_zero() => {}
            Waiting::UntilWritten => drop(self.0.changed.wait_timeout(state, time)),
            Waiting::MovesClock(clock) => clock.advance(time),
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
        self.topics.iter().map(|(name, topic)| (name.clone(), topic.count())).collect()
    }

    /// A producer takes a transactional id over; returns its epoch.
    pub(super) fn take_over(&mut self, transactional_id: &str) -> u32 {
        self.finish(transactional_id);
        let (epoch, left_open) = self.transactions.take_over(transactional_id);
        self.write_markers(left_open, false);
        self.finish(transactional_id);
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
        let content = self.checked(topic, content)?;
        let partition = self.choose(topic, partition, content.key.as_deref())?;
        self.finish(transactional_id);
        let transaction = self.transactions.open(transactional_id, epoch, self.deliveries.now)?;
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
        self.finish(transactional_id);
        let transaction = self.transactions.open(transactional_id, epoch, self.deliveries.now)?;
        transaction.groups.insert(group.to_owned());
        let serial = transaction.serial;
        self.group(group).hold(serial, offsets);
        Ok(())
    }

    /// Ends a producer's open transaction.
    pub(super) fn end(&mut self, transactional_id: &str, epoch: u32, committed: bool) -> Result<(), LogError> {
        let ended = self.transactions.end(transactional_id, epoch, committed)?;
        self.write_markers(ended, committed);
        Ok(())
    }

    /// A record, unless its topic refuses it.
    fn checked(&mut self, topic: &str, content: Content) -> Result<Content, LogError> {
        let compacted = self.topic(topic)?.config.get("cleanup.policy").is_some_and(|it| it.contains("compact"));
        if compacted && content.key.is_none() {
            return Err(error("INVALID_RECORD", Reaction::RefuseRecord, format!("{topic} is compacted and takes no record without a key")));
        }
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = content.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        let size = length(&content.key) + length(&content.value) + headers;
        if size > RECORD_BYTES_MAX {
            let text = format!("the record has {size} bytes, more than {RECORD_BYTES_MAX}");
            return Err(error("MSG_SIZE_TOO_LARGE", Reaction::RefuseRecord, text));
        }
        Ok(content)
    }

    pub(super) fn topic_config(&self, topic: &str) -> Option<(i32, &BTreeMap<String, String>)> {
        let topic = self.topics.get(topic)?;
        Some((topic.count(), &topic.config))
    }

    pub(super) fn find_group(&mut self, group: &str) -> Option<&mut Group> {
        self.groups.get_mut(group)
    }

    pub(super) fn delete_group(&mut self, group: &str) {
        self.groups.remove(group);
    }

    fn topic(&mut self, topic: &str) -> Result<&mut Topic, LogError> {
        self.topics.get_mut(topic).ok_or_else(|| unknown(topic))
    }

    fn choose(&mut self, topic: &str, partition: Option<i32>, key: Option<&[u8]>) -> Result<i32, LogError> {
        let topic = self.topic(topic)?;
        let count = topic.count().max(1);
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

impl Topic {
    fn count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

/// The error of a reader whose position is nowhere in the log.
pub(super) fn out_of_range(topic: &str, partition: i32, position: Offset, OutOfRange { start, end }: OutOfRange) -> LogError {
    let text = format!("offset {position} is not in the log, which goes from {start} to {end}");
    LogError { at: Some(format!("{topic}-{partition}")), ..error("OFFSET_OUT_OF_RANGE", Reaction::Stop, text) }
}

fn unknown(what: &str) -> LogError {
    error("UNKNOWN_TOPIC_OR_PART", Reaction::Stop, format!("there is no {what}"))
}
