//! A simulated process: its disk and its workers, the product's own, each started again when it fails.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::adapters::memory::clock::VirtualClock;
use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::{Identity, MemoryLog};
use crate::engine::plan::Plan;
use crate::runtime::board::Board;
use crate::runtime::ports::Clock;
use crate::runtime::status::{Change, Report};
use crate::runtime::worker::{Limits, Worker, World};
use crate::sim::faults::{Host, SimNetwork};
use crate::sim::random::Random;
use crate::sim::stores::SimStores;
use crate::sim::trace::Trace;

/// A process.
pub struct Process {
    /// Its name, also of its disk.
    pub name: String,
    /// Its disk.
    pub disk: SimStores,
    /// What its workers show.
    pub board: Arc<Board>,
    /// What it does.
    pub phase: Phase,
    /// When its members are expelled from the group, unless they are heard of.
    pub expelled_at: Option<Duration>,
    /// Starts so far: readers of one start see time go forward.
    pub starts: u32,
    slots: Vec<Slot>,
    /// Why its tasks stopped since its start.
    stopped: Stopped,
}

/// Reasons for which tasks stopped.
type Stopped = Arc<Mutex<Vec<String>>>;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It runs.
    Up,
    /// It stands still until then.
    Paused(Duration),
    /// It is dead, and started again then.
    Down(Duration),
}

/// A worker's place in its process.
struct Slot {
    member: String,
    worker: Option<Worker>,
    /// A worker that failed is started again then.
    start_at: Duration,
    failures: u32,
}

/// What all processes have in common.
#[derive(Clone)]
pub struct Site {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The partition count of each of its topics.
    pub partitions: Vec<i32>,
    /// What bounds workers.
    pub limits: Limits,
    /// The cluster.
    pub cluster: Cluster,
    /// Time.
    pub clock: VirtualClock,
    /// The network.
    pub network: SimNetwork,
    /// What happened.
    pub trace: Trace,
}

/// Pause before a worker that failed is started again; doubled with each failure that follows.
const BACKOFF: Duration = Duration::from_millis(250);
/// Doublings of it at most.
const BACKOFF_DOUBLINGS: u32 = 5;

impl Process {
    /// A process that is not started, with so many workers.
    #[must_use]
    pub fn new(number: usize, workers: usize, site: &Site) -> Self {
        let (name, disk) = (format!("p{number}"), SimStores::new());
        let slots: Vec<Slot> =
            (0..workers).map(|it| Slot { member: format!("{name}-{it}"), worker: None, start_at: Duration::ZERO, failures: 0 }).collect();
        for slot in &slots {
            site.network.host(&slot.member, Host { process: name.clone(), disk: disk.clone() });
        }
        Self {
            name,
            disk,
            board: Arc::default(),
            phase: Phase::Down(Duration::ZERO),
            expelled_at: None,
            starts: 0,
            slots,
            stopped: Stopped::default(),
        }
    }

    /// The members of the group that its workers are.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|it| it.member.as_str())
    }

    /// Its workers that run.
    pub fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.slots.iter().filter_map(|it| it.worker.as_ref())
    }

    /// Why its tasks stopped since its start, each with its reason.
    #[must_use]
    pub fn stopped(&self) -> Vec<String> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts it.
    pub fn start(&mut self, site: &Site) {
        site.trace.say(&self.name, format_args!("starts"));
        site.network.revive(&self.name);
        self.phase = Phase::Up;
        self.expelled_at = None;
        self.starts += 1;
        self.stopped = Stopped::default();
        for slot in &mut self.slots {
            (slot.worker, slot.start_at, slot.failures) = (None, Duration::ZERO, 0);
        }
    }

    /// It is dead, and started again after a while: the switch was turned before.
    pub fn die(&mut self, down: Duration, session: Duration, site: &Site) {
        self.disk.crash();
        for slot in &mut self.slots {
            slot.worker = None;
        }
        let now = site.clock.elapsed();
        self.phase = Phase::Down(now + down);
        self.expelled_at = Some(now + session);
    }

    /// One round of one of its workers; an error for which a new worker would be of no help.
    ///
    /// # Errors
    /// That error, in words.
    pub fn turn(&mut self, random: &mut Random, site: &Site) -> Result<(), String> {
        let index = random.index(self.slots.len());
        let parts = (self.name.as_str(), &self.disk, &self.board, &self.stopped);
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        let now = site.clock.elapsed();
        if slot.worker.is_none() && now < slot.start_at {
            return Ok(());
        }
        let done = match &mut slot.worker {
            Some(worker) => worker.round(),
            None => {
                let worker = slot.worker.insert(worker(index, &slot.member, parts, site));
                worker.join()
            }
        };
        if site.network.is_dead(&self.name) {
            return Ok(());
        }
        let Err(error) = done else {
            slot.failures = 0;
            return Ok(());
        };
        site.trace.say(&self.name, format_args!("worker {index} failed: {error}"));
        slot.worker = None;
        slot.start_at = now + BACKOFF.saturating_mul(1 << slot.failures.min(BACKOFF_DOUBLINGS));
        slot.failures += 1;
        if error.is_final() { Err(format!("{} worker {index} gave up: {error}", self.name)) } else { Ok(()) }
    }

    /// Stops it in order; it is started again after a while.
    pub fn stop(&mut self, down: Duration, site: &Site) {
        site.trace.say(&self.name, format_args!("is told to stop"));
        for slot in &mut self.slots {
            if let Some(mut worker) = slot.worker.take() {
                worker.stop();
            }
        }
        self.phase = Phase::Down(site.clock.elapsed() + down);
    }
}

/// What a worker has of its process: its name, its disk, its board, and where it is noted why tasks stopped.
type Parts<'p> = (&'p str, &'p SimStores, &'p Arc<Board>, &'p Stopped);

fn worker(number: usize, member: &str, (process, disk, board, stopped): Parts<'_>, site: &Site) -> Worker {
    let identity = Identity {
        group: site.plan.application_id.clone(),
        member: member.to_owned(),
        transactional_id: format!("{}-{member}", site.plan.application_id),
    };
    let (trace, process, stopped) = (site.trace.clone(), process.to_owned(), Arc::clone(stopped));
    let report: Arc<Report> = Arc::new(move |it: &Change| {
        trace.say(&process, format_args!("{it}"));
        if let Change::Stopped { reason, .. } = it {
            stopped.lock().unwrap_or_else(PoisonError::into_inner).push(reason.clone());
        }
    });
    let world = World {
        worker: number,
        log: Box::new(MemoryLog::new(&site.cluster, identity, site.plan.topics.iter().map(|it| it.name.clone()))),
        stores: Box::new(disk.clone()),
        clock: Box::new(site.clock.clone()),
        report,
        board: Arc::clone(board),
    };
    Worker::new(Arc::clone(&site.plan), site.partitions.clone(), site.limits, world)
}
