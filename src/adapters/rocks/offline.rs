//! The state directory of an application that does not run here, read without changing anything in it.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rocksdb::DB;

use super::directory::{LOCK, failed, file_name, held_by_another};
use super::manifest::Manifest;
use super::options::{Resources, RocksSettings};
use super::readers;
use super::store::{DAMAGED, column_name, store_error};
use crate::engine::plan::Plan;
use crate::runtime::operations::access::{StateReader, StoreSize};
use crate::runtime::ports::{StoreError, TaskStores};

/// The tasks' databases, opened for reading when they are first asked for.
pub struct OfflineStores {
    path: PathBuf,
    resources: Resources,
    /// What each task's directory holds.
    tasks: BTreeMap<String, Manifest>,
    open: Mutex<BTreeMap<String, Arc<DB>>>,
    /// Shared with other readers; while it is held, no instance starts on this directory. `None`: there is no lock file, as in a copy.
    _lock: Option<File>,
}

impl OfflineStores {
    /// Those tasks of `<state.dir>/<application.id>` that the plan has. Nothing is made when there is no such directory.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while an instance uses the directory; [`StoreError::Foreign`] when the stores are not those of the plan;
    /// [`StoreError::Io`] when there is no directory.
    pub fn open(state_dir: &Path, plan: &Plan) -> Result<Self, StoreError> {
        let path = state_dir.join(file_name(&plan.application_id, "application.id")?);
        let lock = share(&path)?;
        let mut tasks = BTreeMap::new();
        let hint = "`state.dir` and `application.id` say where it is";
        for entry in std::fs::read_dir(&path).map_err(|error| failed("read", &path, &error, hint))? {
            let entry = entry.map_err(|error| failed("read", &path, &error, hint))?;
            let Ok(task) = entry.file_name().into_string() else { continue };
            let part = plan.subtopologies.iter().find(|it| {
                let rest = task.strip_prefix(&format!("{}.{}_", it.topology, it.name));
                rest.is_some_and(|partition| partition.parse::<i32>().is_ok())
            });
            let Some(part) = part else { continue };
            let Some(manifest) = Manifest::read(&entry.path())? else { continue };
            manifest.check(&Manifest::of(&TaskStores { task: &task, plan: part, partitions: manifest.partitions }), &entry.path())?;
            tasks.insert(task, manifest);
        }
        Ok(Self { path, resources: Resources::new(&RocksSettings::default()), tasks, open: Mutex::default(), _lock: lock })
    }

    /// The number of partitions of a task's source topic when it last ran.
    #[must_use]
    pub fn partitions(&self, task: &str) -> Option<i32> {
        self.tasks.get(task).map(|it| it.partitions)
    }

    fn read<T>(&self, task: &str, read: impl FnOnce(&DB, &Path) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let path = self.path.join(task);
        let db = self.database(task, &path)?;
        read(&db, &path)
    }

    fn database(&self, task: &str, path: &Path) -> Result<Arc<DB>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = open.get(task) {
            return Ok(Arc::clone(db));
        }
        let manifest = self.tasks.get(task).ok_or_else(|| StoreError::Io(format!("{} has no task {task}", self.path.display())))?;
        if path.join(DAMAGED).exists() {
            return Err(StoreError::Damaged(format!("{}: it is restored when the instance starts", path.display())));
        }
        let columns = manifest.stores.keys().map(|id| (column_name(id), self.resources.store().clone()));
        let (may_have_a_log, database) = (false, self.resources.database());
        let db = DB::open_cf_with_opts_for_read_only(database, path, columns, may_have_a_log)
            .map_err(|error| store_error("open", path, &error))?;
        let db = Arc::new(db);
        open.insert(task.to_owned(), Arc::clone(&db));
        Ok(db)
    }
}

/// Holds the directory against instances, not against other readers.
fn share(path: &Path) -> Result<Option<File>, StoreError> {
    let lock_path = path.join(LOCK);
    let lock = match File::open(&lock_path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", &lock_path, &error, "check its permissions")),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(held_by_another(path, &lock_path)),
        Err(TryLockError::Error(error)) => Err(failed("lock", &lock_path, &error, "`state.dir` must be on a local file system")),
    }
}

impl StateReader for OfflineStores {
    fn tasks(&self) -> Vec<String> {
        self.tasks.keys().cloned().collect()
    }

    fn get(&self, task: &str, store: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(task, |db, path| readers::get(db, path, store, key))
    }

    fn scan(&self, task: &str, store: &str, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.read(task, |db, path| readers::scan(from, entry, |from, slice| readers::fill(db, path, store, from, slice)))
    }

    fn size(&self, task: &str, store: &str) -> Result<StoreSize, StoreError> {
        self.read(task, |db, path| readers::size(db, path, store))
    }
}
