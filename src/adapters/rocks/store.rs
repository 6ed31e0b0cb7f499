//! The stores of one task in one RocksDB.
//!
//! A store's writes and the changelog offset that they correspond to go to disk in one batch, so the two never part: after any
//! crash the files are at some offset of the past, and the changelog has the rest. Only a restore writes entries first and the offset
//! behind them (see `ingest`), and no one reads them before it is done: it begins once more where the offset says.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rocksdb::perf::{PerfStatsLevel, set_perf_stats};
use rocksdb::{ColumnFamily, DB, Direction, ErrorKind, IteratorMode, WriteBatch};

use crate::adapters::rocks::directory::{Directory, Entered, failed};
use crate::adapters::rocks::ingest::{self, Ingestion, Target};
use crate::adapters::rocks::manifest::{self, Manifest};
use crate::adapters::rocks::options::Resources;
use crate::adapters::rocks::readers::{Opened, Shared};
use crate::engine::record::Offset;
use crate::runtime::ports::{Store, StoreError, TaskStores};
use crate::runtime::restore::bulk::Bulk;

/// In the default column family: `position/<store id>` → the changelog offset, 8 bytes big-endian.
const POSITION: &str = "position/";
/// A store's column family is `store/<store id>`, so that a store may be called `default`.
const COLUMN: &str = "store/";
/// In a task's directory: damage was found, and what it was.
pub(super) const DAMAGED: &str = "damaged";
/// After a disk was full: room that must be there before the database is opened again, bytes.
const ROOM_TO_REOPEN: u64 = 4 << 20;
/// What a restore brings is written as a file of its own from this size on, bytes. Less of it goes the way of all writes.
const WORTH_A_FILE_BYTES: usize = 512 << 10;

/// A task's stores: a column family each.
pub struct RocksStore {
    /// `None` while it could not be opened again after the disk was full. Readers share it for moments.
    db: Option<Arc<DB>>,
    /// The stores, by index.
    names: Vec<Names>,
    resources: Arc<Resources>,
    task: String,
    opened: Arc<Opened>,
    shared: Arc<Shared>,
    /// What a restore brought and is being written.
    ingestion: Option<Ingestion>,
    /// The disk was full while that was written: the database is to be opened again before anything else is written.
    was_full: bool,
    /// Dropped last: until the database is closed, the directory is in use.
    entered: Entered,
}

/// What a store is called in the database.
struct Names {
    column: String,
    position: String,
}

impl Names {
    fn of(id: &str) -> Self {
        Self { column: column_name(id), position: format!("{POSITION}{id}") }
    }
}

/// The column family of a store.
pub(super) fn column_name(id: &str) -> String {
    format!("{COLUMN}{id}")
}

impl RocksStore {
    /// Opens or creates the stores of a task; `fresh` throws away what is there first. Readers find it in `opened`.
    ///
    /// # Errors
    /// See [`crate::runtime::ports::Stores::open`].
    pub(super) fn open(
        directory: &Arc<Directory>,
        resources: Arc<Resources>,
        opened: Arc<Opened>,
        task: &TaskStores<'_>,
        fresh: bool,
    ) -> Result<Self, StoreError> {
        let entered = directory.enter(task.task)?;
        if !fresh {
            check_age(&entered.path, resources.stale_after())?;
        }
        let names: Vec<Names> = task.plan.stores.iter().map(|store| Names::of(&store.id)).collect();
        if fresh {
            entered.wipe(entered.path.join(DAMAGED).exists())?;
        }
        let prepared = prepare(&entered.path, &Manifest::of(task));
        let found = prepared.and_then(|()| open_database(&entered.path, &resources, &names));
        let db = Arc::new(found.map_err(|error| noted(error, &entered.path))?);
        // For the thread that opens it, which reads and writes it, too: RocksDB counts what it does, each comparison of two keys among it,
        // and nobody asks.
        set_perf_stats(PerfStatsLevel::Disable);
        let shared = opened.add(task.task, &entered.path, Arc::clone(&db));
        let (task, ingestion, was_full) = (task.task.to_owned(), None, false);
        Ok(Self { db: Some(db), names, resources, task, opened, shared, ingestion, was_full, entered })
    }

    fn db(&self) -> Result<&DB, StoreError> {
        self.db.as_deref().ok_or_else(|| StoreError::Full(format!("{} could not be opened again yet", self.entered.path.display())))
    }

