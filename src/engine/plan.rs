//! The plan of an application: what its checked topologies become, ready to be run as tasks.
//!
//! A topology is cut at its `key` steps into subtopologies; a subtopology × a partition of its source topic is a task.

mod state;

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::expr::condition::Condition;
use crate::engine::expr::{Expr, Function, Otherwise, Slot};
use crate::engine::json::encode;
use crate::engine::pen::Literal;
use crate::engine::record::TopicId;
use crate::engine::schema::ObjectSchema;
use crate::engine::value::Type;
pub use state::{Aggregate, Divided, Each, Fold, StoreKind, StorePlan};

/// Everything that one `goyt run` runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// `application.id`: the consumer group, and the prefix of internal topics.
    pub application_id: String,
    /// What each topology is for, by name; for people.
    pub descriptions: BTreeMap<String, String>,
    /// All topics that are read or written; [`TopicId`] is the index here.
    pub topics: Vec<Topic>,
    /// The subtopologies of all topologies, in the order of topology name, then of the steps that begin them.
    pub subtopologies: Vec<Subtopology>,
}

impl Plan {
    /// Whether a topic is written by a `key` step and read behind it.
    #[must_use]
    pub fn is_repartition(&self, topic: TopicId) -> bool {
        self.topics.get(usize::from(topic.0)).is_some_and(|it| it.role == Role::Repartition)
    }

    /// Each repartition topic, and the source topics of the subtopologies that write it.
    #[must_use]
    pub fn repartitions(&self) -> Vec<(TopicId, Vec<TopicId>)> {
        let repartitions = (0..).map(TopicId).zip(&self.topics).filter(|(_, it)| it.role == Role::Repartition);
        let writers = |topic| self.subtopologies.iter().filter(move |it| it.written().contains(&topic));
        repartitions.map(|(topic, _)| (topic, writers(topic).map(|it| it.source).collect())).collect()
    }
}

fn collect(steps: &[Step], topics: &mut BTreeSet<TopicId>) {
    for step in steps {
        match &step.operator {
            Operator::Key { to, .. } => drop(topics.insert(*to)),
            Operator::Emit(emit) => drop(topics.insert(emit.to)),
            Operator::Branch(cases) => cases.iter().for_each(|it| collect(&it.steps, topics)),
            Operator::Let(_)
            | Operator::Require { .. }
            | Operator::Filter { .. }
            | Operator::Split(_)
            | Operator::Dedup { .. }
            | Operator::Unique { .. }
            | Operator::Allot { .. }
            | Operator::Aggregate(_) => {}
        }
    }
}

/// A topic, and what it is to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name on the broker.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The topic whose partition count and retention it takes when it is created; `None` for an input.
    pub like: Option<TopicId>,
}

/// What a topic is to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read by a topology and written by none of the application: must exist.
    Input,
    /// Written by an `emit`; perhaps read by another topology of the application.
    Output,
    /// Takes what could not be processed.
    DeadLetter,
    /// Records by another key, between two subtopologies. Kept as long as the source topic.
    Repartition,
    /// The writes of a store. Compacted.
    Changelog,
}

impl Role {
    /// In a word, for people and for JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::DeadLetter => "dead letters",
            Self::Repartition => "repartition",
            Self::Changelog => "changelog",
        }
    }
}

/// Part of a topology between two topics; the unit of parallelism.
#[derive(Debug, Clone, PartialEq)]
pub struct Subtopology {
    /// The topology's name.
    pub topology: String,
    /// The source topic's name for the first, else the id of the `key` step that begins it.
    pub name: String,
    /// Read by its tasks.
    pub source: TopicId,
    /// How a record of the source topic fills slots.
    pub decode: Decode,
    /// Where its dead letters go; `None` behind a repartition, where nothing may be rejected.
    pub dead_letters: Option<TopicId>,
    /// Number of slots that its steps use.
    pub slots: u16,
    /// Its stores; steps name them by index.
    pub stores: Vec<StorePlan>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// Fingerprint of what must not change while state is kept: see the state directory's manifest.
    pub fingerprint: String,
}

impl Subtopology {
    /// The topics that its steps write: outputs and repartition topics.
    #[must_use]
    pub fn written(&self) -> BTreeSet<TopicId> {
        let mut topics = BTreeSet::new();
        collect(&self.steps, &mut topics);
        topics
    }

