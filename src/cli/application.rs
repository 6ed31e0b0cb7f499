//! Runs an application until it is told to stop: its workers, and beside them what is seen of them. Where it runs is given.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use clap::Args;

use crate::adapters::http::Server;
use crate::adapters::machine;
use crate::cli::exit::{Exit, Failure};
use crate::cli::signals::Stop;
use crate::config::{OffsetReset, Settings, state_cache_bytes};
use crate::engine::plan::Plan;
use crate::engine::record::Millis;
use crate::runtime::board::Board;
use crate::runtime::operations::access::Access;
use crate::runtime::operations::reporter::{About, Reporter};
use crate::runtime::ports::Clock;
use crate::runtime::status::{Change, Report};
use crate::runtime::supervisor::{Application, Ended, Restarts, Running, Worlds};
use crate::runtime::worker::{Limits, Start};

/// How it is run, beyond the settings.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// Create missing input topics, too, with 6 partitions
    #[arg(long)]
    pub create_topics: bool,
    /// For measurements: read, write and commit without the logic. Each task writes again and again what its first 2,000 records
    /// wrote, which means nothing: application.id must end in -null, and what is written to must be empty
    #[arg(long, hide_short_help = true)]
    pub null: bool,
    /// At the end, keep the place in the group for session.timeout.ms: for a restart that moves no partition
    #[arg(long)]
    pub stay: bool,
}

/// Where an application runs: on Kafka and RocksDB, or in memory.
pub struct Site {
    /// What is run.
    pub plan: Arc<Plan>,
    /// The partition counts of its topics.
    pub partitions: Vec<i32>,
    /// The name of this instance.
    pub instance: String,
    /// The worlds of its workers.
    pub worlds: Arc<dyn Worlds>,
    /// What the workers show of themselves.
    pub board: Arc<Board>,
    /// Who is told of changes.
    pub report: Arc<Report>,
    /// Topics, for what is seen of the application beside its workers.
    pub access: Arc<dyn Access>,
    /// Time.
    pub clock: Box<dyn Clock>,
    /// HTTP, until the end.
    pub server: Option<Server>,
    /// Makes what lag reports need: they are asked for after the workers have started.
    pub prepare_reports: Box<dyn FnOnce() + Send>,
    /// Removes the state of tasks that moved away; called now and then with the time.
    pub clean: Box<dyn FnMut(Millis)>,
}

/// Within this time a stop is over, committed or not.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long the last lag report may take, when nothing of [`STOP_WITHIN`] is left for it.
const LAST_REPORT_WITHIN: Duration = Duration::from_secs(1);
/// Pause between looks at what is waited for.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often state directories whose tasks moved away are looked for.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// The longest pause between starts of a worker that fails.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Runs until it is told to stop.
///
/// # Errors
/// What ends the process before anything runs.
pub fn run(settings: &Settings, mut site: Site, options: Options, stop: &Stop) -> Result<Exit, Failure> {
    let application = Arc::new(Application {
        limits: limits(settings, &site.plan, &site.partitions, options),
        plan: Arc::clone(&site.plan),
        partitions: site.partitions.clone(),
        workers: usize::try_from(settings.num_stream_threads).unwrap_or(1),
        restarts: Restarts {
            backoff: settings.worker_restart_backoff,
            backoff_max: BACKOFF_MAX,
            max: u32::try_from(settings.worker_restart_max).unwrap_or(u32::MAX),
        },
        report: Arc::clone(&site.report),
        board: Arc::clone(&site.board),
    });
    let running =
        application.start(&site.worlds, stop).map_err(|it| Failure::new(Exit::FAILED, format!("no thread for a worker: {it}")))?;
    let prepare = std::mem::replace(&mut site.prepare_reports, Box::new(|| {}));
    let reporting = Reporting::start(settings, &site, prepare)?;
    let ended = wait(running, &*site.clock, &mut *site.clean);
    reporting.end(&*site.clock, ended.until);
    (site.report)(&Change::Ended { records: ended.records, committed: ended.how == Some(Ended::Clean) });
    Ok(match ended.how {
        Some(Ended::Clean) => Exit::OK,
        Some(Ended::Failed) => Exit::FAILED,
        Some(Ended::Uncommitted) | None => Exit::UNCOMMITTED,
    })
}

