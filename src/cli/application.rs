//! Puts an application together: Kafka, RocksDB, the system's clock, and the workers between them. The only place that names them all.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;

use crate::adapters::clock::SystemClock;
use crate::adapters::kafka::{ClientSettings, KafkaLog};
use crate::adapters::rocks::RocksStores;
use crate::adapters::rocks::directory::Directory;
use crate::adapters::rocks::options::RocksSettings;
use crate::cli::cluster;
use crate::cli::exit::{Exit, Failure};
use crate::cli::signals::Stop;
use crate::config::{OffsetReset, Settings};
use crate::engine::plan::Plan;
use crate::runtime::admin::{Admin, AdminError};
use crate::runtime::fail_point;
use crate::runtime::ports::Clock;
use crate::runtime::status::{Change, Report};
use crate::runtime::supervisor::{Application, Ended, Restarts, Running, Worlds};
use crate::runtime::topics::{self, Creation, Status, TopicState};
use crate::runtime::worker::{Error, Limits, Start, World};

/// How it is run, beyond the settings.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// Create missing input topics, too, with 6 partitions
    #[arg(long)]
    pub create_topics: bool,
    /// Read, write and commit without the logic of the topologies: the limit to measure against
    #[arg(long)]
    pub null: bool,
    /// At the end, keep the place in the group for session.timeout.ms: for a restart that moves no partition
    #[arg(long)]
    pub stay: bool,
}

/// Within this time a stop is over, committed or not.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Partitions of an input topic that `--create-topics` makes.
const INPUT_PARTITIONS: i32 = 6;
/// Pause between looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one try to reach the cluster at the start may take.
const REACH_WITHIN: Duration = Duration::from_secs(1);
/// Pause between tries to reach the cluster at the start.
const REACH_EVERY: Duration = Duration::from_millis(500);
/// How often state directories whose tasks moved away are looked for.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// The longest pause between starts of a worker that fails.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

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
    let Some(states) = prepare_topics(settings, plan, options, stop, &clock)? else { return Ok(Exit::OK) };
    let partitions: Vec<i32> = states.iter().map(|it| it.found.unwrap_or(0)).collect();
    let open = Arc::new(Mutex::new(BTreeSet::new()));
    let report = report(&open);
    let worlds: Arc<dyn Worlds> = Arc::new(KafkaWorlds {
        clients: cluster::clients(settings, &instance),
        topics: plan.topics.iter().map(|it| it.name.clone()).collect(),
        stores: RocksStores::new(Arc::clone(&directory), &rocks(settings)),
        report: Arc::clone(&report),
    });
    let application = Arc::new(Application {
        limits: limits(settings, plan, &partitions, options),
        plan: Arc::new(plan.clone()),
        partitions,
        workers: usize::try_from(settings.num_stream_threads).unwrap_or(1),
        restarts: Restarts {
            backoff: settings.worker_restart_backoff,
            backoff_max: BACKOFF_MAX,
            max: u32::try_from(settings.worker_restart_max).unwrap_or(u32::MAX),
        },
        report: Arc::clone(&report),
    });
    let running = application.start(&worlds, stop).map_err(|it| Failure::new(Exit::FAILED, format!("no thread for a worker: {it}")))?;
    let ended = wait(running, &clock, |now| clean(&directory, &open, settings.state_cleanup_delay, now));
    report(&Change::Ended { records: ended.records, committed: ended.how == Some(Ended::Clean) });
    Ok(match ended.how {
        Some(Ended::Clean) => Exit::OK,
        Some(Ended::Failed) => Exit::FAILED,
        Some(Ended::Uncommitted) | None => Exit::UNCOMMITTED,
    })
}

struct KafkaWorlds {
    clients: ClientSettings,
    topics: Vec<String>,
    stores: RocksStores,
    report: Arc<Report>,
}

impl Worlds for KafkaWorlds {
    fn world(&self, worker: usize) -> Result<World, Error> {
        let log = KafkaLog::new(&self.clients, self.topics.clone(), worker)?;
        Ok(World { log: Box::new(log), stores: Box::new(self.stores.clone()), clock: self.clock(), report: Arc::clone(&self.report) })
    }

