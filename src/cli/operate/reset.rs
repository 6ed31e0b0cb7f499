//! `goyt reset`: lets an application begin anew: its offsets, internal topics and local state, together.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::adapters::rocks::directory::Directory;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Output, Paths, cluster, out, plan};
use crate::config::Settings;
use crate::runtime::operations::reset::{self, Error, LocalState, Step};
use crate::runtime::ports::StoreError;

/// Delete the application's offsets, internal topics and local state, so that it begins anew
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt reset --dry-run       show what would be deleted
  goyt reset --execute       delete it

Input, output and dead letter topics stay as they are: after a reset the input is read again from `auto.offset.reset`, \
and the outputs get the same events once more, with the same ids. Refused (exit code 1) while an instance is running. \
The state of other instances is not here: run it on each of them before any is started.")]
pub struct Reset {
    #[command(flatten)]
    paths: Paths,
    /// Show what would be deleted
    #[arg(long, conflicts_with = "execute")]
    dry_run: bool,
    /// Delete it; look with --dry-run first
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Reset {
    /// Looks, and with `--execute` deletes.
    ///
    /// # Errors
    /// Mistakes in settings and topologies; no Kafka; an instance that is running; the first step that could not be done.
    pub fn execute(&self) -> Result<Exit, Failure> {
        if !self.dry_run && !self.execute {
            return Err(Failure::new(Exit::USAGE, "goyt reset deletes things: look with --dry-run first, then use --execute"));
        }
        let settings = self.settings.load(&[])?;
        let plan = plan(&self.paths, &settings)?;
        let mut admin = cluster::reach(&settings)?;
        let local = Held::take(&settings).map_err(|it| failure(&it.into(), &settings))?;
        let steps = reset::look(&plan, admin.as_mut(), &local).map_err(|it| failure(&it, &settings))?;
        if steps.is_empty() {
            out::say("nothing to reset: no offsets, no internal topics, no local state");
        }
        let verb = if self.execute { "deleted" } else { "would delete" };
        for step in &steps {
            if self.execute {
                reset::carry_out(step, admin.as_mut(), &local).map_err(|it| {
                    let Failure { exit, message } = failure(&it, &settings);
                    Failure::new(exit, format!("{step}: {message}\n  hint: run it again; what is deleted already stays deleted"))
                })?;
            }
            match self.output.output {
                out::Format::Text => out::data(&format!("{verb} {step}")),
                out::Format::Json => out::data(&to_json(step, self.execute).to_string()),
            }
        }
        if !self.execute && !steps.is_empty() {
            out::say("nothing has been deleted; --execute does it");
        }
        Ok(Exit::OK)
    }
}

/// A step as a line of JSON.
fn to_json(step: &Step, done: bool) -> serde_json::Value {
    let (kind, name) = match step {
        Step::Offsets(group) => ("offsets", group),
        Step::Topic(topic) => ("topic", topic),
        Step::State(task) => ("state", task),
    };
    json!({ "kind": kind, "name": name, "deleted": done })
}

fn failure(error: &Error, settings: &Settings) -> Failure {
    match error {
        Error::Active { .. } => {
            let timeout = settings.session_timeout.as_secs();
            Failure::new(
                Exit::FAILED,
                format!("{error}\n  hint: stop them; one that was killed counts as a member for {timeout} s more (session.timeout.ms)"),
            )
        }
        Error::Admin(error) => cluster::failure(error, settings),
        Error::State(error) => Failure::new(Exit::FAILED, error.to_string()),
    }
}

/// The state directory of this instance, held by this process; `None` when there is none.
struct Held(Option<Arc<Directory>>);

impl Held {
    fn take(settings: &Settings) -> Result<Self, StoreError> {
        // Looking must not leave a directory behind.
        let there = settings.state_dir.join(&settings.application_id).is_dir();
        there.then(|| Directory::take(&settings.state_dir, &settings.application_id)).transpose().map(Self)
    }
}

impl LocalState for Held {
    fn tasks(&self) -> Result<Vec<String>, StoreError> {
        self.0.as_ref().map_or_else(|| Ok(Vec::new()), |it| it.tasks())
    }

    fn remove(&self, task: &str) -> Result<(), StoreError> {
        self.0.as_ref().map_or(Ok(()), |it| it.remove(task))
    }
}
