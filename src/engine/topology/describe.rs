//! A plan as a text picture, in the format of Kafka Streams' `Topology.describe()`, so that its viewers show it.
//!
//! Nodes are named `<operator>/<id>`. An `emit` is a sink beside the way: the steps after it follow the step before it.

use crate::engine::plan::{Operator, Plan, Step, Subtopology};
use crate::engine::record::TopicId;

/// The picture of all topologies of a plan.
#[must_use]
pub fn describe(plan: &Plan) -> String {
    let mut text = String::from("Topologies:\n");
    for part in &plan.subtopologies {
        let mut picture = Picture { plan, part, nodes: Vec::new() };
        let source = picture.add(format!("Source: {}", topic(plan, part.source)), format!("topics: [{}]", topic(plan, part.source)), None);
        picture.steps(&part.steps, source);
        text.push_str(&format!("   Sub-topology: {}.{}\n", part.topology, part.name));
        picture.write(&mut text);
        text.push('\n');
    }
    text
}

/// A node, and the nodes that it leads to, by index.
struct Node {
    head: String,
    detail: String,
    next: Vec<usize>,
    previous: Option<usize>,
}

struct Picture<'p> {
    plan: &'p Plan,
    part: &'p Subtopology,
    nodes: Vec<Node>,
}

impl Picture<'_> {
    fn add(&mut self, head: String, detail: String, previous: Option<usize>) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node { head, detail, next: Vec::new(), previous });
        if let Some(previous) = previous.and_then(|it| self.nodes.get_mut(it)) {
            previous.next.push(index);
        }
        index
    }

    fn steps(&mut self, steps: &[Step], mut previous: usize) {
        for step in steps {
            let name = format!("{}/{}", step.operator.name(), step.id);
            match &step.operator {
                Operator::Emit(emit) => self.sink(&name, emit.to, previous),
                Operator::Key { to, .. } => self.sink(&name, *to, previous),
                Operator::Branch(cases) => {
                    let node = self.processor(&name, None, previous);
                    cases.iter().for_each(|it| self.steps(&it.steps, node));
                }
                Operator::Dedup { store, .. } | Operator::Unique { store, .. } | Operator::Allot { store, .. } => {
                    previous = self.processor(&name, Some(*store), previous);
                }
                Operator::Aggregate(it) => previous = self.processor(&name, Some(it.store), previous),
                Operator::Let(_) | Operator::Require { .. } | Operator::Filter { .. } | Operator::Split(_) => {
                    previous = self.processor(&name, None, previous);
                }
            }
        }
    }

    fn processor(&mut self, name: &str, store: Option<usize>, previous: usize) -> usize {
        let store = store.and_then(|it| self.part.stores.get(it)).map_or("", |it| &it.id);
        self.add(format!("Processor: {name}"), format!("stores: [{store}]"), Some(previous))
    }

    fn sink(&mut self, name: &str, to: TopicId, previous: usize) {
        let to = topic(self.plan, to);
        self.add(format!("Sink: {name}"), format!("topic: {to}"), Some(previous));
    }

    fn name(&self, index: usize) -> &str {
        self.nodes.get(index).and_then(|it| it.head.split_once(": ")).map_or("", |(_, name)| name)
    }

    fn write(&self, text: &mut String) {
        for node in &self.nodes {
            let next: Vec<&str> = node.next.iter().map(|it| self.name(*it)).collect();
            let next = if next.is_empty() { "none".to_owned() } else { next.join(", ") };
            text.push_str(&format!("    {} ({})\n", node.head, node.detail));
            if !node.head.starts_with("Sink") {
                text.push_str(&format!("      --> {next}\n"));
            }
            if let Some(previous) = node.previous {
                text.push_str(&format!("      <-- {}\n", self.name(previous)));
            }
        }
    }
}

fn topic(plan: &Plan, id: TopicId) -> String {
    plan.topics.get(usize::from(id.0)).map(|it| it.name.clone()).unwrap_or_default()
}
