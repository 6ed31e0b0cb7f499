//! What is special about repartition topics: the application both writes and reads them.

pub(super) mod flow;
pub(super) mod handover;
pub(super) mod packs;
