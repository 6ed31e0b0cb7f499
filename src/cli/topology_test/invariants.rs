//! The invariants of a test file: what must hold after each of its tests, and after each simulated run.

use std::collections::BTreeSet;

use super::file::INVARIANTS;
use super::value;
use crate::cli::scenario::file::known_topic;
use crate::cli::scenario::tally_file::{count, known_store, one_of};
use crate::engine::expr::names::known_names;
use crate::engine::plan::{Decode, Operator, Plan, Role, Step, StoreKind};
use crate::engine::record::TopicId;
use crate::engine::topology::Mistake;
use crate::engine::topology::mistake::Mistakes;
use crate::engine::topology::reading::{Fields, Reading};
use crate::engine::topology::tree::{self, Kind, Node};
use crate::sim::invariants::{By, Condition, Figure, Invariant, Path, Place, Rows, Rule};

const INVARIANT: [&str; 5] = ["name", "made-of", "compare", "consecutive", "once"];
/// What rows are said by, wherever they stand.
const ROWS: [&str; 5] = ["topic", "store", "where", "once", "key"];
const MADE_OF: [&str; 4] = ["count", "add", "subtract", "last"];
const COMPARE: [&str; 3] = ["count", "sum", "last"];
const CONSECUTIVE: [&str; 2] = ["field", "from"];

/// What tells copies of an event apart from others.
const EVENT_ID: &str = "eventId";
/// Fields that every event has.
const ENVELOPE: [&str; 4] = ["eventType", EVENT_ID, "timestamp", "metadata"];

/// Reads the invariants of a test file for the topologies of this plan; none, when it has none.
///
/// # Errors
/// All mistakes in them. Those in the rest of the file are told by [`super::file::read`].
pub fn read(path: &str, text: &str, plan: &Plan) -> Result<Vec<Invariant>, Vec<Mistake>> {
    let mut mistakes = Mistakes::of(path, text);
    let root = tree::read(&mut mistakes);
    let mut reader = Reader { plan, reading: &mut Reading { mistakes: &mut mistakes } };
    let invariants = root.map(|it| reader.file(&it)).unwrap_or_default();
    if mistakes.is_empty() { Ok(invariants) } else { Err(mistakes.into_sorted()) }
}

struct Reader<'r, 'm, 's> {
    plan: &'r Plan,
    reading: &'r mut Reading<'m, 's>,
}

