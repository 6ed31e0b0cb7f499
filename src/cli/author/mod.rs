//! Commands for those who write topologies: one file each.

pub mod test;
pub mod validate;
