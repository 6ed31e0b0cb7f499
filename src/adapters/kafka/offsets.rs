//! The first and the end offset of partitions, read uncommitted.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use super::errors::log_error_at;
use super::raw::Client;
use super::topics::Topics;
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// Between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Asks a client, whatever its own isolation level, in two requests a broker: (first offset, high watermark) of each. Asks
/// again while a leader is on the move.
pub(super) fn bounds(client: &Client, topics: &Topics, of: &[TopicPartition], wait: Duration) -> Result<Vec<(Offset, Offset)>, LogError> {
    let asked: Vec<(&CStr, i32)> = of.iter().map(|at| (topics.name(at.topic), at.partition)).collect();
    let failed = |failure| {
        let at = of.first().filter(|_| of.len() == 1).copied();
        log_error_at(&failure, "ask for the partitions' offsets", at.map(|it| topics.place(it)), at)
    };
    let until = Instant::now() + wait;
    let ask = |end| {
        let remains = until.saturating_duration_since(Instant::now());
        let found = client.list_offsets(&asked, end, remains, |entry| (entry.topic.to_owned(), entry.partition, entry.offset)).map_err(failed)?;
        Ok::<Vec<Offset>, LogError>(
            asked
                .iter()
                .map(|(topic, partition)| found.iter().find(|it| it.0.as_c_str() == *topic && it.1 == *partition).map_or(0, |it| it.2))
                .collect(),
        )
    };
    if of.is_empty() {
        return Ok(Vec::new());
    }
    loop {
        match ask(false).and_then(|first| Ok(first.into_iter().zip(ask(true)?).collect())) {
            Err(LogError { reaction: Reaction::Retry, .. }) if Instant::now() < until => std::thread::sleep(ASK_AGAIN),
            answer => return answer,
        }
    }
}
