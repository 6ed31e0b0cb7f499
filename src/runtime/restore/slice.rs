//! A slice of a restore: bounded, inside the loop, so that other tasks go on. Records are read and gathered here; the stores take them
//! much at once, and write beside the loop.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::mem;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use rustc_hash::FxBuildHasher;

use super::bulk::Bulk;
use super::{Failed, Reading, Restore};
use crate::engine::record::{Offset, TopicPartition};
use crate::engine::state::dedup_keys::{self, PageName};
use crate::engine::state::{dedup_pages, page_index};
use crate::runtime::mutant::{self, Mutant};
use crate::runtime::ports::{LogError, Store, StoreError};
use crate::runtime::reaction::Reaction;
use crate::runtime::status::Change;
use crate::runtime::worker::{Error, Worker};

/// An end that does not move on for so long is told.
const HELD_FOR: Duration = Duration::from_secs(10);
/// So many times the memory of a page is that of its ids, about.
const UNPACKED: usize = 3;
/// Progress is told at most that often.
const TELL_EVERY: Duration = Duration::from_secs(2);

impl Restore {
    /// Memory of what was read and is not given to the stores yet.
    fn gathered(&self) -> usize {
        self.reading.values().map(Reading::held).sum()
    }
}

impl Reading {
    /// Memory of what was read and is not given to the store yet, or will be when it is unpacked.
    fn held(&self) -> usize {
        let unpacked = if self.packed { UNPACKED } else { 1 };
        self.gathered.bytes() * unpacked + self.offered.as_ref().map_or(0, |(bulk, _)| bulk.bytes())
    }
}

/// Offers the store what is read; whether it took it.
fn offer(reading: &mut Reading, store: &mut dyn Store) -> Result<bool, StoreError> {
    let (bulk, to) = match reading.offered.take() {
        Some(offered) => offered,
        // What it had of pages is looked at: all that was taken before must be there.
        None if reading.packed && !store.restored()? => return Ok(false),
        None => {
            let gathered = mem::take(&mut reading.gathered);
            let bulk = if reading.packed { unpack(store, reading.store, &gathered, &mut reading.index_left)? } else { gathered };
            (bulk, reading.position)
        }
    };
    match store.restore(reading.store, bulk, reading.taken..to)? {
        None => {
            reading.taken = to;
            reading.given = reading.ended && to == reading.position;
            Ok(true)
        }
        Some(back) => {
            reading.offered = Some((back, to));
            Ok(false)
        }
    }
}

/// What records of a dedup's changelog are in the store: pages, and an entry for each of their ids when the index has no memory for them. A page
/// that is deleted, or written once more, takes along the entries of the ids that it had, but those that a later page has, too.
fn unpack(store: &mut dyn Store, number: usize, records: &Bulk, index_left: &mut usize) -> Result<Bulk, StoreError> {
    let mut last: HashMap<&[u8], usize, FxBuildHasher> = HashMap::default();
    last.extend(records.iter().enumerate().map(|(nth, (key, _))| (key, nth)));
    let mut unpacked = Bulk::default();
    let (mut page, mut seen_at, mut with_entries) = (Vec::new(), Vec::new(), HashSet::<&[u8], FxBuildHasher>::default());
    let left = || records.iter().enumerate().filter(|(nth, (key, _))| last.get(key) == Some(nth)).map(|(_, record)| record);
    for (key, value) in left() {
        let Some(name) = PageName::of(key) else { continue };
        if store.get(number, &name.indexed_key(), &mut page)? {
            unpacked.push(&name.indexed_key(), None);
            *index_left += page_index::bytes_of(dedup_pages::count(name, &page).unwrap_or(0));
        }
        if !store.get(number, key, &mut page)? {
            continue;
        }
        with_entries.insert(key);
        if value == Some(&page) || mutant::is(Mutant::ExpiredIdsStay) {
            continue;
        }
        let mut result = Ok(());
        dedup_pages::each_key(name, &page, |id_key, time| match store.get(number, id_key, &mut seen_at) {
            Ok(true) if dedup_keys::read_time(&seen_at) == Some(time) => unpacked.push(id_key, None),
            Ok(_) => {}
            Err(error) => result = Err(error),
        });
        result?;
    }
    // In the order in which they were written: of an id that several have, the last one counts.
    for (key, value) in left() {
        let ids = value.and_then(|page| dedup_pages::count(PageName::of(key)?, page));
        if let (Some(name), Some(bytes)) = (PageName::of(key), ids.map(page_index::bytes_of))
            && bytes <= *index_left
            && !with_entries.contains(key)
        {
            *index_left -= bytes;
            unpacked.push(&name.indexed_key(), value);
            continue;
        }
        let of_another_layout = |error| {
            StoreError::Foreign(format!("its changelog is not of the layout that this version reads: {error}; `goyt reset` begins anew"))
        };
        dedup_pages::unpack(key, value, |key, value| unpacked.push(key, value)).map_err(of_another_layout)?;
    }
    Ok(unpacked)
}

