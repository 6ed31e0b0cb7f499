//! Commands for those who run an application: one file each.

pub mod lag;
pub mod replay;
pub mod reset;
pub mod topics;
