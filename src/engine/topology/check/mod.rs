//! Checks what a topology file says: names, types, and what may stand where. Spec → steps over slots, or all mistakes at once.
//!
//! The steps are still in one piece: each name has a slot of its own, each store a number of its own in the whole topology, and what
//! follows a `key` step is kept aside. [`super::cut`] makes subtopologies of that.

mod emit;
mod events;
mod expressions;
mod flow;
mod state;

use std::collections::BTreeMap;

use super::events::Schemas;
use super::mistake::{Mistakes, Span};
use super::spec::{InputSpec, TopologySpec};
use super::steps::{StepKind, StepSpec};
use crate::engine::expr::Slot;
use crate::engine::expr::scope::{Entry, Scope, Variable};
use crate::engine::plan::{Divided, EventPlan, Step, StoreKind};
use crate::engine::record::TopicId;
use crate::engine::value::Type;

/// Id of the step and the store of an input's dedup.
pub const INPUT_DEDUP: &str = "dedup";

/// Most fields and names of a topology, and most repartitions behind one another.
const SLOTS_MAX: usize = 50_000;
const KEYS_MAX: usize = 16;

/// A checked topology.
#[derive(Debug, Default)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// What it is for, in words; may be empty.
    pub description: String,
    /// The topic that it reads, and where that is named.
    pub input: (String, Span),
    /// The events that it reads; their slots are not set yet.
    pub events: Vec<EventPlan>,
    /// What its slots hold.
    pub slots: Vec<SlotDraft>,
    /// Its stores; steps name them by index.
    pub stores: Vec<StoreDraft>,
    /// The topics that it emits to; steps name them by index.
    pub outputs: Vec<(String, Span)>,
    /// Its steps up to the first `key` on each way.
    pub steps: Vec<Step>,
    /// The steps behind each `key`, by its id.
    pub behind: BTreeMap<String, Vec<Step>>,
    /// Where each step's id stands.
    pub ids: BTreeMap<String, Span>,
}

impl Checked {
    /// Whether it has a name and an input: without them its topics have no names.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        !self.name.is_empty() && !self.input.0.is_empty()
    }
}

/// A slot of the whole topology.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotDraft {
    /// What it holds, in words that don't change: `event.a.b`, `total`, `leg.part`.
    pub name: String,
    /// Its type, where nothing more is known.
    pub of: Type,
}

/// A store of the whole topology.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreDraft {
    /// The id of its step.
    pub id: String,
    /// The types of its key's parts.
    pub key: Vec<Type>,
    /// The names and types of its value's fields.
    pub value: Vec<(String, Type)>,
    /// What its entries are.
    pub kind: StoreKind,
    /// How an entry is divided.
    pub each: Option<Divided>,
}

/// Checks a topology.
pub fn check(spec: &TopologySpec<'_>, schemas: &Schemas, mistakes: &mut Mistakes<'_>) -> Checked {
    let mut checking = Checking { mistakes, schemas, out: Checked::default(), event_slots: BTreeMap::new() };
    checking.out.name = spec.name.map(|it| it.text.to_owned()).unwrap_or_default();
    checking.out.description = spec.description.unwrap_or_default().to_owned();
    let mut way = Way::default();
    let mut steps = Vec::new();
    if let Some(input) = spec.inputs.first() {
        checking.input(input, &mut way);
        steps.extend(input.dedup.as_ref().and_then(|it| checking.input_dedup(it, &way)));
    } else {
        // Without an input nothing is known of the event: what follows from that is not worth telling.
        way.scope.names.insert("event".to_owned(), Entry::Broken);
    }
    steps.extend(checking.steps(&spec.steps, way));
    checking.out.steps = steps;
    checking.out
}

/// Where in the topology a step stands, and what is known there.
#[derive(Debug, Clone, Default)]
struct Way {
    scope: Scope,
    /// The `key` step before, if any: nothing can be rejected behind it.
    behind: Option<String>,
    /// Splits and `key` steps before.
    splits: usize,
    keys: usize,
    /// The events that can be meant, by index.
    events: Vec<usize>,
}

struct Checking<'c, 's> {
    mistakes: &'c mut Mistakes<'s>,
    schemas: &'c Schemas,
    out: Checked,
    /// Slots of the event's fields, by path and type.
    event_slots: BTreeMap<(String, String), Slot>,
}

impl Checking<'_, '_> {
    fn mistake<T>(&mut self, span: &Span, reason: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        self.mistakes.add(span.clone(), reason, hint);
        None
    }

    fn input(&mut self, input: &InputSpec<'_>, way: &mut Way) {
        if let Some(topic) = input.topic {
            self.out.input = (topic.text.to_owned(), topic.node.span.clone());
        }
        let mut complete = true;
        for event in &input.events {
            let Some(fields) = self.schemas.get(&(event.event_type.clone(), event.major)) else {
                complete = false;
                self.no_schema(event);
                continue;
            };
            self.out.events.push(EventPlan { event_type: event.event_type.clone(), major: event.major, fields: fields.clone() });
        }
        way.events = (0..self.out.events.len()).collect();
        let event = if complete && !way.events.is_empty() { Entry::Fields(self.event_fields(&way.events)) } else { Entry::Broken };
        way.scope.names.insert("event".to_owned(), event);
    }

