//! Restore: changelog → store. Which tasks need it, from where on, and what becomes of them; `slice.rs` does it.

pub mod bulk;
mod slice;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::plan::StoreKind;
use crate::engine::protocol::recovery::{self, Recovery};
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::mutant::{self, Mutant};
use crate::runtime::open_task::{Disk, OpenTask, State};
use crate::runtime::ports::{Changelogs, LogError, StoreError};
use crate::runtime::reaction::Reaction;
use crate::runtime::status::Change;
use crate::runtime::worker::{Error, Transaction, Worker};
use bulk::Bulk;

/// What a worker is restoring.
#[derive(Debug, Default)]
pub struct Restore {
    /// By changelog partition.
    pub(in crate::runtime) reading: BTreeMap<TopicPartition, Reading>,
    /// By task: what is told of it.
    pub(in crate::runtime) progress: BTreeMap<String, Progress>,
    /// Tasks to be restored once more, when their time has come: a store could not be written.
    pub(in crate::runtime) again: BTreeMap<String, Duration>,
    /// The last slice had records: more may be there at once.
    pub(in crate::runtime) flows: bool,
    /// Of each record of the last slice: what it takes, gathered; so that a slice of large ones has fewer of them.
    pub(in crate::runtime) record_bytes: usize,
}

/// A changelog partition on its way into a store.
#[derive(Debug)]
pub(in crate::runtime) struct Reading {
    pub task: String,
    pub store: usize,
    /// After the last record handed out.
    pub position: Offset,
    /// The changelog is read when its end is at or past this.
    pub target: Offset,
    /// Its end was met before that, then; `None` from when it was told.
    pub held_since: Option<Duration>,
    /// What was read and was not offered to the store yet.
    pub gathered: Bulk,
    /// So many records came with the last slice.
    pub came: u64,
    /// What the store was offered and could not take yet, up to this offset.
    pub offered: Option<(Bulk, Offset)>,
    /// What the store has taken ends here.
    pub taken: Offset,
    /// Its records are pages of ids, which are larger when they are unpacked.
    pub packed: bool,
    /// So many bytes of the index of pages are left: as long as there are any, ids get no entries.
    pub index_left: usize,
    /// It is read, and no longer followed.
    pub ended: bool,
    /// It is read, and the store has taken all of it.
    pub given: bool,
}

#[derive(Debug, Default)]
pub(in crate::runtime) struct Progress {
    pub started: Duration,
    pub told: Duration,
    pub behind: Offset,
    pub total: Offset,
    pub read: u64,
}

/// Longest wait for the bounds of a changelog.
const BOUNDS_WITHIN: Duration = Duration::from_secs(30);

impl Restore {
    /// Whether anything is to be done.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        !self.reading.is_empty() || !self.again.is_empty()
    }

    /// Offsets of a task's changelogs gone through, of so many; `None`: it does not restore.
    pub(in crate::runtime) fn progress(&self, task: &str) -> Option<(Offset, Offset)> {
        let behind = self.progress.get(task)?.behind;
        let left: Offset = self.reading.values().filter(|it| it.task == task).map(|it| it.target - it.position).sum();
        Some((behind - left.max(0), behind))
    }

    /// Reads nothing any more.
    pub(in crate::runtime) fn stop_all(&mut self, changelogs: &mut dyn Changelogs) {
        for (changelog, reading) in std::mem::take(self).reading {
            reading.stop(changelog, changelogs);
        }
    }

    pub(in crate::runtime) fn stop_task(&mut self, task: &str, changelogs: &mut dyn Changelogs) {
        self.reading.retain(|changelog, reading| {
            let other = reading.task != task;
            if !other {
                reading.stop(*changelog, changelogs);
            }
            other
        });
        self.progress.remove(task);
    }
}

impl Reading {
    fn new(open: &OpenTask, store: usize, position: Offset, target: Offset) -> Self {
        let packed = open.task.plan.stores.get(store).is_some_and(|it| matches!(it.kind, StoreKind::Dedup { .. }));
        Self {
            task: open.task.id.clone(),
            store,
            position,
            target,
            held_since: None,
            gathered: Bulk::default(),
            came: 0,
            offered: None,
            taken: position,
            packed,
            index_left: 0,
            ended: false,
            given: false,
        }
    }

