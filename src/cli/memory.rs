//! Puts an application together in memory, in this process: the log, the stores, and the same workers as on Kafka.

use std::sync::Arc;

use crate::adapters::clock::SystemClock;
use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::store::MemoryStores;
use crate::adapters::memory::{Identity, MemoryLog};
use crate::cli::application::{self, Options, Site};
use crate::cli::exit::{Exit, Failure};
use crate::cli::signals::Stop;
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::runtime::board::Board;
use crate::runtime::ports::Clock;
use crate::runtime::status::Report;
use crate::runtime::supervisor::Worlds;
use crate::runtime::worker::{Error, World};

/// The instance's name: there is one.
const INSTANCE: &str = "memory";

/// Where an application runs that needs nothing of the machine. A clone is the same place.
#[derive(Debug, Clone)]
pub struct Memory {
    /// The log.
    pub cluster: Cluster,
    /// The stores.
    pub stores: MemoryStores,
    /// What the workers show of themselves.
    pub board: Arc<Board>,
}

impl Memory {
    /// A log with all topics of a plan, each with so many partitions.
    #[must_use]
    pub fn with_topics(plan: &Plan, partitions: i32) -> Self {
        let cluster = Cluster::that_waits();
        for topic in &plan.topics {
            cluster.create_topic(&topic.name, partitions);
        }
        Self { cluster, stores: MemoryStores::new(), board: Arc::default() }
    }

    /// Runs a plan until it is told to stop.
    ///
    /// # Errors
    /// What ends the application before anything runs.
    pub fn run(&self, settings: &Settings, plan: &Plan, report: &Arc<Report>, stop: &Stop) -> Result<Exit, Failure> {
        let counts = self.cluster.topics();
        let worlds = MemoryWorlds { memory: self.clone(), plan: Arc::new(plan.clone()), report: Arc::clone(report) };
        let site = Site {
            plan: Arc::clone(&worlds.plan),
            partitions: plan.topics.iter().map(|it| counts.get(&it.name).copied().unwrap_or(0)).collect(),
            instance: INSTANCE.to_owned(),
            worlds: Arc::new(worlds),
            board: Arc::clone(&self.board),
            report: Arc::clone(report),
            clock: Box::new(SystemClock::start()),
            clean: Box::new(|_| {}),
        };
        application::run(settings, site, Options { create_topics: false, null: false, stay: false }, stop)
    }
}

struct MemoryWorlds {
    memory: Memory,
    plan: Arc<Plan>,
    report: Arc<Report>,
}

impl Worlds for MemoryWorlds {
    fn world(&self, worker: usize) -> Result<World, Error> {
        let group = self.plan.application_id.clone();
        let member = format!("{INSTANCE}-{worker}");
        let identity = Identity { transactional_id: format!("{group}-{member}"), group, member };
        let log = MemoryLog::new(&self.memory.cluster, identity, self.plan.topics.iter().map(|it| it.name.clone()));
        let (report, board) = (Arc::clone(&self.report), Arc::clone(&self.memory.board));
        Ok(World { worker, log: Box::new(log), stores: Box::new(self.memory.stores.clone()), clock: self.clock(), report, board })
    }

    fn clock(&self) -> Box<dyn Clock> {
        Box::new(SystemClock::start())
    }
}
