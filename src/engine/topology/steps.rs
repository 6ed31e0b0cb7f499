//! The steps that a topology file may have: tree → data with places.

use super::format;
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
        /// What becomes of its state.
        fold: FoldSpec<'t>,
        /// A second key.
        each: Option<EachSpec<'t>>,
    },
    /// A derived event.
    Emit(EmitSpec<'t>),
}

/// How a record changes a state.
#[derive(Debug, Default)]
pub struct FoldSpec<'t> {
    /// The state's fields at first.
    pub init: Vec<(&'t Key, &'t Node)>,
    /// The state's fields behind the record.
    pub update: Vec<(&'t Key, &'t Node)>,
}

/// A second key of an aggregate.
#[derive(Debug)]
pub struct EachSpec<'t> {
    /// Parts of the key.
    pub by: Vec<&'t Node>,
    /// What becomes of its state.
    pub fold: FoldSpec<'t>,
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
        let Some(shape) = format::operator(name) else {
            let all = format::operators();
            if format::NOT_YET.contains(&name) {
                let hint = format!("the operators now are: {}", all.join(", "));
                return self.mistake(&operator.span, format!("`{name}` is not supported yet"), hint);
            }
            return self.mistake(&operator.span, format!("there is no operator `{name}`"), known_names(name, "operators", all));
        };
        let fields = self.shaped(body, shape)?;
        let id = fields.get("id").and_then(|it| self.id(it));
        Some(StepSpec { id, operator, kind: self.kind(name, &fields)? })
    }

    fn kind(&mut self, name: &str, fields: &Fields<'t>) -> Option<StepKind<'t>> {
        Some(match name {
            "let" => StepKind::Let(self.bindings(fields)),
            "require" => StepKind::Require { that: fields.get("that"), otherwise: fields.get("else") },
            "filter" => StepKind::Filter { that: fields.get("that") },
            "branch" => StepKind::Branch(fields.get("cases").and_then(|it| self.cases(it))?),
            "split" => StepKind::Split {
                leg: fields.get("as").and_then(|it| self.name(it)),
                into: fields.get("into").and_then(|it| self.legs(it)).unwrap_or_default(),
            },
            "key" => StepKind::Key { by: self.by(fields) },
            "dedup" => StepKind::Dedup(self.dedup(fields)),
            "unique" => StepKind::Unique { by: self.by(fields) },
            "allot" => StepKind::Allot { name: fields.get("as").and_then(|it| self.name(it)) },
            "aggregate" => {
                let each = fields.get("each").and_then(|it| self.shaped(it, &format::EACH));
                let each = each.map(|it| EachSpec { by: self.by(&it), fold: self.fold(&it) });
                StepKind::Aggregate { by: self.by(fields), fold: self.fold(fields), each }
            }
            _ => StepKind::Emit(EmitSpec {
                to: fields.get("to").and_then(|it| self.topic(it)),
                event: fields.get("event").and_then(|it| self.event(it)),
                key: fields.get("key"),
                value: fields.get("value"),
            }),
        })
    }

    fn by(&mut self, fields: &Fields<'t>) -> Vec<&'t Node> {
        fields.get("by").and_then(|it| self.one_or_more(it)).unwrap_or_default()
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

    fn fold(&mut self, fields: &Fields<'t>) -> FoldSpec<'t> {
        let mut state = |key: &str| fields.get(key).and_then(|it| self.state(it, &format!("`{key}`"))).unwrap_or_default();
        FoldSpec { init: state("init"), update: state("update") }
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
        let fields = self.shaped(node, &format::CASE)?;
        let (when, event, steps) = (fields.get("when"), fields.get("event"), fields.get("steps"));
        if let Some(otherwise) = fields.get("otherwise") {
            for (key, _) in fields.entries.iter().filter(|(key, _)| key.text != "otherwise") {
                let hint = "`otherwise:` takes all records that are left; its steps stand under it";
                self.mistakes.add(key.span.clone(), format!("`{}` can't stand beside `otherwise`", key.text), hint);
            }
            return Some(CaseSpec { node, when: None, event: None, steps: self.steps(otherwise)? });
        }
        match (when, event) {
            (None, None) => {
                let hint = "write `when: …` or `event: TYPE@1` with `steps: …`, or `otherwise: …` alone";
                return self.mistake(&node.span, "a case needs `when`, `event` or `otherwise`", hint);
            }
            (Some(_), Some(second)) => {
                let hint = "take one of them; inside a case there may be another `branch`";
                self.mistakes.add(second.span.clone(), "a case has `when` or `event`, not both", hint);
            }
            _ => {}
        }
        if steps.is_none() {
            self.missing(&fields, &format::CASE, &["steps"]);
        }
        let event = event.and_then(|it| self.event(it));
        Some(CaseSpec { node, when, event, steps: steps.and_then(|it| self.steps(it)).unwrap_or_default() })
    }

    fn legs(&mut self, node: &'t Node) -> Option<Vec<LegSpec<'t>>> {
        let items = self.list(node, "`into`")?;
        if items.is_empty() {
            return self.mistake(&node.span, "there are no legs", "write `- { field: … }` for each");
        }
        let mut legs = Vec::new();
        for it in items {
            let Some(fields) = self.shaped(it, &format::LEG) else { continue };
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