impl Reader<'_, '_, '_> {
    fn file(&mut self, root: &Node) -> Vec<Invariant> {
        let fields = self.reading.map(root, "a test file");
        let listed = fields.and_then(|it| it.get(INVARIANTS)).and_then(|it| self.reading.list(it, INVARIANTS)).unwrap_or_default();
        listed.iter().filter_map(|it| self.invariant(it)).collect()
    }

    fn invariant(&mut self, node: &Node) -> Option<Invariant> {
        let what = "an invariant";
        let fields = self.reading.fields(node, what, &INVARIANT)?;
        let name = self.reading.required(&fields, what, "name", "name: what must hold").and_then(|it| self.reading.text(it));
        let rule = match (fields.get("made-of"), fields.get("consecutive"), fields.get("once")) {
            (Some(made_of), None, None) => {
                let compare = self.reading.required(&fields, what, "compare", "compare:");
                let made_of = self.figures(made_of, "made-of", &MADE_OF);
                let compare = compare.and_then(|it| self.figures(it, "compare", &COMPARE));
                Rule::Equal { made_of: made_of?, compare: compare? }
            }
            (None, Some(node), None) => self.consecutive(node)?,
            (None, None, Some(node)) => {
                let what = "what is there once";
                let fields = self.reading.fields(node, what, &ROWS)?;
                self.reading.required(&fields, what, "key", "key: [field]")?;
                Rule::Once(self.rows(&fields, what, &[])?)
            }
            _ => return one_of(&fields, what, "`made-of:` with `compare:`, `consecutive:` and `once:`", self.reading),
        };
        let line = self.reading.mistakes.text().get(..node.span.start).unwrap_or_default().matches('\n').count() + 1;
        Some(Invariant { name: name?.to_owned(), line, rule })
    }

    fn figures(&mut self, node: &Node, key: &'static str, by: &[&str]) -> Option<Vec<Figure>> {
        let listed = self.reading.list(node, key)?;
        let figures: Vec<Option<Figure>> = listed.iter().map(|it| self.figure(it, key, by)).collect();
        figures.into_iter().collect()
    }

    fn figure(&mut self, node: &Node, part_of: &str, by: &[&str]) -> Option<Figure> {
        let what = if part_of == "made-of" { "a part of `made-of`" } else { "a comparison" };
        let known: Vec<&str> = ROWS.iter().chain(by).copied().collect();
        let fields = self.reading.fields(node, what, &known)?;
        // An event takes effect once; what the application says is taken as it is.
        let once: &[&str] = if part_of == "made-of" { &[EVENT_ID] } else { &[] };
        let of = self.rows(&fields, what, once)?;
        let mut said = by.iter().filter_map(|it| Some((*it, fields.get(it)?)));
        let by = match (said.next(), said.next()) {
            (Some(("count", node)), None) => By::Count(count(node, self.reading)?),
            (Some((name, node)), None) => {
                let field = self.field(node, &of.place)?;
                match name {
                    "subtract" => By::Subtract(field),
                    "last" => By::Last(field),
                    _ => By::Sum(field),
                }
            }
            _ => {
                let keys: Vec<String> =
                    by.iter().map(|it| if *it == "count" { "`count: 1`".to_owned() } else { format!("`{it}: field`") }).collect();
                return one_of(&fields, what, &keys.join(", "), self.reading);
            }
        };
        Some(Figure { of, by })
    }

    fn consecutive(&mut self, node: &Node) -> Option<Rule> {
        let what = "what is consecutive";
        let known: Vec<&str> = ROWS.into_iter().chain(CONSECUTIVE).collect();
        let fields = self.reading.fields(node, what, &known)?;
        let of = self.rows(&fields, what, &[])?;
        let field = self.reading.required(&fields, what, "field", "field: number")?;
        let field = self.field(field, &of.place)?;
        let from = match fields.get("from") {
            None => 1,
            Some(node) => match self.reading.text(node)?.trim().parse() {
                Ok(from) => from,
                Err(_) => return self.reading.mistake(&node.span, "`from` is a whole number", "write `from: 1`"),
            },
        };
        Some(Rule::Consecutive { of, field, from })
    }

    /// Where rows stand, which are meant, and what their key is.
    fn rows(&mut self, fields: &Fields<'_>, what: &str, once: &[&str]) -> Option<Rows> {
        let place = match (fields.get("topic"), fields.get("store")) {
            (Some(topic), None) => {
                Place::Topic(known_topic(topic, self.plan, &[Role::Input, Role::Output, Role::DeadLetter], self.reading)?)
            }
            (None, Some(store)) => Place::Store(known_store(store, self.plan, self.reading)?),
            _ => return one_of(fields, what, "`topic:` and `store:`", self.reading),
        };
        let conditions = fields.get("where").map(|it| self.conditions(it, &place)).unwrap_or_default();
        let once = match fields.get("once") {
            Some(node) => self.fields(node, &place),
            None if matches!(place, Place::Topic(_)) => once.iter().map(|it| vec![(*it).to_owned()]).collect(),
            None => Vec::new(),
        };
        let key = fields.get("key").map(|it| self.fields(it, &place));
        Some(Rows { place, conditions, once, key })
    }

    fn conditions(&mut self, node: &Node, place: &Place) -> Vec<Condition> {
        let entries = self.reading.map(node, "where").map(|it| it.entries).unwrap_or_default();
        let mut conditions = Vec::new();
        for (key, node) in entries {
            let not = match &node.kind {
                Kind::Map(_) => self.reading.fields(node, "a condition", &["not"]).and_then(|it| it.get("not")),
                _ => None,
            };
            let node = not.unwrap_or(node);
            let items = if let Kind::List(items) = &node.kind { items.as_slice() } else { std::slice::from_ref(node) };
            let one_of = items.iter().filter_map(|it| value::json(it, self.reading)).map(|it| it.parsed()).collect();
            let field = self.known(&key.text, &key.span, place);
            conditions.extend(field.map(|field| Condition { field, one_of, not: not.is_some() }));
        }
        conditions
    }

    fn fields(&mut self, node: &Node, place: &Place) -> Vec<Path> {
        if let Kind::List(nodes) = &node.kind {
            return nodes.iter().filter_map(|it| self.field(it, place)).collect();
        }
        self.field(node, place).into_iter().collect()
    }

    fn field(&mut self, node: &Node, place: &Place) -> Option<Path> {
        let name = self.reading.text(node)?;
        self.known(name, &node.span, place)
    }

    /// A field that rows of this place have.
    fn known(&mut self, name: &str, span: &std::ops::Range<usize>, place: &Place) -> Option<Path> {
        let path: Path = name.split('.').map(str::to_owned).collect();
        let fields = match place {
            Place::Topic(topic) => fields_of_topic(self.plan, topic),
            Place::Store(store) => fields_of_store(self.plan, store),
        };
        // Of a dead letter topic, nothing is known.
        if fields.is_empty() || path.first().is_some_and(|it| fields.contains(it)) {
            return Some(path);
        }
        let hint = known_names(name, "fields", fields.iter().map(String::as_str));
        self.reading.mistake(span, format!("{place} has no field `{name}`"), hint)
    }
}

/// The fields of a topic's events, as far as some topology reads or writes them.
fn fields_of_topic(plan: &Plan, topic: &str) -> BTreeSet<String> {
    let is = |id: TopicId| plan.topics.get(usize::from(id.0)).is_some_and(|it| it.name == topic);
    let mut fields = BTreeSet::new();
    for part in &plan.subtopologies {
        if let Decode::Events(events) = &part.decode
            && is(part.source)
        {
            fields.extend(events.iter().flat_map(|it| &it.fields.properties).map(|it| it.name.clone()));
        }
        written(&part.steps, &is, &mut fields);
    }
    if !fields.is_empty() {
        fields.extend(ENVELOPE.map(str::to_owned));
    }
    fields
}

fn written(steps: &[Step], is: &dyn Fn(TopicId) -> bool, fields: &mut BTreeSet<String>) {
    for step in steps {
        match &step.operator {
            Operator::Emit(emit) if is(emit.to) => fields.extend(emit.names.iter().cloned()),
            Operator::Branch(cases) => cases.iter().for_each(|it| written(&it.steps, is, fields)),
            _ => {}
        }
    }
}

/// The fields of a store's values, and the numbers of the parts of its key, as entries show them.
fn fields_of_store(plan: &Plan, store: &str) -> BTreeSet<String> {
    let stores = plan.subtopologies.iter().flat_map(|part| part.stores.iter().map(move |it| (format!("{}.{}", part.topology, it.id), it)));
    let mut fields = BTreeSet::new();
    for (_, it) in stores.filter(|it| it.0 == store) {
        match it.kind {
            StoreKind::Aggregate => fields.extend(it.value.iter().map(|it| it.0.clone())),
            StoreKind::Allot => drop(fields.insert("last".to_owned())),
            StoreKind::Unique | StoreKind::Dedup { .. } => {}
        }
        fields.extend((1..=it.key.len()).map(|it| it.to_string()));
    }
    fields
}
