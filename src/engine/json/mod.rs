//! Bytes ↔ values: the one decoder of events and the one encoder.

pub mod decode;
pub mod encode;
mod field;
mod fill;
mod instant;
mod reader;
mod text;

pub use text::Text;

/// The envelope of an event: what derived events need of their cause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Envelope<'r> {
    /// `eventId`.
    pub event_id: u128,
    /// `timestamp`, as it was written.
    pub timestamp: Text<'r>,
    /// `timestamp`, microseconds since 1970.
    pub micros: i64,
}
