//! Reads a tree's maps, lists and words, and notes what is missing, unknown or of another shape.

use super::format::Shape;
use super::mistake::{Mistakes, Span};
use super::tree::{Key, Kind, Node, Scalar, Style};
use crate::engine::expr::names::known_names;

/// Reads parts of a tree.
pub struct Reading<'m, 's> {
    /// Where mistakes go.
    pub mistakes: &'m mut Mistakes<'s>,
}

/// A map that was read.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'t> {
    /// The map itself.
    pub node: &'t Node,
    /// Its entries.
    pub entries: &'t [(Key, Node)],
}

impl<'t> Fields<'t> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'t Node> {
        self.entries.iter().find(|(it, _)| it.text == key).map(|(_, it)| it)
    }
}

/// A setting of the format: a name, a topic, an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Word<'t> {
    /// The text.
    pub text: &'t str,
    /// Where it stands.
    pub node: &'t Node,
}

impl Reading<'_, '_> {
    /// Notes a mistake.
    pub fn mistake<T>(&mut self, span: &Span, reason: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        self.mistakes.add(span.clone(), reason, hint);
        None
    }

    /// A map of any keys. `what` it is: `the inputs`, `a step`.
    pub fn map<'t>(&mut self, node: &'t Node, what: &str) -> Option<Fields<'t>> {
        match &node.kind {
            Kind::Map(entries) => Some(Fields { node, entries }),
            Kind::Broken => None,
            Kind::Scalar(_) | Kind::List(_) => self.mistake(
                &node.span,
                format!("{what}: `key: value` is expected, not {}", node.described()),
                "write `{ key: value, … }` or one `key: value` a line",
            ),
        }
    }

    /// A map of the keys of a shape: others are mistakes, and so is what is missing.
    pub fn shaped<'t>(&mut self, node: &'t Node, shape: &Shape) -> Option<Fields<'t>> {
        let fields = self.map(node, shape.what)?;
        let known = || shape.keys.iter().map(|it| it.name);
        for (key, _) in fields.entries.iter().filter(|(key, _)| !shape.names && known().all(|it| it != key.text)) {
            let hint = known_names(&key.text, "keys", known());
            self.mistakes.add(key.span.clone(), format!("{} has no key `{}`", shape.what, key.text), hint);
        }
        let missing: Vec<&str> = shape.keys.iter().filter(|it| it.required && fields.get(it.name).is_none()).map(|it| it.name).collect();
        self.missing(&fields, shape, &missing);
        Some(fields)
    }

    /// Notes what is missing in a map.
    pub fn missing(&mut self, fields: &Fields<'_>, shape: &Shape, keys: &[&str]) {
        if keys.is_empty() {
            return;
        }
        let start = fields.node.span.start;
        let end = (start + 1).max(fields.entries.first().map_or(start, |(it, _)| it.span.end));
        let names: Vec<String> = keys.iter().map(|it| format!("`{it}`")).collect();
        let examples: Vec<String> = keys.iter().map(|it| format!("`{}`", shape.example(it))).collect();
        let why = if keys.contains(&"id") { "; an id names stores, topics and metrics, and must not change later" } else { "" };
        let hint = format!("write {}{why}", examples.join(" and "));
        self.mistakes.add(start..end, format!("{} needs {}", shape.what, names.join(" and ")), hint);
    }

    /// A map of these keys; others are mistakes.
    pub fn fields<'t>(&mut self, node: &'t Node, what: &str, known: &[&str]) -> Option<Fields<'t>> {
        let fields = self.map(node, what)?;
        for (key, _) in fields.entries {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let hint = known_names(&key.text, "keys", known.iter().copied());
            self.mistakes.add(key.span.clone(), format!("{what} has no key `{}`", key.text), hint);
        }
        Some(fields)
    }

    /// The value of a key that must be there.
    pub fn required<'t>(&mut self, fields: &Fields<'t>, what: &str, key: &str, example: &str) -> Option<&'t Node> {
        match fields.get(key) {
            Some(it) => Some(it),
            None => {
                let start = fields.node.span.start;
                let end = (start + 1).max(fields.entries.first().map_or(start, |(it, _)| it.span.end));
                self.mistake(&(start..end), format!("{what} needs `{key}`"), format!("write `{example}`"))
            }
        }
    }

    /// The items of a list.
    pub fn list<'t>(&mut self, node: &'t Node, what: &str) -> Option<&'t [Node]> {
        match &node.kind {
            Kind::List(items) => Some(items),
            Kind::Broken => None,
            Kind::Scalar(_) | Kind::Map(_) => self.mistake(
                &node.span,
                format!("{what}: a list is expected, not {}", node.described()),
                "write `[a, b]` or one `- a` a line",
            ),
        }
    }

    /// A scalar, however it is written.
    pub fn scalar<'t>(&mut self, node: &'t Node, what: &str) -> Option<&'t Scalar> {
        match &node.kind {
            Kind::Scalar(it) if it.style == Style::Quoted || !it.text.trim().is_empty() => Some(it),
            Kind::Broken => None,
            _ => self.mistake(&node.span, format!("{what} is expected, not {}", node.described()), "write one value behind the key"),
        }
    }

    /// The text of a scalar.
    pub fn text<'t>(&mut self, node: &'t Node) -> Option<&'t str> {
        self.scalar(node, "a text").map(|it| it.text.as_str())
    }

    /// A word: a setting of the format.
    pub fn word<'t>(&mut self, node: &'t Node, what: &str) -> Option<Word<'t>> {
        self.scalar(node, what).map(|it| Word { text: it.text.trim(), node })
    }

    /// One node or a list of them.
    pub fn one_or_more<'t>(&mut self, node: &'t Node) -> Option<Vec<&'t Node>> {
        match &node.kind {
            Kind::List(items) if items.is_empty() => self.mistake(&node.span, "the list is empty", "name at least one"),
            Kind::List(items) => Some(items.iter().collect()),
            Kind::Scalar(_) | Kind::Map(_) | Kind::Broken => Some(vec![node]),
        }
    }
}
