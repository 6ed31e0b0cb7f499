//! Stores in memory, which outlive the tasks that open them as files would.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::plan::StorePlan;
use crate::engine::record::Offset;
use crate::runtime::operations::access::{StateReader, StoreSize};
use crate::runtime::ports::{Store, StoreError, Stores, TaskStores};
use crate::runtime::restore::bulk::Bulk;

/// A slice of a scan by a reader.
const SLICE_ENTRIES: usize = 256;

/// The stores of all tasks. A clone holds the same ones.
#[derive(Debug, Clone, Default)]
pub struct MemoryStores(Arc<Mutex<BTreeMap<String, Task>>>);

/// What the files of a task would hold.
#[derive(Debug)]
struct Task {
    partitions: i32,
    plans: Vec<StorePlan>,
    contents: Arc<Mutex<Vec<Contents>>>,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    position: Option<Offset>,
}

impl Task {
    fn is_open(&self) -> bool {
        Arc::strong_count(&self.contents) > 1
    }

    fn is_of(&self, task: &TaskStores<'_>) -> bool {
        // The changelog is a number of the plan, which may differ where the stores are the same.
        let shape = |it: &StorePlan| (it.id.clone(), it.kind, it.key.clone(), it.value.clone());
        self.partitions == task.partitions && self.plans.iter().map(shape).eq(task.plan.stores.iter().map(shape))
    }
}

impl MemoryStores {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tasks that have stores, open or not, sorted.
    #[must_use]
    pub fn tasks(&self) -> Vec<String> {
        locked(&self.0).keys().cloned().collect()
    }

    /// The committed entries of a task's store, in the order of keys; `None`: there is no such store.
    #[must_use]
    pub fn entries(&self, task: &str, store: &str) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let tasks = locked(&self.0);
        let task = tasks.get(task)?;
        let index = task.plans.iter().position(|plan| plan.id == store)?;
        let contents = locked(&task.contents);
        Some(contents.get(index)?.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// Removes a task's stores, as if its directory had been lost.
    pub fn remove(&self, task: &str) {
        locked(&self.0).remove(task);
    }
}

impl Stores for MemoryStores {
    fn open(&mut self, task: &TaskStores<'_>, fresh: bool) -> Result<Box<dyn Store>, StoreError> {
        let mut tasks = locked(&self.0);
        if let Some(found) = tasks.get(task.task) {
            if found.is_open() {
                return Err(StoreError::Locked(format!("the stores of task {} are open already", task.task)));
            }
            if !fresh && !found.is_of(task) {
                let text = format!("the stores of task {} were of other types, or of another number of partitions", task.task);
                return Err(StoreError::Foreign(text));
            }
        }
        if fresh {
            tasks.remove(task.task);
        }
        let found = tasks.entry(task.task.to_owned()).or_insert_with(|| Task {
            partitions: task.partitions,
            plans: task.plan.stores.clone(),
            contents: Arc::new(Mutex::new(vec![Contents::default(); task.plan.stores.len()])),
        });
        Ok(Box::new(MemoryStore { task: task.task.to_owned(), contents: Arc::clone(&found.contents) }))
    }
}

impl MemoryStores {
    /// Reads a store of an open task. What is shared is held meanwhile, so that no reader counts as one who has the task open.
    fn read<T>(&self, task: &str, store: &str, read: impl FnOnce(&Contents) -> T) -> Result<T, StoreError> {
        let tasks = locked(&self.0);
        let found = tasks.get(task).filter(|it| it.is_open());
        let found = found.ok_or_else(|| StoreError::Io(format!("task {task} is not open here")))?;
        let index = found.plans.iter().position(|plan| plan.id == store);
        let contents = locked(&found.contents);
        let contents = index.and_then(|it| contents.get(it));
        contents.map(read).ok_or_else(|| StoreError::Io(format!("task {task} has no store {store}")))
    }
}

impl StateReader for MemoryStores {
    fn tasks(&self) -> Vec<String> {
        locked(&self.0).iter().filter(|(_, it)| it.is_open()).map(|(task, _)| task.clone()).collect()
    }

