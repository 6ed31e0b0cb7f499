//! The tasks of a worker: which are open, in which state, and which records go to them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::board::{Meter, StepTimes};
use super::closed::Closed;
use super::mutant::{self, Mutant};
use super::open_task::{OpenTask, State};
use super::passage::{Broken, Passage};
use super::ports::{Clock, StoreError, Stores, TaskStores};
use super::repartition::handover::HandedOver;
use super::status::{Change, Report};
use crate::engine::plan::{Operator, Plan};
use crate::engine::record::{Millis, Offset, RecordRef, TopicId, TopicPartition};
use crate::engine::repartition::pack;
use crate::engine::task::effects::Effects;
use crate::engine::task::{Tally, Task};

/// What is the same for all records of a turn of the loop.
pub struct Turn<'t> {
    /// Wall-clock time.
    pub now: Millis,
    /// Measures times in steps.
    pub clock: &'t dyn Clock,
    /// Is told of changes.
    pub report: &'t Report,
}

/// A source partition that the worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The group's committed offset, as far as this worker knows.
    pub committed: Option<Offset>,
    /// Where reading begins, or began last.
    pub position: Offset,
    /// The next record to process.
    pub next: Offset,
    /// After the last record processed, or the control records behind it, and not yet part of a commit.
    pub consumed: Option<Offset>,
    /// Of these some were handed over: their offsets are known when they are acknowledged.
    pub handed_over: bool,
    /// What was handed over is committed up to here, since then: the markers behind it are not gone over yet.
    pub before_markers: Option<(Offset, Duration)>,
    /// So many records were processed and are not yet part of a commit.
    pub records: u64,
    /// Their keys and values.
    pub bytes: u64,
    /// For about so many records one of the log stands, where these are packs.
    pub packed: usize,
    /// No record from here on is processed: a task stopped at it.
    pub halted_at: Option<Offset>,
}

/// The tasks of one worker.
pub struct Tasks {
    plan: Arc<Plan>,
    /// Partition counts by topic.
    partitions: Vec<i32>,
    cache_bytes: usize,
    null: bool,
    open: Vec<OpenTask>,
    /// The partitions that the worker has.
    pub sources: BTreeMap<TopicPartition, Source>,
    readers: BTreeMap<TopicPartition, Vec<usize>>,
    /// Partitions of which a task's stores are still open elsewhere in this process.
    pub unopened: BTreeSet<TopicPartition>,
    /// What was processed in part only, and why: the transaction must be given up.
    pub torn: Option<String>,
    /// The repartition topics that are not read from the log.
    pub(super) handed_over: HandedOver,
    /// Tasks whose files turned out to be damaged: to be opened anew and restored.
    pub damaged: BTreeSet<String>,
    /// Records processed.
    pub processed: u64,
    /// What a replay reads of its partitions: from where, and up to where.
    pub ranges: BTreeMap<TopicPartition, Range<Offset>>,
    /// Partitions of which the range is processed.
    pub complete: BTreeSet<TopicPartition>,
    /// Times in steps.
    pub step_times: StepTimes,
}

/// The size of packs is smoothed over so many.
const PACKED_OVER: usize = 7;

impl Source {
    /// Nothing of it is processed yet.
    #[must_use]
    pub fn at(position: Offset, committed: Option<Offset>) -> Self {
        Self {
            committed,
            position,
            next: position,
            consumed: None,
            handed_over: false,
            before_markers: None,
            records: 0,
            bytes: 0,
            packed: 1,
            halted_at: None,
        }
    }

    /// About how many records are to be processed up to this end.
    pub(super) fn behind(&self, end: Offset) -> usize {
        usize::try_from(end - self.next).unwrap_or(0).saturating_mul(self.packed)
    }
}

