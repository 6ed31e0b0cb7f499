//! Reads the databases that workers have open, from other threads.
//!
//! A worker uses its database without any lock. A reader takes part in it for a slice at a time, under a lock that the worker takes
//! only to close the database or to open it again: so a reader can hold a task back for one slice, and never for longer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, ReadOptions};

use super::RocksStores;
use super::store::{column_name, store_error};
use crate::runtime::operations::access::{StateMemory, StateReader, StoreSize};
use crate::runtime::ports::StoreError;

/// A slice of a scan ends after so many entries, or so many bytes.
const SLICE_ENTRIES: usize = 256;
const SLICE_BYTES: usize = 1 << 20;

/// The databases that are open in this process, by task.
#[derive(Default)]
pub(super) struct Opened(Mutex<BTreeMap<String, Arc<Shared>>>);

/// A task's database as readers see it.
pub(super) struct Shared {
    path: PathBuf,
    /// `None`: it is closed, or closed for a moment to be opened again.
    db: RwLock<Option<Arc<DB>>>,
}

impl Opened {
    /// Lets readers in.
    pub(super) fn add(&self, task: &str, path: &Path, db: Arc<DB>) -> Arc<Shared> {
        let shared = Arc::new(Shared { path: path.to_owned(), db: RwLock::new(Some(db)) });
        self.lock().insert(task.to_owned(), Arc::clone(&shared));
        shared
    }

    pub(super) fn remove(&self, task: &str) {
        self.lock().remove(task);
    }

    fn tasks(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn of(&self, task: &str) -> Result<Arc<Shared>, StoreError> {
        let found = self.lock().get(task).cloned();
        found.ok_or_else(|| StoreError::Io(format!("task {task} is not open here")))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Shared>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Lets no reader in any more, and waits for the slices under way; or lets them in again.
    pub(super) fn set(&self, db: Option<Arc<DB>>) {
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = db;
    }

    fn read<T>(&self, read: impl FnOnce(&DB, &Path) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        match db.as_deref() {
            Some(db) => read(db, &self.path),
            None => Err(StoreError::Io(format!("{} is closed: its task has moved away, or its disk is full", self.path.display()))),
        }
    }
}

impl StateReader for RocksStores {
    fn tasks(&self) -> Vec<String> {
        self.opened.tasks()
    }

    fn get(&self, task: &str, store: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.opened.of(task)?.read(|db, path| get(db, path, store, key))
    }

    /// Not one picture of the store: what a commit changes behind the slices that were read is seen.
    fn scan(&self, task: &str, store: &str, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let shared = self.opened.of(task)?;
        scan(from, entry, |from, slice| shared.read(|db, path| fill(db, path, store, from, slice)))
    }

    fn size(&self, task: &str, store: &str) -> Result<StoreSize, StoreError> {
        self.opened.of(task)?.read(|db, path| size(db, path, store))
    }

    fn memory(&self) -> Option<StateMemory> {
        Some(self.resources.memory())
    }
}

/// A key's value.
pub(super) fn get(db: &DB, path: &Path, store: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    db.get_cf(column(db, path, store)?, key).map_err(|error| store_error("read", path, &error))
}

/// Entries, a slice at a time, handed out between slices.
pub(super) fn scan(
    from: &[u8],
    entry: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    mut fill: impl FnMut(&[u8], &mut Slice) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (mut from, mut slice) = (from.to_vec(), Slice::default());
    loop {
        slice.clear();
        fill(&from, &mut slice)?;
        for (key, value) in &slice.entries {
            if !entry(key, value) {
                return Ok(());
            }
        }
        let Some((last, _)) = slice.entries.last().filter(|_| slice.is_full()) else { return Ok(()) };
        // The least key that is greater.
        from.clear();
        from.extend_from_slice(last);
        from.push(0);
    }
}

type Bytes = Box<[u8]>;

/// A part of a scan.
#[derive(Default)]
pub(super) struct Slice {
    entries: Vec<(Bytes, Bytes)>,
    bytes: usize,
}

impl Slice {
    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    fn is_full(&self) -> bool {
        SLICE_ENTRIES <= self.entries.len() || SLICE_BYTES <= self.bytes
    }
}

/// Reads the entries of a slice.
pub(super) fn fill(db: &DB, path: &Path, store: &str, from: &[u8], slice: &mut Slice) -> Result<(), StoreError> {
    let mut options = ReadOptions::default();
    // What somebody looks at once does not push out what records need.
    options.fill_cache(false);
    let column = column(db, path, store)?;
    for item in db.iterator_cf_opt(column, options, IteratorMode::From(from, Direction::Forward)) {
        let (key, value) = item.map_err(|error| store_error("read", path, &error))?;
        slice.bytes += key.len() + value.len();
        slice.entries.push((key, value));
        if slice.is_full() {
            break;
        }
    }
    Ok(())
}

/// The size of a store: its files, and what is not in them yet.
pub(super) fn size(db: &DB, path: &Path, store: &str) -> Result<StoreSize, StoreError> {
    let column = column(db, path, store)?;
    let property = |name: &str| {
        let found = db.property_int_value_cf(column, name).map_err(|error| store_error("read", path, &error))?;
        Ok::<u64, StoreError>(found.unwrap_or(0))
    };
    let files = property("rocksdb.live-sst-files-size")?;
    Ok(StoreSize {
        entries: property("rocksdb.estimate-num-keys")?,
        bytes: files.saturating_add(property("rocksdb.cur-size-all-mem-tables")?),
    })
}

fn column<'d>(db: &'d DB, path: &Path, store: &str) -> Result<&'d ColumnFamily, StoreError> {
    db.cf_handle(&column_name(store)).ok_or_else(|| StoreError::Io(format!("{} has no store {store}", path.display())))
}
