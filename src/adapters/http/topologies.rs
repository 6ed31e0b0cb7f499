//! `GET /api/v1/topologies`: the plan as a graph of topics, steps and stores.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::adapters::http::served::Served;
use crate::engine::expr::Otherwise;
use crate::engine::plan::{Binding, Late, Operator, Plan, Step, Subtopology};
use crate::engine::record::TopicId;

/// What runs here.
#[derive(Debug, Serialize)]
pub(super) struct Topologies {
    application: String,
    instance: String,
    version: &'static str,
    topologies: Vec<Topology>,
}

#[derive(Debug, Serialize)]
struct Topology {
    name: String,
    description: String,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

#[derive(Debug, Serialize)]
struct Node {
    id: String,
    /// `topic`, `step` or `store`.
    kind: &'static str,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtopology: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Edge {
    from: String,
    to: String,
}

/// `GET /api/v1/topologies`
pub(super) async fn list(State(served): State<Arc<Served>>) -> Json<Topologies> {
    let view = &served.view;
    let mut names: Vec<&str> = view.plan.subtopologies.iter().map(|it| it.topology.as_str()).collect();
    names.dedup();
    Json(Topologies {
        application: view.plan.application_id.clone(),
        instance: view.instance.clone(),
        version: env!("CARGO_PKG_VERSION"),
        topologies: names.into_iter().map(|it| Graph::of(&view.plan, it)).collect(),
    })
}

/// A topology's nodes and edges, as they are found.
struct Graph<'p> {
    plan: &'p Plan,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

impl<'p> Graph<'p> {
    fn of(plan: &'p Plan, topology: &str) -> Topology {
        let mut graph = Self { plan, nodes: Vec::new(), edges: Vec::new() };
        for part in plan.subtopologies.iter().filter(|it| it.topology == topology) {
            let source = graph.topic(part.source);
            graph.steps(part, &part.steps, &source);
        }
        let description = plan.descriptions.get(topology).cloned().unwrap_or_default();
        Topology { name: topology.to_owned(), description, nodes: graph.nodes, edges: graph.edges }
    }

    /// The steps of one way. An `emit` stands beside it: the steps after it follow the step before it.
    fn steps(&mut self, part: &Subtopology, steps: &[Step], from: &str) {
        let mut previous = from.to_owned();
        for step in steps {
            let id = self.step(part, step);
            self.edge(&previous, &id);
            // What can't be decoded fails before the first step, and is shown there.
            let first = part.steps.first().is_some_and(|it| it.id == step.id);
            if let Some(letters) = part.dead_letters.filter(|_| first || rejects(&step.operator)) {
                let letters = self.topic(letters);
                self.edge(&id, &letters);
            }
            match &step.operator {
                Operator::Emit(emit) => {
                    let to = self.topic(emit.to);
                    self.edge(&id, &to);
                    continue;
                }
                Operator::Key { to, .. } => {
                    let to = self.topic(*to);
                    self.edge(&id, &to);
                }
                Operator::Branch(cases) => cases.iter().for_each(|case| self.steps(part, &case.steps, &id)),
                Operator::Dedup { store, .. } | Operator::Unique { store, .. } | Operator::Allot { store, .. } => {
                    self.store(part, *store, &id);
                }
                Operator::Aggregate(it) => self.store(part, it.store, &id),
                Operator::Let(_) | Operator::Require { .. } | Operator::Filter { .. } | Operator::Split(_) => {}
            }
            previous = id;
        }
    }

    fn step(&mut self, part: &Subtopology, step: &Step) -> String {
        self.node(Node {
            id: format!("step:{}/{}", part.topology, step.id),
            kind: "step",
            label: step.id.clone(),
            operator: Some(step.operator.name()),
            topic: None,
            role: None,
            subtopology: Some(part.name.clone()),
        })
    }

    fn topic(&mut self, topic: TopicId) -> String {
        let Some(topic) = self.plan.topics.get(usize::from(topic.0)) else { return String::new() };
        self.node(Node {
            id: format!("topic:{}", topic.name),
            kind: "topic",
            label: topic.name.clone(),
            operator: None,
            topic: Some(topic.name.clone()),
            role: Some(topic.role.name()),
            subtopology: None,
        })
    }

    fn store(&mut self, part: &Subtopology, store: usize, step: &str) {
        let Some(store) = part.stores.get(store) else { return };
        let id = self.node(Node {
            id: format!("store:{}.{}", part.topology, store.id),
            kind: "store",
            label: store.id.clone(),
            operator: None,
            topic: None,
            role: None,
            subtopology: Some(part.name.clone()),
        });
        self.edge(step, &id);
    }

    fn node(&mut self, node: Node) -> String {
        let id = node.id.clone();
        if !self.nodes.iter().any(|it| it.id == id) {
            self.nodes.push(node);
        }
        id
    }

    fn edge(&mut self, from: &str, to: &str) {
        let edge = Edge { from: from.to_owned(), to: to.to_owned() };
        if !self.edges.contains(&edge) {
            self.edges.push(edge);
        }
    }
}

/// Whether a step can make a dead letter of a record.
fn rejects(operator: &Operator) -> bool {
    let reject = |it: &Otherwise| matches!(it, Otherwise::Reject(_));
    let binding = |it: &Binding| it.otherwise.as_ref().is_some_and(reject);
    match operator {
        Operator::Let(bindings) => bindings.iter().any(binding),
        Operator::Require { otherwise, .. } => reject(otherwise),
        Operator::Split(legs) => legs.iter().flat_map(|it| &it.fields).any(binding),
        Operator::Dedup { late, .. } => *late == Late::Reject,
        Operator::Aggregate(it) => {
            let folds = std::iter::once(&it.fold).chain(it.each.iter().map(|it| &it.fold));
            folds.flat_map(|it| it.init.iter().chain(&it.update)).any(binding)
        }
        Operator::Filter { .. }
        | Operator::Branch(_)
        | Operator::Key { .. }
        | Operator::Unique { .. }
        | Operator::Allot { .. }
        | Operator::Emit(_) => false,
    }
}