    fn stop(&self, changelog: TopicPartition, changelogs: &mut dyn Changelogs) {
        if !self.ended {
            changelogs.stop(changelog);
        }
    }
}

impl Worker {
    /// Lets tasks run whose state is what the group's offset says, and starts to restore the others.
    pub(in crate::runtime) fn restore_where_needed(&mut self, tasks: &[usize]) {
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
    pub(in crate::runtime) fn state_failed(&mut self, index: usize, error: &StoreError) {
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
    pub(in crate::runtime) fn reopen_damaged(&mut self) {
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

    pub(in crate::runtime) fn stop_task(&mut self, index: usize, reason: String) {
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
        open.forget();
        let mut progress = Progress { started: now, told: now, ..Progress::default() };
        let (mut starts, mut why) = (Vec::new(), None);
        for (store, changelog) in changelogs.iter().enumerate() {
            let Some((start, end)) = bounds.get(changelog).copied() else { continue };
            let position = stored.get(store).copied().flatten();
            progress.total += end - start;
            // What is indexed on disk already is not known here: the ids of a tail get entries.
            let (from, index_left) = match recovery::decide(position, start, end) {
                Recovery::Ready => continue,
                Recovery::Tail(from) => (from, 0),
                Recovery::All => {
                    why = Some("nothing of it is on disk".to_owned());
                    (start, open.task.index_bytes(store))
                }
                Recovery::Stop(reason) => {
                    let name = names.get(store).map_or("?", String::as_str);
                    return Err(Failed::Stop(format!("store `{name}`, changelog {}: {reason}", self.name(*changelog))));
                }
            };
            progress.behind += end - from;
            starts.push((*changelog, Reading { index_left, ..Reading::new(open, store, from, end) }));
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
    pub(in crate::runtime) fn run_task(&mut self, index: usize) -> Result<(), Failed> {
        self.check_offset(index)?;
        let Self { tasks, restore, clock, report, meter, .. } = self;
        let Some(open) = tasks.get_mut(index) else { return Ok(()) };
        if mutant::is(Mutant::PagesNotIndexed) {
            open.task.rewind(&mut Disk(&mut *open.store))?;
        } else {
            open.task.load(&mut Disk(&mut *open.store))?;
        }
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

    /// The stores of these tasks could not be written: they are to be restored, a little later.
    pub(in crate::runtime) fn restore_again(&mut self, tasks: &[usize]) {
        let sources: Vec<_> = tasks.iter().filter_map(|it| Some(self.tasks.get(*it)?.source)).collect();
        self.restore_later(tasks);
        // Records of these partitions are not looked at any more; what was processed of them since must not be committed.
        drop(self.log.parts().consumer.pause(&sources));
        self.tasks.torn = Some("a state could not be written".to_owned());
    }

    pub(in crate::runtime) fn restore_later(&mut self, tasks: &[usize]) {
        let due = self.clock.elapsed() + self.limits.task_retry;
        let Self { tasks: all, restore, log, .. } = self;
        for index in tasks {
            let Some(open) = all.get_mut(*index) else { continue };
            open.forget();
            // Its store may be gone: what is read of a tail meanwhile would be all that a new one has.
            restore.stop_task(&open.task.id, log.parts().changelogs);
            restore.again.insert(open.task.id.clone(), due);
        }
    }

    pub(in crate::runtime) fn restore_due(&mut self) -> Result<(), Error> {
        let now = self.clock.elapsed();
        let due: BTreeSet<String> = self.restore.again.iter().filter(|(_, at)| **at <= now).map(|(task, _)| task.clone()).collect();
        if due.is_empty() || matches!(self.transaction, Transaction::Committing(..)) {
            // What is being committed may not be in the changelogs yet, and would be missed.
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
pub(in crate::runtime) enum Failed {
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
