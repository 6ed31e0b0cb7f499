//! The simulation: topologies run by the product's own workers under faults that one seed draws, and what must hold afterwards.

pub mod random;
pub mod stores;
pub mod workload;
