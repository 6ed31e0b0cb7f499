//! The first and the end offset of a partition, read uncommitted.

use std::time::Duration;

use super::errors::log_error_at;
use super::raw::Client;
use super::topics::Topics;
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::ports::LogError;

/// Asks a client, whatever its own isolation level: (first offset, high watermark).
pub(super) fn bounds(client: &Client, topics: &Topics, at: TopicPartition, wait: Duration) -> Result<(Offset, Offset), LogError> {
    let ask = |end| {
        let failed = |failure| log_error_at(&failure, "ask for the partition's offsets", Some(topics.place(at)), Some(at));
        let found = client.list_offsets(&[(topics.name(at.topic), at.partition)], end, wait, |entry| entry.offset).map_err(failed)?;
        Ok(found.first().copied().unwrap_or(0))
    };
    Ok((ask(false)?, ask(true)?))
}
