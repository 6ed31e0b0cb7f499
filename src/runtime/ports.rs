//! What the runtime needs of the world: a log, stores and a clock. Implemented by the adapters, and by nothing else.
//!
//! All calls are made by one worker on one thread. A call that may take long says so; none retries by itself beyond its bound.

use std::ops::Range;
use std::time::Duration;

use super::restore::bulk::Bulk;
use crate::engine::record::{Millis, Offset, RecordRef, TopicId, TopicPartition};
pub use crate::engine::state::StoreError;

/// The log as one worker sees it: its consumer, its transactional producer, and a reader of changelogs outside the group.
pub trait Log: Send {
    /// The parts, to be used side by side.
    fn parts(&mut self) -> Parts<'_>;
}

/// The parts of a [`Log`].
pub struct Parts<'a> {
    /// Reads the source topics as a member of the group.
    pub consumer: &'a mut dyn Consumer,
    /// Writes everything, in transactions.
    pub producer: &'a mut dyn Producer,
    /// Reads changelogs.
    pub changelogs: &'a mut dyn Changelogs,
}

/// A member of the consumer group.
pub trait Consumer: Send {
    /// Joins the group for these topics. The transactional producer must have been initialised before.
    ///
    /// # Errors
    /// When the client refuses.
    fn subscribe(&mut self, topics: &[TopicId]) -> Result<(), LogError>;

    /// Waits at most `wait` for something to happen, then hands out what is there, each to `record`, in the order of its partition: at most
    /// `max` records, where `record` says for how many one stands. What was taken beyond that may come with the next calls. Returns what
    /// happened to the group, at most one thing a call; records that were handed out came before it.
    ///
    /// # Errors
    /// Errors of the client or of one partition; the call may be made again.
    fn poll(&mut self, wait: Duration, max: usize, record: &mut dyn FnMut(RecordRef<'_>) -> usize) -> Result<Option<GroupEvent>, LogError>;

    /// The ends that the last [`Consumer::poll`] reached: a partition, and the offset before which nothing is left to be handed out, now or
    /// later. It lies past control records and records of aborted transactions, and at most at the last stable offset. Told once when it
    /// is reached, and again when the partition is read anew. None after [`Consumer::assign`].
    fn ends(&self) -> &[(TopicPartition, Offset)];

    /// The group's committed positions, stable only (no offset of an open transaction is passed over). Blocks, bounded.
    ///
    /// # Errors
    /// When they can't be had in time.
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>, LogError>;

    /// The first and the end offset of each of these partitions (read uncommitted). Blocks, bounded.
    ///
    /// # Errors
    /// When they can't be had in time.
    fn bounds(&mut self, partitions: &[TopicPartition]) -> Result<Vec<(Offset, Offset)>, LogError>;

    /// The last stable offset of each of these partitions. Blocks, bounded.
    ///
    /// # Errors
    /// When they can't be had in time.
    fn stable_ends(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Offset>, LogError>;

    /// Reads these partitions from these positions, and no others; answers [`GroupEvent::Assigned`], or rewinds.
    /// Records of before are not handed out any more. Those of `held` are paused until resumed.
    ///
    /// # Errors
    /// When the client refuses.
    fn assign(&mut self, positions: &[(TopicPartition, Offset)], held: &[TopicPartition]) -> Result<(), LogError>;

    /// Answers [`GroupEvent::Revoked`] and [`GroupEvent::Lost`]: reads nothing any more.
    ///
    /// # Errors
    /// When the client refuses.
    fn unassign(&mut self) -> Result<(), LogError>;

    /// Stops handing out records of these.
    ///
    /// # Errors
    /// When the client refuses.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Hands out records of these again.
    ///
    /// # Errors
    /// When the client refuses.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// The end of each assigned partition as the consumer last heard of it (last stable offset), for lag; cheap, no request.
    fn known_end(&mut self, partition: TopicPartition) -> Option<Offset>;

    /// Records that were fetched and not handed out; cheap, no request.
    fn queued(&self) -> usize;

    /// Leaves: with `stay`, a static member keeps its partitions for its session timeout; else they are given up at once.
    /// Blocks at most `bound`.
    ///
    /// # Errors
    /// When the group could not be told in time.
    fn leave(&mut self, stay: bool, bound: Duration) -> Result<(), LogError>;
}

/// What happened to the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// These are the member's partitions now; to be answered by [`Consumer::assign`].
    Assigned(Vec<TopicPartition>),
    /// These must be given up; to be answered by [`Consumer::unassign`] after the last commit.
    Revoked(Vec<TopicPartition>),
    /// These have been given to others already; nothing of them can be committed. To be answered by [`Consumer::unassign`].
    Lost(Vec<TopicPartition>),
}

/// A record to be written.
#[derive(Debug, Clone, Copy)]
pub struct OutRecord<'a> {
    /// The topic.
    pub topic: TopicId,
    /// `None`: by the key's murmur2 hash, as Java clients do; by chance without a key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The record timestamp.
    pub timestamp: Millis,
    /// The headers.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// What caused it.
    pub cause: Cause,
    /// [`Committed::ends`] tells where its partition ends then; its partition is given.
    pub watched: bool,
}

/// What caused a record to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The input record at this place.
    Input(TopicPartition, Offset),
    /// A write of the store behind this changelog partition.
    Store(TopicPartition),
}

