//! The loop: poll → process → commit. One thread, one consumer, its transactional producers, and the tasks of its partitions.
//!
//! START HERE. `round` is the order of things; each of its steps is one file beside this one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Meter};
use super::mutant::{self, Mutant};
use super::ports::{Clock, Log, LogError, Parts, StoreError, Stores};
use super::reaction::Reaction;
use super::repartition::flow::Flow;
use super::repartition::handover::{HOLD_WAIT, Handover};
use super::repartition::packs::Packs;
use super::restore::Restore;
use super::status::{Change, Report};
use super::tasks::{Tasks, Turn};
use crate::engine::plan::{Plan, Role};
use crate::engine::record::{Offset, TopicId, TopicPartition};
use crate::engine::task::effects::Effects;

/// A worker.
pub struct Worker {
    pub(super) plan: Arc<Plan>,
    pub(super) limits: Limits,
    pub(super) log: Box<dyn Log>,
    pub(super) stores: Box<dyn Stores>,
    pub(super) clock: Box<dyn Clock>,
    pub(super) report: Arc<Report>,
    /// Its number among the workers of its process.
    pub(super) number: usize,
    pub(super) board: Arc<Board>,
    pub(super) meter: Meter,
    pub(super) tasks: Tasks,
    /// What was done and is not sent yet.
    pub(super) effects: Effects,
    /// What of it waits for more of its kind.
    pub(super) packs: Packs,
    pub(super) transaction: Transaction,
    pub(super) restore: Restore,
    pub(super) flow: Flow,
    pub(super) handover: Handover,
    /// When the last commit was begun.
    pub(super) last_commit: Duration,
    /// Transactions given up since one was committed.
    pub(super) rewinds: u32,
    /// It was told that something is waited for; until the next commit.
    pub(super) waiting: bool,
    /// Partitions are being given up: what is not committed is not read again here.
    pub(super) giving_up: bool,
    /// The producer must be made anew before the next transaction: why.
    pub(super) recycle: Option<String>,
}

/// What bounds a worker. All are settings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `commit.interval.ms`
    pub commit_interval: Duration,
    /// `commit.interval.min.ms`: when little is left to be read, a commit comes this soon.
    pub commit_interval_min: Duration,
    /// `commit.max.bytes`: so much uncommitted state commits early.
    pub commit_max_bytes: usize,
    /// `buffer.max.bytes`: so many unsent effects pause reading while a commit runs.
    pub buffer_max_bytes: usize,
    /// `poll.max.records`: at most so many a round.
    pub poll_max_records: usize,
    /// `repartition.lag.max.records`: so many records waiting behind a repartition topic hold its input back; 0: never.
    pub repartition_lag_max: i64,
    /// `repartition.handover.enable`: records of a repartition topic that is the worker's alone are not read back from the log.
    pub hand_over: bool,
    /// `restore.max.records`: at most so many changelog records a round.
    pub restore_max_records: usize,
    /// `restore.buffer.max.bytes`: so much of what was read of changelogs is gathered.
    pub restore_buffer_max_bytes: usize,
    /// `task.retry.backoff.ms`: pause before a task whose state could not be written is restored again.
    pub task_retry: Duration,
    /// Recent state in memory, of each task: its part of `statestore.cache.max.bytes`.
    pub task_cache_bytes: usize,
    /// `auto.offset.reset`: where to start without a committed offset.
    pub start: Start,
    /// Longest wait for the last commit and the leave.
    pub stop_within: Duration,
    /// `--null`: read, write and commit without the logic.
    pub null: bool,
    /// `--stay`: keep the membership when stopping.
    pub stay: bool,
}

/// Where a partition without a committed offset is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Its first record.
    Earliest,
    /// Its end.
    Latest,
}

/// The producer's transaction.
#[derive(Debug)]
pub(super) enum Transaction {
    /// None is open.
    None,
    /// Records were sent.
    Open,
    /// It is being committed.
    Committing(Consumed),
}

/// The consumed offsets of a transaction.
#[derive(Debug, Default)]
pub(super) struct Consumed {
    /// Those of what was read.
    pub offsets: Vec<(TopicPartition, Offset)>,
    /// Where records were handed over: the offset is where the transaction's records end.
    pub handed_over: Vec<TopicPartition>,
}

/// Why a worker ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The log failed in a way that a new start may mend.
    #[error("{0}")]
    Log(#[from] LogError),
    /// A store failed while a task was opened.
    #[error("task {0}: {1}")]
    Store(String, StoreError),
}

impl Error {
    /// Whether starting again can't help.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Log(error) => error.reaction == Reaction::Stop,
            Self::Store(_, error) => matches!(error, StoreError::Foreign(_) | StoreError::Locked(_)),
        }
    }
}

/// How long a round may wait for records when nothing else is to be done.
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// How long it may wait while a commit is under way; its end wakes the wait.
const COMMIT_WAIT: Duration = Duration::from_millis(5);
/// How long it may wait for changelog records.
const RESTORE_WAIT: Duration = Duration::from_millis(20);

