//! The engine: what a record does. No I/O, no clock, no thread, no randomness, no async.

pub mod bytes;
pub mod codec;
pub mod currency;
pub mod decimal;
pub mod digits;
pub mod event_id;
pub mod expr;
pub mod failure;
pub mod json;
pub mod operators;
pub mod partition;
pub mod pen;
pub mod plan;
pub mod protocol;
pub mod record;
pub mod repartition;
pub mod schema;
pub mod state;
pub mod task;
pub mod topology;
pub mod value;
