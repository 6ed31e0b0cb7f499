//! Restore: changelog → store, in bounded slices inside the loop, so that other tasks go on.

mod batch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::batch::{Batch, write_batch};
use super::mutant::{self, Mutant};
use super::ports::{Changelogs, LogError, Parts, StoreError};
use super::reaction::Reaction;
use super::status::Change;
use super::tasks::{Disk, OpenTask, State};
use super::worker::{Error, Worker};
use crate::engine::protocol::recovery::{self, Recovery};
use crate::engine::record::{Offset, TopicPartition};

/// What a worker is restoring.
#[derive(Debug, Default)]
pub struct Restore {
    /// By changelog partition.
    reading: BTreeMap<TopicPartition, Reading>,
    /// By task: what is told of it.
    progress: BTreeMap<String, Progress>,
    /// Tasks to be restored once more, when their time has come: a store could not be written.
    again: BTreeMap<String, Duration>,
}

#[derive(Debug)]
struct Reading {
    task: String,
    store: usize,
    /// After the last record handed out.
    position: Offset,
    /// The changelog is read when its end is at or past this.
    target: Offset,
    /// Its end was met before that, then; `None` from when it was told.
    held_since: Option<Duration>,
}

#[derive(Debug, Default)]
struct Progress {
    started: Duration,
    told: Duration,
    behind: Offset,
    total: Offset,
    read: u64,
}

/// Longest wait for the bounds of a changelog.
const BOUNDS_WITHIN: Duration = Duration::from_secs(30);
/// An end that does not move on for so long is told.
const HELD_FOR: Duration = Duration::from_secs(10);
/// Progress is told at most that often.
const TELL_EVERY: Duration = Duration::from_secs(2);

impl Restore {
    /// Whether anything is to be done.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        !self.reading.is_empty() || !self.again.is_empty()
    }

    /// Offsets of a task's changelogs gone through, of so many; `None`: it does not restore.
    pub(super) fn progress(&self, task: &str) -> Option<(Offset, Offset)> {
        let behind = self.progress.get(task)?.behind;
        let left: Offset = self.reading.values().filter(|it| it.task == task).map(|it| it.target - it.position).sum();
        Some((behind - left.max(0), behind))
    }

    /// Reads nothing any more.
    pub(super) fn stop_all(&mut self, changelogs: &mut dyn Changelogs) {
        for changelog in std::mem::take(self).reading.into_keys() {
            changelogs.stop(changelog);
        }
    }

    fn stop_task(&mut self, task: &str, changelogs: &mut dyn Changelogs) {
        self.reading.retain(|changelog, reading| {
            let other = reading.task != task;
            if !other {
                changelogs.stop(*changelog);
            }
            other
        });
        self.progress.remove(task);
    }
}

impl Worker {
    /// Lets tasks run whose state is what the group's offset says, and starts to restore the others.
    pub(super) fn restore_where_needed(&mut self, tasks: &[usize]) {
        let bounds = match self.changelog_bounds(tasks) {
            Ok(bounds) => bounds,
            Err(error) if error.reaction == Reaction::Retry => {
                (self.report)(&Change::Waiting { reason: error.to_string() });
                return self.restore_later(tasks);
            }
            Err(error) => {
                // It may be about one changelog only: then the others are asked for without it.
                match tasks {
                    [index] => self.stop_task(*index, error.to_string()),
                    _ => tasks.iter().for_each(|index| self.restore_where_needed(&[*index])),
                }
                return;
            }
        };
        for index in tasks {
            if let Err(failed) = self.begin_restore(*index, &bounds) {
                self.restore_refused(*index, failed);
            }
        }
    }

    /// A task's state could not be opened or read. Damaged files are made anew from the changelog, and room on the disk is waited for.
    pub(super) fn state_failed(&mut self, index: usize, error: &StoreError) {
        let Some(task) = self.tasks.get(index).map(|it| it.task.id.clone()) else { return };
        match error {
            StoreError::Damaged(_) => drop(self.tasks.damaged.insert(task.clone())),
            StoreError::Full(_) => {}
            StoreError::Foreign(_) | StoreError::Stale(_) | StoreError::Locked(_) | StoreError::Io(_) => {
                return self.stop_task(index, error.to_string());
            }
        }
        (self.report)(&Change::Waiting { reason: format!("{task} is restored a little later: {error}") });
        self.restore_later(&[index]);
    }

