//! A plan as nodes and edges, and as a text picture in the format of Kafka Streams' `Topology.describe()`, so that its viewers show it.
//!
//! Nodes are named `<operator>/<topology>.<id>`. An `emit` is a sink beside the way: the steps after it follow the step before it.

use crate::engine::plan::{Operator, Plan, Step, Subtopology};
use crate::engine::record::TopicId;

/// A subtopology as nodes.
#[derive(Debug)]
pub struct Picture<'p> {
    plan: &'p Plan,
    /// Whose picture it is.
    pub part: &'p Subtopology,
    /// The source first, then the steps in their order.
    pub nodes: Vec<Node<'p>>,
}

/// A node, and the nodes that it leads to, by index.
#[derive(Debug)]
pub struct Node<'p> {
    /// `source`, or the operator.
    pub operator: &'static str,
    /// The step's id; of the source the subtopology's name.
    pub id: &'p str,
    /// What it has beside it.
    pub beside: Beside<'p>,
    /// The nodes behind it.
    pub next: Vec<usize>,
    /// The node before it; only the source has none.
    pub previous: Option<usize>,
}

/// What a node has beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside<'p> {
    /// Nothing.
    Nothing,
    /// The store that it keeps, by id.
    Store(&'p str),
    /// The topic that it reads.
    From(&'p str),
    /// The topic that it writes.
    To(&'p str),
}

/// The pictures of all subtopologies of a plan, in its order.
#[must_use]
pub fn pictures(plan: &Plan) -> Vec<Picture<'_>> {
    let picture = |part| {
        let mut picture = Picture { plan, part, nodes: Vec::new() };
        let source = picture.add("source", &part.name, Beside::From(topic(plan, part.source)), None);
        picture.steps(&part.steps, source);
        picture
    };
    plan.subtopologies.iter().map(picture).collect()
}

/// The picture of all topologies of a plan, as text.
#[must_use]
pub fn describe(plan: &Plan) -> String {
    let mut text = String::from("Topologies:\n");
    for (number, picture) in pictures(plan).iter().enumerate() {
        text.push_str(&format!("   Sub-topology: {number} for {}.{}\n", picture.part.topology, picture.part.name));
        picture.write(&mut text);
        text.push('\n');
    }
    text
}

impl<'p> Picture<'p> {
    /// The topic that takes what its source could not be made of.
    #[must_use]
    pub fn dead_letters(&self) -> Option<&'p str> {
        self.part.dead_letters.map(|it| topic(self.plan, it))
    }

    fn add(&mut self, operator: &'static str, id: &'p str, beside: Beside<'p>, previous: Option<usize>) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node { operator, id, beside, next: Vec::new(), previous });
        if let Some(previous) = previous.and_then(|it| self.nodes.get_mut(it)) {
            previous.next.push(index);
        }
        index
    }

    fn steps(&mut self, steps: &'p [Step], mut previous: usize) {
        for step in steps {
            let store = |index: usize| self.part.stores.get(index).map_or(Beside::Nothing, |it| Beside::Store(&it.id));
            let beside = match &step.operator {
                Operator::Emit(emit) => Beside::To(topic(self.plan, emit.to)),
                Operator::Key { to, .. } => Beside::To(topic(self.plan, *to)),
                Operator::Dedup { store: it, .. } | Operator::Unique { store: it, .. } | Operator::Allot { store: it, .. } => store(*it),
                Operator::Aggregate(it) => store(it.store),
                Operator::Let(_) | Operator::Require { .. } | Operator::Filter { .. } | Operator::Split(_) | Operator::Branch(_) => {
                    Beside::Nothing
                }
            };
            let node = self.add(step.operator.name(), &step.id, beside, Some(previous));
            if let Operator::Branch(cases) = &step.operator {
                cases.iter().for_each(|it| self.steps(&it.steps, node));
            }
            if !matches!(beside, Beside::To(_)) {
                previous = node;
            }
        }
    }

    fn name(&self, index: usize) -> String {
        self.nodes.get(index).map(|it| format!("{}/{}.{}", it.operator, self.part.topology, it.id)).unwrap_or_default()
    }

    fn write(&self, text: &mut String) {
        for (index, node) in self.nodes.iter().enumerate() {
            let (kind, detail) = match node.beside {
                Beside::From(topic) => ("Source", format!("topics: [{topic}]")),
                Beside::To(topic) => ("Sink", format!("topic: {topic}")),
                Beside::Store(store) => ("Processor", format!("stores: [{}.{store}]", self.part.topology)),
                Beside::Nothing => ("Processor", "stores: []".to_owned()),
            };
            text.push_str(&format!("    {kind}: {} ({detail})\n", self.name(index)));
            if kind != "Sink" {
                let next: Vec<String> = node.next.iter().map(|it| self.name(*it)).collect();
                let next = if next.is_empty() { "none".to_owned() } else { next.join(", ") };
                text.push_str(&format!("      --> {next}\n"));
            }
            if let Some(previous) = node.previous {
                text.push_str(&format!("      <-- {}\n", self.name(previous)));
            }
        }
    }
}

fn topic(plan: &Plan, id: TopicId) -> &str {
    plan.topics.get(usize::from(id.0)).map_or("", |it| it.name.as_str())
}
