//! Commands for those who run an application: one file each.

pub mod dlq;
pub mod lag;
pub mod replay;
pub mod reset;
pub mod store;
pub mod tap;
pub mod top;
pub mod topics;
