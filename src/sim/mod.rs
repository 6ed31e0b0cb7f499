//! The simulation: topologies run by the product's own workers under faults that one seed draws, and what must hold afterwards.

pub mod amount;
pub mod check;
pub mod entries;
pub mod facts;
pub mod faults;
pub mod gaps;
pub mod glimpses;
pub mod invariants;
pub mod process;
pub mod random;
pub mod run;
pub mod setup;
pub mod stores;
pub mod trace;
pub mod workload;
