//! `goyt demo`: a scenario, played to the topologies while they run, and at its end what came of it beside what had to.

mod course;
mod embedded;
mod findings;
mod on_kafka;
mod picture;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::adapters::clock::SystemClock;
use crate::cli::exit::{Exit, Failure};
use crate::cli::scenario::{Scenario, file};
use crate::cli::settings::SettingFlags;
use crate::cli::signals::{self, Stop};
use crate::cli::{Paths, mistakes, out, plan, sources};
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::runtime::operations::access::Access;
use crate::runtime::ports::Clock;
use crate::sim::entries::Entry;

/// Run a scenario and compare what comes of it with what must: without Kafka, or on one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt demo                        plays topologies/demo/*.yaml in memory; needs no Kafka
  goyt demo --events 1000000       a longer one
  goyt demo --kafka                on a real broker, with two workers, one of which is killed on the way

On a terminal it stays until Ctrl-C, so that you can look around; elsewhere only with --keep. \
How a scenario is written: docs/scenarios.md. Exit code 0 when all figures are equal, 1 when one differs, 78 with mistakes in a file.")]
pub struct Demo {
    #[command(flatten)]
    paths: Paths,
    /// The scenario [default: the one in `demo/` beside the topologies]
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// About so many events, instead of the number that the scenario says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    events: Option<u64>,
    /// The same number makes the same events
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Run on the Kafka at bootstrap.servers, with two workers, one of which is killed on the way
    #[arg(long)]
    kafka: bool,
    /// Stay until Ctrl-C, even when nobody watches
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Where the scenario is looked for, beside the topologies.
const FOLDER: &str = "demo";

/// Where the topologies run.
trait Stage {
    /// The way to their topics.
    fn access(&self) -> &dyn Access;

    /// Half of the events are processed: what is done now, in words.
    fn half_way(&mut self) -> Result<Option<String>, Failure>;

    /// Why the application does not work any more, if so.
    fn fault(&mut self) -> Option<String>;

    /// How fast it was in its own words, if it tells.
    fn pace(&self) -> Option<String>;

    /// The page that shows the application while it runs.
    fn page(&self) -> Option<&str>;

    /// What is worth knowing of this place.
    fn remarks(&self) -> Vec<String>;

    /// The committed entries of a store; `None`: they can't be seen from here.
    fn entries(&self, store: &str) -> Option<Result<Vec<Entry>, String>>;

    /// Ends the application; `good`: nothing of it needs to be looked at.
    fn end(&mut self, good: bool);
}

/// What is played.
struct Play<'p> {
    settings: &'p Settings,
    plan: &'p Plan,
    scenario: &'p Scenario,
    file: &'p str,
    events: u64,
    seed: u64,
    stop: &'p Stop,
}

impl Demo {
    /// Plays and compares.
    ///
    /// # Errors
    /// Mistakes in settings, topologies and the scenario; what keeps the application from running.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut settings = self.settings.load(&[])?;
        if self.kafka {
            // State of an earlier demo must not be taken for this one's.
            settings.application_id = format!("{}-demo-{:x}", settings.application_id, SystemClock::start().now());
        }
        let plan = plan(&self.paths, &settings)?;
        let path = self.scenario.clone().map_or_else(|| self.find(), Ok)?;
        let text = fs::read_to_string(&path).map_err(|it| sources::unreadable(&path, &it))?;
        let file = path.display().to_string();
        let scenario = file::read(&file, &text, &plan)
            .map_err(|it| Failure::new(Exit::CONFIGURATION, mistakes::render(&it, &[(file.clone(), text.clone())], out::coloured())))?;
        let stop = signals::listen().map_err(|error| Failure::new(Exit::FAILED, format!("signals can't be received: {error}")))?;
        let events = self.events.unwrap_or(scenario.events);
        let play = Play { settings: &settings, plan: &plan, scenario: &scenario, file: &file, events, seed: self.seed, stop: &stop };
        out::say(&format!("goyt demo: {}", scenario.description));
        let mut stage: Box<dyn Stage> = match self.kafka {
            true => Box::new(on_kafka::Workers::start(&play, &self.paths.paths)?),
            false => Box::new(embedded::Embedded::start(&play)?),
        };
        let shown = self.show(&play, &mut *stage);
        stage.end(matches!(shown, Ok(Exit::OK)));
        shown
    }

    fn show(&self, play: &Play<'_>, stage: &mut dyn Stage) -> Result<Exit, Failure> {
        let Some(played) = course::play(play, stage)? else { return Ok(Exit::FAILED) };
        let found = findings::look(play, stage, &played)?;
        for line in picture::lines(play, &played, &found, stage.pace().as_deref()) {
            out::data(&line);
        }
        for line in std::iter::once(String::new()).chain(stage.remarks()) {
            out::say(&line);
        }
        if self.keep || (out::watched() && !self.kafka) {
            let page = stage.page().map(|it| format!("Look around: {it}\n")).unwrap_or_default();
            out::say(&format!("{page}It stays until Ctrl-C."));
            course::wait_for_stop(play.stop);
        }
        Ok(if found.faults().is_empty() { Exit::OK } else { Exit::FAILED })
    }

    /// The only scenario beside the topologies.
    fn find(&self) -> Result<PathBuf, Failure> {
        let first = self.paths.paths.first().map_or(Path::new(sources::DEFAULT_PATH), PathBuf::as_path);
        let folder = if first.is_dir() { first } else { first.parent().unwrap_or(Path::new("")) }.join(FOLDER);
        let files = if folder.is_dir() { sources::files(&folder, &["yaml", "yml"])? } else { Vec::new() };
        match <[PathBuf; 1]>::try_from(files) {
            Ok([one]) => Ok(one),
            Err(files) if files.is_empty() => {
                let text = format!(
                    "{}: there is no scenario here (*.yaml)\n  hint: name one with --scenario FILE; docs/scenarios.md says how it is written",
                    folder.display()
                );
                Err(Failure::new(Exit::CONFIGURATION, text))
            }
            Err(files) => {
                let names: Vec<String> = files.iter().map(|it| it.display().to_string()).collect();
                Err(Failure::new(
                    Exit::USAGE,
                    format!("there are several scenarios\n  hint: choose one with --scenario: {}", names.join(", ")),
                ))
            }
        }
    }
}
