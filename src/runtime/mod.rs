//! The loop that drives the engine through ports. Start with `worker.rs`.

mod assignment;
pub mod board;
mod closed;
mod commit;
pub mod fail_point;
mod flow;
mod handover;
pub mod mutant;
pub mod operations;
pub mod ports;
pub mod reaction;
pub mod restore;
pub mod status;
pub mod supervisor;
pub mod tasks;
pub mod worker;
