//! Bytes ↔ values: the one decoder of events and the one encoder.

pub mod decode;
pub mod encode;
mod fill;
