//! `goyt replay`: runs a topology once more beside the live application, and tells whether the same comes out.

mod print;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::adapters::clock::SystemClock;
use crate::adapters::kafka::KafkaAccess;
use crate::adapters::rocks::RocksStores;
use crate::adapters::rocks::directory::Directory;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Output, Paths, application, cluster, kafka, mistakes, out, signals, sources, texts};
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::engine::topology::{self, Sources};
use crate::runtime::board::Board;
use crate::runtime::operations::admin::Admin;
use crate::runtime::operations::audit;
use crate::runtime::operations::replay::{self, Begin, Error, Promotion, Replayed, Request, Shadow, Site};
use crate::runtime::status::{Change, Report};

/// Run a topology again over its recorded input, beside the live application, and compare what comes out
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt replay --topology shop                          from the first record, then compare: identical, or what differs
  goyt replay --topology shop --rate 0                 as fast as it goes
  goyt replay --topology shop --from time:2026-01-31T00:00:00Z --partial
  goyt replay --topology shop --promote --reason 'total was wrong before 1.4'
  goyt replay --topology shop --discard                delete what the replay left

The live application may work on: it is read, never written (but by --promote, for which it must be stopped). The replay reads what the \
live one had committed when it began, and writes to topics that begin with <application.id>-replay-<topology>-.

Exit codes: 0 identical, 1 something differs, or the replay was refused; others as for all commands.")]
pub struct Replay {
    #[command(flatten)]
    paths: Paths,
    /// The topology
    #[arg(long, value_name = "NAME")]
    topology: String,
    #[arg(
        long,
        value_name = "WHERE",
        help = "From where: earliest, offset:<N> or time:<RFC 3339>",
        default_value = "earliest",
        value_parser = begin
    )]
    from: Begin,
    /// Replay although not everything can be compared, and compare the rest
    #[arg(long)]
    partial: bool,
    /// At most so many records a second, so that the live application is not held up; 0: as fast as it goes
    #[arg(long, value_name = "N", default_value_t = RATE)]
    rate: u64,
    /// Replay, compare, then take the replayed state over; the application must be stopped
    #[arg(long, requires = "reason", conflicts_with_all = ["partial", "discard"])]
    promote: bool,
    /// Why the state is taken over; goes to the audit topic
    #[arg(long, value_name = "TEXT", requires = "promote")]
    reason: Option<String>,
    /// Delete what a replay left: its topics, its group and its state
    #[arg(long, conflicts_with_all = ["from", "partial", "rate"])]
    discard: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Records a second of a replay when nobody says: measured to leave the live application's times as they are.
const RATE: u64 = 20_000;
/// How much the replay gives way to others that want the processor.
const NICENESS: i32 = 10;
/// Time between two lines of progress, when nobody watches.
const TELL_EVERY: Duration = Duration::from_secs(5);

