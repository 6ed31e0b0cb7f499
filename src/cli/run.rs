//! `goyt run`: runs the topologies until it is told to stop. Says what it is going to do before it does it.

pub mod null;

use std::io::IsTerminal as _;

use clap::Args;

use crate::adapters::machine;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::signals;
use crate::cli::{Paths, application, describe, kafka, out, plan};
use crate::config::{LogFormat, Settings, reference, state_cache_bytes};
use crate::engine::plan::Plan;
use crate::telemetry::logging;

/// Run the topologies until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt run
  goyt run topologies/shop.yaml --bootstrap-servers kafka:9092 --create-topics
  goyt run --set commit.interval.ms=50 --threads 2

`goyt run --help` lists all settings.", after_long_help = reference::plain())]
pub struct Run {
    #[command(flatten)]
    paths: Paths,
    #[command(flatten)]
    options: application::Options,
    /// The number of workers (num.stream.threads)
    #[arg(long, value_name = "N")]
    threads: Option<String>,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Run {
    /// Runs until the end.
    ///
    /// # Errors
    /// Mistakes in settings and topologies; what ends the process.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let threads = self.threads.iter().map(|it| ("--threads", "num.stream.threads", it.clone()));
        let settings = self.settings.load(&threads.collect::<Vec<_>>())?;
        if self.options.null {
            null::check_name(&settings)?;
        }
        let plan = plan(&self.paths, &settings)?;
        logging::init(log_format(&settings));
        announce(&settings, &plan, self.options);
        let stop = signals::listen().map_err(|error| Failure::new(Exit::FAILED, format!("signals can't be received: {error}")))?;
        kafka::run(&settings, &plan, self.options, &stop).or_else(|failure| {
            if log_format(&settings) == logging::Format::Json {
                tracing::error!("{}", failure.message);
                return Ok(failure.exit);
            }
            Err(failure)
        })
    }
}

fn log_format(settings: &Settings) -> logging::Format {
    match settings.log_format {
        Some(LogFormat::Json) => logging::Format::Json,
        None if !std::io::stderr().is_terminal() => logging::Format::Json,
        Some(LogFormat::Text) | None if out::coloured() => logging::Format::Coloured,
        Some(LogFormat::Text) | None => logging::Format::Text,
    }
}

/// Says what is going to be done: as lines for people, or as one log line.
fn announce(settings: &Settings, plan: &Plan, options: application::Options) {
    if log_format(settings) == logging::Format::Json {
        let topologies: Vec<String> = describe::topologies(plan).into_iter().map(|it| it.name).collect();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            application_id = settings.application_id,
            bootstrap_servers = settings.bootstrap_servers,
            state_dir = %settings.state_dir.display(),
            workers = settings.num_stream_threads,
            statestore_cache_max_bytes = state_cache_bytes(settings, machine::memory_bytes()),
            topologies = topologies.join(","),
            "starting"
        );
        if options.null {
            tracing::warn!("{}", null::WARNING);
        }
        return;
    }
    for line in announcement(settings, plan, options) {
        out::say(&line);
    }
}

fn announcement(settings: &Settings, plan: &Plan, options: application::Options) -> Vec<String> {
    let workers = crate::cli::mistakes::count(usize::try_from(settings.num_stream_threads).unwrap_or(usize::MAX), "worker");
    let instance = settings.instance_id.as_ref().map(|it| format!(", instance {it}")).unwrap_or_default();
    let head = format!("goyt {}: application {}{instance}, {workers}", env!("CARGO_PKG_VERSION"), settings.application_id);
    let megabytes = state_cache_bytes(settings, machine::memory_bytes()) >> 20;
    let directory = settings.state_dir.display();
    let place = format!("Kafka at {}, state in {directory}, up to {megabytes} MB of it in memory", settings.bootstrap_servers);
    let null = options.null.then(|| null::WARNING.to_owned());
    [head, place].into_iter().chain(null).chain(describe::lines(plan)).collect()
}
