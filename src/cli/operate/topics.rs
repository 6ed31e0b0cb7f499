//! `goyt topics`: the topics that the topologies need, beside what the cluster has; creates what is missing.

use clap::Args;
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Output, Paths, cluster, out, plan};
use crate::runtime::operations::topics::{self, Creation, Status, TopicState};

/// Show the topics that the topologies need, and create what is missing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt topics                            what is needed, what is there
  goyt topics --create --partitions 12   create what is missing, inputs with 12 partitions, all others as their source

`goyt run` creates all but missing inputs by itself. Exit code 1 when a topic stands in the way: an input that is \
missing, or a topic that is not as it must be; 69 when Kafka can't be reached.")]
pub struct Topics {
    #[command(flatten)]
    paths: Paths,
    /// Create what is missing, inputs too
    #[arg(long)]
    create: bool,
    /// The partition count of inputs that are created
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PARTITIONS, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: i32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    settings: SettingFlags,
}

/// The partition count of inputs that are created when nobody says.
pub const DEFAULT_PARTITIONS: i32 = 6;

impl Topics {
    /// Looks, creates and prints.
    ///
    /// # Errors
    /// Mistakes in settings and topologies; no Kafka.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let settings = self.settings.load(&[])?;
        let plan = plan(&self.paths, &settings)?;
        let mut admin = cluster::reach(&settings)?;
        let creation = Creation {
            input_partitions: self.create.then_some(self.partitions),
            replication: settings.replication_factor,
            config: &settings.topic,
        };
        let mut states = topics::look(&plan, creation, admin.as_mut()).map_err(|it| cluster::failure(&it, &settings))?;
        if self.create {
            topics::create(&mut states, admin.as_mut()).map_err(|it| cluster::failure(&it, &settings))?;
        }
        match self.output.output {
            out::Format::Text => out::data(&table(&states)),
            out::Format::Json => out::data(&to_json(&states).to_string()),
        }
        if states.iter().any(|it| it.status == Status::Missing) {
            out::say("inputs are missing: create them, or let --create do it");
        }
        Ok(if states.iter().any(|it| it.status.is_fault()) { Exit::FAILED } else { Exit::OK })
    }
}

/// The topics for people.
#[must_use]
pub fn table(states: &[TopicState]) -> String {
    let count = |it: Option<i32>, none: &str| it.map_or_else(|| none.to_owned(), |it| it.to_string());
    let row = |it: &TopicState| {
        [it.name.clone(), it.role.name().to_owned(), count(it.wanted, "any"), count(it.found, "-"), it.status.to_string()]
    };
    out::table(["TOPIC", "ROLE", "WANTED", "FOUND", "STATUS"], &states.iter().map(row).collect::<Vec<_>>())
}

fn to_json(states: &[TopicState]) -> serde_json::Value {
    let one = |it: &TopicState| {
        json!({
            "topic": it.name, "role": it.role.name(), "partitionsWanted": it.wanted, "partitionsFound": it.found,
            "ok": !it.status.is_fault(), "status": it.status.to_string(),
        })
    };
    states.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Role;

    #[test]
    fn the_table_says_of_each_topic_what_is_the_matter() {
        let state = |name: &str, role, wanted, found, status| TopicState { name: name.into(), role, wanted, found, status };
        let new =
            crate::runtime::operations::admin::NewTopic { name: String::new(), partitions: 6, replication: -1, config: Default::default() };
        let states = [
            state("orders", Role::Input, None, Some(6), Status::Ok),
            state("refunds", Role::Input, None, None, Status::Missing),
            state("receipts", Role::Output, Some(6), None, Status::Creatable(new)),
            state("refunds.dlq", Role::DeadLetter, None, None, Status::Waits("refunds".into())),
            state("app-shop-totals-changelog", Role::Changelog, Some(6), Some(3), Status::Wrong("has 3 partitions".into())),
        ];
        insta::assert_snapshot!(table(&states), @r"
        TOPIC                      ROLE          WANTED  FOUND  STATUS
        orders                     input         any     6      ok
        refunds                    input         any     -      missing
        receipts                   output        6       -      would be created
        refunds.dlq                dead letters  any     -      would be created after refunds
        app-shop-totals-changelog  changelog     6       3      has 3 partitions
        ");
    }
}
