//! What people do with an application beside running it: look at lag and state, handle dead letters, replay. Over ports, like the loop.

pub mod access;
pub mod admin;
pub mod audit;
pub mod lag;
pub mod replay;
pub mod reset;
pub mod topics;