impl Tasks {
    /// None yet. `cache_bytes`: recent state in memory, of each task. `null`: they only read and write.
    #[must_use]
    pub fn new(plan: Arc<Plan>, partitions: Vec<i32>, cache_bytes: usize, null: bool) -> Self {
        Self {
            plan,
            partitions,
            cache_bytes,
            null,
            open: Vec::new(),
            sources: BTreeMap::new(),
            readers: BTreeMap::new(),
            unopened: BTreeSet::new(),
            torn: None,
            handed_over: HandedOver::default(),
            damaged: BTreeSet::new(),
            processed: 0,
            ranges: BTreeMap::new(),
            complete: BTreeSet::new(),
            step_times: StepTimes::new(),
        }
    }

    /// Takes a record, read or handed over, through the tasks that read its partition; how many it stood for that were processed. Records
    /// of partitions that are not ready are not looked at, which makes none: they are read again when their partition is.
    pub(super) fn process(&mut self, record: RecordRef<'_>, handed_over: bool, turn: &Turn<'_>, effects: &mut Effects) -> usize {
        let at = record.source;
        let Some(readers) = self.readers.get(&at).filter(|it| self.all_run(at.topic, it)) else { return 0 };
        let Some(source) = self.sources.get_mut(&at) else { return 0 };
        if source.halted_at.is_some_and(|it| it <= record.offset) || record.offset < source.position {
            return 0;
        }
        let until = self.ranges.get(&at).map(|it| it.end);
        if until.is_some_and(|it| it <= record.offset) {
            self.complete.insert(at);
            return 0;
        }
        let (open, times, damaged) = (&mut self.open, &mut self.step_times, &mut self.damaged);
        let mut passage = Passage { readers, open, source, times, damaged, torn: None, records: 0, handed_over, processed: self.processed };
        let is_pack = pack::is_pack(record.key) && self.plan.is_repartition(at.topic);
        let through = if is_pack {
            pack::unpack(record.value, |it| {
                let (key, value, timestamp) = (Some(it.key), Some(it.value), Some(it.timestamp));
                passage.take(RecordRef { key, value, timestamp, headers: it.headers, ..record }, turn, effects)
            })
        } else {
            passage.take(record, turn, effects)
        };
        if let Err(Broken::Unreadable(damaged)) = &through {
            passage.stop_all(record.offset, &damaged.to_string(), turn.report);
        }
        let (torn, records, processed) = (passage.torn, passage.records, passage.processed);
        self.torn = torn.or(self.torn.take());
        self.processed = processed;
        if through.is_ok() {
            source.next = record.offset + 1;
            if is_pack {
                source.packed = (PACKED_OVER * source.packed + records).div_ceil(PACKED_OVER + 1);
            }
            source.consumed = Some(source.next + i64::from(mutant::is(Mutant::OffsetTooHigh)));
            source.handed_over |= handed_over;
            source.before_markers = None;
            if until.is_some_and(|it| it <= record.offset + 1) {
                self.complete.insert(at);
            }
        }
        records
    }

    /// Nothing is left to process before `end`: the position goes over the control records and what was aborted there, and is committed as
    /// what was processed is. Once for each end, and an end never follows from it: a commit of offsets alone writes to no topic that is read.
    pub fn end_reached(&mut self, partition: TopicPartition, end: Offset) {
        let runs = self.readers.get(&partition).is_some_and(|it| self.all_run(partition.topic, it));
        let Some(source) = self.sources.get_mut(&partition).filter(|it| runs && it.halted_at.is_none()) else { return };
        let until = self.ranges.get(&partition).map_or(Offset::MAX, |it| it.end);
        if until <= end {
            self.complete.insert(partition);
        }
        let end = end.min(until);
        if source.next < end {
            source.next = end;
            source.consumed = Some(end);
        }
    }

    /// Has the stores of all tasks opened that read the given partitions and are not open yet.
    pub fn prepare(&self, given: &BTreeSet<TopicPartition>, stores: &mut dyn Stores) {
        let read = |it: &TopicPartition| it.partition < self.partition_count(it.topic);
        let of = |source: &TopicPartition| {
            let (topic, partition) = (source.topic, source.partition);
            let readers = self.plan.subtopologies.iter().filter(move |it| it.source == topic);
            readers.map(move |it| (it.task_id(partition), it, self.partition_count(topic)))
        };
        let tasks: Vec<_> = given.iter().filter(|it| read(it)).flat_map(of).collect();
        let closed = tasks.iter().filter(|(id, ..)| !self.open.iter().any(|it| it.task.id == *id));
        let closed: Vec<_> = closed.map(|(task, plan, partitions)| TaskStores { task, plan, partitions: *partitions }).collect();
        stores.prepare(&closed);
    }