impl Worker {
    /// One slice: at most so many records as the setting says.
    pub(in crate::runtime) fn restore_slice(&mut self) -> Result<(), Error> {
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
        let max = self.limits.restore_max_records.min(room / self.restore.record_bytes.max(1)).max(1);
        let Self { log, restore, .. } = self;
        let mut records = 0;
        let polled = log.parts().changelogs.poll(Duration::from_millis(1), max, &mut |record| {
            let Some(reading) = restore.reading.get_mut(&record.source).filter(|it| !it.ended) else { return };
            reading.gathered.push(record.key.unwrap_or_default(), record.value);
            reading.position = record.offset + 1;
            reading.came += 1;
            records += 1;
        });
        self.restore.flows = records != 0;
        self.tell_progress();
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

    /// Counts what came, and tells of it.
    fn tell_progress(&mut self) {
        let now = self.clock.elapsed();
        let Self { tasks, restore, report, .. } = self;
        let mut told = BTreeSet::new();
        for reading in restore.reading.values_mut().filter(|it| it.came != 0) {
            if mutant::is(Mutant::PositionFirst)
                && let Some(open) = tasks.iter_mut().find(|it| it.task.id == reading.task)
            {
                drop(open.store.write(&mut std::iter::empty(), &[(reading.store, reading.position)]));
            }
            let Some(progress) = restore.progress.get_mut(&reading.task) else { continue };
            progress.read += mem::take(&mut reading.came);
            if progress.told + TELL_EVERY < now {
                progress.told = now;
                told.insert(reading.task.clone());
            }
        }
        for task in told {
            if let Some((done, of)) = restore.progress(&task) {
                report(&Change::RestoreProgress { task, done, of });
            }
        }
    }

    /// Gives the stores what is read to its end; and when there is no room for more, what there is most of, so that stores write few
    /// and large files. What has waited for a busy store is not overtaken by less.
    fn give_gathered(&mut self) {
        let mut left = self.restore.gathered();
        let mut waiting = Vec::new();
        for (changelog, reading) in self.restore.reading.iter().filter(|(_, it)| !it.given) {
            waiting.push((Reverse((reading.ended, reading.held())), reading.task.clone(), *changelog));
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
        match offer(reading, &mut *open.store) {
            Ok(taken) => taken,
            Err(error) => {
                let task = reading.task.clone();
                self.not_written(&task, &error);
                true
            }
        }
    }

    /// A store could not be written: what it lacks is read again a little later.
    fn not_written(&mut self, task: &str, error: &StoreError) {
        let index = self.tasks.iter().position(|it| it.task.id == task);
        if let (StoreError::Foreign(reason), Some(index)) = (error, index) {
            return self.stop_task(index, reason.clone());
        }
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

    pub(in crate::runtime) fn restore_refused(&mut self, index: usize, failed: Failed) {
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