    /// Opens the stores whose files are damaged anew, empty.
    pub(super) fn reopen_damaged(&mut self) {
        for task in std::mem::take(&mut self.tasks.damaged) {
            let Some(index) = self.tasks.iter().position(|it| it.task.id == task) else { continue };
            let Self { tasks, stores, .. } = self;
            if let Err(error) = tasks.reopen(index, &mut **stores, true) {
                // Without a store it can't go on before this succeeds.
                self.tasks.damaged.insert(task);
                self.state_failed(index, &error);
            }
        }
    }

    /// What the changelogs have of the tasks that need them, asked for all at once, before any is read: a request behind a fetch that
    /// waits for records waits with it.
    fn changelog_bounds(&mut self, tasks: &[usize]) -> Result<BTreeMap<TopicPartition, (Offset, Offset)>, LogError> {
        let mut wanted = Vec::new();
        for index in tasks {
            let Some(open) = self.tasks.get(*index) else { continue };
            if !self.is_current(open) {
                wanted.extend_from_slice(&open.changelogs);
            }
        }
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let bounds = self.patiently(BOUNDS_WITHIN, |it| it.log.parts().changelogs.bounds(&wanted))?;
        Ok(wanted.into_iter().zip(bounds).collect())
    }

    /// Whether the task's state is what the group's committed offset says.
    fn is_current(&self, open: &OpenTask) -> bool {
        let committed = self.tasks.sources.get(&open.source).and_then(|it| it.committed);
        open.changelogs.is_empty() || open.reflects == Some(committed) || mutant::is(Mutant::NothingRestored) && open.reflects.is_some()
    }

    fn stop_task(&mut self, index: usize, reason: String) {
        let Self { tasks, restore, log, report, .. } = self;
        let Some(open) = tasks.get_mut(index) else { return };
        restore.stop_task(&open.task.id, log.parts().changelogs);
        report(&Change::Stopped { task: open.task.id.clone(), reason: reason.clone() });
        open.state = State::Stopped(reason);
    }

    fn begin_restore(&mut self, index: usize, bounds: &BTreeMap<TopicPartition, (Offset, Offset)>) -> Result<(), Failed> {
        let now = self.clock.elapsed();
        let report = Arc::clone(&self.report);
        if self.tasks.get(index).is_some_and(|it| self.is_current(it)) {
            return self.run_task(index);
        }
        let Self { tasks, restore, log, .. } = self;
        let Some(open) = tasks.get_mut(index) else { return Ok(()) };
        let task = open.task.id.clone();
        // It may be restoring already, or be about to: that ends here.
        restore.again.remove(&task);
        restore.stop_task(&task, log.parts().changelogs);
        let changelogs = open.changelogs.clone();
        let names = open.task.plan.stores.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
        let stored = open.store.positions()?;
        open.task.overlay.forget();
        open.state = State::Restoring;
        let mut progress = Progress { started: now, told: now, ..Progress::default() };
        let (mut starts, mut why) = (Vec::new(), None);
        for (store, changelog) in changelogs.iter().enumerate() {
            let Some((start, end)) = bounds.get(changelog).copied() else { continue };
            let position = stored.get(store).copied().flatten();
            progress.total += end - start;
            let from = match recovery::decide(position, start, end) {
                Recovery::Ready => continue,
                Recovery::Tail(from) => from,
                Recovery::All => {
                    why = Some("nothing of it is on disk".to_owned());
                    start
                }
                Recovery::Stop(reason) => {
                    let name = names.get(store).map_or("?", String::as_str);
                    return Err(Failed::Stop(format!("store `{name}`, changelog {}: {reason}", self.name(*changelog))));
                }
            };
            progress.behind += end - from;
            starts.push((*changelog, Reading { task: task.clone(), store, position: from, target: end, held_since: None }));
        }
        if starts.is_empty() {
            return self.run_task(index);
        }
        report(&Change::Restoring { task: task.clone(), behind: progress.behind, why });
        let Self { restore, log, .. } = self;
        for (changelog, reading) in starts {
            log.parts().changelogs.start(changelog, reading.position).map_err(|it| Failed::Stop(it.to_string()))?;
            restore.reading.insert(changelog, reading);
        }
        restore.progress.insert(task, progress);
        Ok(())
    }

