//! The demo in one process: the log and the stores are in memory, the workers those of `goyt run`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::{Play, Stage};
use crate::adapters::memory::access::MemoryAccess;
use crate::cli::exit::{Exit, Failure};
use crate::cli::memory::Memory;
use crate::cli::signals::Stop;
use crate::runtime::operations::access::Access;
use crate::runtime::status::{Change, Report};
use crate::sim::entries::{self, Entry};

/// The application in this process.
pub struct Embedded {
    memory: Memory,
    access: MemoryAccess,
    page: String,
    partitions: i32,
    faults: Arc<Mutex<Vec<String>>>,
    stop: Stop,
    application: Option<JoinHandle<Result<Exit, Failure>>>,
}

impl Embedded {
    /// Starts it.
    pub fn start(play: &Play<'_>) -> Result<Self, Failure> {
        let partitions = play.scenario.partitions;
        let memory = Memory::new(play.plan.clone(), partitions);
        let server = memory.serve(play.settings)?;
        let page = format!("http://{}/", server.address());
        let faults: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&faults);
        let report: Arc<Report> = Arc::new(move |change: &Change| {
            if change.is_error() {
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(change.to_string());
            }
        });
        // Not the flag of the signals: it stays, to be looked at, when the play has been stopped.
        let stop = Stop::default();
        let (inside, settings, told) = (memory.clone(), play.settings.clone(), Arc::clone(&stop));
        let application = thread::Builder::new()
            .name("application".to_owned())
            .spawn(move || inside.run(&settings, &report, server, &told))
            .map_err(|it| Failure::new(Exit::FAILED, format!("no thread for the application: {it}")))?;
        let access = MemoryAccess::new(&memory.cluster);
        Ok(Self { memory, access, page, partitions, faults, stop, application: Some(application) })
    }
}

impl Stage for Embedded {
    fn access(&self) -> &dyn Access {
        &self.access
    }

    fn half_way(&mut self) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn fault(&mut self) -> Option<String> {
        if self.application.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(Ok(Err(failure))) = self.application.take().map(JoinHandle::join)
        {
            return Some(failure.message);
        }
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    fn pace(&self) -> Option<String> {
        let pictures = self.memory.board.pictures();
        let commit = &pictures.first()?.totals.times.commit;
        let half = commit.cumulative().find(|(_, count)| 0 < *count && commit.count() <= count * 2)?;
        Some(format!("{} transactions; half of them were committed within {} ms", commit.count(), half.0.as_millis()))
    }

    fn page(&self) -> Option<&str> {
        Some(&self.page)
    }

    fn remarks(&self) -> Vec<String> {
        let only = "All of it is in memory: it ends with this process, and no other client sees it.";
        vec![only.to_owned(), "The same on a real Kafka, with a worker killed on the way: make demo-kafka".to_owned()]
    }

    fn entries(&self, store: &str) -> Option<Result<Vec<Entry>, String>> {
        let mut all = Vec::new();
        for part in &self.memory.plan.subtopologies {
            for found in part.stores.iter().filter(|it| format!("{}.{}", part.topology, it.id) == store) {
                for partition in 0..self.partitions {
                    let task = format!("{}.{}_{partition}", part.topology, part.name);
                    for (key, value) in self.memory.stores.entries(&task, &found.id).unwrap_or_default() {
                        match entries::entries(found, &key, &value) {
                            Ok(it) => all.extend(it),
                            Err(error) => return Some(Err(error.to_string())),
                        }
                    }
                }
            }
        }
        Some(Ok(all))
    }

    fn end(&mut self, _good: bool) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(application) = self.application.take() {
            drop(application.join());
        }
    }
}
