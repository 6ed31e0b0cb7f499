//! The loop that drives the engine through ports.

pub mod admin;
pub mod ports;
pub mod reaction;
pub mod reset;
pub mod topics;
