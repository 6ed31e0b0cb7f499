//! The loop that drives the engine through ports. Start with `worker.rs`.

mod assignment;
pub mod board;
mod closed;
mod commit;
pub mod fail_point;
pub mod mutant;
pub mod open_task;
pub mod operations;
mod passage;
pub mod ports;
pub mod reaction;
mod repartition;
pub mod restore;
pub mod status;
pub mod supervisor;
pub mod tasks;
pub mod turns;
pub mod worker;