/// What the world gives a worker.
pub struct World {
    /// The worker's number among those of its process.
    pub worker: usize,
    /// Its log.
    pub log: Box<dyn Log>,
    /// The stores of its tasks.
    pub stores: Box<dyn Stores>,
    /// Its time.
    pub clock: Box<dyn Clock>,
    /// Who is told of changes.
    pub report: Arc<Report>,
    /// Where the worker shows what it does.
    pub board: Arc<Board>,
}

impl Worker {
    /// A worker that has not joined yet. `partitions`: the partition count of each topic of the plan.
    #[must_use]
    pub fn new(plan: Arc<Plan>, partitions: Vec<i32>, limits: Limits, world: World) -> Self {
        let World { worker, log, stores, clock, report, board } = world;
        Self {
            tasks: Tasks::new(Arc::clone(&plan), partitions, limits.task_cache_bytes, limits.null),
            effects: Effects::default(),
            packs: Packs::default(),
            transaction: Transaction::None,
            restore: Restore::default(),
            flow: Flow::new(&plan, limits.repartition_lag_max),
            handover: Handover::new(&plan, limits.hand_over),
            last_commit: clock.elapsed(),
            rewinds: 0,
            waiting: false,
            giving_up: false,
            recycle: None,
            meter: Meter::new(plan.topics.len()),
            plan,
            limits,
            log,
            stores,
            clock,
            report,
            number: worker,
            board,
        }
    }

    /// Takes its place: first ends what a predecessor left open, then joins the group.
    ///
    /// # Errors
    /// When the log does not let it.
    pub fn join(&mut self) -> Result<(), Error> {
        let mut topics: Vec<TopicId> = self.plan.subtopologies.iter().map(|it| it.source).collect();
        topics.sort_unstable();
        topics.dedup();
        (self.report)(&Change::Joining { topics: topics.len() });
        let Parts { producer, consumer, .. } = self.log.parts();
        producer.init()?;
        consumer.subscribe(&topics)?;
        Ok(())
    }

    /// Reads of each of these partitions its range only, as a replay does. To be called before [`Worker::join`].
    pub fn read_only(&mut self, ranges: BTreeMap<TopicPartition, Range<Offset>>) {
        self.tasks.ranges = ranges;
    }

    /// Whether all ranges of [`Worker::read_only`] are processed and committed.
    #[must_use]
    pub fn has_read_all(&self) -> bool {
        self.is_idle() && self.tasks.ranges.keys().all(|it| self.tasks.complete.contains(it))
    }

    /// One round: what arrived is processed, and what was processed is committed.
    ///
    /// # Errors
    /// When the worker can't go on; a new one may.
    pub fn round(&mut self) -> Result<(), Error> {
        self.settle()?; //                        1. A commit that has ended: what was done is state, and goes to disk.
        self.write_late(); //                        What of it has waited for more.
        self.arrange_hand_over()?; //                Who alone writes and reads a repartition topic need not read it.
        self.pass_markers()?; //                     Its position goes behind the markers there, as a reader's does.
        self.hold_back()?; //                        Input waits for what it became before.
        let event = self.poll()?; //              2. Records go through their tasks; effects pile up.
        if let Some(event) = event {
            self.follow(event)?; //               3. Tasks open and close with their partitions.
        }
        self.restore_slice()?; //                 4. A bounded piece of the changelogs.
        self.send()?; //                          5. Effects go to the producer, unless a commit runs.
        if self.commit_due() {
            self.begin_commit()?; //              6. All of it and the consumed offsets: one Kafka transaction.
        }
        self.show(); //                           7. How the worker stands, for others to see.
        Ok(())
    }

    /// Commits what is open, and leaves the group; whether all is committed.
    pub fn stop(&mut self) -> bool {
        (self.report)(&Change::Stopping);
        let until = self.clock.elapsed() + self.limits.stop_within;
        self.giving_up = true;
        let mut committed = self.commit_until(until);
        if matches!(committed, Ok(true)) && self.pass_last_markers(until) {
            committed = self.commit_until(until);
        }
        if let Err(error) = &committed {
            (self.report)(&Change::Waiting { reason: format!("the last commit: {error}") });
        }
        let report = Arc::clone(&self.report);
        self.tasks.close(|_| false, &*report);
        let left = until.saturating_sub(self.clock.elapsed()).max(Duration::from_millis(500));
        let stay = self.limits.stay;
        if let Err(error) = self.log.parts().consumer.leave(stay, left) {
            (self.report)(&Change::Waiting { reason: format!("the group could not be told: {error}") });
        }
        self.meter.assigned = false;
        self.show_now();
        matches!(committed, Ok(true))
    }

    /// Records processed so far.
    #[must_use]
    pub fn processed(&self) -> u64 {
        self.tasks.processed
    }

