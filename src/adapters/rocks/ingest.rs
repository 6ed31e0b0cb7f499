//! What a restore brings goes into a store as whole table files, made on a thread of their own: no log, no memtable, and few files.
//!
//! A file is in the database with all it has or not at all, and durable from then on; the position is noted behind it. A crash in between
//! leaves entries of which the position does not tell: they are read once more and overwrite themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};

use rocksdb::{DB, Error, IngestExternalFileOptions, SstFileWriter};

use crate::adapters::rocks::options::Resources;
use crate::engine::record::Offset;
use crate::runtime::ports::StoreError;
use crate::runtime::restore::bulk::Bulk;

/// In a task's directory: a file that is being made. RocksDB takes no notice of it.
const FILE: &str = "restoring.new";
/// Files that are made at the same time, in the whole process: each holds what was gathered for it.
const AT_ONCE: usize = 2;

/// How many files are being made.
#[derive(Default)]
pub(super) struct Slots(AtomicUsize);

/// One of [`AT_ONCE`]; given back when it is dropped.
struct Slot(Arc<Resources>);

impl Slot {
    fn take(resources: &Arc<Resources>) -> Option<Self> {
        let more = |taken: usize| (taken < AT_ONCE).then_some(taken + 1);
        let taken = resources.slots().0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.is_ok().then(|| Self(Arc::clone(resources)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.slots().0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Where the entries go.
pub(super) struct Target {
    pub db: Arc<DB>,
    /// The task's directory.
    pub path: PathBuf,
    /// The store's column family.
    pub column: String,
    /// The key of its position, in the default column family.
    pub position: String,
}

/// A file being made and taken in.
pub(super) struct Ingestion(JoinHandle<Result<(), Error>>);

impl Ingestion {
    /// Begins, unless as many are under way as may be: then the bulk is given back.
    pub(super) fn begin(
        resources: &Arc<Resources>,
        target: Target,
        bulk: Bulk,
        from: Offset,
        to: Offset,
    ) -> Result<Result<Self, Bulk>, StoreError> {
        let Some(slot) = Slot::take(resources) else { return Ok(Err(bulk)) };
        let path = target.path.clone();
        let run = move || {
            let result = target.ingest(&slot.0, bulk, from, to);
            drop(slot);
            result
        };
        let thread = Builder::new().name("restore".to_owned()).spawn(run);
        let thread = thread.map_err(|error| StoreError::Io(format!("restore {}: no thread: {error}", path.display())))?;
        Ok(Ok(Self(thread)))
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for its end. `None`: it ended by a mistake of ours.
    pub(super) fn end(self) -> Option<Result<(), Error>> {
        self.0.join().ok()
    }
}

impl Target {
    fn ingest(&self, resources: &Resources, mut bulk: Bulk, from: Offset, to: Offset) -> Result<(), Error> {
        bulk.sort();
        let file = self.path.join(FILE);
        let done = self.make(resources, &bulk, &file).and_then(|()| {
            drop(bulk);
            self.take_in(&file, from, to)
        });
        if done.is_err() {
            // What room it took is given back; it is removed once more before the next one is made.
            fs::remove_file(&file).ok();
        }
        done
    }

    fn make(&self, resources: &Resources, bulk: &Bulk, file: &Path) -> Result<(), Error> {
        // It may be the second name of a file that the database has: that one must not be written over.
        fs::remove_file(file).ok();
        let mut writer = SstFileWriter::create(resources.store());
        writer.open(file)?;
        for (key, value) in bulk.sorted() {
            match value {
                Some(value) => writer.put(key, value)?,
                None => writer.delete(key)?,
            }
        }
        writer.finish()
    }

    fn take_in(&self, file: &Path, from: Offset, to: Offset) -> Result<(), Error> {
        let Some(column) = self.db.cf_handle(&self.column) else { return Ok(()) };
        // Entries are never there without any position, not even after a power loss: without one, files count as empty.
        if self.db.get_pinned(&self.position)?.is_none() {
            self.db.put(&self.position, from.to_be_bytes())?;
        }
        let sync = true;
        self.db.flush_wal(sync)?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        self.db.ingest_external_file_cf_opts(column, &options, vec![file])?;
        self.db.put(&self.position, to.to_be_bytes())
    }
}

/// Removes what a crash has left of a file that was being made.
pub(super) fn clean(path: &Path) {
    // If it can't be removed now, it is before the next one is made.
    fs::remove_file(path.join(FILE)).ok();
}
