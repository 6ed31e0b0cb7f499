//! Puts an application together on Kafka and RocksDB. The only place of `goyt run` that names them.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::adapters::clock::SystemClock;
use crate::adapters::http::view::View;
use crate::adapters::kafka::{ClientSettings, KafkaAccess, KafkaAdmin, KafkaLog};
use crate::adapters::rocks::RocksStores;
use crate::adapters::rocks::directory::Directory;
use crate::adapters::rocks::options::RocksSettings;
use crate::adapters::rocks::side_by_side::SideBySide;
use crate::cli::application::{self, LOOK_EVERY, Options, Site};
use crate::cli::exit::{Exit, Failure};
use crate::cli::run::null;
use crate::cli::signals::Stop;
use crate::cli::{cluster, http};
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::runtime::board::Board;
use crate::runtime::fail_point;
use crate::runtime::operations::admin::{Admin, AdminError};
use crate::runtime::operations::reporter;
use crate::runtime::operations::topics::{self, Creation, Status, TopicState};
use crate::runtime::ports::Clock;
use crate::runtime::status::Report;
use crate::runtime::supervisor::Worlds;
use crate::runtime::worker::{Error, World};

/// Partitions of an input topic that `--create-topics` makes.
const INPUT_PARTITIONS: i32 = 6;
/// How long one try to reach the cluster at the start may take.
const REACH_WITHIN: Duration = Duration::from_secs(1);
/// Pause between tries to reach the cluster at the start.
const REACH_EVERY: Duration = Duration::from_millis(500);

/// Runs a plan until it is told to stop.
///
/// # Errors
/// What ends the process before anything runs.
pub fn run(settings: &Settings, plan: &Plan, options: Options, stop: &Stop) -> Result<Exit, Failure> {
    if let Some(spec) = &settings.fail_point
        && !fail_point::arm(spec)
    {
        let names = fail_point::ALL.join(", ");
        return Err(Failure::new(Exit::CONFIGURATION, format!("fail.point: {spec:?} is not <name>:<n>, with a name of {names}")));
    }
    let directory =
        Directory::take(&settings.state_dir, &settings.application_id).map_err(|it| Failure::new(Exit::FAILED, it.to_string()))?;
    let instance = directory.instance_id(settings.instance_id.as_deref()).map_err(|it| Failure::new(Exit::FAILED, it.to_string()))?;
    let clock = SystemClock::start();
    let (plan, board) = (Arc::new(plan.clone()), Arc::new(Board::default()));
    let stores = RocksStores::new(Arc::clone(&directory), &rocks(settings));
    let known = Arc::new(OnceLock::new());
    // Before Kafka is waited for: whoever probes is told that it is.
    let server = http::start(settings, view(settings, &plan, &stores, &board, &instance, &known))?;
    let Some((states, admin)) = prepare_topics(settings, &plan, options, stop, &clock)? else { return Ok(Exit::OK) };
    let partitions: Vec<i32> = states.iter().map(|it| it.found.unwrap_or(0)).collect();
    let partitions = known.get_or_init(|| partitions).clone();
    let clients = cluster::clients(settings, &instance);
    if options.null {
        null::check_topics(settings, &plan, &partitions, &KafkaAccess::new(&clients))?;
    }
    let open = Arc::new(Mutex::new(BTreeSet::new()));
    let report = application::report(&open);
    let worlds = worlds(&clients, &plan, stores, &report, &board);
    let delay = settings.state_cleanup_delay;
    let site = Site {
        plan,
        partitions,
        instance,
        worlds,
        board,
        report,
        access: Arc::new(KafkaAccess::new(&clients)),
        clock: Box::new(clock),
        server: Some(server),
        prepare_reports: {
            let (id, replication) = (settings.application_id.clone(), settings.replication_factor);
            Box::new(move || prepare_reports(&id, replication, admin))
        },
        clean: Box::new(move |now| clean(&directory, &open, delay, now)),
    };
    application::run(settings, site, options, stop)
}

/// The worlds of the workers of an instance.
pub fn worlds(clients: &ClientSettings, plan: &Plan, stores: RocksStores, report: &Arc<Report>, board: &Arc<Board>) -> Arc<dyn Worlds> {
    Arc::new(KafkaWorlds {
        clients: clients.clone(),
        topics: plan.topics.iter().map(|it| it.name.clone()).collect(),
        stores,
        report: Arc::clone(report),
        board: Arc::clone(board),
    })
}