/// One line for each change; the tasks that are open are noted.
#[must_use]
pub fn report(open: &Arc<Mutex<BTreeSet<String>>>) -> Arc<Report> {
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

/// Where others reach this instance's HTTP: an address of all networks says nothing.
fn advertised(settings: &Settings, server: Option<&Server>) -> Option<String> {
    let listening = server.map(Server::address).filter(|it| !it.ip().is_unspecified());
    settings.application_server.clone().or_else(|| listening.map(|it| it.to_string()))
}

/// The thread that reports the lag.
struct Reporting {
    thread: Option<JoinHandle<()>>,
    stop: Stop,
}

impl Reporting {
    fn start(settings: &Settings, site: &Site, prepare: Box<dyn FnOnce() + Send>) -> Result<Self, Failure> {
        let stop = Stop::default();
        if settings.lag_report_interval.is_zero() {
            return Ok(Self { thread: None, stop });
        }
        let about = About {
            application: settings.application_id.clone(),
            instance: site.instance.clone(),
            address: advertised(settings, site.server.as_ref()),
        };
        let reporter = Reporter::new(about, Arc::clone(&site.plan), Arc::clone(&site.board), Arc::clone(&site.access));
        let (interval, clock, told) = (settings.lag_report_interval, site.worlds.clock(), Arc::clone(&stop));
        let thread = Builder::new().name("lag".to_owned()).spawn(move || {
            prepare();
            reporter.run(interval, &*clock, &told);
        });
        let thread = thread.map_err(|it| Failure::new(Exit::FAILED, format!("no thread for lag reports: {it}")))?;
        Ok(Self { thread: Some(thread), stop })
    }

    /// Lets it say that the tasks are with nobody any more, unless that takes too long.
    fn end(self, clock: &dyn Clock, until: Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let until = until.max(clock.elapsed() + LAST_REPORT_WITHIN);
        while self.thread.as_ref().is_some_and(|it| !it.is_finished()) && clock.elapsed() < until {
            clock.sleep(LOOK_EVERY);
        }
    }
}

struct HowItEnded {
    /// `None`: it took too long.
    how: Option<Ended>,
    records: u64,
    /// Until then the stop may take.
    until: Duration,
}

fn wait(running: Running, clock: &dyn Clock, clean: &mut dyn FnMut(Millis)) -> HowItEnded {
    let mut until = None;
    let mut cleaned = clock.elapsed();
    while !running.is_over() {
        let now = clock.elapsed();
        if running.is_stopping() {
            let until = *until.get_or_insert(now + STOP_WITHIN);
            if until < now {
                return HowItEnded { how: None, records: running.records(), until };
            }
        }
        if cleaned + CLEAN_EVERY < now {
            cleaned = now;
            clean(clock.now());
        }
        clock.sleep(LOOK_EVERY);
    }
    let records = running.records();
    HowItEnded { how: Some(running.join()), records, until: until.unwrap_or_else(|| clock.elapsed()) }
}

/// What bounds each worker.
pub fn limits(settings: &Settings, plan: &Plan, partitions: &[i32], options: Options) -> Limits {
    let bytes = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    // As if this instance had all tasks: the sum stays within the setting however many it has.
    let count = |it: &crate::engine::plan::Subtopology| partitions.get(usize::from(it.source.0)).copied().unwrap_or(0);
    let tasks: i32 = plan.subtopologies.iter().filter(|it| !it.stores.is_empty()).map(count).sum();
    Limits {
        commit_interval: settings.commit_interval,
        commit_interval_min: settings.commit_interval_min,
        commit_max_bytes: bytes(settings.commit_max_bytes),
        buffer_max_bytes: bytes(settings.buffer_max_bytes),
        poll_max_records: bytes(settings.poll_max_records),
        repartition_lag_max: i64::try_from(settings.repartition_lag_max_records).unwrap_or(i64::MAX),
        hand_over: settings.repartition_handover_enable,
        restore_max_records: bytes(settings.restore_max_records),
        restore_buffer_max_bytes: bytes(settings.restore_buffer_max_bytes),
        task_retry: settings.task_retry_backoff,
        task_cache_bytes: bytes(state_cache_bytes(settings, machine::memory_bytes())) / usize::try_from(tasks).unwrap_or(1).max(1),
        start: match settings.auto_offset_reset {
            OffsetReset::Earliest => Start::Earliest,
            OffsetReset::Latest => Start::Latest,
        },
        stop_within: STOP_WITHIN - Duration::from_secs(1),
        null: options.null,
        stay: options.stay,
    }
}
