//! What the program says of itself while it runs.

pub mod families;
pub mod histogram;
pub mod logging;
pub mod metrics;