impl Replay {
    /// Replays, compares, and does what was asked for besides.
    ///
    /// # Errors
    /// Mistakes in settings and topologies; no Kafka; what is refused.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let settings = self.settings.load(&[])?;
        let plan = plan(&self.paths, &settings, &self.topology)?;
        let shadow = Shadow::of(&plan).map_err(|it| Failure::new(Exit::FAILED, format!("{it}\n  hint: use a shorter application.id")))?;
        let mut admin = cluster::reach(&settings)?;
        if self.promote {
            replay::refuse_while_running(&shadow, &mut *admin).map_err(|it| failure(it, &settings))?;
        }
        // Before any thread is made: they all inherit it. Where it is not allowed, the replay is not nice.
        rustix::process::nice(NICENESS).ok();
        let mut own = settings.clone();
        own.application_id.clone_from(&shadow.plan.application_id);
        let path = own.state_dir.join(&own.application_id);
        let was_there = path.is_dir();
        let directory = Directory::take(&own.state_dir, &own.application_id).map_err(|it| Failure::new(Exit::FAILED, it.to_string()))?;
        let done = self.in_directory(&settings, &own, &shadow, &directory, &mut *admin).map_err(|it| failure(it, &settings));
        drop(directory);
        let nothing_begun = !was_there && done.is_err();
        if self.discard && done.is_ok() || nothing_begun {
            fs::remove_dir_all(&path).map_err(|it| Failure::new(Exit::FAILED, format!("{}: can't be deleted: {it}", path.display())))?;
        }
        done
    }

    fn in_directory(
        &self,
        settings: &Settings,
        own: &Settings,
        shadow: &Shadow,
        directory: &Arc<Directory>,
        admin: &mut dyn Admin,
    ) -> Result<Exit, Error> {
        let left = replay::leftovers(shadow, admin, &**directory)?;
        let clock = SystemClock::start();
        if self.discard || !left.is_empty() {
            replay::remove(&left, admin, &**directory, &clock)?;
            if self.discard {
                print::discarded(&left, self.output.output);
                return Ok(Exit::OK);
            }
            out::say("what an earlier replay left is deleted");
        }
        let stop = signals::listen().map_err(|it| Error::Failed(format!("signals can't be received: {it}")))?;
        let instance = directory.instance_id(own.instance_id.as_deref()).map_err(|it| Error::Failed(it.to_string()))?;
        let report: Arc<Report> = Arc::new(tell);
        let stores = RocksStores::new(Arc::clone(directory), &kafka::rocks(own));
        let worlds = kafka::worlds(&cluster::clients(own, &instance), &shadow.plan, stores, &report, &Arc::new(Board::default()));
        let found = admin.describe(&shadow.live_topics())?;
        let partitions = shadow.partitions(&found.into_iter().map(|(name, it)| (name, it.partitions)).collect());
        let options = application::Options { create_topics: false, null: false, stay: false };
        let access = KafkaAccess::new(&cluster::clients(settings, "replay"));
        let mut bar = print::Bar::new(TELL_EVERY);
        let mut progress = |it| bar.show(it);
        let mut site = Site {
            access: &access,
            admin,
            worlds: &*worlds,
            limits: application::limits(own, &shadow.plan, &partitions, options),
            replication: settings.replication_factor,
            config: &settings.topic,
            stop: &stop,
            progress: &mut progress,
        };
        let request = Request { begin: self.from, partial: self.partial, rate: Some(self.rate).filter(|it| *it != 0) };
        let replayed = match replay::run(shadow, request, &mut site) {
            Err(error @ Error::Refused { .. }) => {
                // Nothing was done: nothing stays.
                let left = replay::leftovers(shadow, site.admin, &**directory)?;
                replay::remove(&left, site.admin, &**directory, &clock)?;
                return Err(error);
            }
            other => other?,
        };
        let promoted = if self.promote { Some(self.promote(settings, shadow, &replayed, &mut site)?) } else { None };
        bar.end();
        print::report(&replayed.report, promoted, shadow, self.output.output);
        let done = promoted.is_some() || replayed.report.is_identical();
        Ok(if done { Exit::OK } else { Exit::FAILED })
    }

    fn promote(&self, settings: &Settings, shadow: &Shadow, replayed: &Replayed, site: &mut Site<'_>) -> Result<usize, Error> {
        if replayed.is_same_state() {
            return Ok(0);
        }
        audit::prepare(site.admin, &shadow.live, settings.replication_factor).map_err(|it| Error::Failed(it.to_string()))?;
        let promotion = Promotion {
            reason: self.reason.clone().unwrap_or_default(),
            by: by(),
            at: jiff::Timestamp::now().to_string(),
            audit: audit::topic(&shadow.live),
        };
        replay::promote(shadow, replayed, &promotion, site)
    }
}

/// The plan of one topology alone.
fn plan(paths: &Paths, settings: &Settings, name: &str) -> Result<Plan, Failure> {
    let sources = sources::read(&paths.paths)?;
    let all = topology::plan(&settings.application_id, &sources)
        .map_err(|it| Failure::new(Exit::CONFIGURATION, mistakes::render(&it, &texts(&sources), out::coloured())))?;
    let named = |plan: &Plan| plan.subtopologies.first().is_some_and(|it| it.topology == name);
    let alone = |file: &(String, String)| {
        let sources = Sources { topologies: vec![file.clone()], events: sources.events.clone() };
        topology::plan(&settings.application_id, &sources).ok().filter(named)
    };
    sources.topologies.iter().find_map(alone).ok_or_else(|| {
        let mut known: Vec<&str> = all.subtopologies.iter().map(|it| it.topology.as_str()).collect();
        known.dedup();
        Failure::new(Exit::FAILED, format!("there is no topology `{name}`\n  hint: there are {}", known.join(", ")))
    })
}

fn begin(text: &str) -> Result<Begin, String> {
    match text.split_once(':') {
        None if text == "earliest" => Ok(Begin::Earliest),
        Some(("offset", number)) => match number.parse() {
            Ok(offset) if 0 <= offset => Ok(Begin::Offset(offset)),
            _ => Err(format!("`{number}` is no offset")),
        },
        Some(("time", time)) => {
            let parsed: Result<jiff::Timestamp, _> = time.parse();
            parsed.map(|it| Begin::Time(it.as_millisecond())).map_err(|it| format!("write a time such as 2026-01-31T08:00:00Z: {it}"))
        }
        _ => Err("write earliest, offset:<N> or time:<RFC 3339>".to_owned()),
    }
}

/// Of the replay's worker only what goes wrong is told.
fn tell(change: &Change) {
    if change.is_error() || matches!(change, Change::Waiting { .. } | Change::Rewound { .. }) {
        out::say(&format!("replay: {change}"));
    }
}

/// Who does it: `user@host`.
fn by() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{}", host.trim())
}

fn failure(error: Error, settings: &Settings) -> Failure {
    match error {
        Error::Admin(error) => cluster::failure(&error, settings),
        other => Failure::new(Exit::FAILED, other.to_string()),
    }
}
