//! The state directory of an application: who may use it, and which tasks' directories live how long in it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::adapters::rocks::manifest::write_whole;
use crate::engine::record::Millis;
use crate::runtime::operations::reset::LocalState;
use crate::runtime::ports::StoreError;

pub(super) const LOCK: &str = ".lock";
const INSTANCE_ID: &str = "instance.id";
/// Kafka allows 249 characters for names of members; `-<n>` is added to it.
const INSTANCE_ID_CHARS_MAX: usize = 200;
/// In a task's directory: since when it is nobody's, milliseconds since 1970.
const IDLE_SINCE: &str = "idle-since";
/// Behind the name of a task: its last damaged state.
const DAMAGED_SUFFIX: &str = ".damaged";

/// The directory `<state.dir>/<application.id>`, held by this process until it is dropped.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Tasks whose stores are open in this process.
    open: Mutex<BTreeSet<String>>,
    /// Holds the lock; the operating system gives it back however the process ends.
    _lock: File,
}

impl Directory {
    /// Takes the directory for this process, and makes it when it is missing.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it; [`StoreError::Io`] when it can't be made or written.
    pub fn take(state_dir: &Path, application_id: &str) -> Result<Arc<Self>, StoreError> {
        let path = state_dir.join(file_name(application_id, "application.id")?);
        let hint = "check that `state.dir` is a directory that this user may write to";
        fs::create_dir_all(&path).map_err(|error| failed("make", &path, &error, hint))?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| failed("open", &lock_path, &error, hint))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held_by_another(&path, &lock_path)),
            Err(TryLockError::Error(error)) => {
                return Err(failed("lock", &lock_path, &error, "`state.dir` must be on a local file system"));
            }
        }
        // Only for the message above: a full disk does not hinder the start.
        write_pid(&lock).ok();
        Ok(Arc::new(Self { path, open: Mutex::default(), _lock: lock }))
    }

    /// `<state.dir>/<application.id>`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The instance's id: the one given by the settings, else the one kept here, else a new one that is kept from now on.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it can't be read or kept, or is no name that Kafka takes.
    pub fn instance_id(&self, given: Option<&str>) -> Result<String, StoreError> {
        if let Some(given) = given {
            return checked_instance_id(given, "the setting `instance.id`");
        }
        let path = self.path.join(INSTANCE_ID);
        match fs::read_to_string(&path) {
            Ok(kept) => checked_instance_id(kept.trim_end(), &path.display().to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made = uuid::Uuid::new_v4().to_string();
                write_whole(&path, made.as_bytes()).map_err(|error| failed("write", &path, &error, "or set `instance.id`"))?;
                Ok(made)
            }
            Err(error) => Err(failed("read", &path, &error, "or set `instance.id`")),
        }
    }

    /// Removes directories of tasks that have been elsewhere for `delay`, and returns their names. `active` are the tasks that
    /// this process has; `now` is wall-clock time. To be called from time to time: the delay begins with the call that first finds a
    /// task gone, and goes on over restarts.
    ///
    /// # Errors
    /// When the directory can't be read or something in it can't be removed; the others are removed all the same.
    pub fn clean(&self, active: &BTreeSet<String>, now: Millis, delay: Duration) -> Result<Vec<String>, StoreError> {
        let delay_ms = Millis::try_from(delay.as_millis()).unwrap_or(Millis::MAX);
        let (mut removed, mut first_error) = (Vec::new(), None);
        // Held to the end, so that nobody opens what is being removed.
        let open = self.open();
        for task in self.tasks()? {
            if active.contains(&task) || open.contains(&task) {
                continue;
            }
            match clean_one(&self.path.join(&task), now, delay_ms) {
                Ok(true) => removed.push(task),
                Ok(false) => {}
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(removed), Err)
    }

    /// Notes that a task's stores are open here, until the result is dropped.
    pub(super) fn enter(self: &Arc<Self>, task: &str) -> Result<Entered, StoreError> {
        let path = self.task_path(task)?;
        if !self.open().insert(task.to_owned()) {
            return Err(StoreError::Locked(format!("the stores of task {task} are open already: {}", path.display())));
        }
        let entered = Entered { directory: Arc::clone(self), task: task.to_owned(), path };
        remove_all(&entered.path.join(IDLE_SINCE))?;
        Ok(entered)
    }

    fn task_path(&self, task: &str) -> Result<PathBuf, StoreError> {
        Ok(self.path.join(file_name(task, "task")?))
    }

    fn damaged_path(&self, task: &str) -> Result<PathBuf, StoreError> {
        Ok(self.path.join(format!("{}{DAMAGED_SUFFIX}", file_name(task, "task")?)))
    }

    /// Names of the directories in this one, sorted; those that are no text are not ours.
    fn names(&self) -> Result<Vec<String>, StoreError> {
        let cannot_read = |error| failed("read", &self.path, &error, "check its permissions");
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(cannot_read)? {
            let entry = entry.map_err(cannot_read)?;
            if entry.file_type().map_err(cannot_read)?.is_dir() {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalState for Directory {
    fn tasks(&self) -> Result<Vec<String>, StoreError> {
        let names = self.names()?;
        Ok(names.into_iter().filter(|name| is_task(name)).collect())
    }

    /// Its damaged state goes with it. [`StoreError::Locked`] when its stores are open.
    fn remove(&self, task: &str) -> Result<(), StoreError> {
        let open = self.open();
        if open.contains(task) {
            return Err(StoreError::Locked(format!("the stores of task {task} are open: stop the task first")));
        }
        remove_all(&self.task_path(task)?)?;
        remove_all(&self.damaged_path(task)?)
    }
}

/// A task's directory whose stores are open in this process.
#[derive(Debug)]
pub(super) struct Entered {
    directory: Arc<Directory>,
    task: String,
    /// The task's directory.
    pub(super) path: PathBuf,
}

impl Entered {
    /// Empties the directory. What is damaged is moved aside instead, in place of what was damaged before.
    pub(super) fn wipe(&self, damaged: bool) -> Result<(), StoreError> {
        if !damaged {
            return remove_all(&self.path);
        }
        let aside = self.directory.damaged_path(&self.task)?;
        remove_all(&aside)?;
        fs::rename(&self.path, &aside).map_err(|error| failed("move aside", &self.path, &error, "remove it"))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.directory.open().remove(&self.task);
    }
}

/// An error of the file system as a store's error: says what was being done, where and why, and what to do.
pub(super) fn failed(action: &str, path: &Path, error: &std::io::Error, hint: &str) -> StoreError {
    let text = format!("{action} {}: {error}; {hint}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(text),
        _ => StoreError::Io(text),
    }
}

pub(super) fn held_by_another(path: &Path, lock: &Path) -> StoreError {
    let pid = fs::read_to_string(lock).unwrap_or_default();
    let holder = match pid.trim().parse::<u32>() {
        Ok(pid) => format!("process {pid}"),
        Err(_) => "another process".to_owned(),
    };
    StoreError::Locked(format!(
        "the state directory {} is in use by {holder}: stop that process, or give this instance a `state.dir` of its own",
        path.display()
    ))
}

fn write_pid(mut lock: &File) -> std::io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}

fn checked_instance_id(id: &str, place: &str) -> Result<String, StoreError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if id.is_empty() || id.len() > INSTANCE_ID_CHARS_MAX || !id.chars().all(fits) {
        return Err(StoreError::Io(format!(
            "{place} holds {id:?}, which is no id of an instance: 1 to {INSTANCE_ID_CHARS_MAX} letters, digits, `.`, `_`, `-`"
        )));
    }
    Ok(id.to_owned())
}

/// A name that stays within its directory.
pub(super) fn file_name<'a>(name: &'a str, what: &str) -> Result<&'a str, StoreError> {
    let bad = name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']);
    if bad { Err(StoreError::Io(format!("{what} {name:?} can't be the name of a directory"))) } else { Ok(name) }
}

