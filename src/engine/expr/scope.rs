//! The names that an expression may use, and what is known of them.

use std::collections::{BTreeMap, BTreeSet};

use super::Slot;
use crate::engine::value::Type;

/// Slots that are known not to be null.
pub type Facts = BTreeSet<Slot>;

/// Names, and what they stand for.
pub type Fields = BTreeMap<String, Entry>;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A scalar.
    Value(Variable),
    /// Something with fields: an event, an object in it, a leg, a state.
    Fields(Fields),
    /// A name that is known, but can't be used here.
    Unusable {
        /// Why.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// A name whose own mistake was told: nothing more is said of it.
    Broken,
}

/// A scalar that expressions may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Where it is.
    pub slot: Slot,
    /// Its type.
    pub of: Type,
    /// When not empty: the only texts that it can be.
    pub one_of: Vec<String>,
}

/// The names that an expression may use.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// The names.
    pub names: Fields,
    /// What conditions on the way have ruled out.
    pub facts: Facts,
}

impl Scope {
    /// The same names, with more that is known.
    #[must_use]
    pub fn knowing(&self, facts: &Facts) -> Self {
        let mut scope = self.clone();
        scope.facts.extend(facts);
        scope
    }
}
