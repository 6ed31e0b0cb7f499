//! `goyt dlq`: dead letters: what failed and why, and what is done about it.

mod change;
mod export;
mod json;
mod ls;
mod pretty;
mod selection;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Output, Paths, cluster, plan};
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::engine::record::Millis;
use crate::runtime::operations::access::TopicReader;
use crate::runtime::operations::admin::Admin;
use crate::runtime::operations::dead_letters::Error;

/// See what could not be processed and why; send it back, or discard it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt dlq ls --group-by reason,step                   what is there
  goyt dlq show orders.dlq/3/17                        one of them: why, and would it pass now?
  goyt dlq redrive --code WRONG_TYPE --dry-run         would they pass, now that the schema is mended?
  goyt dlq redrive --code WRONG_TYPE --reason 'schema mended'
  goyt dlq discard orders.dlq/3/17 --reason 'a test order'
  goyt dlq export --to letters.jsonl

A redrive sends each record back once, also when it is repeated or killed. More in docs/dead-letters.md.")]
pub struct Dlq {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Ls),
    Show(show::Show),
    Redrive(change::Redrive),
    Discard(change::Discard),
    Export(export::Export),
}

impl Dlq {
    /// Does what was asked for.
    ///
    /// # Errors
    /// Mistakes in settings and topologies; no Kafka; what ended it.
    pub fn execute(&self) -> Result<Exit, Failure> {
        match &self.command {
            Command::Ls(it) => it.execute(),
            Command::Show(it) => it.execute(),
            Command::Redrive(it) => it.execute(),
            Command::Discard(it) => it.execute(),
            Command::Export(it) => it.execute(),
        }
    }
}

/// What each of these commands takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Topologies and output")]
struct Common {
    /// Topology files, or directories with them; may be repeated [default: topologies]
    #[arg(long = "topologies", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    settings: SettingFlags,
}

/// An application's dead letters on a cluster that has answered.
struct Desk {
    settings: Settings,
    plan: Plan,
    admin: Box<dyn Admin>,
    reader: Box<dyn TopicReader>,
}

impl Common {
    fn open(&self) -> Result<Desk, Failure> {
        let settings = self.settings.load(&[])?;
        let plan = plan(&Paths { paths: self.paths.clone() }, &settings)?;
        let admin = cluster::reach(&settings)?;
        let reader = cluster::access(&settings).reader(&settings.application_id).map_err(|it| cluster::log_failure(&it, &settings))?;
        Ok(Desk { settings, plan, admin, reader })
    }
}

impl Desk {
    fn failure(&self, error: &Error) -> Failure {
        match error {
            Error::Log(error) => cluster::log_failure(error, &self.settings),
            Error::Audit { .. } | Error::Taken => Failure::new(Exit::FAILED, error.to_string()),
        }
    }
}

/// A time for people, UTC.
fn time(it: Option<Millis>) -> String {
    it.and_then(|it| jiff::Timestamp::from_millisecond(it).ok()).map_or_else(|| "-".to_owned(), |it| format!("{it:.0}"))
}

/// `1 dead letter`, `2 dead letters`.
fn counted(count: u64) -> String {
    format!("{count} dead letter{}", if count == 1 { "" } else { "s" })
}
