//! The first and the end offset of a partition, read uncommitted.

use std::time::{Duration, Instant};

use super::errors::log_error_at;
use super::raw::Client;
use super::topics::Topics;
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// Between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Asks a client, whatever its own isolation level: (first offset, high watermark). Asks again while a leader is on the move.
pub(super) fn bounds(client: &Client, topics: &Topics, at: TopicPartition, wait: Duration) -> Result<(Offset, Offset), LogError> {
    let until = Instant::now() + wait;
    let ask = |end| {
        let remains = until.saturating_duration_since(Instant::now());
        let failed = |failure| log_error_at(&failure, "ask for the partition's offsets", Some(topics.place(at)), Some(at));
        let found = client.list_offsets(&[(topics.name(at.topic), at.partition)], end, remains, |entry| entry.offset).map_err(failed)?;
        Ok(found.first().copied().unwrap_or(0))
    };
    loop {
        match ask(false).and_then(|first| Ok((first, ask(true)?))) {
            Err(LogError { reaction: Reaction::Retry, .. }) if Instant::now() < until => std::thread::sleep(ASK_AGAIN),
            answer => return answer,
        }
    }
}
