//! The world: each adapter implements ports of the runtime, and none knows another.

pub mod clock;
pub mod http;
pub mod kafka;
pub mod machine;
pub mod memory;
pub mod rocks;
