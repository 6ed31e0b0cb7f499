//! The command line: what was asked for, and where it is done. One file per command.

pub mod application;
mod author;
mod cluster;
mod demo;
pub mod describe;
pub mod exit;
pub mod http;
mod kafka;
mod memory;
mod mistakes;
mod operate;
pub mod out;
mod progress;
pub mod run;
pub mod scenario;
pub mod settings;
pub mod signals;
mod sources;
pub mod topology_test;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::cli::exit::{Exit, Failure};
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::engine::topology::{self, Sources};

/// Runs declarative topologies exactly once on Apache Kafka.
#[derive(Debug, Parser)]
#[command(name = "goyt", version, after_help = EXAMPLES, max_term_width = 120)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  goyt demo                          see it work, without Kafka
  goyt validate                      check topologies/ without running anything
  goyt test                          run topologies/tests/*.yaml in memory
  goyt sim                           run them under faults, in memory, and check that nothing is lost
  goyt topics --create               create what is missing on the cluster
  goyt replay --topology NAME        run one again beside the live application, and compare
  goyt run                           run topologies/ until it is told to stop

Exit codes: 0 done, 1 failed or differs, 2 usage, 69 Kafka can't be reached, 75 stopped without the last commit \
(nothing is lost by that), 78 mistakes in settings or topologies.";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Run(run::Run),
    Validate(author::validate::Validate),
    Test(author::test::Test),
    Sim(author::sim::Sim),
    Topics(operate::topics::Topics),
    Dlq(operate::dlq::Dlq),
    Lag(operate::lag::Lag),
    Top(operate::top::Top),
    Tap(operate::tap::Tap),
    Replay(operate::replay::Replay),
    Reset(operate::reset::Reset),
    Store(operate::store::Store),
    Graph(author::graph::Graph),
    Config(author::config::Config),
    Completions(author::man::Completions),
    Man(author::man::Man),
}

/// The topologies that a command is about.
#[derive(Debug, Clone, Args)]
struct Paths {
    /// Topology files, or directories with them [default: topologies]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, Args)]
struct Output {
    /// How data is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: out::Format,
}

/// Does what the command line says, and returns how the process ends.
#[must_use]
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let parsed = match CommandLine::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version go to stdout and are no failure; clap knows which is which.
            let exit = if error.use_stderr() { Exit::USAGE } else { Exit::OK };
            drop(error.print());
            return exit.into();
        }
    };
    let done = match parsed.command {
        Command::Demo(demo) => demo.execute(),
        Command::Run(run) => run.execute(),
        Command::Validate(validate) => validate.execute(),
        Command::Test(test) => test.execute(),
        Command::Sim(sim) => sim.execute(),
        Command::Topics(topics) => topics.execute(),
        Command::Dlq(dlq) => dlq.execute(),
        Command::Lag(lag) => lag.execute(),
        Command::Top(top) => top.execute(),
        Command::Tap(tap) => tap.execute(),
        Command::Replay(replay) => replay.execute(),
        Command::Reset(reset) => reset.execute(),
        Command::Store(store) => store.execute(),
        Command::Graph(graph) => graph.execute(),
        Command::Config(config) => config.execute(),
        Command::Completions(completions) => completions.execute(),
        Command::Man(man) => man.execute(),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out::say(&failure.message);
            failure.exit.into()
        }
    }
}

/// The plan of the topologies under the paths.
fn plan(paths: &Paths, settings: &Settings) -> Result<Plan, Failure> {
    let sources = sources::read(&paths.paths)?;
    topology::plan(&settings.application_id, &sources)
        .map_err(|mistakes| Failure::new(Exit::CONFIGURATION, mistakes::render(&mistakes, &texts(&sources), out::coloured())))
}

fn texts(sources: &Sources) -> Vec<(String, String)> {
    sources.topologies.iter().chain(&sources.events).cloned().collect()
}
