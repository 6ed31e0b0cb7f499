//! Drives a plan over the in-memory log: the product's own worker, one thread, virtual time. What `goyt test` runs on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock::VirtualClock;
use super::cluster::Cluster;
use super::store::MemoryStores;
use super::{Identity, MemoryLog};
use crate::engine::plan::{Plan, Role};
use crate::engine::record::Millis;
use crate::runtime::board::Board;
use crate::runtime::status::{Change, Report};
use crate::runtime::worker::{Error, Limits, Start, Worker, World};

/// A cluster, stores and a clock in memory, on which workers of a plan are run.
pub struct TopologyDriver {
    /// The cluster: append inputs, read outputs.
    pub cluster: Cluster,
    /// The stores, which outlive workers.
    pub stores: MemoryStores,
    /// Time.
    pub clock: VirtualClock,
    /// What the workers show of themselves.
    pub board: Arc<Board>,
    plan: Arc<Plan>,
    partitions: i32,
    changes: Arc<Mutex<Vec<Change>>>,
    /// The members that workers were made for; a worker's number is its member's place here.
    members: Mutex<Vec<String>>,
    /// What its workers' tasks may keep in memory of their state, each.
    pub task_cache_bytes: usize,
}

/// Rounds after which a worker that never becomes idle is given up.
const ROUNDS_MAX: u32 = 1_000_000;
/// Idle rounds in a row after which nothing is left to do: records need a commit to pass from one task to the next.
const IDLE_ROUNDS: u32 = 3;

impl TopologyDriver {
    /// All topics of the plan, each with so many partitions; the clock shows `now`.
    #[must_use]
    pub fn new(plan: Arc<Plan>, partitions: i32, now: Millis) -> Self {
        let cluster = Cluster::new();
        for topic in &plan.topics {
            cluster.create_topic(&topic.name, partitions);
        }
        let (stores, clock) = (MemoryStores::new(), VirtualClock::at(now));
        Self {
            cluster,
            stores,
            clock,
            board: Arc::default(),
            plan,
            partitions,
            changes: Arc::default(),
            members: Mutex::default(),
            task_cache_bytes: limits().task_cache_bytes,
        }
    }

    /// A worker that has not joined; `member` is its place in the group, the same after a restart.
    #[must_use]
    pub fn worker(&self, member: &str) -> Worker {
        let identity = Identity {
            group: self.plan.application_id.clone(),
            member: member.to_owned(),
            transactional_id: format!("{}-{member}", self.plan.application_id),
        };
        let topics = self.plan.topics.iter().map(|it| it.name.clone());
        let changes = Arc::clone(&self.changes);
        let report: Arc<Report> = Arc::new(move |it: &Change| changes.lock().unwrap_or_else(PoisonError::into_inner).push(it.clone()));
        let world = World {
            worker: self.number(member),
            log: Box::new(MemoryLog::new(&self.cluster, identity, topics)),
            stores: Box::new(self.stores.clone()),
            clock: Box::new(self.clock.clone()),
            report,
            board: Arc::clone(&self.board),
        };
        let partitions = vec![self.partitions; self.plan.topics.len()];
        Worker::new(Arc::clone(&self.plan), partitions, Limits { task_cache_bytes: self.task_cache_bytes, ..limits() }, world)
    }

    fn number(&self, member: &str) -> usize {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.iter().position(|it| it == member).unwrap_or_else(|| {
            members.push(member.to_owned());
            members.len() - 1
        })
    }

    /// Runs rounds until nothing is left to do.
    ///
    /// # Errors
    /// What ended the worker, or that it never became idle.
    pub fn run_until_idle(&self, worker: &mut Worker) -> Result<(), Error> {
        let (mut idle, mut processed) = (0, worker.processed());
        for _ in 0..ROUNDS_MAX {
            worker.round()?;
            self.clock.advance(limits().commit_interval);
            let moved = processed != worker.processed();
            processed = worker.processed();
            idle = if worker.is_idle() && !moved { idle + 1 } else { 0 };
            if IDLE_ROUNDS <= idle {
                return Ok(());
            }
        }
        Err(Error::Log(super::error("BUSY", crate::runtime::reaction::Reaction::Stop, "the worker did not become idle".to_owned())))
    }

    /// What changed so far.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of topics in a role, sorted.
    #[must_use]
    pub fn topics(&self, role: Role) -> Vec<String> {
        let mut names: Vec<String> = self.plan.topics.iter().filter(|it| it.role == role).map(|it| it.name.clone()).collect();
        names.sort();
        names
    }
}

fn limits() -> Limits {
    Limits {
        commit_interval: Duration::from_millis(100),
        commit_interval_min: Duration::from_millis(20),
        commit_max_bytes: 1 << 20,
        buffer_max_bytes: 1 << 20,
        poll_max_records: 100,
        repartition_lag_max: 10_000,
        hand_over: true,
        restore_max_records: 100,
        restore_buffer_max_bytes: 1 << 20,
        task_retry: Duration::from_secs(1),
        task_cache_bytes: 1 << 16,
        start: Start::Earliest,
        stop_within: Duration::from_secs(5),
        null: false,
        stay: false,
    }
}