    fn clock(&self) -> Box<dyn Clock> {
        Box::new(SystemClock::start())
    }
}

/// Waits for the cluster, then makes the topics that may be made. `None`: told to stop meanwhile.
fn prepare_topics(
    settings: &Settings,
    plan: &Plan,
    options: Options,
    stop: &Stop,
    clock: &SystemClock,
) -> Result<Option<Vec<TopicState>>, Failure> {
    let mut admin = cluster::connect(settings)?;
    let creation = Creation {
        input_partitions: options.create_topics.then_some(INPUT_PARTITIONS),
        replication: settings.replication_factor,
        config: &settings.topic,
    };
    let mut said = false;
    loop {
        match look_and_create(plan, creation, &mut *admin) {
            Ok(states) => return faults(&states).map_or(Ok(Some(states)), Err),
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

/// One line for each change; the tasks that are open are noted.
fn report(open: &Arc<Mutex<BTreeSet<String>>>) -> Arc<Report> {
    let open = Arc::clone(open);
    Arc::new(move |change: &Change| {
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Created { task } => drop(open.insert(task.clone())),
            Change::Closed { task } => drop(open.remove(task)),
            _ => {}
        }
        match change.is_error() {
            true => tracing::error!("{change}"),
            false => tracing::info!("{change}"),
        }
    })
}

struct HowItEnded {
    /// `None`: it took too long.
    how: Option<Ended>,
    records: u64,
}

fn wait(running: Running, clock: &SystemClock, mut clean: impl FnMut(i64)) -> HowItEnded {
    let mut stopping = None;
    let mut cleaned = clock.elapsed();
    while !running.is_over() {
        let now = clock.elapsed();
        if running.is_stopping() && STOP_WITHIN < now - *stopping.get_or_insert(now) {
            return HowItEnded { how: None, records: running.records() };
        }
        if cleaned + CLEAN_EVERY < now {
            cleaned = now;
            clean(clock.now());
        }
        clock.sleep(LOOK_EVERY);
    }
    let records = running.records();
    HowItEnded { how: Some(running.join()), records }
}

fn clean(directory: &Directory, open: &Mutex<BTreeSet<String>>, delay: Duration, now: i64) {
    let open = open.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match directory.clean(&open, now, delay) {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => tracing::info!("state of tasks that moved away removed: {}", removed.join(", ")),
        Err(error) => tracing::warn!("state of tasks that moved away: {error}"),
    }
}

fn rocks(settings: &Settings) -> RocksSettings {
    let bytes = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    RocksSettings {
        block_cache_bytes: bytes(settings.rocksdb_block_cache_bytes),
        write_buffer_bytes: bytes(settings.rocksdb_write_buffer_bytes),
        ..RocksSettings::default()
    }
}

fn limits(settings: &Settings, plan: &Plan, partitions: &[i32], options: Options) -> Limits {
    let bytes = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    // As if this instance had all tasks: the sum stays within the setting however many it has.
    let count = |it: &crate::engine::plan::Subtopology| partitions.get(usize::from(it.source.0)).copied().unwrap_or(0);
    let tasks: i32 = plan.subtopologies.iter().filter(|it| !it.stores.is_empty()).map(count).sum();
    Limits {
        commit_interval: settings.commit_interval,
        commit_max_bytes: bytes(settings.commit_max_bytes),
        buffer_max_bytes: bytes(settings.buffer_max_bytes),
        poll_max_records: bytes(settings.poll_max_records),
        restore_max_records: bytes(settings.restore_max_records),
        task_retry: settings.task_retry_backoff,
        task_cache_bytes: bytes(settings.statestore_cache_max_bytes) / usize::try_from(tasks).unwrap_or(1).max(1),
        start: match settings.auto_offset_reset {
            OffsetReset::Earliest => Start::Earliest,
            OffsetReset::Latest => Start::Latest,
        },
        stop_within: STOP_WITHIN - Duration::from_secs(1),
        null: options.null,
        stay: options.stay,
    }
}
