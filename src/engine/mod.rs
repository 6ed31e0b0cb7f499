//! The engine: what a record does. No I/O, no clock, no thread, no randomness, no async.

pub mod expr;
pub mod partition;
pub mod plan;
pub mod record;
pub mod schema;
pub mod value;