/// The transactional producer of a worker. `init`, then again and again: `begin`, `send`…, `commit` or `abort`.
pub trait Producer: Send {
    /// Ends what a predecessor with the same transactional id left open, and takes its place. Blocks, bounded.
    /// Also makes a new client when the last one must not be used again.
    ///
    /// # Errors
    /// When it can't be done in time, or the id is not ours any more.
    fn init(&mut self) -> Result<(), LogError>;

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the client refuses.
    fn begin(&mut self) -> Result<(), LogError>;

    /// Queues a record of the open transaction.
    ///
    /// # Errors
    /// [`SendError::Full`]: call [`Producer::serve`], then again.
    fn send(&mut self, record: &OutRecord<'_>) -> Result<(), SendError>;

    /// Takes in acknowledgements; waits at most `wait` for one.
    fn serve(&mut self, wait: Duration);

    /// Starts to commit the open transaction together with the consumed offsets, as the group member that `consumer` is;
    /// the work is done elsewhere. [`Producer::committed`] tells when it is done. Of the partitions `handed_over` the offset is the one
    /// after the last watched record that the transaction wrote there. The markers may be written later, behind records of the next one.
    ///
    /// # Errors
    /// When it can't even be started.
    fn commit(
        &mut self,
        offsets: &[(TopicPartition, Offset)],
        handed_over: &[TopicPartition],
        consumer: &mut dyn Consumer,
    ) -> Result<(), LogError>;

    /// How the commit ended, once; `None` while it is under way. Waits at most `wait`.
    fn committed(&mut self, wait: Duration) -> Option<Committed>;

    /// Records and requests on their way to the broker; cheap, no request.
    fn queued(&self) -> usize;

    /// Gives the open transaction up, whatever its state (a commit under way is awaited first). Blocks; afterwards [`Producer::init`]
    /// is needed when this returns [`AfterAbort::Recycle`].
    ///
    /// # Errors
    /// When it could not be done: [`Producer::init`] then does it.
    fn abort(&mut self) -> Result<AfterAbort, LogError>;
}

/// Whether a producer may be used after an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAbort {
    /// It may.
    Usable,
    /// It must be initialised first.
    Recycle,
}

/// How a commit ended.
#[derive(Debug)]
pub struct Committed {
    /// Whether it was done. An error leaves the outcome to be looked up: `init`, then the committed offsets tell.
    pub result: Result<(), LogError>,
    /// For each partition to which watched records were written: the offset after the last acknowledged one.
    pub ends: Vec<(TopicPartition, Offset)>,
    /// Records that the broker or the client refused: their cause and why. Not empty only when the result is an error.
    pub refused: Vec<(Cause, LogError)>,
    /// A request was retried or a connection lost on the way: a late copy may still arrive, so [`Producer::init`] must come
    /// before the next `begin`.
    pub recycle: bool,
}

/// Why a record was not queued.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The queue is full.
    #[error("the producer's queue is full")]
    Full,
    /// This record is refused, such as one too large.
    #[error("the record is refused: {0}")]
    Refused(LogError),
    /// The transaction has failed.
    #[error("{0}")]
    Failed(LogError),
}

/// Reads changelogs, outside the group, read_committed.
pub trait Changelogs: Send {
    /// The first offset of each of these, and the high watermark read *uncommitted*: markers reach the changelog and the group's offsets
    /// independently, so the last stable offset may still lie before committed data. Blocks, bounded.
    ///
    /// # Errors
    /// When they can't be had in time.
    fn bounds(&mut self, partitions: &[TopicPartition]) -> Result<Vec<(Offset, Offset)>, LogError>;

    /// Begins to read a partition from an offset, beside those under way.
    ///
    /// # Errors
    /// When the client refuses.
    fn start(&mut self, partition: TopicPartition, from: Offset) -> Result<(), LogError>;