    fn column<'a>(&self, db: &'a DB, store: usize) -> Result<&'a ColumnFamily, StoreError> {
        let found = self.names.get(store).and_then(|it| db.cf_handle(&it.column));
        found.ok_or_else(|| StoreError::Io(format!("{} has no store {store}", self.entered.path.display())))
    }

    fn error(&self, action: &str, error: &rocksdb::Error) -> StoreError {
        noted(store_error(action, &self.entered.path, error), &self.entered.path)
    }

    fn batch(
        &self,
        writes: &mut dyn Iterator<Item = (usize, &[u8], Option<&[u8]>)>,
        positions: &[(usize, Offset)],
    ) -> Result<WriteBatch, StoreError> {
        let db = self.db()?;
        let columns: Vec<&ColumnFamily> = (0..self.names.len()).map(|store| self.column(db, store)).collect::<Result<_, _>>()?;
        let no_store = |store: usize| StoreError::Io(format!("{} has no store {store}", self.entered.path.display()));
        // In the order of keys, one is inserted next to the one before. Measured: a third of what a batch in the order of events costs.
        // Of several writes of a key, the last must stay the last: the sort is stable.
        let mut writes: Vec<_> = writes.collect();
        writes.sort_by(|(store, key, _), (other_store, other_key, _)| (store, key).cmp(&(other_store, other_key)));
        let mut batch = WriteBatch::default();
        for (store, key, value) in writes {
            let column = columns.get(store).ok_or_else(|| no_store(store))?;
            match value {
                Some(value) => batch.put_cf(column, key, value),
                None => batch.delete_cf(column, key),
            }
        }
        for (store, position) in positions {
            let names = self.names.get(*store).ok_or_else(|| no_store(*store))?;
            batch.put(&names.position, position.to_be_bytes());
        }
        Ok(batch)
    }

    /// Waits until all is written that a restore brought.
    fn settle(&mut self) -> Result<(), StoreError> {
        let Some(ingestion) = self.ingestion.take() else { return Ok(()) };
        let path = self.entered.path.display();
        match ingestion.end() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                let error = self.error("restore", &error);
                self.was_full = matches!(error, StoreError::Full(_));
                Err(error)
            }
            None => Err(StoreError::Io(format!("restore {path}: the thread that wrote it has panicked"))),
        }
    }

    /// Ready to be written.
    fn ready(&mut self) -> Result<(), StoreError> {
        self.settle()?;
        if self.db.is_none() || self.was_full {
            self.reopen()?;
        }
        Ok(())
    }

    /// After the disk was full, RocksDB refuses all writes until it is opened again.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let path = &self.entered.path;
        let room = fs4::available_space(path).map_err(|error| failed("look at the room of", path, &error, "check the disk"))?;
        if room < ROOM_TO_REOPEN {
            return Err(StoreError::Full(format!("{}: {room} bytes are free, {ROOM_TO_REOPEN} are needed", path.display())));
        }
        // Closed before it is opened, since it holds its own lock.
        self.shared.set(None);
        self.db = None;
        let db = Arc::new(open_database(path, &self.resources, &self.names).map_err(|error| noted(error, path))?);
        self.shared.set(Some(Arc::clone(&db)));
        self.db = Some(db);
        self.was_full = false;
        Ok(())
    }
}

impl Drop for RocksStore {
    /// No reader keeps the database open: whoever opens it next finds it closed.
    fn drop(&mut self) {
        // What could not be written is read again.
        self.settle().ok();
        self.opened.remove(&self.task);
        self.shared.set(None);
    }
}

/// Deletions stay in a compacted changelog for a while only: a store that was not written since then may have what is deleted.
fn check_age(path: &Path, stale_after: Duration) -> Result<(), StoreError> {
    let Ok(files) = fs::read_dir(path) else { return Ok(()) };
    let written = files.filter_map(|it| it.ok()?.metadata().ok()?.modified().ok()).max();
    match written.and_then(|it| it.elapsed().ok()) {
        Some(age) if stale_after < age => Err(StoreError::Stale(format!(
            "it was last written {} h ago, and the changelog keeps deletions for {} h (delete.retention.ms)",
            age.as_secs() / 3600,
            stale_after.as_secs() / 3600
        ))),
        _ => Ok(()),
    }
}

impl Store for RocksStore {
    fn get(&mut self, store: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        value.clear();
        self.settle()?;
        let db = self.db()?;
        let found = db.get_pinned_cf(self.column(db, store)?, key).map_err(|error| self.error("read", &error))?;
        if let Some(found) = &found {
            value.extend_from_slice(found);
        }
        Ok(found.is_some())
    }

    fn write(
        &mut self,
        batch: &mut dyn Iterator<Item = (usize, &[u8], Option<&[u8]>)>,
        positions: &[(usize, Offset)],
    ) -> Result<(), StoreError> {
        self.ready()?;
        let batch = self.batch(batch, positions)?;
        // Encoded column families and keys: good for the database as it will be opened again, too.
        let again = WriteBatch::from_data(batch.data());
        match self.db()?.write(batch).map_err(|error| self.error("write", &error)) {
            Err(StoreError::Full(_)) => {
                self.reopen()?;
                self.db()?.write(again).map_err(|error| self.error("write", &error))
            }
            result => result,
        }
    }

    fn restore(&mut self, store: usize, mut bulk: Bulk, offsets: Range<Offset>) -> Result<Option<Bulk>, StoreError> {
        if !self.restored()? {
            return Ok(Some(bulk));
        }
        if bulk.bytes() < WORTH_A_FILE_BYTES {
            bulk.sort();
            self.write(&mut bulk.sorted().map(|(key, value)| (store, key, value)), &[(store, offsets.end)])?;
            return Ok(None);
        }
        self.ready()?;
        let (Some(db), Some(names)) = (&self.db, self.names.get(store)) else {
            return Err(StoreError::Io(format!("{} has no store {store}", self.entered.path.display())));
        };
        let target =
            Target { db: Arc::clone(db), path: self.entered.path.clone(), column: names.column.clone(), position: names.position.clone() };
        match Ingestion::begin(&self.resources, target, bulk, offsets.start, offsets.end)? {
            Ok(begun) => {
                self.ingestion = Some(begun);
                Ok(None)
            }
            Err(bulk) => Ok(Some(bulk)),
        }
    }

