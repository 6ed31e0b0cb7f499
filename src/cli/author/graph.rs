//! `goyt graph`: draws the topologies: as text, for Graphviz, or for Mermaid.

mod dot;
mod mermaid;

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};

use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Paths, out, plan};
use crate::engine::plan::Plan;
use crate::engine::topology::describe::{self, Beside, Picture};

/// Draw the topologies
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt graph                                             as text, in the format of Kafka Streams' describe()
  goyt graph --format dot | dot -Tsvg > graph.svg        as a picture, by Graphviz
  goyt graph --format mermaid topologies/shop.yaml       for a page in Markdown

Cylinders are topics, folders are stores (each has a changelog topic, which is not drawn), dashed arrows lead to dead letters.")]
pub struct Graph {
    #[command(flatten)]
    paths: Paths,
    /// How it is drawn
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    settings: SettingFlags,
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// As Kafka Streams' `Topology.describe()`, which its viewers read.
    #[default]
    Text,
    /// For Graphviz.
    Dot,
    /// For Mermaid, as Markdown pages show it.
    Mermaid,
}

impl Graph {
    /// Draws.
    ///
    /// # Errors
    /// Mistakes in settings and topologies.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let settings = self.settings.load(&[])?;
        let plan = plan(&self.paths, &settings)?;
        out::data(
            match self.format {
                Format::Text => describe::describe(&plan),
                Format::Dot => dot::draw(&plan),
                Format::Mermaid => mermaid::draw(&plan),
            }
            .trim_end(),
        );
        Ok(Exit::OK)
    }
}

/// What both drawings show: topologies with their parts, and numbers for topics, which stand outside of them.
struct Drawing<'p> {
    topologies: Vec<(&'p str, Vec<Picture<'p>>)>,
    topics: BTreeMap<&'p str, usize>,
}

impl<'p> Drawing<'p> {
    fn of(plan: &'p Plan) -> Self {
        let mut topologies: Vec<(&str, Vec<Picture<'_>>)> = Vec::new();
        let mut topics = BTreeMap::new();
        for picture in describe::pictures(plan) {
            let beside = picture.nodes.iter().filter_map(|it| match it.beside {
                Beside::From(topic) | Beside::To(topic) => Some(topic),
                Beside::Nothing | Beside::Store(_) => None,
            });
            for topic in beside.chain(picture.dead_letters()) {
                let number = topics.len();
                topics.entry(topic).or_insert(number);
            }
            match topologies.last_mut().filter(|(name, _)| *name == picture.part.topology) {
                Some((_, parts)) => parts.push(picture),
                None => topologies.push((&picture.part.topology, vec![picture])),
            }
        }
        Self { topologies, topics }
    }

    fn topic(&self, name: &str) -> usize {
        self.topics.get(name).copied().unwrap_or_default()
    }
}
