//! Stores opened side by side: each takes some ten milliseconds, most of them in waiting for the disk, and a worker has a dozen.

use std::collections::BTreeMap;
use std::thread;

use crate::adapters::rocks::RocksStores;
use crate::runtime::ports::{Store, StoreError, Stores, TaskStores};

/// Threads that open stores at the same time.
const OPENERS: usize = 4;

type Opened = Result<Box<dyn Store>, StoreError>;

/// The stores of one worker. What was opened ahead is handed out when it is asked for.
pub struct SideBySide {
    stores: RocksStores,
    ahead: BTreeMap<String, Opened>,
}

impl SideBySide {
    /// None is open yet.
    #[must_use]
    pub fn new(stores: RocksStores) -> Self {
        Self { stores, ahead: BTreeMap::new() }
    }
}

impl Stores for SideBySide {
    fn open(&mut self, task: &TaskStores<'_>, fresh: bool) -> Opened {
        // What was opened goes before it is made anew: it holds the files.
        match self.ahead.remove(task.task) {
            Some(opened) if !fresh => opened,
            _ => self.stores.open(task, fresh),
        }
    }

    fn prepare(&mut self, tasks: &[TaskStores<'_>]) {
        self.ahead.clear();
        let share = tasks.len().div_ceil(OPENERS).max(1);
        let open = |part: &[TaskStores<'_>], mut stores: RocksStores| -> Vec<(String, Opened)> {
            part.iter().map(|it| (it.task.to_owned(), stores.open(it, false))).collect()
        };
        let ahead = thread::scope(|scope| {
            let openers: Vec<_> = tasks.chunks(share).map(|part| (part, self.stores.clone())).collect();
            // What no thread has opened is opened when it is asked for.
            let spawn =
                |(part, stores)| thread::Builder::new().name("open".to_owned()).spawn_scoped(scope, move || open(part, stores)).ok();
            let openers: Vec<_> = openers.into_iter().filter_map(spawn).collect();
            openers.into_iter().filter_map(|it| it.join().ok()).flatten().collect()
        });
        self.ahead = ahead;
    }
}
