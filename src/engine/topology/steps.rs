//! The steps that a topology file may have: tree → data with places.

use super::mistake::Span;
use super::reading::{Fields, Reading, Word};
use super::spec::{DedupSpec, EventRef};
use super::tree::{Key, Node};
use crate::engine::expr::names::known_names;

/// A step.
#[derive(Debug)]
pub struct StepSpec<'t> {
    /// Its id.
    pub id: Option<Word<'t>>,
    /// The key that names its operator.
    pub operator: &'t Key,
    /// What it does.
    pub kind: StepKind<'t>,
}

/// What a step does.
#[derive(Debug)]
pub enum StepKind<'t> {
    /// Names and expressions.
    Let(Vec<(&'t Key, &'t Node)>),
    /// A condition, and what becomes of records for which it does not hold.
    Require {
        /// The condition.
        that: Option<&'t Node>,
        /// `reject(CODE)` or `stop`.
        otherwise: Option<&'t Node>,
    },
    /// A condition.
    Filter {
        /// The condition.
        that: Option<&'t Node>,
    },
    /// Ways, of which one is taken.
    Branch(Vec<CaseSpec<'t>>),
    /// One event → many.
    Split {
        /// What the legs are called.
        leg: Option<Word<'t>>,
        /// The legs.
        into: Vec<LegSpec<'t>>,
    },
    /// A repartition.
    Key {
        /// Parts of the key.
        by: Vec<&'t Node>,
    },
    /// A set with a window.
    Dedup(DedupSpec<'t>),
    /// A set without one.
    Unique {
        /// Parts of the id.
        by: Vec<&'t Node>,
    },
    /// A number.
    Allot {
        /// What it is called.
        name: Option<Word<'t>>,
    },
    /// A state for each key.
    Aggregate {
        /// Parts of the key.
        by: Vec<&'t Node>,
        /// The state's fields at first.
        init: Vec<(&'t Key, &'t Node)>,
        /// The state's fields behind the record.
        update: Vec<(&'t Key, &'t Node)>,
    },
    /// A derived event.
    Emit(EmitSpec<'t>),
}

/// A way of a branch.
#[derive(Debug)]
pub struct CaseSpec<'t> {
    /// The case itself.
    pub node: &'t Node,
    /// `when`: the condition.
    pub when: Option<&'t Node>,
    /// `event`: the event.
    pub event: Option<EventRef<'t>>,
    /// Its steps.
    pub steps: Vec<StepSpec<'t>>,
}

/// A leg of a split.
#[derive(Debug)]
pub struct LegSpec<'t> {
    /// The condition.
    pub when: Option<&'t Node>,
    /// Its fields.
    pub fields: Vec<(&'t Key, &'t Node)>,
}

/// A derived event.
#[derive(Debug)]
pub struct EmitSpec<'t> {
    /// The topic.
    pub to: Option<Word<'t>>,
    /// The event.
    pub event: Option<EventRef<'t>>,
    /// The record's key.
    pub key: Option<&'t Node>,
    /// The event's own fields.
    pub value: Option<&'t Node>,
}

const OPERATORS: [&str; 11] = ["let", "require", "filter", "branch", "split", "key", "dedup", "unique", "allot", "aggregate", "emit"];
/// Operators that are planned.
const NOT_YET: [&str; 6] = ["lookup", "window", "saga", "timer", "journal", "join"];