    /// The task's state is complete.
    fn run_task(&mut self, index: usize) -> Result<(), Failed> {
        self.check_offset(index)?;
        let Self { tasks, restore, clock, report, meter, .. } = self;
        let Some(open) = tasks.get_mut(index) else { return Ok(()) };
        open.task.load(&mut Disk(&mut *open.store))?;
        let (source, id) = (open.source, open.task.id.clone());
        if let Some(progress) = restore.progress.remove(&id) {
            let took = clock.elapsed().saturating_sub(progress.started);
            meter.totals.times.restore.observe(took);
            report(&Change::Restored { task: id.clone(), read: progress.read, of: progress.total, took });
        }
        let was = std::mem::replace(&mut open.state, State::Running);
        let committed = tasks.sources.get(&source).and_then(|it| it.committed);
        if let Some(open) = tasks.get_mut(index) {
            open.reflects = Some(committed);
        }
        if was != State::Running {
            report(&Change::Running { task: id });
        }
        Ok(())
    }

    /// State without a committed offset: both are written in one transaction, so the offset was there and is gone.
    fn check_offset(&mut self, index: usize) -> Result<(), Failed> {
        let replays = !self.tasks.ranges.is_empty();
        let Some(open) = self.tasks.get_mut(index) else { return Ok(()) };
        let source = open.source;
        let mut found = false;
        for store in 0..open.changelogs.len() {
            open.store.scan(store, b"", &mut |_, _| {
                found = true;
                false
            })?;
        }
        if !found || replays || self.tasks.sources.get(&source).is_none_or(|it| it.committed.is_some()) {
            return Ok(());
        }
        Err(Failed::Stop(format!(
            "it has state, but the group has no offset of {} any more: the topic was deleted and made anew, or the offset was deleted or \
             expired. Reading it from its beginning could count records twice. `goyt reset` starts anew; to go on with this state, set the \
             group's offset",
            self.name(source)
        )))
    }

    /// One slice: at most so many records as the setting says.
    pub(super) fn restore_slice(&mut self) -> Result<(), Error> {
        self.open_later()?;
        self.restore_due()?;
        if self.restore.reading.is_empty() {
            return Ok(());
        }
        let mut batches: BTreeMap<TopicPartition, Batch> = BTreeMap::new();
        let max = self.limits.restore_max_records;
        let Parts { changelogs, .. } = self.log.parts();
        let polled = changelogs.poll(Duration::from_millis(1), max, &mut |record| {
            let batch = batches.entry(record.source).or_default();
            batch.push(record.key.unwrap_or_default(), record.value);
            batch.next = record.offset + 1;
        });
        for (changelog, batch) in batches {
            self.write_restored(changelog, &batch);
        }
        self.tell_held();
        match polled {
            Ok(ends) => {
                for (changelog, end) in ends {
                    self.end_reached(changelog, end)?;
                }
                Ok(())
            }
            Err(error) => self.restore_failed(error),
        }
    }

    /// Says which changelogs end before they are read, for long.
    fn tell_held(&mut self) {
        let now = self.clock.elapsed();
        let mut held = Vec::new();
        for (changelog, reading) in &mut self.restore.reading {
            if reading.held_since.is_some_and(|since| since + HELD_FOR < now) {
                reading.held_since = None;
                held.push((*changelog, reading.task.clone(), reading.target));
            }
        }
        for (changelog, task, target) in held {
            let reason = format!(
                "{task} is not restored: an open transaction holds back the end of {}, which is to be read up to {target}; \
                 kafka-transactions.sh find-hanging shows those that no one will end",
                self.name(changelog)
            );
            (self.report)(&Change::Waiting { reason });
        }
    }

    fn write_restored(&mut self, changelog: TopicPartition, batch: &Batch) {
        let (now, again_after) = (self.clock.elapsed(), self.limits.task_retry);
        let Self { tasks, restore, log, report, .. } = self;
        let Some(reading) = restore.reading.get_mut(&changelog) else { return };
        let Some(open) = tasks.iter_mut().find(|it| it.task.id == reading.task) else { return };
        reading.position = batch.next;
        match write_batch(open, reading.store, batch) {
            Ok(()) => {
                let Some(progress) = restore.progress.get_mut(&reading.task) else { return };
                progress.read += batch.len() as u64;
                if progress.told + TELL_EVERY < now {
                    progress.told = now;
                    if let Some((done, of)) = restore.progress(&open.task.id) {
                        report(&Change::RestoreProgress { task: open.task.id.clone(), done, of });
                    }
                }
            }
            Err(StoreError::Foreign(reason)) => {
                restore.stop_task(&open.task.id, log.parts().changelogs);
                report(&Change::Stopped { task: open.task.id.clone(), reason: reason.clone() });
                open.state = State::Stopped(reason);
            }
            Err(error) => {
                let task = open.task.id.clone();
                report(&Change::Waiting { reason: format!("state of {task} could not be written, trying again: {error}") });
                restore.stop_task(&task, log.parts().changelogs);
                if matches!(error, StoreError::Damaged(_)) {
                    tasks.damaged.insert(task.clone());
                }
                restore.again.insert(task, now + again_after);
            }
        }
    }

