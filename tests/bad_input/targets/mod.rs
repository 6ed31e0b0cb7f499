//! What bad bytes are given to: one entry for each reader of bytes, shared by the tests and by the fuzz targets in `fuzz/`.
//!
//! An entry panics when the product does, and when what became of the bytes is not what was promised.

pub mod codec;
pub mod expression;
pub mod http;
pub mod record;
mod reference;
pub mod topology;

/// Wall-clock time, and the timestamp of records.
pub const NOW: i64 = 1_800_000_000_000;