    fn restored(&mut self) -> Result<bool, StoreError> {
        if self.ingestion.as_ref().is_some_and(|it| !it.has_ended()) {
            return Ok(false);
        }
        self.settle()?;
        Ok(true)
    }

    fn positions(&mut self) -> Result<Vec<Option<Offset>>, StoreError> {
        self.settle()?;
        let db = self.db()?;
        let position = |names: &Names| {
            let found = db.get_pinned(&names.position).map_err(|error| self.error("read", &error))?;
            let Some(found) = found else { return Ok(None) };
            let bytes = <[u8; 8]>::try_from(found.as_ref()).map_err(|_| {
                let text = format!("{}: {} is {} bytes long, not 8", self.entered.path.display(), names.position, found.len());
                noted(StoreError::Damaged(text), &self.entered.path)
            })?;
            Ok(Some(Offset::from_be_bytes(bytes)))
        };
        self.names.iter().map(position).collect()
    }

    fn scan(&mut self, store: usize, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.settle()?;
        let db = self.db()?;
        for item in db.iterator_cf(self.column(db, store)?, IteratorMode::From(from, Direction::Forward)) {
            let (key, value) = item.map_err(|error| self.error("read", &error))?;
            if !entry(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.settle()?;
        let sync = true;
        self.db()?.flush_wal(sync).map_err(|error| self.error("write", &error))
    }
}

/// Makes sure that the directory is the task's: its manifest says so, or there was nothing.
fn prepare(path: &Path, wanted: &Manifest) -> Result<(), StoreError> {
    let hint = "check the permissions of `state.dir`";
    fs::create_dir_all(path).map_err(|error| failed("make", path, &error, hint))?;
    let damage = path.join(DAMAGED);
    if damage.exists() {
        let what = fs::read_to_string(&damage).unwrap_or_default();
        return Err(StoreError::Damaged(format!("{}: found before: {}", path.display(), what.trim())));
    }
    let files = files(path).map_err(|error| failed("read", path, &error, hint))?;
    match Manifest::read(path)? {
        Some(found) => {
            found.check(wanted, path)?;
            // Before anything is written that an older version would not find.
            if found.format == wanted.format { Ok(()) } else { write_manifest(wanted, path) }
        }
        // A half-written manifest is what a crash leaves of a directory's first moment.
        None if files.iter().all(|name| name.ends_with(".new")) => write_manifest(wanted, path),
        None => Err(StoreError::Foreign(format!(
            "{} holds files but no {}: it was not made by goyt, or that file was removed; move the directory away",
            path.display(),
            manifest::FILE
        ))),
    }
}

fn write_manifest(wanted: &Manifest, path: &Path) -> Result<(), StoreError> {
    wanted.write(path).map_err(|error| failed("write the manifest in", path, &error, "check the permissions of `state.dir`"))
}

fn files(path: &Path) -> std::io::Result<Vec<String>> {
    fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn open_database(path: &Path, resources: &Resources, names: &[Names]) -> Result<DB, StoreError> {
    ingest::clean(path);
    let columns = names.iter().map(|it| (it.column.as_str(), resources.store().clone()));
    DB::open_cf_with_opts(resources.database(), path, columns).map_err(|error| store_error("open", path, &error))
}

/// What an error of RocksDB means. Its kinds are coarse, the rest is in its text, which begins with the kind.
pub(super) fn store_error(action: &str, path: &Path, error: &rocksdb::Error) -> StoreError {
    let reason = error.to_string();
    let text = format!("{action} {}: {reason}", path.display());
    let says = |part: &str| reason.contains(part);
    if says("No space left on device") || says("Disk quota exceeded") || says("Space limit reached") {
        StoreError::Full(text)
    } else if error.kind() == ErrorKind::Corruption || says("No such file or directory") {
        StoreError::Damaged(text)
    } else if says("/LOCK: ") {
        StoreError::Locked(format!("{text}; another program has this database open"))
    } else if says("Too many open files") {
        StoreError::Io(format!("{text}; raise the limit of open files (`ulimit -n`)"))
    } else if error.kind() == ErrorKind::InvalidArgument && says("olumn famil") {
        StoreError::Foreign(format!("{text}; the database holds stores that {} does not name: move it away", manifest::FILE))
    } else {
        StoreError::Io(text)
    }
}

/// Leaves a note of damage in the directory: files that were found damaged once are never read again, not by the next process either.
fn noted(error: StoreError, path: &Path) -> StoreError {
    if let StoreError::Damaged(text) = &error {
        // Without the note the damage is found again where it is read again: no reason to fail otherwise.
        fs::write(path.join(DAMAGED), text).ok();
    }
    error
}
