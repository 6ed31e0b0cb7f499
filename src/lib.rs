//! Goyt: a Kafka Streams-style stream processor. Topologies are files; they run exactly once on Apache Kafka.
//!
//! The life of a record, in the order in which it is read: `runtime/worker.rs` polls it, `engine/task/mod.rs` takes it through
//! the steps of its topology, one file each in `engine/operators/`, and gathers what it does in `engine/task/effects.rs`;
//! `runtime/commit.rs` sends that and the consumed offsets in one Kafka transaction through `adapters/kafka/producer.rs`,
//! and when it is committed, `adapters/rocks/store.rs` takes the writes of the state.

pub mod adapters;
pub mod cli;
pub mod config;
pub mod engine;
pub mod runtime;
pub mod sim;
pub mod telemetry;
