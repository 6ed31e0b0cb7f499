//! Commands for those who run an application: one file each.

pub mod lag;
pub mod reset;
pub mod tap;
pub mod top;
pub mod topics;
