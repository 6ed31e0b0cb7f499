//! Puts an application together in memory, in this process: the log, the stores, and the same workers as on Kafka.

use std::sync::{Arc, OnceLock};

use crate::adapters::clock::SystemClock;
use crate::adapters::http::Server;
use crate::adapters::http::view::View;
use crate::adapters::memory::access::MemoryAccess;
use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::store::MemoryStores;
use crate::adapters::memory::{Identity, MemoryLog};
use crate::cli::application::{self, Options, Site};
use crate::cli::exit::{Exit, Failure};
use crate::cli::http;
use crate::cli::signals::Stop;
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::runtime::board::Board;
use crate::runtime::operations::lag;
use crate::runtime::ports::Clock;
use crate::runtime::status::Report;
use crate::runtime::supervisor::Worlds;
use crate::runtime::worker::{Error, World};

/// The instance's name: there is one.
const INSTANCE: &str = "memory";

/// Where an application runs that needs nothing of the machine. A clone is the same place.
#[derive(Clone)]
pub struct Memory {
    /// What is run.
    pub plan: Arc<Plan>,
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
    pub fn new(plan: Plan, partitions: i32) -> Self {
        let cluster = Cluster::that_waits();
        for topic in &plan.topics {
            cluster.create_topic(&topic.name, partitions);
        }
        cluster.create_topic(&lag::topic(&plan.application_id), 1);
        Self { plan: Arc::new(plan), cluster, stores: MemoryStores::new(), board: Arc::default() }
    }

    /// HTTP, at the address of the settings, or where that is taken at any free port beside it.
    ///
    /// # Errors
    /// When it can't be served at all.
    pub fn serve(&self, settings: &Settings) -> Result<Server, Failure> {
        http::start(settings, self.view(settings)).or_else(|failure| {
            let (host, _) = settings.http_address.rsplit_once(':').ok_or(failure)?;
            http::start(&Settings { http_address: format!("{host}:0"), ..settings.clone() }, self.view(settings))
        })
    }

    /// Runs the plan until it is told to stop.
    ///
    /// # Errors
    /// What ends the application before anything runs.
    pub fn run(&self, settings: &Settings, report: &Arc<Report>, server: Server, stop: &Stop) -> Result<Exit, Failure> {
        let worlds = MemoryWorlds { memory: self.clone(), report: Arc::clone(report) };
        let site = Site {
            plan: Arc::clone(&self.plan),
            partitions: self.partitions(),
            instance: INSTANCE.to_owned(),
            worlds: Arc::new(worlds),
            board: Arc::clone(&self.board),
            report: Arc::clone(report),
            access: Arc::new(MemoryAccess::new(&self.cluster)),
            clock: Box::new(SystemClock::start()),
            server: Some(server),
            prepare_reports: Box::new(|| {}),
            clean: Box::new(|_| {}),
        };
        application::run(settings, site, Options { create_topics: false, null: false, stay: false }, stop)
    }

    fn partitions(&self) -> Vec<i32> {
        let counts = self.cluster.topics();
        self.plan.topics.iter().map(|it| counts.get(&it.name).copied().unwrap_or(0)).collect()
    }

    fn view(&self, settings: &Settings) -> View {
        let (clock, cluster) = (SystemClock::start(), self.cluster.clone());
        View {
            plan: Arc::clone(&self.plan),
            partitions: Arc::new(OnceLock::from(self.partitions())),
            instance: INSTANCE.to_owned(),
            workers: usize::try_from(settings.num_stream_threads).unwrap_or(1),
            board: Arc::clone(&self.board),
            access: Arc::new(MemoryAccess::new(&self.cluster)),
            states: Arc::new(self.stores.clone()),
            admin: Box::new(move || Ok(Box::new(cluster.clone()))),
            replication: 1,
            metrics: http::metrics(&self.board, &self.plan, Arc::new(self.stores.clone())),
            now: Arc::new(move || clock.now()),
            state_dir: None,
        }
    }
}

struct MemoryWorlds {
    memory: Memory,
    report: Arc<Report>,
}

impl Worlds for MemoryWorlds {
    fn world(&self, worker: usize) -> Result<World, Error> {
        let plan = &self.memory.plan;
        let group = plan.application_id.clone();
        let member = format!("{INSTANCE}-{worker}");
        let identity = Identity { transactional_id: format!("{group}-{member}"), group, member };
        let log = MemoryLog::new(&self.memory.cluster, identity, plan.topics.iter().map(|it| it.name.clone()));
        let (report, board) = (Arc::clone(&self.report), Arc::clone(&self.memory.board));
        Ok(World { worker, log: Box::new(log), stores: Box::new(self.memory.stores.clone()), clock: self.clock(), report, board })
    }

    fn clock(&self) -> Box<dyn Clock> {
        Box::new(SystemClock::start())
    }
}
