//! State on disk: one RocksDB per task, in a directory that one process holds.
//!
//! ```text
//! <state.dir>/<application.id>/        held by one process: .lock
//!     instance.id                      made once
//!     <topology>.<subtopology>_<n>/    one RocksDB: a column family per store, `default` for positions
//!         task.json                    what it is: see `manifest`
//!         damaged                      present once damage was found; only a fresh start goes on from there
//!         restoring.new                being made by a restore; removed when the task is opened
//!         idle-since                   present while the task is elsewhere; removed with the directory after the delay
//!     <task>.damaged/                  the last damaged state of a task, kept to be looked at
//! ```

pub mod directory;
mod ingest;
pub mod manifest;
pub mod offline;
pub mod options;
mod readers;
pub mod side_by_side;
pub mod store;

use std::sync::Arc;

use crate::adapters::rocks::directory::Directory;
use crate::adapters::rocks::options::{Resources, RocksSettings};
use crate::adapters::rocks::readers::Opened;
use crate::adapters::rocks::store::RocksStore;
use crate::runtime::ports::{Store, StoreError, Stores, TaskStores};

/// Opens the stores of tasks in one state directory. A clone shares the directory and all memory: give each worker one. Any of them
/// reads what all of them have open: see [`crate::runtime::operations::access::StateReader`].
#[derive(Clone)]
pub struct RocksStores {
    directory: Arc<Directory>,
    resources: Arc<Resources>,
    opened: Arc<Opened>,
}

impl RocksStores {
    /// Stores in a directory that this process holds.
    #[must_use]
    pub fn new(directory: Arc<Directory>, settings: &RocksSettings) -> Self {
        Self { directory, resources: Arc::new(Resources::new(settings)), opened: Arc::default() }
    }
}

impl Stores for RocksStores {
    fn open(&mut self, task: &TaskStores<'_>, fresh: bool) -> Result<Box<dyn Store>, StoreError> {
        let store = RocksStore::open(&self.directory, Arc::clone(&self.resources), Arc::clone(&self.opened), task, fresh)?;
        Ok(Box::new(store))
    }
}