    /// Opens the tasks that read the given partition and are not open yet; how many. They are to be restored. Stores that another
    /// worker of this process has not closed yet are to be opened a little later: see [`Tasks::unopened`].
    ///
    /// # Errors
    /// Which task could not be opened, and why.
    pub fn open(&mut self, source: TopicPartition, stores: &mut dyn Stores, report: &Report) -> Result<usize, (String, StoreError)> {
        let mut opened = 0;
        self.unopened.remove(&source);
        if self.partition_count(source.topic) <= source.partition {
            // Added to the topic since the start: keys are in other partitions now than their state.
            return Ok(opened);
        }
        for (subtopology, plan) in self.plan.subtopologies.iter().enumerate().filter(|(_, it)| it.source == source.topic) {
            let mut plan = plan.clone();
            if mutant::is(Mutant::DedupOff) {
                plan.steps.retain(|it| !matches!(it.operator, Operator::Dedup { .. }));
            }
            let plan = Arc::new(plan);
            let mut task = Task::new(Arc::clone(&plan), source.partition, self.cache_bytes);
            if self.null {
                task.without_logic();
            }
            if self.open.iter().any(|it| it.task.id == task.id) {
                continue;
            }
            let identity = TaskStores { task: &task.id, plan: &plan, partitions: self.partition_count(source.topic) };
            let store = match stores.open(&identity, false) {
                Err(error @ (StoreError::Damaged(_) | StoreError::Stale(_))) => {
                    report(&Change::Waiting { reason: format!("restoring all of {}: {error}", task.id) });
                    stores.open(&identity, true)
                }
                other => other,
            };
            let store = match store {
                Ok(store) => store,
                Err(StoreError::Locked(_)) => {
                    self.unopened.insert(source);
                    continue;
                }
                Err(error) => return Err((task.id, error)),
            };
            report(&Change::Created { task: task.id.clone() });
            let changelogs = plan.stores.iter().map(|it| TopicPartition { topic: it.changelog, partition: source.partition }).collect();
            let (state, sealed) = (State::Restoring, Tally::default());
            let (reflects, positions, unwritten_since) = (None, BTreeMap::new(), Duration::ZERO);
            self.open.push(OpenTask { task, store, state, subtopology, source, sealed, changelogs, reflects, positions, unwritten_since });
            opened += 1;
        }
        self.index();
        Ok(opened)
    }

    /// Opens a task's store anew, empty: its files are damaged.
    ///
    /// # Errors
    /// Why it could not be opened.
    pub fn reopen(&mut self, index: usize, stores: &mut dyn Stores, fresh: bool) -> Result<(), StoreError> {
        let partitions = &self.partitions;
        let Some(open) = self.open.get_mut(index) else { return Ok(()) };
        let of = |topic: TopicId| partitions.get(usize::from(topic.0)).copied().unwrap_or(0);
        open.forget();
        // The old handle holds the files' lock: it goes first.
        open.store = Box::new(Closed);
        let identity = TaskStores { task: &open.task.id, plan: &open.task.plan, partitions: of(open.source.topic) };
        open.store = stores.open(&identity, fresh)?;
        Ok(())
    }

    /// Closes the tasks for which `keep` is false; how many.
    pub fn close(&mut self, keep: impl Fn(&OpenTask) -> bool, report: &Report) -> usize {
        let before = self.open.len();
        let mut kept = Vec::with_capacity(before);
        for mut open in self.open.drain(..) {
            if keep(&open) {
                kept.push(open);
                continue;
            }
            if let Err(error) = open.write().and_then(|()| open.store.flush()) {
                report(&Change::Waiting {
                    reason: format!("state of {} could not be flushed, its tail will be restored: {error}", open.task.id),
                });
            }
            report(&Change::Closed { task: open.task.id.clone() });
        }
        self.open = kept;
        self.index();
        before - self.open.len()
    }

