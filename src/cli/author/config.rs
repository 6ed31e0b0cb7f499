//! `goyt config`: the settings in force, and where each comes from.

use clap::Args;
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Output, out};
use crate::config::{Effective, Place};

/// Show the settings in force, and where each comes from
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt config                                all settings
  goyt config --given                        only those that somebody gave
  goyt config --set consumer.fetch.min.bytes=1 --output json

A flag wins over the environment, the environment over goyt.yaml, that over the default. Secrets are masked.")]
pub struct Config {
    /// Only settings that a flag, the environment or the file gives
    #[arg(long)]
    given: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Config {
    /// Shows them.
    ///
    /// # Errors
    /// Mistakes in the settings.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut settings = self.settings.effective()?;
        settings.retain(|it| !self.given || !matches!(it.place, Place::Default(_)));
        match self.output.output {
            out::Format::Text => out::data(&table(&settings)),
            out::Format::Json => out::data(&to_json(&settings).to_string()),
        }
        Ok(Exit::OK)
    }
}

fn table(settings: &[Effective]) -> String {
    let value = |it: &Effective| it.shown().map_or_else(|| format!("({})", it.unset.unwrap_or("none")), str::to_owned);
    let rows: Vec<_> = settings.iter().map(|it| [it.name.clone(), value(it), place(&it.place)]).collect();
    out::table(["SETTING", "VALUE", "FROM"], &rows)
}

fn to_json(settings: &[Effective]) -> serde_json::Value {
    settings.iter().map(|it| json!({ "name": it.name, "value": it.shown(), "from": source(&it.place), "at": at(&it.place) })).collect()
}

fn place(place: &Place) -> String {
    at(place).unwrap_or_else(|| source(place).to_owned())
}

fn source(place: &Place) -> &'static str {
    match place {
        Place::Flag(_) => "flag",
        Place::Environment(_) => "environment",
        Place::File { .. } => "file",
        Place::Default(_) => "default",
    }
}

fn at(place: &Place) -> Option<String> {
    match place {
        Place::Flag(it) | Place::Environment(it) => Some(it.clone()),
        Place::File { path, line, .. } => Some(format!("{path}:{line}")),
        Place::Default(_) => None,
    }
}
