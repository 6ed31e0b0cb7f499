//! Commands for those who write topologies: one file each.

pub mod config;
pub mod graph;
pub mod man;
pub mod sim;
pub mod test;
pub mod validate;
