//! What integration tests share: a broker, a stage of topics of their own, the real binary, a reader, and the wallet platform's events.

pub mod broker;
pub mod goyt;
pub mod oracle;
pub mod platform;
pub mod proxy;
pub mod random;
pub mod reader;
pub mod small_disk;
pub mod stage;
pub mod traffic;
pub mod trial;
pub mod wait;