    /// The id of the task that takes a partition: `<topology>.<subtopology>_<partition>`.
    #[must_use]
    pub fn task_id(&self, partition: i32) -> String {
        format!("{}.{}_{partition}", self.topology, self.name)
    }
}

/// How a source record becomes slots.
#[derive(Debug, Clone, PartialEq)]
pub enum Decode {
    /// JSON events of the contract: an envelope and the fields of a schema.
    Events(Vec<EventPlan>),
    /// Slots written by the `key` step before: see [`crate::engine::codec`].
    Repartition(Layout),
}

/// One event type that a subtopology reads.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPlan {
    /// `eventType`.
    pub event_type: String,
    /// The major number of `metadata.version`.
    pub major: u32,
    /// What its fields must be, and to which slots they go.
    pub fields: ObjectSchema,
}

/// The slots that cross a repartition topic, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// (slot before, slot behind, type), in the order in which they are written.
    pub fields: Vec<(Slot, Slot, Type)>,
    /// Fingerprint of names and types; stands in each record, so that an old layout is refused by name.
    pub fingerprint: u32,
}

/// A step: its id, and what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique in its topology; names stores, metrics and `goyt.step`.
    pub id: String,
    /// What it does.
    pub operator: Operator,
}

/// What a step does. One file each in [`crate::engine::operators`]. Numbered as [`Kind`](crate::engine::schema::Kind) is.
#[derive(Debug, Clone, PartialEq)]
#[repr(u8)]
pub enum Operator {
    /// Computes values.
    Let(Vec<Binding>),
    /// Goes on only when the condition holds; else the record fails.
    Require {
        /// The condition.
        that: Condition,
        /// What becomes of the record.
        otherwise: Otherwise,
    },
    /// Goes on only when the condition holds; else the record is filtered.
    Filter {
        /// The condition.
        that: Condition,
    },
    /// The first case whose condition holds goes on, with its own steps; none: the record is filtered. Nothing follows a branch.
    Branch(Vec<Case>),
    /// The steps that follow run once for each leg whose condition holds.
    Split(Vec<Leg>),
    /// The steps that follow run behind a repartition topic, by this key.
    Key {
        /// Parts of the key; written as text when there is one, as text joined by `|` when there are more.
        by: Vec<Operand>,
        /// The repartition topic.
        to: TopicId,
        /// What crosses.
        layout: Layout,
    },
    /// Goes on only with ids not seen within the window.
    Dedup {
        /// Index into the subtopology's stores.
        store: usize,
        /// The id.
        by: Vec<Operand>,
        /// The window, milliseconds of event time.
        window_ms: i64,
        /// Whether a record older than the window goes on; else it is a dead letter TOO_OLD.
        late: Late,
    },
    /// Goes on only with ids never seen.
    Unique {
        /// Index into the subtopology's stores.
        store: usize,
        /// The id.
        by: Vec<Operand>,
    },
    /// Gives out a number: n × 8192 + partition.
    Allot {
        /// Index into the subtopology's stores.
        store: usize,
        /// Where the number goes.
        into: Slot,
    },
    /// Folds into the state of a key.
    Aggregate(Aggregate),
    /// Writes a derived event.
    Emit(Emit),
}

impl Operator {
    /// As it is called in a topology file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Let(_) => "let",
            Self::Require { .. } => "require",
            Self::Filter { .. } => "filter",
            Self::Branch(_) => "branch",
            Self::Split(_) => "split",
            Self::Key { .. } => "key",
            Self::Dedup { .. } => "dedup",
            Self::Unique { .. } => "unique",
            Self::Allot { .. } => "allot",
            Self::Aggregate(_) => "aggregate",
            Self::Emit(_) => "emit",
        }
    }
}

/// What a dedup does with a record older than its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// A dead letter TOO_OLD.
    Reject,
    /// It goes on.
    Process,
}

/// `name: expression else …`
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Where the value goes.
    pub into: Slot,
    /// What is computed.
    pub value: Expr,
    /// What becomes of the record when it fails. `None`: it can't, but for numbers out of any sensible range; then the task stops.
    pub otherwise: Option<Otherwise>,
}

/// One way of a branch.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Which records go this way.
    pub when: When,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// Which records a case takes.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// Those for which it holds.
    Holds(Condition),
    /// Those of this event: index into [`Decode::Events`].
    Event(usize),
    /// All that are left.
    Otherwise,
}

/// One leg of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// `None`: always.
    pub when: Option<Condition>,
    /// The leg's fields.
    pub fields: Vec<Binding>,
}

