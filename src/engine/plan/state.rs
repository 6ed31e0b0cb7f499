//! What a plan says of state: its stores, and the folds that change them.

use super::{Binding, Operand};
use crate::engine::expr::Slot;
use crate::engine::record::TopicId;
use crate::engine::value::Type;

/// A store of a subtopology.
#[derive(Debug, Clone, PartialEq)]
pub struct StorePlan {
    /// The id of the step that owns it; the input's dedup has the id `dedup`.
    pub id: String,
    /// Its changelog topic.
    pub changelog: TopicId,
    /// The types of its key's parts, in order.
    pub key: Vec<Type>,
    /// The names and types of its value's fields, in order.
    pub value: Vec<(String, Type)>,
    /// What its entries are.
    pub kind: StoreKind,
    /// How an entry is divided by the `each` of an `aggregate`; `None`: it is not.
    pub each: Option<Divided>,
}

/// How the entry of a key is divided into parts: see [`crate::engine::state::parts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divided {
    /// So many of the key's parts are the entry's key; those behind tell its parts apart.
    pub key: usize,
    /// So many of the value's fields are there once; those behind are there in each part.
    pub value: usize,
}

/// What the entries of a store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Ids with the event time at which they were seen; forgotten after the window, milliseconds of stream time.
    Dedup {
        /// The window.
        window_ms: i64,
    },
    /// Ids, for ever.
    Unique,
    /// One counter.
    Allot,
    /// A state for each key.
    Aggregate,
}

/// A fold.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Index into the subtopology's stores.
    pub store: usize,
    /// The key.
    pub by: Vec<Operand>,
    /// What becomes of its state.
    pub fold: Fold,
    /// A part of the entry: there is one for each value of a second key.
    pub each: Option<Each>,
}

/// A second key, and a state for each of its values, in the entry of the first one.
#[derive(Debug, Clone, PartialEq)]
pub struct Each {
    /// The second key.
    pub by: Vec<Operand>,
    /// What becomes of its state.
    pub fold: Fold,
}

/// How a record changes a state.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// The state's fields when there is none yet; they go to `state` slots.
    pub init: Vec<Binding>,
    /// The new state's fields; read `state` slots, go to `into` slots, which later steps read as `<id>.<field>`.
    pub update: Vec<Binding>,
    /// The slots of the state before the update, in the order of the store's value fields.
    pub state: Vec<Slot>,
}