/// `<topology>.<subtopology>_<partition>`.
fn is_task(name: &str) -> bool {
    let digits = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
    !name.starts_with('.') && name.rsplit_once('_').is_some_and(|(subtopology, partition)| subtopology.contains('.') && digits(partition))
}

/// Removes a task's directory that was idle for the delay, and says whether it did.
fn clean_one(path: &Path, now: Millis, delay_ms: Millis) -> Result<bool, StoreError> {
    let marker = path.join(IDLE_SINCE);
    let since = fs::read_to_string(&marker).ok().and_then(|text| text.trim().parse::<Millis>().ok());
    match since {
        Some(since) if since <= now && now.saturating_sub(since) >= delay_ms => remove_all(path).map(|()| true),
        Some(since) if since <= now => Ok(false),
        // Gone since now; or the clock was set back, then the delay begins anew.
        _ => {
            let hint = "it is kept until this can be written";
            write_whole(&marker, now.to_string().as_bytes()).map_err(|error| failed("write", &marker, &error, hint))?;
            Ok(false)
        }
    }
}

/// Removes a file or a directory with all that is in it, or nothing when there is none.
fn remove_all(path: &Path) -> Result<(), StoreError> {
    let result = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(failed("remove", path, &error, "remove it yourself, or check its permissions"))
        }
        _ => Ok(()),
    }
}
