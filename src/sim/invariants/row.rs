//! A record of a topic or an entry of a store, and its fields.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value as Json;

use super::{Condition, Key, Place, Rows};
use crate::sim::amount::{self, Amount};
use crate::sim::entries::Entry;
use crate::sim::facts::{Fact, Facts};

/// A row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'f> {
    Record(&'f str, &'f Fact, &'f Json),
    Entry(&'f str, &'f Entry),
}

/// The rows that are meant, in their order.
pub(super) fn rows<'f>(of: &'f Rows, facts: &'f Facts) -> Result<Vec<Row<'f>>, String> {
    let mut rows: Vec<Row<'f>> = match &of.place {
        Place::Topic(name) => {
            let records = facts.topics.get(name).ok_or_else(|| format!("there is no topic {name}"))?;
            // Of dead letters themselves, those of a dead letter topic are meant.
            records.iter().filter(|it| !it.dead).filter_map(|it| Some(Row::Record(name, it, it.value.as_ref()?))).collect()
        }
        Place::Store(name) => {
            let entries = facts.stores.get(name).ok_or_else(|| format!("there is no store {name}"))?;
            entries.iter().map(|it| Row::Entry(name, it)).collect()
        }
    };
    rows.retain(|row| of.conditions.iter().all(|it| row.meets(it)));
    if !of.once.is_empty() {
        let mut seen: BTreeSet<Key> = BTreeSet::new();
        // What has no such fields is like no other.
        rows.retain(|row| match of.once.iter().map(|it| row.field(it).as_ref().map(plain)).collect::<Option<Key>>() {
            Some(key) => seen.insert(key),
            None => true,
        });
    }
    Ok(rows)
}

impl Row<'_> {
    /// A field's value; `None`: there is none.
    fn field(&self, path: &[String]) -> Option<Json> {
        let (first, rest) = path.split_first()?;
        let mut value = match self {
            Self::Record(_, _, value) => value.get(first)?,
            Self::Entry(_, entry) => match first.parse::<usize>() {
                Ok(number) => entry.key.get(number.checked_sub(1)?)?,
                Err(_) => entry.value.get(first)?,
            },
        };
        for name in rest {
            value = match (value.as_str().and_then(|it| it.split_once(' ')), name.as_str()) {
                (Some((amount, _)), "amount") => return Some(amount.into()),
                (Some((_, currency)), "currency") => return Some(currency.into()),
                _ => value.get(name)?,
            };
        }
        Some(value.clone())
    }

    fn meets(&self, condition: &Condition) -> bool {
        let value = self.field(&condition.field).unwrap_or_default();
        condition.one_of.contains(&value) != condition.not
    }

    /// The key by which figures are told apart.
    pub(super) fn key(&self, of: &Rows) -> Result<Key, String> {
        match (&of.key, self) {
            (Some(fields), _) => fields.iter().map(|it| self.text(it)).collect(),
            (None, Self::Entry(_, entry)) => Ok(entry.key.iter().map(plain).collect()),
            (None, Self::Record(..)) => Ok(Key::new()),
        }
    }

    fn text(&self, field: &[String]) -> Result<String, String> {
        self.field(field).as_ref().map(plain).ok_or_else(|| format!("{self} has no field {}", field.join(".")))
    }

    /// A field that is a number, as JSON, as text or as money.
    pub(super) fn amount(&self, field: &[String]) -> Result<Amount, String> {
        let text = self.text(field)?;
        let number = text.split(' ').next().and_then(amount::parse);
        number.ok_or_else(|| format!("{self}: {} is {text}, which is no number", field.join(".")))
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(topic, at, _) => write!(f, "{topic}[{}]@{}", at.partition, at.offset),
            Self::Entry(store, entry) => write!(f, "store {store}, {}", Json::from(entry.key.clone())),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Store(name) => write!(f, "store {name}"),
        }
    }
}

/// A value as plain text.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
