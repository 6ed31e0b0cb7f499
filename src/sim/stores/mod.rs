//! The disk of one simulated process: stores in memory that lose un-synced batches, tear, rot and fill up as files do.

mod files;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::record::Offset;
use crate::runtime::operations::access::{StateReader, StoreSize};
use crate::runtime::ports::{Store, StoreError, Stores, TaskStores};
use crate::runtime::restore::bulk::Bulk;
use crate::sim::random::Random;

use files::Files;

/// A process's disk. A clone is the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimStores(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    tasks: BTreeMap<String, Files>,
    full: bool,
    /// Handles so far: each has its number, so that one of a dead process is told from the one that came after it.
    handles: u64,
}

impl SimStores {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The process is killed: its handles are dead and its locks are given back. The disk has all that was written; what a restore brought
    /// and was under way, not at all or without its position.
    pub fn crash(&self) {
        for files in self.disk().tasks.values_mut() {
            files.holder = None;
            files.lose_process();
        }
    }

    /// The machine loses power: as [`SimStores::crash`], and of each task some of the last batches that were not synced are lost.
    /// Where some are, the files may be torn: then they are damaged when they are opened next.
    pub fn power_loss(&self, random: &mut Random) {
        self.crash();
        self.disk().tasks.values_mut().for_each(|it| it.lose_power(random));
    }

    /// The disk is full, or has room again. On a full one every write, sync and opening fails, and nothing is half written.
    pub fn fill(&self, full: bool) {
        self.disk().full = full;
    }

    /// Flips a byte in the files of some task: whoever reads that place next is told of damage. Which task; `None`: there is none.
    pub fn damage(&self, random: &mut Random) -> Option<String> {
        let mut disk = self.disk();
        let index = random.index(disk.tasks.len());
        let (task, files) = disk.tasks.iter_mut().nth(index)?;
        files.spoil(random);
        Some(task.clone())
    }

    /// The files of all tasks count as older than the changelogs keep deletions: see [`StoreError::Stale`].
    pub fn age(&self) {
        self.disk().tasks.values_mut().for_each(|it| it.stale = true);
    }

    /// An empty disk takes the place of this one. The process is killed with it.
    pub fn wipe(&self) {
        self.disk().tasks.clear();
    }

    /// The tasks that have files, open or not, sorted.
    #[must_use]
    pub fn tasks(&self) -> Vec<String> {
        self.disk().tasks.keys().cloned().collect()
    }

    /// The tasks that are open, sorted.
    #[must_use]
    pub fn open_tasks(&self) -> Vec<String> {
        self.disk().tasks.iter().filter(|it| it.1.holder.is_some()).map(|it| it.0.clone()).collect()
    }

    /// The entries of a task's store as they were written, in the order of keys, damaged or not; `None`: there is no such store.
    #[must_use]
    pub fn entries(&self, task: &str, store: &str) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        self.disk().tasks.get(task)?.entries(store)
    }

    /// The changelog positions of a task's stores, in the order of the plan; `None`: it has no files.
    #[must_use]
    pub fn positions(&self, task: &str) -> Option<Vec<Option<Offset>>> {
        Some(self.disk().tasks.get(task)?.positions())
    }

    /// The least that may be left of them when the power is lost now.
    #[must_use]
    pub fn least_positions(&self, task: &str) -> Option<Vec<Option<Offset>>> {
        Some(self.disk().tasks.get(task)?.least_positions())
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a store of an open task.
    fn read<T>(&self, task: &str, store: &str, read: impl FnOnce(&Files, usize) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let disk = self.disk();
        let files = disk.tasks.get(task).filter(|it| it.holder.is_some());
        let files = files.ok_or_else(|| StoreError::Io(format!("task {task} is not open here")))?;
        let index = files.index(store).ok_or_else(|| StoreError::Io(format!("task {task} has no store {store}")))?;
        read(files, index)
    }
}

impl Disk {
    fn room(&self) -> Result<(), StoreError> {
        if self.full { Err(StoreError::Full("no space left on device".to_owned())) } else { Ok(()) }
    }
}

