//! `goyt store`: looks into the stores of an application: by an instance that runs, or in the state directory of one that does not.

mod instance;
mod local;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use self::instance::Instance;
use self::local::Local;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Output, Paths, out, plan};
use crate::config::Settings;
use crate::runtime::operations::queries::keys;

/// Look into the stores: the state of the topologies, as it was last committed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt store ls                                        the stores, and how big they are
  goyt store get shop.totals 789 KES                   the value of a key of two parts
  goyt store scan shop.totals 789 --limit 20           the entries whose keys begin with 789
  goyt store get shop.totals 789 KES --address 10.0.0.7:8080

The instance at http.address is asked; a key that another instance has is asked for there. With nobody there, or with \
--offline, the files of a stopped instance are read. Exit code 1 when the key is not there.")]
pub struct Store {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the stores, with what the instance that is asked has of them
    Ls {
        #[command(flatten)]
        from: From,
    },
    /// Show the value of a key
    Get {
        /// `<topology>.<store>`
        store: String,
        /// The key's parts, in order
        #[arg(required = true)]
        key: Vec<String>,
        #[command(flatten)]
        from: From,
    },
    /// Show the entries of a store, as far as the instance that is asked has them
    Scan {
        /// `<topology>.<store>`
        store: String,
        /// The first parts of their keys [default: all]
        key: Vec<String>,
        /// The most entries
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        limit: u32,
        #[command(flatten)]
        from: From,
    },
}

/// Whose stores.
#[derive(Debug, Args)]
struct From {
    /// The instance to ask [default: http.address]
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// Read the state directory of a stopped instance
    #[arg(long, conflicts_with = "address")]
    offline: bool,
    /// A file with the token, where the instance wants one [default: http.token.file]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Topology files, or directories with them, for reading offline [default: topologies]
    #[arg(long = "topologies", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Who answers.
enum Source {
    Instance(Instance),
    Local(Box<Local>),
}

impl Store {
    /// Asks, and shows the answer.
    ///
    /// # Errors
    /// Mistakes in the question; nobody to ask; a key that is not there.
    pub fn execute(&self) -> Result<Exit, Failure> {
        match &self.verb {
            Verb::Ls { from } => {
                let stores = match from.source()? {
                    Source::Instance(it) => it.stores()?,
                    Source::Local(it) => it.stores()?,
                };
                from.show(&json!({ "stores": stores }), |_| list(&stores));
            }
            Verb::Get { store, key, from } => {
                let key = key_text(key);
                let found = match from.source()? {
                    Source::Instance(it) => it.get(store, &key)?,
                    Source::Local(it) => it.get(store, &key)?,
                };
                from.show(&found, fields);
            }
            Verb::Scan { store, key, limit, from } => {
                let (key, limit) = (key_text(key), usize::try_from(*limit).unwrap_or(usize::MAX));
                let (entries, more) = match from.source()? {
                    Source::Instance(it) => it.scan(store, &key, limit)?,
                    Source::Local(it) => it.scan(store, &key, limit)?,
                };
                from.show(&json!({ "entries": entries, "more": more }), |_| table(&entries));
                if more {
                    out::say(&format!("there are more than {limit}; --limit shows more of them"));
                }
            }
        }
        Ok(Exit::OK)
    }
}

impl From {
    fn source(&self) -> Result<Source, Failure> {
        let settings = self.settings.load(&[])?;
        if self.offline {
            return self.local(&settings, "");
        }
        let address = self.address.as_ref().unwrap_or(&settings.http_address);
        let instance = Instance::at(address, self.token_file.as_ref().or(settings.http_token_file.as_ref()).map(PathBuf::as_path))?;
        match instance.answers() {
            Ok(()) => Ok(Source::Instance(instance)),
            Err(why) if self.address.is_some() => Err(Failure::new(
                Exit::FAILED,
                format!("{why}\n  hint: is an instance running there? --offline reads the files of one that is stopped"),
            )),
            Err(why) => self.local(&settings, &format!("{why}; ")),
        }
    }

    /// The files of a stopped instance; `why` they are read.
    fn local(&self, settings: &Settings, why: &str) -> Result<Source, Failure> {
        let plan = plan(&Paths { paths: self.paths.clone() }, settings)?;
        let local = Local::open(settings, plan).map_err(|it| Failure::new(it.exit, format!("{why}{}", it.message)))?;
        out::say(&format!("{why}read from {}, as the last commit left it", local.place()));
        Ok(Source::Local(Box::new(local)))
    }

    fn show(&self, found: &Json, text: impl FnOnce(&Json) -> String) {
        match self.output.output {
            out::Format::Text => out::data(&text(found)),
            out::Format::Json => out::data(&found.to_string()),
        }
    }
}

/// The parts as one text; one that stands alone may be a whole key already, such as `789/KES`.
fn key_text(parts: &[String]) -> String {
    match parts {
        [one] => one.clone(),
        _ => keys::text(&parts.iter().map(|it| Json::from(it.as_str())).collect::<Vec<_>>()),
    }
}

fn list(stores: &[Json]) -> String {
    let text = |it: &Json, name: &str| value_text(it.get(name).unwrap_or(&Json::Null));
    let parts = |it: &Json, name: &str| {
        let parts = it.get(name).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        parts.iter().map(value_text).collect::<Vec<_>>()
    };
    let row = |it: &Json| {
        let value = it.get("value").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let value: Vec<String> = value.iter().map(|it| format!("{}: {}", at(it, 0), at(it, 1))).collect();
        let tasks = parts(it, "tasks").len().to_string();
        [text(it, "name"), text(it, "kind"), parts(it, "key").join("/"), value.join(", "), tasks, text(it, "entries"), text(it, "bytes")]
    };
    out::table(["STORE", "KIND", "KEY", "VALUE", "TASKS", "ENTRIES", "BYTES"], &stores.iter().map(row).collect::<Vec<_>>())
}

fn at(list: &Json, index: usize) -> String {
    list.get(index).map(value_text).unwrap_or_default()
}

fn table(entries: &[Json]) -> String {
    let row = |it: &Json| {
        let key = it.get("key").and_then(Json::as_array).map(|it| keys::text(it)).unwrap_or_default();
        let value = it.get("value").and_then(Json::as_object).into_iter().flatten();
        let value: Vec<String> = value.map(|(name, value)| format!("{name}: {}", value_text(value))).collect();
        [key, value.join(", "), it.get("task").map(value_text).unwrap_or_default()]
    };
    out::table(["KEY", "VALUE", "TASK"], &entries.iter().map(row).collect::<Vec<_>>())
}

/// A value's fields, one a line.
fn fields(found: &Json) -> String {
    let fields = found.get("value").and_then(Json::as_object).into_iter().flatten();
    fields.map(|(name, value)| format!("{name}: {}", value_text(value))).collect::<Vec<_>>().join("\n")
}

fn value_text(value: &Json) -> String {
    match (value.as_str(), value.get("amount").and_then(Json::as_str), value.get("currency").and_then(Json::as_str)) {
        (Some(text), ..) => text.to_owned(),
        (None, Some(amount), Some(currency)) => format!("{amount} {currency}"),
        _ => value.to_string(),
    }
}
