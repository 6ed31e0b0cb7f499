//! Commands for those who run an application: one file each.

pub mod dlq;
pub mod lag;
pub mod reset;
pub mod tap;
pub mod store;
pub mod topics;