    /// A slot for something.
    fn slot(&mut self, name: String, of: Type) -> Slot {
        if self.out.slots.len() == SLOTS_MAX {
            self.mistakes.add(0..0, format!("the topology has more than {SLOTS_MAX} names"), "make several topologies of it");
        }
        let slot = Slot::try_from(self.out.slots.len()).unwrap_or(Slot::MAX);
        self.out.slots.push(SlotDraft { name, of });
        slot
    }

    /// Checks the steps of a way, up to its end or the first `key`.
    fn steps(&mut self, specs: &[StepSpec<'_>], mut way: Way) -> Vec<Step> {
        let mut steps = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let Some(id) = self.id(spec) else { continue };
            let rest = specs.get(index + 1..).unwrap_or_default();
            let operator = match &spec.kind {
                StepKind::Let(bindings) => self.bindings(bindings, &mut way),
                StepKind::Require { that, otherwise } => self.require(*that, *otherwise, &mut way),
                StepKind::Filter { that } => self.filter(*that, &mut way),
                StepKind::Branch(cases) => {
                    if let Some(next) = rest.first() {
                        let hint = "put the steps into the cases: each way of a branch goes to its own end";
                        self.mistakes.add(next.operator.span.clone(), "nothing can follow a branch", hint);
                    }
                    self.branch(cases, &way)
                }
                StepKind::Split { leg, into } => self.split(spec, *leg, into, &mut way),
                StepKind::Key { by } => {
                    let operator = self.key(by, &way);
                    if way.keys == KEYS_MAX {
                        let hint = "each costs a write and a read of the record: make several topologies of it";
                        return self
                            .mistake(&spec.operator.span, format!("more than {KEYS_MAX} `key` steps stand behind one another"), hint)
                            .unwrap_or(steps);
                    }
                    if rest.is_empty() {
                        self.mistakes.add(
                            spec.operator.span.clone(),
                            "nothing stands behind this `key`",
                            "add the steps that need the new key, or remove it",
                        );
                    }
                    let behind = self.steps(rest, Way { behind: Some(id.clone()), keys: way.keys + 1, ..way.clone() });
                    self.out.behind.insert(id.clone(), behind);
                    operator
                }
                StepKind::Dedup(dedup) => self.dedup(&id, dedup, &way),
                StepKind::Unique { by } => self.unique(&id, by, &way),
                StepKind::Allot { name } => self.allot(&id, *name, &mut way),
                StepKind::Aggregate { by, fold, each } => self.aggregate(&id, spec, by, (fold, each.as_ref()), &mut way),
                StepKind::Emit(emit) => self.emit(&id, emit, &way),
            };
            steps.extend(operator.map(|operator| Step { id, operator }));
            if matches!(spec.kind, StepKind::Branch(_) | StepKind::Key { .. }) {
                break;
            }
        }
        steps
    }

    /// The id of a step; an `emit` without one is named after its topic.
    fn id(&mut self, spec: &StepSpec<'_>) -> Option<String> {
        let (id, span, hint) = match (&spec.id, &spec.kind) {
            (Some(id), _) => (id.text, id.node.span.clone(), "an id names a step in the whole file: choose another one"),
            (None, StepKind::Emit(emit)) => match emit.to {
                Some(to) => {
                    (to.text, spec.operator.span.clone(), "give this `emit` an `id` of its own: without one it is named after its topic")
                }
                None => ("", spec.operator.span.clone(), ""),
            },
            // The missing id was told; the step is checked all the same.
            (None, _) => ("", spec.operator.span.clone(), ""),
        };
        if id.is_empty() {
            return Some(String::new());
        }
        if let Some(first) = self.out.ids.get(id) {
            let line = self.mistakes.text().get(..first.start).unwrap_or_default().matches('\n').count() + 1;
            self.mistakes.add(span, format!("`{id}` is the id of the step in line {line} already"), hint);
            return Some(id.to_owned());
        }
        self.out.ids.insert(id.to_owned(), span);
        Some(id.to_owned())
    }

    /// Makes a name known to the steps that follow.
    fn declare(&mut self, name: &str, entry: Entry, span: &Span, way: &mut Way) {
        if way.scope.names.contains_key(name) {
            let hint = "choose another name: a name means one thing";
            self.mistakes.add(span.clone(), format!("`{name}` is the name of something else already"), hint);
            return;
        }
        way.scope.names.insert(name.to_owned(), entry);
    }

    /// A number for a topic that is emitted to.
    fn output(&mut self, topic: &str, span: &Span) -> TopicId {
        let index = self.out.outputs.iter().position(|(it, _)| it == topic).unwrap_or_else(|| {
            self.out.outputs.push((topic.to_owned(), span.clone()));
            self.out.outputs.len() - 1
        });
        TopicId(u16::try_from(index).unwrap_or(u16::MAX))
    }

    /// A number for a store.
    fn store(&mut self, draft: StoreDraft) -> usize {
        self.out.stores.push(draft);
        self.out.stores.len() - 1
    }
}

/// An entry for a slot.
fn variable(slot: Slot, of: Type, one_of: Vec<String>) -> Entry {
    Entry::Value(Variable { slot, of, one_of })
}