    fn end_reached(&mut self, changelog: TopicPartition, end: Offset) -> Result<(), Error> {
        let now = self.clock.elapsed();
        let Self { tasks, restore, log, .. } = self;
        let Some(reading) = restore.reading.get_mut(&changelog) else { return Ok(()) };
        if end < reading.target {
            reading.held_since = Some(now);
            return Ok(());
        }
        let Some(reading) = restore.reading.remove(&changelog) else { return Ok(()) };
        log.parts().changelogs.stop(changelog);
        let Some(index) = tasks.iter().position(|it| it.task.id == reading.task) else { return Ok(()) };
        if let Some(open) = tasks.get_mut(index) {
            // Past control records: nothing of them is to be read again. Failing to note it costs no more than that.
            drop(open.store.write(&mut std::iter::empty(), &[(reading.store, end)]));
        }
        if restore.reading.values().any(|it| it.task == reading.task) {
            return Ok(());
        }
        match self.run_task(index) {
            Ok(()) => self.resume_ready(),
            Err(failed) => Ok(self.restore_refused(index, failed)),
        }
    }

    fn restore_refused(&mut self, index: usize, failed: Failed) {
        match failed {
            Failed::Stop(reason) => self.stop_task(index, reason),
            Failed::State(error) => self.state_failed(index, &error),
        }
    }

    fn restore_failed(&mut self, error: LogError) -> Result<(), Error> {
        let task = error.partition.and_then(|it| self.restore.reading.get(&it)).map(|it| it.task.clone());
        let index = self.tasks.iter().position(|it| Some(&it.task.id) == task.as_ref());
        match (error.reaction, index) {
            (Reaction::Retry, _) => Ok(()),
            // What is on disk is sound: the changelog is read on from there.
            (Reaction::AbortAndRewind, Some(index)) => {
                (self.report)(&Change::Waiting { reason: error.to_string() });
                Ok(self.restore_later(&[index]))
            }
            (_, Some(index)) => Ok(self.stop_task(index, error.to_string())),
            (_, None) => Err(error.into()),
        }
    }

    /// The stores of these tasks could not be written: they are to be restored, a little later.
    pub(super) fn restore_again(&mut self, tasks: &[usize]) {
        let sources: Vec<_> = tasks.iter().filter_map(|it| Some(self.tasks.get(*it)?.source)).collect();
        self.restore_later(tasks);
        // Records of these partitions are not looked at any more; what was processed of them since must not be committed.
        drop(self.log.parts().consumer.pause(&sources));
        self.tasks.torn = Some("a state could not be written".to_owned());
    }

    fn restore_later(&mut self, tasks: &[usize]) {
        let due = self.clock.elapsed() + self.limits.task_retry;
        for index in tasks {
            let Some(open) = self.tasks.get_mut(*index) else { continue };
            open.state = State::Restoring;
            open.reflects = None;
            self.restore.again.insert(open.task.id.clone(), due);
        }
    }

    fn restore_due(&mut self) -> Result<(), Error> {
        let now = self.clock.elapsed();
        let due: BTreeSet<String> = self.restore.again.iter().filter(|(_, at)| **at <= now).map(|(task, _)| task.clone()).collect();
        if due.is_empty() {
            return Ok(());
        }
        self.restore.again.retain(|task, _| !due.contains(task));
        self.reopen_damaged();
        // What could not be opened is tried again later.
        let opened = |it: &OpenTask| due.contains(&it.task.id) && !self.tasks.damaged.contains(&it.task.id);
        let indices: Vec<usize> = self.tasks.iter().enumerate().filter(|(_, it)| opened(it)).map(|(index, _)| index).collect();
        self.restore_where_needed(&indices);
        self.resume_ready()
    }
}

/// Why a task can't be restored.
enum Failed {
    /// Only a person can help.
    Stop(String),
    /// Its store.
    State(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::State(error)
    }
}