/// A derived event. What is the same in each is written when the plan is made: its own fields are texts and values in turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Emit {
    /// Where it goes.
    pub to: TopicId,
    /// The names of its own fields, in order; those of inner objects left out.
    pub names: Vec<String>,
    /// What stands before its id, as JSON: its `eventType`.
    pub head: Literal<64>,
    /// The values among its own fields, in order.
    pub value: Vec<Field>,
    /// What stands between the last value and its `timestamp`, as JSON.
    pub middle: Literal<64>,
    /// What stands behind its `timestamp`, as JSON: its `metadata`.
    pub tail: Literal<64>,
    /// The record's key: one part, written as text.
    pub key: Option<Operand>,
    /// Name space of its ids: made from the topology and the step.
    pub namespace: u128,
}

/// A value that is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// What stands before it, as JSON: names, constants, braces.
    pub lead: Literal<32>,
    /// The value.
    pub value: Operand,
}

/// A value that a step writes, or makes a key of. Most are there already, or half of an amount of money that is.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// What is in a slot.
    Slot(Slot),
    /// The amount of the money in a slot.
    AmountOf(Slot),
    /// The currency of the money in a slot.
    CurrencyOf(Slot),
    /// Any other.
    Computed(Box<Expr>),
}

/// The own fields of a derived event, as a topology has them.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// A scalar.
    Value(Expr),
    /// An object.
    Object(Vec<(String, Written)>),
}

impl Emit {
    /// An event of these fields.
    #[must_use]
    pub fn new(
        to: TopicId,
        event_type: &str,
        (source, version): (&str, &str),
        key: Option<Expr>,
        fields: Vec<(String, Written)>,
        namespace: u128,
    ) -> Self {
        let string = |text: &str| {
            let mut bytes = Vec::new();
            encode::string(text, &mut bytes);
            bytes
        };
        let head = [b"{\"eventType\":", &string(event_type)[..], b",\"eventId\":\""].concat();
        let names = fields.iter().map(|(name, _)| name.clone()).collect();
        // Each field has a comma before it: the event's id stands there. Its quotation mark is the first text.
        let (mut value, mut text) = (Vec::new(), vec![b'"']);
        for (name, it) in fields {
            write(false, &name, it, &mut value, &mut text);
        }
        text.extend_from_slice(b",\"timestamp\":\"");
        let tail = [b"\",\"metadata\":{\"source\":", &string(source)[..], b",\"version\":", &string(version), b"}}"].concat();
        Self {
            to,
            names,
            head: head[..].into(),
            value,
            middle: text[..].into(),
            tail: tail[..].into(),
            key: key.map(Operand::from),
            namespace,
        }
    }
}

/// Adds a field to the values; `text`: what stands behind the last of them.
fn write(first: bool, name: &str, field: Written, values: &mut Vec<Field>, text: &mut Vec<u8>) {
    text.extend_from_slice(encode::lead(first, name).as_bytes());
    match field {
        Written::Value(Expr::Const(it)) => encode::value(&it, text),
        Written::Value(Expr::Text(it)) => encode::string(&it, text),
        Written::Value(it) => {
            let value = Operand::from(it);
            // Halves of an amount are known to be strings: their quotation marks belong to the texts around them.
            let behind = match value {
                Operand::AmountOf(_) | Operand::CurrencyOf(_) => b"\"".to_vec(),
                Operand::Slot(_) | Operand::Computed(_) => Vec::new(),
            };
            text.extend_from_slice(&behind);
            values.push(Field { lead: std::mem::replace(text, behind)[..].into(), value });
        }
        Written::Object(fields) => {
            text.push(b'{');
            for (index, (name, it)) in fields.into_iter().enumerate() {
                write(index == 0, &name, it, values, text);
            }
            text.push(b'}');
        }
    }
}

impl From<Expr> for Operand {
    fn from(expr: Expr) -> Self {
        match &expr {
            Expr::Slot(slot) => Self::Slot(*slot),
            Expr::Call(function, arguments) => match (function, &arguments[..]) {
                (Function::AmountOf, [Expr::Slot(slot)]) => Self::AmountOf(*slot),
                (Function::CurrencyOf, [Expr::Slot(slot)]) => Self::CurrencyOf(*slot),
                _ => Self::Computed(Box::new(expr)),
            },
            _ => Self::Computed(Box::new(expr)),
        }
    }
}