    /// What was counted since the last commit belongs to the commit that begins. The records that went in and the outcomes that came
    /// out were counted in different places, and must agree.
    pub(super) fn seal_counts(&mut self, meter: &mut Meter, report: &Report) {
        for open in &mut self.open {
            std::mem::swap(&mut open.task.tally, &mut open.sealed);
            open.task.tally.clear();
            open.sealed.outcomes.records_in = self.sources.get(&open.source).map_or(0, |it| it.records);
            if !open.sealed.outcomes.add_up() {
                meter.totals.accounting_errors += 1;
                report(&Change::AccountingError { task: open.task.id.clone() });
            }
        }
        for (tp, source) in &mut self.sources {
            meter.consumed(tp.topic, std::mem::take(&mut source.records), std::mem::take(&mut source.bytes));
        }
    }

    /// What was counted since the last commit is void, with the transaction that it belongs to.
    pub(super) fn forget_counts(&mut self) {
        for open in &mut self.open {
            open.task.tally.clear();
            open.sealed.clear();
        }
        for source in self.sources.values_mut() {
            (source.records, source.bytes) = (0, 0);
        }
    }

    /// The open tasks.
    pub fn iter(&self) -> impl Iterator<Item = &OpenTask> {
        self.open.iter()
    }

    /// The open tasks.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut OpenTask> {
        self.open.iter_mut()
    }

    /// The open task at an index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&OpenTask> {
        self.open.get(index)
    }

    /// The open task at an index.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut OpenTask> {
        self.open.get_mut(index)
    }

    /// The partitions of which all readers run and none has stopped.
    #[must_use]
    pub fn ready(&self) -> Vec<TopicPartition> {
        self.sources
            .iter()
            .filter(|(tp, source)| {
                source.halted_at.is_none()
                    && !self.complete.contains(tp)
                    && self.readers.get(tp).is_some_and(|it| self.all_run(tp.topic, it))
            })
            .map(|(tp, _)| *tp)
            .collect()
    }

    /// Whether all tasks that read a partition of the topic are open and running.
    fn all_run(&self, topic: TopicId, readers: &[usize]) -> bool {
        let wanted = self.plan.subtopologies.iter().filter(|it| it.source == topic).count();
        readers.len() == wanted && readers.iter().all(|it| self.open.get(*it).is_some_and(|it| it.state == State::Running))
    }

    /// Whether a task's state is not complete.
    #[must_use]
    pub fn restoring(&self) -> bool {
        self.open.iter().any(|it| it.state == State::Restoring)
    }

    /// Whether records were processed that are part of no commit.
    #[must_use]
    pub fn has_processed(&self) -> bool {
        self.sources.values().any(|it| it.records != 0)
    }

    /// Whether a position moved that is part of no commit: behind records, or control records alone.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.sources.values().any(|it| it.consumed.is_some())
    }

    /// Whether a position is to go over markers.
    pub(super) fn before_markers(&self) -> bool {
        self.sources.values().any(|it| it.before_markers.is_some())
    }

    /// Bytes of state that are not committed.
    #[must_use]
    pub fn dirty_bytes(&self) -> usize {
        self.open.iter().map(|it| it.task.overlay.dirty_bytes()).sum()
    }

    /// Number of topics of the plan.
    pub(super) fn topic_count(&self) -> u16 {
        u16::try_from(self.partitions.len()).unwrap_or(u16::MAX)
    }

    /// Number of partitions of a topic.
    #[must_use]
    pub fn partition_count(&self, topic: TopicId) -> i32 {
        self.partitions.get(usize::from(topic.0)).copied().unwrap_or(0)
    }

    fn index(&mut self) {
        self.readers.clear();
        for (index, open) in self.open.iter().enumerate() {
            self.readers.entry(open.source).or_default().push(index);
        }
    }
}
