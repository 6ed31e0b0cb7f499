//! Exactly once, as decisions on observed facts.

pub mod recovery;
