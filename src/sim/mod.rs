//! The simulation: topologies run by the product's own workers under faults that one seed draws, and what must hold afterwards.

pub mod check;
pub mod faults;
pub mod process;
pub mod random;
pub mod run;
pub mod stores;
pub mod trace;
pub mod workload;
