//! The settings of a command: its flags, the environment and the settings file, put together.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::cluster;
use crate::cli::exit::{Exit, Failure};
use crate::config::{self, Effective, FileText, Flag, Settings, Sources};

/// The settings file that is read when none is named and it is there.
const FILE: &str = "goyt.yaml";

/// Flags that give settings; those of use often have their own.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingFlags {
    /// The brokers, host:port joined by commas
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap_servers: Option<String>,
    /// The application's name: consumer group and prefix of internal topics
    #[arg(long, value_name = "NAME")]
    application_id: Option<String>,
    /// This instance's name among those of its application
    #[arg(long, value_name = "NAME")]
    instance_id: Option<String>,
    /// The directory of the local state
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// Any setting (all are listed by `goyt run --help` and in docs/configuration.md); may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    set: Vec<(String, String)>,
    /// The settings file [default: goyt.yaml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl SettingFlags {
    /// Reads the settings; `more` are flags of the command that are settings, too.
    ///
    /// # Errors
    /// All mistakes in them, or a settings file that can't be read.
    pub fn load(&self, more: &[(&str, &str, String)]) -> Result<Settings, Failure> {
        let settings = config::load(&self.sources(more)?).map_err(|mistakes| Failure::new(Exit::CONFIGURATION, render(&mistakes)))?;
        // The Kafka client itself knows best which properties it takes.
        let refused = cluster::clients(&settings, "").mistakes();
        if refused.is_empty() { Ok(settings) } else { Err(Failure::new(Exit::CONFIGURATION, refused.join("\n"))) }
    }

    /// All settings in force, and where they come from.
    ///
    /// # Errors
    /// As [`SettingFlags::load`].
    pub fn effective(&self) -> Result<Vec<Effective>, Failure> {
        self.load(&[])?;
        config::effective(&self.sources(&[])?).map_err(|mistakes| Failure::new(Exit::CONFIGURATION, render(&mistakes)))
    }

    fn sources(&self, more: &[(&str, &str, String)]) -> Result<Sources, Failure> {
        let own = [
            ("--bootstrap-servers", "bootstrap.servers", &self.bootstrap_servers),
            ("--application-id", "application.id", &self.application_id),
            ("--instance-id", "instance.id", &self.instance_id),
            ("--state-dir", "state.dir", &self.state_dir),
        ];
        let own = own.into_iter().filter_map(|(flag, name, value)| Some(to_flag(flag, name, value.as_ref()?)));
        let set = self.set.iter().map(|(name, value)| to_flag("--set", name, value));
        let more = more.iter().map(|(flag, name, value)| to_flag(flag, name, value));
        Ok(Sources {
            flags: set.chain(own).chain(more).collect(),
            // A variable that is no text is none of ours.
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            file: self.file()?,
        })
    }

    fn file(&self) -> Result<Option<FileText>, Failure> {
        let path = self.config.as_deref().unwrap_or(Path::new(FILE));
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(FileText { path: path.display().to_string(), text })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.config.is_none() => Ok(None),
            Err(error) => Err(Failure::new(Exit::CONFIGURATION, format!("{}: can't be read: {error}", path.display()))),
        }
    }
}

fn to_flag(flag: &str, name: &str, value: &str) -> Flag {
    Flag { flag: flag.to_owned(), name: name.to_owned(), value: value.to_owned() }
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as commit.interval.ms=50")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

fn render(mistakes: &[config::Mistake]) -> String {
    let lines = mistakes.iter().map(|it| format!("{}: {}\n  hint: {}", it.place, it.reason, it.hint));
    lines.collect::<Vec<_>>().join("\n")
}
