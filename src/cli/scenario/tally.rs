//! What must come of the records, counted while they are made, beside what has come of them.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use serde_json::Value as Json;

use super::generator::{Made, unquoted};
use super::{Addend, By, Tally};
use crate::sim::amount::{self, Amount};

/// Figures by key.
pub type Sums = ByKey<Amount>;

/// Something for each key; there are many, and most are looked up for each record.
pub type ByKey<T> = HashMap<Key, T, FxBuildHasher>;

/// The values of the key's fields, as plain text.
pub type Key = Vec<String>;

/// How many dead letters there must be, by topic of the failed record and reason.
pub type DeadLetters = BTreeMap<(String, String), u64>;

/// The figures of all tallies, by name.
#[derive(Debug, Clone, Default)]
pub struct Tallies(BTreeMap<String, Sums>);

impl Tallies {
    /// The figures of a tally.
    #[must_use]
    pub fn of(&self, tally: &str) -> Sums {
        self.0.get(tally).cloned().unwrap_or_default()
    }

    /// Counts a good record of a kind.
    pub(super) fn count(&mut self, tallies: &[Tally], template: &str, made: &Made) -> Result<(), String> {
        for tally in tallies {
            for part in tally.parts.iter().filter(|it| it.template == template) {
                let field = |name: &String| made.get(name).map(unquoted).unwrap_or_default();
                let number = |name: &String| {
                    let text = field(name);
                    amount::parse(&text).ok_or_else(|| format!("tally {}: field {name} is {text}, which is no amount", tally.name))
                };
                let added = match &part.amount {
                    Addend::Number(number) => amount::whole(*number),
                    Addend::Plus(name) => number(name)?,
                    Addend::Minus(name) => -number(name)?,
                };
                let key = part.key.iter().map(field).collect();
                let sums = match self.0.get_mut(&tally.name) {
                    Some(sums) => sums,
                    None => self.0.entry(tally.name.clone()).or_default(),
                };
                *sums.entry(key).or_default() += added;
            }
        }
        Ok(())
    }
}

/// Takes a record of the application into figures.
///
/// # Errors
/// When a field is missing, or is no number.
pub fn take(record: &Json, key: &[String], by: &By, sums: &mut Sums) -> Result<(), String> {
    let text = |name: &String| record.get(name).map(shown).ok_or_else(|| format!("has no field {name}: {record}"));
    let number = |name: &String| {
        let text = text(name)?;
        amount::parse(&text).ok_or_else(|| format!("has a field {name} that is no number: {text}"))
    };
    let entry = sums.entry(key.iter().map(text).collect::<Result<Key, String>>()?).or_default();
    match by {
        By::Count(count) => *entry += amount::whole(*count),
        By::Last(name) => *entry = number(name)?,
        By::Sum(name) => *entry += number(name)?,
    }
    Ok(())
}

/// A scalar of JSON as plain text.
#[must_use]
pub fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The differences between what must be and what was found, one line each, sorted.
#[must_use]
pub fn differences(expected: &Sums, found: &Sums) -> Vec<String> {
    let name = |key: &Key| if key.is_empty() { "all".to_owned() } else { key.join(" ") };
    let mut lines = Vec::new();
    for (key, wanted) in expected {
        match found.get(key) {
            Some(found) if found == wanted => {}
            Some(found) => lines.push(format!("{}: expected {}, found {}", name(key), amount::text(*wanted), amount::text(*found))),
            None => lines.push(format!("{}: expected {}, found nothing", name(key), amount::text(*wanted))),
        }
    }
    for (key, found) in found.iter().filter(|it| !expected.contains_key(it.0)) {
        lines.push(format!("{}: expected nothing, found {}", name(key), amount::text(*found)));
    }
    lines.sort();
    lines
}