impl<'t> Reading<'_, '_> {
    pub(super) fn steps(&mut self, node: &'t Node) -> Option<Vec<StepSpec<'t>>> {
        let items = self.list(node, "`steps`")?;
        if items.is_empty() {
            return self.mistake(&node.span, "there are no steps", "add at least one: `- emit: { … }`");
        }
        Some(items.iter().filter_map(|it| self.step(it)).collect())
    }

    fn step(&mut self, node: &'t Node) -> Option<StepSpec<'t>> {
        let step = self.map(node, "a step")?;
        let (operator, body) = match step.entries {
            [(key, body)] => (key, body),
            [] => return self.mistake(&node.span, "the step is empty", "name an operator: `- filter: { id: …, that: … }`"),
            [_, (second, _), ..] => {
                let hint = "begin each step with `- `, and indent its settings under its operator";
                return self.mistake(&second.span, format!("a step has one operator, and `{}` is a second key", second.text), hint);
            }
        };
        let name = operator.text.as_str();
        if NOT_YET.contains(&name) {
            return self.mistake(
                &operator.span,
                format!("`{name}` is not supported yet"),
                format!("the operators now are: {}", OPERATORS.join(", ")),
            );
        }
        if !OPERATORS.contains(&name) {
            return self.mistake(&operator.span, format!("there is no operator `{name}`"), known_names(name, "operators", OPERATORS));
        }
        let what = format!("`{name}`");
        let fields = match keys(name) {
            Some(known) => self.fields(body, &what, known)?,
            None => self.map(body, &what)?,
        };
        let id = match fields.get("id") {
            Some(it) => self.id(it),
            None if name == "emit" => None,
            None => {
                self.mistakes.add(
                    operator.span.clone(),
                    format!("{what} needs an `id`"),
                    "write `id: …`: it names stores, topics and metrics, and must not change later",
                );
                None
            }
        };
        Some(StepSpec { id, operator, kind: self.kind(name, &what, &fields)? })
    }

    fn kind(&mut self, name: &str, what: &str, fields: &Fields<'t>) -> Option<StepKind<'t>> {
        Some(match name {
            "let" => StepKind::Let(self.bindings(fields)),
            "require" => StepKind::Require {
                that: self.required(fields, what, "that", "that: event.amount > 0"),
                otherwise: self.required(fields, what, "else", "else: reject(CODE)"),
            },
            "filter" => StepKind::Filter { that: self.required(fields, what, "that", "that: event.amount > 0") },
            "branch" => {
                StepKind::Branch(self.required(fields, what, "cases", "cases: [{ when: …, steps: … }]").and_then(|it| self.cases(it))?)
            }
            "split" => StepKind::Split {
                leg: self.required(fields, what, "as", "as: leg").and_then(|it| self.name(it)),
                into: self
                    .required(fields, what, "into", "into: [{ part: event.a }, { part: event.b }]")
                    .and_then(|it| self.legs(it))
                    .unwrap_or_default(),
            },
            "key" => StepKind::Key { by: self.by(fields, what) },
            "dedup" => StepKind::Dedup(self.dedup(fields)),
            "unique" => StepKind::Unique { by: self.by(fields, what) },
            "allot" => StepKind::Allot { name: self.required(fields, what, "as", "as: number").and_then(|it| self.name(it)) },
            "aggregate" => {
                let by = self.by(fields, what);
                let init =
                    self.required(fields, what, "init", "init: { count: 0 }").and_then(|it| self.state(it, "`init`")).unwrap_or_default();
                let update = self.required(fields, what, "update", "update: { count: state.count + 1 }");
                StepKind::Aggregate { by, init, update: update.and_then(|it| self.state(it, "`update`")).unwrap_or_default() }
            }
            _ => StepKind::Emit(EmitSpec {
                to: self.required(fields, what, "to", "to: order-totals").and_then(|it| self.topic(it)),
                event: self.required(fields, what, "event", "event: TOTAL_CHANGED@1").and_then(|it| self.event(it)),
                key: fields.get("key"),
                value: self.required(fields, what, "value", "value: { total: total }"),
            }),
        })
    }

    fn by(&mut self, fields: &Fields<'t>, what: &str) -> Vec<&'t Node> {
        self.required(fields, what, "by", "by: event.eventId").and_then(|it| self.one_or_more(it)).unwrap_or_default()
    }

    fn bindings(&mut self, fields: &Fields<'t>) -> Vec<(&'t Key, &'t Node)> {
        let named = self.named(fields, &["id"], "`let`", "total: event.price * 2");
        named.into_iter().filter(|(key, _)| self.is_free(&key.text, &key.span)).collect()
    }

    /// Entries whose keys are names of the topology's own.
    fn named(&mut self, fields: &Fields<'t>, but: &[&str], what: &str, example: &str) -> Vec<(&'t Key, &'t Node)> {
        let named: Vec<(&Key, &Node)> =
            fields.entries.iter().filter(|(it, _)| !but.contains(&it.text.as_str())).map(|(key, it)| (key, it)).collect();
        if named.is_empty() {
            self.mistakes.add(fields.node.span.clone(), format!("{what} names nothing"), format!("write `{example}`"));
        }
        for (key, _) in &named {
            self.is_name(&key.text, &key.span);
        }
        named
    }

    fn state(&mut self, node: &'t Node, what: &str) -> Option<Vec<(&'t Key, &'t Node)>> {
        let fields = self.map(node, what)?;
        Some(self.named(&fields, &[], what, "count: 0"))
    }

    fn cases(&mut self, node: &'t Node) -> Option<Vec<CaseSpec<'t>>> {
        let items = self.list(node, "`cases`")?;
        if items.is_empty() {
            return self.mistake(&node.span, "there are no cases", "write `- { when: …, steps: … }`");
        }
        Some(items.iter().filter_map(|it| self.case(it)).collect())
    }

    fn case(&mut self, node: &'t Node) -> Option<CaseSpec<'t>> {
        let fields = self.fields(node, "a case", &["when", "event", "otherwise", "steps"])?;
        if let Some(steps) = fields.get("otherwise") {
            for key in ["when", "event", "steps"] {
                if let Some((key, _)) = fields.entries.iter().find(|(it, _)| it.text == key) {
                    self.mistakes.add(
                        key.span.clone(),
                        format!("`{}` can't stand beside `otherwise`", key.text),
                        "`otherwise:` takes all records that are left; its steps stand under it",
                    );
                }
            }
            return Some(CaseSpec { node, when: None, event: None, steps: self.steps(steps)? });
        }
        let when = fields.get("when");
        let event = fields.get("event");
        match (when, event) {
            (None, None) => {
                self.required(&fields, "a case", "when", "when: …`, `event: TYPE@1` or `otherwise:");
            }
            (Some(_), Some(second)) => {
                let hint = "take one of them; inside a case there may be another `branch`";
                self.mistakes.add(second.span.clone(), "a case has `when` or `event`, not both", hint);
            }
            _ => {}
        }
        let event = event.and_then(|it| self.event(it));
        let steps = self.required(&fields, "a case", "steps", "steps: [ … ]").and_then(|it| self.steps(it)).unwrap_or_default();
        Some(CaseSpec { node, when, event, steps })
    }

    fn legs(&mut self, node: &'t Node) -> Option<Vec<LegSpec<'t>>> {
        let items = self.list(node, "`into`")?;
        if items.is_empty() {
            return self.mistake(&node.span, "there are no legs", "write `- { field: … }` for each");
        }
        let mut legs = Vec::new();
        for it in items {
            let Some(fields) = self.map(it, "a leg") else { continue };
            legs.push(LegSpec { when: fields.get("when"), fields: self.named(&fields, &["when"], "a leg", "part: event.a") });
        }
        Some(legs)
    }

    /// An id: part of topic names, metrics and paths.
    fn id(&mut self, node: &'t Node) -> Option<Word<'t>> {
        let id = self.word(node, "an id")?;
        let fits = id.text.starts_with(|it: char| it.is_ascii_alphabetic())
            && id.text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
            && id.text.len() <= 100;
        if fits {
            return Some(id);
        }
        self.mistake(&node.span, format!("`{}` is no id", id.text), "an id has letters, digits, `-` and `_`, and begins with a letter")
    }

    /// A name that expressions use.
    fn name(&mut self, node: &'t Node) -> Option<Word<'t>> {
        let name = self.word(node, "a name")?;
        (self.is_name(name.text, &node.span) && self.is_free(name.text, &node.span)).then_some(name)
    }

    fn is_free(&mut self, text: &str, span: &Span) -> bool {
        let reserved = RESERVED.contains(&text);
        if reserved {
            self.mistakes.add(span.clone(), format!("`{text}` has a meaning of its own"), "choose another name");
        }
        !reserved
    }

    fn is_name(&mut self, text: &str, span: &Span) -> bool {
        let fits = text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        if !fits {
            self.mistakes.add(
                span.clone(),
                format!("`{text}` is no name"),
                "a name that expressions use has letters, digits and `_`, and begins with a letter",
            );
        }
        fits
    }
}

/// Names that can't be given (fields of legs and states may have them).
const RESERVED: [&str; 8] = ["event", "state", "null", "true", "false", "else", "reject", "stop"];

/// The keys of an operator; `None` where the topology's own names are keys.
fn keys(operator: &str) -> Option<&'static [&'static str]> {
    Some(match operator {
        "let" => return None,
        "require" => &["id", "that", "else"],
        "filter" => &["id", "that"],
        "branch" => &["id", "cases"],
        "split" => &["id", "as", "into"],
        "dedup" => &["id", "by", "window", "late"],
        "allot" => &["id", "as"],
        "aggregate" => &["id", "by", "init", "update"],
        "emit" => &["id", "to", "event", "key", "value"],
        _ => &["id", "by"],
    })
}