    fn get(&self, task: &str, store: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(task, store, |it| it.entries.get(key).cloned())
    }

    /// In slices, so that a reader does not hold the task up. Not one picture of the store: what a commit changes behind the slices
    /// that were read is seen.
    fn scan(&self, task: &str, store: &str, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let mut from = Bound::Included(from.to_vec());
        loop {
            let slice: Vec<(Vec<u8>, Vec<u8>)> = self.read(task, store, |it| {
                let entries = it.entries.range((from.clone(), Bound::Unbounded)).take(SLICE_ENTRIES);
                entries.map(|(key, value)| (key.clone(), value.clone())).collect()
            })?;
            if !slice.iter().all(|(key, value)| entry(key, value)) || slice.len() < SLICE_ENTRIES {
                return Ok(());
            }
            from = slice.into_iter().last().map_or(Bound::Unbounded, |(key, _)| Bound::Excluded(key));
        }
    }

    fn size(&self, task: &str, store: &str) -> Result<StoreSize, StoreError> {
        self.read(task, store, |it| {
            let count = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
            let bytes = it.entries.iter().map(|(key, value)| count(key.len() + value.len())).sum();
            StoreSize { entries: count(it.entries.len()), bytes }
        })
    }
}

/// The stores of one task, open.
#[derive(Debug)]
pub struct MemoryStore {
    task: String,
    contents: Arc<Mutex<Vec<Contents>>>,
}

impl MemoryStore {
    fn missing(&self, store: usize) -> StoreError {
        StoreError::Io(format!("task {} has no store {store}", self.task))
    }
}

impl Store for MemoryStore {
    fn get(&mut self, store: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        value.clear();
        let contents = locked(&self.contents);
        let found = contents.get(store).ok_or_else(|| self.missing(store))?.entries.get(key);
        if let Some(found) = found {
            value.extend_from_slice(found);
        }
        Ok(found.is_some())
    }

    fn write(
        &mut self,
        batch: &mut dyn Iterator<Item = (usize, &[u8], Option<&[u8]>)>,
        positions: &[(usize, Offset)],
    ) -> Result<(), StoreError> {
        let batch: Vec<_> = batch.collect();
        let mut contents = locked(&self.contents);
        // All or nothing: a store that does not exist is found before anything is written.
        let named = batch.iter().map(|(store, ..)| *store).chain(positions.iter().map(|(store, _)| *store));
        if let Some(missing) = named.into_iter().find(|store| *store >= contents.len()) {
            return Err(self.missing(missing));
        }
        for (store, key, value) in batch {
            let Some(Contents { entries, .. }) = contents.get_mut(store) else { continue };
            match value {
                Some(value) => entries.insert(key.to_vec(), value.to_vec()),
                None => entries.remove(key),
            };
        }
        for (store, position) in positions {
            if let Some(contents) = contents.get_mut(*store) {
                contents.position = Some(*position);
            }
        }
        Ok(())
    }

    fn restore(&mut self, store: usize, mut bulk: Bulk, offsets: Range<Offset>) -> Result<Option<Bulk>, StoreError> {
        bulk.sort();
        self.write(&mut bulk.sorted().map(|(key, value)| (store, key, value)), &[(store, offsets.end)])?;
        Ok(None)
    }

    fn restored(&mut self) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn positions(&mut self) -> Result<Vec<Option<Offset>>, StoreError> {
        Ok(locked(&self.contents).iter().map(|it| it.position).collect())
    }

    fn scan(&mut self, store: usize, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let contents = locked(&self.contents);
        let found = contents.get(store).ok_or_else(|| self.missing(store))?;
        for (key, value) in found.entries.range(from.to_vec()..) {
            if !entry(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
