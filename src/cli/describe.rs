//! A plan in words: which topologies it has, what each part reads, keeps and writes.

use serde::Serialize;

use crate::engine::plan::{Plan, Role, Subtopology};
use crate::engine::record::TopicId;

/// A topology, for people and for JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopologyText {
    /// Its name.
    pub name: String,
    /// Its parts, in the order in which records pass them.
    pub subtopologies: Vec<SubtopologyText>,
}

/// Part of a topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubtopologyText {
    /// Its name.
    pub name: String,
    /// The topic that it reads.
    pub reads: String,
    /// The ids of its stores.
    pub stores: Vec<String>,
    /// The topics that it writes, but for changelogs.
    pub writes: Vec<String>,
}

/// The topologies of a plan.
#[must_use]
pub fn topologies(plan: &Plan) -> Vec<TopologyText> {
    let mut topologies: Vec<TopologyText> = Vec::new();
    for part in &plan.subtopologies {
        let text = SubtopologyText {
            name: part.name.clone(),
            reads: topic(plan, part.source),
            stores: part.stores.iter().map(|it| it.id.clone()).collect(),
            writes: written(part).into_iter().map(|it| topic(plan, it)).collect(),
        };
        match topologies.last_mut().filter(|it| it.name == part.topology) {
            Some(topology) => topology.subtopologies.push(text),
            None => topologies.push(TopologyText { name: part.topology.clone(), subtopologies: vec![text] }),
        }
    }
    topologies
}

/// A plan as lines for people: each topology with its parts, then the topics by what they are for.
#[must_use]
pub fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for topology in topologies(plan) {
        lines.push(format!("topology {}", topology.name));
        for part in topology.subtopologies {
            let named =
                |verb: &str, names: &[String]| if names.is_empty() { String::new() } else { format!("; {verb} {}", names.join(", ")) };
            lines.push(format!("  {}: reads {}{}{}", part.name, part.reads, named("keeps", &part.stores), named("writes", &part.writes)));
        }
    }
    let roles = [Role::Input, Role::Output, Role::DeadLetter, Role::Repartition, Role::Changelog];
    let count = |role: Role| plan.topics.iter().filter(|it| it.role == role).count();
    let counted = roles.into_iter().filter(|it| count(*it) != 0).map(|it| format!("{} {}", count(it), it.name()));
    lines.push(format!("topics: {}", counted.collect::<Vec<_>>().join(", ")));
    lines
}

fn topic(plan: &Plan, id: TopicId) -> String {
    plan.topics.get(usize::from(id.0)).map(|it| it.name.clone()).unwrap_or_default()
}

fn written(part: &Subtopology) -> Vec<TopicId> {
    part.written().into_iter().chain(part.dead_letters).collect()
}