/// What HTTP shows.
fn view(
    settings: &Settings,
    plan: &Arc<Plan>,
    stores: &RocksStores,
    board: &Arc<Board>,
    instance: &str,
    partitions: &Arc<OnceLock<Vec<i32>>>,
) -> View {
    let (clock, clients) = (SystemClock::start(), cluster::clients(settings, instance));
    View {
        plan: Arc::clone(plan),
        partitions: Arc::clone(partitions),
        instance: instance.to_owned(),
        workers: usize::try_from(settings.num_stream_threads).unwrap_or(1),
        board: Arc::clone(board),
        access: Arc::new(KafkaAccess::new(&clients)),
        admin: Box::new(move || Ok(Box::new(KafkaAdmin::new(&clients)?))),
        replication: settings.replication_factor,
        states: Arc::new(stores.clone()),
        metrics: http::metrics(board, plan, Arc::new(stores.clone())),
        now: Arc::new(move || clock.now()),
        state_dir: Some(settings.state_dir.clone()),
    }
}

struct KafkaWorlds {
    clients: ClientSettings,
    topics: Vec<String>,
    stores: RocksStores,
    report: Arc<Report>,
    board: Arc<Board>,
}

impl Worlds for KafkaWorlds {
    fn world(&self, worker: usize) -> Result<World, Error> {
        let log = KafkaLog::new(&self.clients, self.topics.clone(), worker)?;
        let (report, board) = (Arc::clone(&self.report), Arc::clone(&self.board));
        Ok(World { worker, log: Box::new(log), stores: Box::new(SideBySide::new(self.stores.clone())), clock: self.clock(), report, board })
    }

    fn clock(&self) -> Box<dyn Clock> {
        Box::new(SystemClock::start())
    }
}

/// The topics, and the client that made them.
type Prepared = (Vec<TopicState>, Box<dyn Admin + Send>);

/// Waits for the cluster, then makes the topics that may be made; the client goes on to be used. `None`: told to stop meanwhile.
fn prepare_topics(
    settings: &Settings,
    plan: &Plan,
    options: Options,
    stop: &Stop,
    clock: &SystemClock,
) -> Result<Option<Prepared>, Failure> {
    let mut admin = cluster::connect(settings)?;
    let creation = Creation {
        input_partitions: options.create_topics.then_some(INPUT_PARTITIONS),
        replication: settings.replication_factor,
        config: &settings.topic,
    };
    let mut said = false;
    loop {
        match look_and_create(plan, creation, &mut *admin) {
            Ok(states) => {
                if let Some(fault) = faults(&states) {
                    return Err(fault);
                }
                return Ok(Some((states, admin)));
            }
            Err(AdminError::Unreachable(_)) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!("waiting for Kafka at {} (bootstrap.servers)", settings.bootstrap_servers);
                }
            }
            Err(error) => return Err(cluster::failure(&error, settings)),
        }
        let again = clock.elapsed() + REACH_EVERY;
        while clock.elapsed() < again {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            clock.sleep(LOOK_EVERY);
        }
    }
}

/// The topic of lag reports. An application runs without it, too. The client is dropped here, which takes it a tenth of a second.
fn prepare_reports(application_id: &str, replication: i32, mut admin: Box<dyn Admin + Send>) {
    if let Err(error) = reporter::prepare(&mut *admin, application_id, replication) {
        tracing::warn!("the topic of lag reports can't be created: {error}");
    }
}

fn look_and_create(plan: &Plan, creation: Creation<'_>, admin: &mut dyn Admin) -> Result<Vec<TopicState>, AdminError> {
    admin.reach(REACH_WITHIN)?;
    let mut states = topics::look(plan, creation, admin)?;
    topics::create(&mut states, admin)?;
    Ok(states)
}

/// What stands in the way; not what only waits for something that does.
fn faults(states: &[TopicState]) -> Option<Failure> {
    let in_the_way = |it: &&TopicState| it.status.is_fault() && !matches!(it.status, Status::Waits(_));
    let faults: Vec<String> = states.iter().filter(in_the_way).map(|it| format!("topic {}: {}", it.name, it.status)).collect();
    let hint = "\n  hint: `goyt topics` shows all topics; `--create-topics` creates missing inputs, too";
    (!faults.is_empty()).then(|| Failure::new(Exit::FAILED, faults.join("\n") + hint))
}

fn clean(directory: &Directory, open: &Mutex<BTreeSet<String>>, delay: Duration, now: i64) {
    let open = open.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match directory.clean(&open, now, delay) {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => tracing::info!("state of tasks that moved away removed: {}", removed.join(", ")),
        Err(error) => tracing::warn!("state of tasks that moved away: {error}"),
    }
}

/// The settings of the stores.
pub fn rocks(settings: &Settings) -> RocksSettings {
    let bytes = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    RocksSettings {
        block_cache_bytes: bytes(settings.rocksdb_block_cache_bytes),
        write_buffer_bytes: bytes(settings.rocksdb_write_buffer_bytes),
        ..RocksSettings::default()
    }
}
