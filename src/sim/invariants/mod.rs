//! What must hold of a run, whatever happened in it: sums that are equal, numbers without gaps, things that are there once.
//!
//! Nothing here is used by the engine, nor the other way round: figures are whole numbers of 10⁻⁸, and records are plain JSON.

mod row;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::sim::amount::{self, Amount};
use crate::sim::facts::Facts;
use row::{Row, rows};

/// Something that must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Invariant {
    /// In words.
    pub name: String,
    /// The line of the file in which it begins.
    pub line: usize,
    /// What it is.
    pub rule: Rule,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// For each key, what all of the first add up to is what each of the others says.
    Equal {
        /// They add up.
        made_of: Vec<Figure>,
        /// Each alone is compared.
        compare: Vec<Figure>,
    },
    /// In the records of a key, in their order, a field counts on one by one.
    Consecutive {
        /// The records.
        of: Rows,
        /// The field.
        field: Path,
        /// The first number.
        from: i64,
    },
    /// There is at most one for each key.
    Once(Rows),
}

/// Figures by key.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Of what.
    pub of: Rows,
    /// What each adds.
    pub by: By,
}

/// Records of a topic, or entries of a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Where they stand.
    pub place: Place,
    /// Only those for which all of these hold.
    pub conditions: Vec<Condition>,
    /// Of those that are equal in these fields only the first; none: all.
    pub once: Vec<Path>,
    /// The fields whose values are the key; none: there is one key for all. Of a store `None` is its whole key.
    pub key: Option<Vec<Path>>,
}

/// Where rows stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A topic; its records that became dead letters are passed over, and so is what is no JSON.
    Topic(String),
    /// `<topology>.<id>`
    Store(String),
}

/// A field: names, from the outside in. In a store, a number is a part of the key, from 1; of money, `amount` and `currency` are fields.
pub type Path = Vec<String>;

/// What a field must be; one that is missing is null.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The field.
    pub field: Path,
    /// It must be one of these,
    pub one_of: Vec<Json>,
    /// or none of them.
    pub not: bool,
}

/// What a row adds to the figure of its key.
#[derive(Debug, Clone, PartialEq)]
pub enum By {
    /// So much.
    Count(i64),
    /// A field.
    Sum(Path),
    /// A field, taken away.
    Subtract(Path),
    /// A field, in the place of that of the row before.
    Last(Path),
}

/// The values of a key's fields, as plain text.
type Key = Vec<String>;
type Sums = BTreeMap<Key, Amount>;

/// Keys that are told of one invariant; of others, how many.
const TOLD_MAX: usize = 5;

impl Invariant {
    /// What contradicts it, a line each; none: it holds.
    #[must_use]
    pub fn violations(&self, facts: &Facts) -> Vec<String> {
        let found = match &self.rule {
            Rule::Equal { made_of, compare } => unequal(made_of, compare, facts),
            Rule::Consecutive { of, field, from } => gaps(of, field, *from, facts),
            Rule::Once(of) => repeated(of, facts),
        };
        let mut found = found.unwrap_or_else(|why| vec![why]);
        let more = found.len().saturating_sub(TOLD_MAX);
        found.truncate(TOLD_MAX);
        if 0 < more {
            found.push(format!("and {more} more"));
        }
        found.into_iter().map(|it| format!("invariant \"{}\" (line {}): {it}", self.name, self.line)).collect()
    }
}

fn unequal(made_of: &[Figure], compare: &[Figure], facts: &Facts) -> Result<Vec<String>, String> {
    let mut expected = Sums::new();
    for figure in made_of {
        for (key, amount) in sums(figure, facts)? {
            let sum = expected.entry(key).or_default();
            *sum = sum.checked_add(amount).ok_or("the sums are too large")?;
        }
    }
    let mut found = Vec::new();
    for figure in compare {
        let sums = sums(figure, facts)?;
        let keys: BTreeSet<&Key> = expected.keys().chain(sums.keys()).collect();
        for key in keys {
            // What is nowhere adds nothing.
            let (wanted, is) = (expected.get(key).copied().unwrap_or(0), sums.get(key).copied().unwrap_or(0));
            if wanted != is {
                let (wanted, is) = (amount::text(wanted), amount::text(is));
                found.push(format!("{}: {wanted} by what it is made of, {is} in {}", shown(key), figure.of.place));
            }
        }
    }
    Ok(found)
}

fn sums(figure: &Figure, facts: &Facts) -> Result<Sums, String> {
    let mut sums = Sums::new();
    for row in rows(&figure.of, facts)? {
        let sum = sums.entry(row.key(&figure.of)?).or_default();
        *sum = match &figure.by {
            By::Count(count) => sum.checked_add(amount::whole(*count)),
            By::Sum(field) => sum.checked_add(row.amount(field)?),
            By::Subtract(field) => sum.checked_sub(row.amount(field)?),
            By::Last(field) => Some(row.amount(field)?),
        }
        .ok_or("the sums are too large")?;
    }
    Ok(sums)
}

fn gaps(of: &Rows, field: &Path, from: i64, facts: &Facts) -> Result<Vec<String>, String> {
    let mut next: BTreeMap<Key, Amount> = BTreeMap::new();
    let mut found: BTreeMap<Key, String> = BTreeMap::new();
    for row in rows(of, facts)? {
        let (key, is) = (row.key(of)?, row.amount(field)?);
        let wanted = next.entry(key.clone()).or_insert_with(|| amount::whole(from));
        if is != *wanted && !found.contains_key(&key) {
            // What follows from it is not told.
            let text =
                format!("{}: {} = {} where {} comes next, in {row}", shown(&key), field.join("."), amount::text(is), amount::text(*wanted));
            found.insert(key, text);
        }
        *wanted += amount::whole(1);
    }
    Ok(found.into_values().collect())
}

fn repeated(of: &Rows, facts: &Facts) -> Result<Vec<String>, String> {
    let mut first: BTreeMap<Key, Row<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for row in rows(of, facts)? {
        let key = row.key(of)?;
        match first.get(&key) {
            Some(first) => found.push(format!("{}: twice, in {first} and in {row}", shown(&key))),
            None => drop(first.insert(key, row)),
        }
    }
    Ok(found)
}

fn shown(key: &Key) -> String {
    if key.is_empty() { "all".to_owned() } else { key.join(" ") }
}
