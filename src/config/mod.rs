//! Configuration: every setting is declared once, in `settings`; loading, `--help` and the reference come from there.

mod effective;
mod file;
mod limits;
mod load;
mod memory;
mod properties;
pub mod reference;
mod settings;
mod value;

#[cfg(test)]
mod tests;

pub use effective::{Effective, effective, is_secret};
pub use limits::Limits;
pub use load::{FileText, Flag, Mistake, Place, Sources, load};
pub use memory::{MemoryPart, memory_budget, state_cache_bytes};
pub use properties::Properties;
pub use settings::{Fallback, SETTINGS, Setting, Settings};
pub use value::{LogFormat, OffsetReset, ProcessingGuarantee, Value};
