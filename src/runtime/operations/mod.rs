//! What people do with an application beside running it: look at lag and state, handle dead letters, replay. Over ports, like the loop.

pub mod access;
pub mod admin;
pub mod audit;
pub mod condition;
pub mod dead_letters;
pub mod exposition;
pub mod lag;
pub mod queries;
pub mod replay;
pub mod reporter;
pub mod reset;
pub mod topics;
pub mod trial;