    /// The tasks, to look at.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The tasks, to tamper with: only to prove that it is noticed.
    #[doc(hidden)]
    pub fn tasks_mut(&mut self) -> &mut Tasks {
        &mut self.tasks
    }

    /// Whether all that was read is processed and committed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.transaction, Transaction::None)
            && self.effects.is_empty()
            && !self.tasks.dirty()
            && !self.tasks.before_markers()
            && !self.tasks.restoring()
    }

    fn poll(&mut self) -> Result<Option<super::ports::GroupEvent>, Error> {
        let wait = self.wait();
        let Self { log, tasks, effects, clock, report, limits, .. } = self;
        let Parts { consumer, producer, .. } = log.parts();
        if limits.buffer_max_bytes <= effects.bytes() {
            // Only while a commit runs: then its end is what is waited for.
            producer.serve(wait);
            return Ok(None);
        }
        let turn = Turn { now: clock.now(), clock: &**clock, report: &**report };
        let (complete, first) = (tasks.complete.len(), effects.len());
        let polled = consumer.poll(wait, limits.poll_max_records, &mut |record| tasks.process(record, false, &turn, effects));
        tasks.hand_over(first, &turn, effects);
        for (partition, end) in consumer.ends() {
            tasks.end_reached(*partition, *end);
        }
        if complete < tasks.complete.len() {
            // What comes behind a range is not looked at; pausing spares its reading.
            consumer.pause(&tasks.complete.iter().copied().collect::<Vec<_>>())?;
        }
        match polled {
            Ok(event) => match tasks.torn.take().filter(|_| !mutant::is(Mutant::TornGoesOn)) {
                None => Ok(event),
                Some(reason) => {
                    self.rewind(&reason, false)?;
                    Ok(event)
                }
            },
            Err(error) => {
                self.react(error)?;
                Ok(None)
            }
        }
    }

    /// How long this round may wait for records.
    fn wait(&self) -> Duration {
        if self.restore.flows {
            return Duration::ZERO;
        }
        if self.restore.is_under_way() {
            return RESTORE_WAIT.min(Duration::from_millis(1));
        }
        if self.handover.is_holding() {
            return HOLD_WAIT;
        }
        let now = self.clock.elapsed();
        if !self.effects.is_empty() && matches!(self.transaction, Transaction::None | Transaction::Open) {
            return Duration::ZERO;
        }
        match &self.transaction {
            Transaction::Committing(..) => COMMIT_WAIT,
            Transaction::None | Transaction::Open if self.tasks.has_processed() => {
                let (early, late) = (self.early_commit(), self.next_commit());
                if now < early { early.min(late).saturating_sub(now) } else { late.saturating_sub(now) }
            }
            Transaction::None | Transaction::Open => IDLE_WAIT,
        }
    }

    /// Does what the table says about an error of the consumer.
    pub(super) fn react(&mut self, error: LogError) -> Result<(), Error> {
        match error.reaction {
            Reaction::Retry => {
                if !std::mem::replace(&mut self.waiting, true) {
                    (self.report)(&Change::Waiting { reason: error.to_string() });
                }
                Ok(())
            }
            Reaction::AbortAndRewind | Reaction::LeaveTask | Reaction::RefuseRecord => self.rewind(&error.to_string(), false),
            Reaction::Recycle => self.rewind(&error.to_string(), true),
            Reaction::Rejoin | Reaction::Renew => Err(error.into()),
            Reaction::Stop => match error.partition {
                Some(partition) if self.tasks.sources.contains_key(&partition) => {
                    self.halt(partition, &error.to_string());
                    Ok(())
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Stops a partition by name; others go on.
    pub(super) fn halt(&mut self, partition: TopicPartition, reason: &str) {
        if let Some(source) = self.tasks.sources.get_mut(&partition) {
            source.halted_at = Some(source.next);
        }
        let report = Arc::clone(&self.report);
        for of in self.plan.subtopologies.iter().filter(|it| it.source == partition.topic) {
            report(&Change::Stopped { task: of.task_id(partition.partition), reason: reason.to_owned() });
        }
        for open in self.tasks.iter_mut().filter(|it| it.source == partition) {
            open.state = super::open_task::State::Stopped(reason.to_owned());
        }
        // It may be that nothing can be paused any more, which is as good.
        drop(self.log.parts().consumer.pause(&[partition]));
    }

    /// The name of a partition, for people.
    pub(super) fn name(&self, partition: TopicPartition) -> String {
        let topic = self.plan.topics.get(usize::from(partition.topic.0)).map_or("?", |it| &it.name);
        format!("{topic}[{}]", partition.partition)
    }

    /// Whether a topic is written by the application itself alone.
    pub(super) fn is_internal(&self, topic: TopicId) -> bool {
        self.plan.topics.get(usize::from(topic.0)).is_some_and(|it| matches!(it.role, Role::Repartition | Role::Changelog))
    }
}
