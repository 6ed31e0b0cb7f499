//! A slice of a restore: bounded, inside the loop, so that other tasks go on. Records are read and gathered here; the stores take them
//! much at once, and write beside the loop.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::Duration;

use super::mutant::{self, Mutant};
use super::ports::{LogError, Parts, StoreError};
use super::reaction::Reaction;
use super::restore::{Batch, Failed, Restore, write_batch};
use super::status::Change;
use super::worker::{Error, Worker};
use crate::engine::record::{Offset, TopicPartition};

/// An end that does not move on for so long is told.
const HELD_FOR: Duration = Duration::from_secs(10);
/// Progress is told at most that often.
const TELL_EVERY: Duration = Duration::from_secs(2);

impl Restore {
    /// Memory of what was read and is not given to the stores yet.
    fn gathered(&self) -> usize {
        self.reading.values().map(|it| it.gathered.bytes()).sum()
    }
}

impl Worker {
    /// One slice: at most so many records as the setting says.
    pub(super) fn restore_slice(&mut self) -> Result<(), Error> {
        self.open_later()?;
        self.restore_due()?;
        self.restore.flows = false;
        if self.restore.reading.is_empty() {
            return Ok(());
        }
        self.give_gathered();
        self.end_restored()?;
        let gathered = self.restore.gathered();
        let room = self.limits.restore_buffer_max_bytes.saturating_sub(gathered);
        if room == 0 {
            // The stores are behind; what is gathered is bounded.
            return Ok(());
        }
        let mut batches: BTreeMap<TopicPartition, Batch> = BTreeMap::new();
        let max = self.limits.restore_max_records.min(room / self.restore.record_bytes.max(1)).max(1);
        let Parts { changelogs, .. } = self.log.parts();
        let polled = changelogs.poll(Duration::from_millis(1), max, &mut |record| {
            let batch = batches.entry(record.source).or_default();
            batch.bytes.extend_from_slice(record.key.unwrap_or_default());
            let key_end = batch.bytes.len();
            batch.bytes.extend_from_slice(record.value.unwrap_or_default());
            batch.entries.push((key_end, record.value.map(|_| batch.bytes.len())));
            batch.next = record.offset + 1;
        });
        let records: usize = batches.values().map(|it| it.entries.len()).sum();
        self.restore.flows = records != 0;
        for (changelog, batch) in batches {
            self.gather(changelog, &batch);
        }
        if let Some(each) = self.restore.gathered().saturating_sub(gathered).checked_div(records) {
            self.restore.record_bytes = each;
        }
        self.tell_held();
        match polled {
            Ok(ends) => Ok(ends.into_iter().for_each(|(changelog, end)| self.end_reached(changelog, end))),
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

    fn gather(&mut self, changelog: TopicPartition, batch: &Batch) {
        let now = self.clock.elapsed();
        let Self { tasks, restore, report, .. } = self;
        let Some(reading) = restore.reading.get_mut(&changelog).filter(|it| !it.ended) else { return };
        let Some(open) = tasks.iter_mut().find(|it| it.task.id == reading.task) else { return };
        let kind = open.task.plan.stores.get(reading.store).map(|it| it.kind);
        write_batch(kind, batch, &mut reading.gathered);
        reading.position = batch.next;
        if mutant::is(Mutant::PositionFirst) {
            drop(open.store.write(&mut std::iter::empty(), &[(reading.store, batch.next)]));
        }
        let Some(progress) = restore.progress.get_mut(&reading.task) else { return };
        progress.read += batch.entries.len() as u64;
        if progress.told + TELL_EVERY < now {
            progress.told = now;
            if let Some((done, of)) = restore.progress(&open.task.id) {
                report(&Change::RestoreProgress { task: open.task.id.clone(), done, of });
            }
        }
    }

    /// Gives the stores what is read to its end; and when there is no room for more, what there is most of, so that stores write few
    /// and large files. What has waited for a busy store is not overtaken by less.
    fn give_gathered(&mut self) {
        let mut left = self.restore.gathered();
        let mut waiting = Vec::new();
        for (changelog, reading) in self.restore.reading.iter().filter(|(_, it)| !it.given) {
            waiting.push((Reverse((reading.ended, reading.gathered.bytes())), reading.task.clone(), *changelog));
        }
        waiting.sort();
        let mut busy = BTreeSet::new();
        for (Reverse((ended, bytes)), task, changelog) in waiting {
            let due = ended || self.limits.restore_buffer_max_bytes <= left && bytes != 0;
            if !due || busy.contains(&task) {
                continue;
            }
            if self.give(changelog) {
                left -= bytes;
            } else {
                busy.insert(task);
            }
        }
    }

    /// Whether the store took it.
    fn give(&mut self, changelog: TopicPartition) -> bool {
        let Self { tasks, restore, .. } = self;
        let Some(reading) = restore.reading.get_mut(&changelog) else { return false };
        let Some(open) = tasks.iter_mut().find(|it| it.task.id == reading.task) else { return false };
        let offsets = reading.gathered_from..reading.position;
        match open.store.restore(reading.store, mem::take(&mut reading.gathered), offsets) {
            Ok(None) => {
                reading.gathered_from = reading.position;
                reading.given = reading.ended;
                true
            }
            Ok(Some(back)) => {
                reading.gathered = back;
                false
            }
            Err(error) => {
                let task = reading.task.clone();
                self.not_written(&task, &error);
                true
            }
        }
    }

    /// A store could not be written: what it lacks is read again a little later.
    fn not_written(&mut self, task: &str, error: &StoreError) {
        let again_at = self.clock.elapsed() + self.limits.task_retry;
        let Self { tasks, restore, log, report, .. } = self;
        report(&Change::Waiting { reason: format!("state of {task} could not be written, trying again: {error}") });
        restore.stop_task(task, log.parts().changelogs);
        if matches!(error, StoreError::Damaged(_)) {
            tasks.damaged.insert(task.to_owned());
        }
        restore.again.insert(task.to_owned(), again_at);
    }

    fn end_reached(&mut self, changelog: TopicPartition, end: Offset) {
        let now = self.clock.elapsed();
        let Self { restore, log, .. } = self;
        let Some(reading) = restore.reading.get_mut(&changelog).filter(|it| !it.ended) else { return };
        if end < reading.target {
            reading.held_since = Some(now);
            return;
        }
        // Past control records: nothing of them is to be read again.
        (reading.position, reading.ended, reading.held_since) = (end, true, None);
        log.parts().changelogs.stop(changelog);
    }

    /// Lets the tasks run of which all is read and written.
    fn end_restored(&mut self) -> Result<(), Error> {
        let tasks: BTreeSet<&String> = self.restore.reading.values().map(|it| &it.task).collect();
        let complete = |task: &&String| self.restore.reading.values().filter(|it| it.task == ***task).all(|it| it.given);
        let complete: Vec<String> = tasks.into_iter().filter(complete).cloned().collect();
        for task in complete {
            let Some(index) = self.tasks.iter().position(|it| it.task.id == task) else { continue };
            let Some(open) = self.tasks.get_mut(index) else { continue };
            match open.store.restored() {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    self.not_written(&task, &error);
                    continue;
                }
            }
            self.restore.reading.retain(|_, it| it.task != task);
            match self.run_task(index) {
                Ok(()) => self.resume_ready()?,
                Err(failed) => self.restore_refused(index, failed),
            }
        }
        Ok(())
    }

    pub(super) fn restore_refused(&mut self, index: usize, failed: Failed) {
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
}