    /// Hands out at most `max` committed records of the partitions under way, waiting at most `wait` for the first;
    /// returns the ends reached: a partition and the offset at which there was nothing more to read (the last stable offset,
    /// past control records). An end may be reported again later, at a greater offset.
    ///
    /// # Errors
    /// Errors of the client or of a partition.
    fn poll(
        &mut self,
        wait: Duration,
        max: usize,
        record: &mut dyn FnMut(RecordRef<'_>),
    ) -> Result<Vec<(TopicPartition, Offset)>, LogError>;

    /// Stops reading a partition.
    fn stop(&mut self, partition: TopicPartition);
}

/// An error of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", self.at.as_ref().map(|it| format!(" ({it})")).unwrap_or_default())]
pub struct LogError {
    /// The client's name of the error, such as `MSG_SIZE_TOO_LARGE`.
    pub code: &'static str,
    /// What is to be done about it: decided in one table, see [`crate::runtime::reaction`].
    pub reaction: crate::runtime::reaction::Reaction,
    /// What happened, in words.
    pub message: String,
    /// Which topic and partition, where that is known.
    pub at: Option<String>,
    /// The partition, where it is one of the plan's.
    pub partition: Option<TopicPartition>,
}

/// The store of one task: column families by index, one batch a commit.
pub trait Store: Send {
    /// Reads the committed value of a key into `value` (cleared first); whether there is one.
    ///
    /// # Errors
    /// When the files are damaged or can't be read.
    fn get(&mut self, store: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError>;

    /// Writes all of it or nothing, with the changelog positions that it corresponds to.
    ///
    /// # Errors
    /// When it can't be written, such as on a full disk.
    fn write(
        &mut self,
        batch: &mut dyn Iterator<Item = (usize, &[u8], Option<&[u8]>)>,
        positions: &[(usize, Offset)],
    ) -> Result<(), StoreError>;

    /// Takes what a changelog has at these offsets into a store, much at once, beside the caller where that can be. The position becomes
    /// the end of the offsets when all of it is written. Not in one piece: after a crash, entries may be there of which the position
    /// does not tell yet, and never the other way round; so it is for what is read once more from the position on, before anything is
    /// made of it. `Some`: given back, since what was taken before is still being written; to be offered again later.
    ///
    /// # Errors
    /// When this, or what was taken before, can't be written, such as on a full disk.
    fn restore(&mut self, store: usize, bulk: Bulk, offsets: Range<Offset>) -> Result<Option<Bulk>, StoreError>;

    /// Whether all that [`Store::restore`] took is written. All other calls wait for that.
    ///
    /// # Errors
    /// When it can't be written, such as on a full disk.
    fn restored(&mut self) -> Result<bool, StoreError>;

    /// The changelog position that the files reflect, for each store; `None`: nothing was ever written.
    ///
    /// # Errors
    /// When the files are damaged or can't be read.
    fn positions(&mut self) -> Result<Vec<Option<Offset>>, StoreError>;

    /// Hands out the committed entries from `from` on, in the order of keys, until `entry` says `false`.
    ///
    /// # Errors
    /// When the files are damaged or can't be read.
    fn scan(&mut self, store: usize, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError>;

    /// Makes what was written durable, as far as the device does.
    ///
    /// # Errors
    /// When it can't be written.
    fn flush(&mut self) -> Result<(), StoreError>;
}

/// Opens the stores of tasks.
pub trait Stores: Send {
    /// Opens or creates the stores of a task. `fresh` throws away what is there first.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when the files are of another topology, partition count or format; [`StoreError::Damaged`].
    fn open(&mut self, task: &TaskStores<'_>, fresh: bool) -> Result<Box<dyn Store>, StoreError>;

    /// Told before the stores of these tasks are opened one by one, so that they can be opened side by side.
    fn prepare(&mut self, _tasks: &[TaskStores<'_>]) {}
}

/// What identifies the stores of a task; written to its manifest and compared when it is opened again.
#[derive(Debug, Clone, Copy)]
pub struct TaskStores<'a> {
    /// `<topology>.<subtopology>_<partition>`.
    pub task: &'a str,
    /// The subtopology's plan.
    pub plan: &'a crate::engine::plan::Subtopology,
    /// The number of partitions of its source topic.
    pub partitions: i32,
}

/// Time, as the runtime may know it.
pub trait Clock: Send {
    /// Wall-clock time, milliseconds since 1970.
    fn now(&self) -> Millis;
    /// Time that only goes forward, since some start.
    fn elapsed(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration);
}
