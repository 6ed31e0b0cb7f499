//! `goyt validate`: checks settings and topologies, and shows all mistakes at once.

use clap::Args;
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Output, Paths, describe, mistakes, out, sources, texts};
use crate::engine::topology;

/// Check settings and topologies without running anything
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt validate
  goyt validate topologies/shop.yaml --output json
  goyt validate --describe       also draws the topologies, in the format of Kafka Streams

Exit code 0 when all is well, 78 with mistakes.")]
pub struct Validate {
    #[command(flatten)]
    paths: Paths,
    /// Draw the topologies, too, in the format of Kafka Streams' describe()
    #[arg(long)]
    describe: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Validate {
    /// Validates.
    ///
    /// # Errors
    /// Mistakes in the settings; files that can't be read.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let settings = self.settings.load(&[])?;
        let sources = sources::read(&self.paths.paths)?;
        let planned = topology::plan(&settings.application_id, &sources);
        match (planned, self.output.output) {
            (Ok(plan), out::Format::Text) => {
                for topology in describe::topologies(&plan) {
                    let stores = topology.subtopologies.iter().map(|it| it.stores.len()).sum();
                    let subtopologies = mistakes::count(topology.subtopologies.len(), "subtopology");
                    out::data(&format!("ok: topology {}: {subtopologies}, {}", topology.name, mistakes::count(stores, "store")));
                }
                if self.describe {
                    out::data(&topology::describe::describe(&plan));
                }
                Ok(Exit::OK)
            }
            (Ok(plan), out::Format::Json) => {
                out::data(&json!({ "ok": true, "topologies": describe::topologies(&plan), "mistakes": [] }).to_string());
                Ok(Exit::OK)
            }
            (Err(found), out::Format::Text) => {
                out::say(&mistakes::render(&found, &texts(&sources), out::coloured()));
                Ok(Exit::CONFIGURATION)
            }
            (Err(found), out::Format::Json) => {
                out::data(&json!({ "ok": false, "topologies": [], "mistakes": mistakes::to_json(&found) }).to_string());
                Ok(Exit::CONFIGURATION)
            }
        }
    }
}