impl Stores for SimStores {
    fn open(&mut self, task: &TaskStores<'_>, fresh: bool) -> Result<Box<dyn Store>, StoreError> {
        let mut disk = self.disk();
        if disk.tasks.get(task.task).is_some_and(|it| it.holder.is_some()) {
            return Err(StoreError::Locked(format!("the stores of task {} are open already", task.task)));
        }
        if !fresh && let Some(files) = disk.tasks.get_mut(task.task) {
            let checked = files.check(task);
            if let Err(StoreError::Damaged(why)) = &checked {
                files.found.get_or_insert_with(|| why.clone());
            }
            checked?;
        }
        // A database that is opened writes.
        disk.room()?;
        if fresh {
            disk.tasks.remove(task.task);
        }
        disk.handles += 1;
        let handle = disk.handles;
        disk.tasks.entry(task.task.to_owned()).or_insert_with(|| Files::new(task)).holder = Some(handle);
        drop(disk);
        Ok(Box::new(SimStore { stores: self.clone(), task: task.task.to_owned(), handle }))
    }
}

impl StateReader for SimStores {
    fn tasks(&self) -> Vec<String> {
        self.open_tasks()
    }

    fn get(&self, task: &str, store: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(task, store, |files, index| Ok(files.get(index, key)?.cloned()))
    }

    fn scan(&self, task: &str, store: &str, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.read(task, store, |files, index| files.scan(index, from, entry))
    }

    fn size(&self, task: &str, store: &str) -> Result<StoreSize, StoreError> {
        let entries = self.read(task, store, |files, _| Ok(files.entries(store).unwrap_or_default()))?;
        let count = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
        let bytes = entries.iter().map(|(key, value)| count(key.len() + value.len())).sum();
        Ok(StoreSize { entries: count(entries.len()), bytes })
    }
}

/// The stores of one task, open, until it is dropped or its process is killed.
#[derive(Debug)]
struct SimStore {
    stores: SimStores,
    task: String,
    handle: u64,
}

impl SimStore {
    /// Does something with the files, if they are still this handle's; damage that is met is noted with them.
    fn with<T>(&self, run: impl FnOnce(&mut Files) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut disk = self.stores.disk();
        let files = disk.tasks.get_mut(&self.task).filter(|it| it.holder == Some(self.handle));
        let files = files.ok_or_else(|| StoreError::Io(format!("the process that had task {} open is dead", self.task)))?;
        let done = run(files);
        if let Err(StoreError::Damaged(why)) = &done {
            files.found.get_or_insert_with(|| why.clone());
        }
        done
    }

    /// All that a restore brought is written.
    fn settle(&self) -> Result<(), StoreError> {
        let room = self.stores.disk().room();
        self.with(|files| files.settle(room))
    }
}

impl Drop for SimStore {
    fn drop(&mut self) {
        self.settle().ok();
        if let Some(files) = self.stores.disk().tasks.get_mut(&self.task).filter(|it| it.holder == Some(self.handle)) {
            files.holder = None;
        }
    }
}

impl Store for SimStore {
    fn get(&mut self, store: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        self.settle()?;
        value.clear();
        self.with(|files| {
            let found = files.get(store, key)?;
            value.extend_from_slice(found.map(Vec::as_slice).unwrap_or_default());
            Ok(found.is_some())
        })
    }

    fn write(
        &mut self,
        batch: &mut dyn Iterator<Item = (usize, &[u8], Option<&[u8]>)>,
        positions: &[(usize, Offset)],
    ) -> Result<(), StoreError> {
        self.settle()?;
        self.stores.disk().room()?;
        self.with(|files| files.write(batch, positions))
    }

    fn restore(&mut self, store: usize, bulk: Bulk, offsets: Range<Offset>) -> Result<Option<Bulk>, StoreError> {
        if !self.restored()? {
            return Ok(Some(bulk));
        }
        self.with(|files| files.take(store, bulk, offsets))?;
        Ok(None)
    }

    /// What is under way is written at the next look: so it meets what happens in between.
    fn restored(&mut self) -> Result<bool, StoreError> {
        let busy = self.with(|files| Ok(files.is_taking()))?;
        self.settle()?;
        Ok(!busy)
    }

    fn positions(&mut self) -> Result<Vec<Option<Offset>>, StoreError> {
        self.settle()?;
        self.with(|files| Ok(files.positions()))
    }

    fn scan(&mut self, store: usize, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.settle()?;
        self.with(|files| files.scan(store, from, entry))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.settle()?;
        self.stores.disk().room()?;
        self.with(|files| Ok(files.sync()))
    }
}
