//! The first and the end offset of partitions, read uncommitted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka_sys::types::RDKafkaRespErr as Code;

use super::errors::log_error_at;
use super::raw::{Client, Failure};
use super::topics::Topics;
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// Between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Asks a client, whatever its own isolation level, in two requests a broker: (first offset, high watermark) of each.
/// Asks again while a leader is on the move.
pub(super) fn bounds(client: &Client, topics: &Topics, of: &[TopicPartition], wait: Duration) -> Result<Vec<(Offset, Offset)>, LogError> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let until = Instant::now() + wait;
    loop {
        let ask = |end| ask(client, topics, of, end, until.saturating_duration_since(Instant::now()));
        match ask(false).and_then(|first| Ok(first.into_iter().zip(ask(true)?).collect())) {
            Err(LogError { reaction: Reaction::Retry, .. }) if Instant::now() < until => std::thread::sleep(ASK_AGAIN),
            answer => return answer,
        }
    }
}

fn ask(client: &Client, topics: &Topics, of: &[TopicPartition], end: bool, wait: Duration) -> Result<Vec<Offset>, LogError> {
    let failed = |failure: &Failure, at: Option<TopicPartition>| {
        let at = at.or_else(|| of.first().filter(|_| of.len() == 1).copied());
        log_error_at(failure, "ask for the partitions' offsets", at.map(|it| topics.place(it)), at)
    };
    let asked: Vec<_> = of.iter().map(|at| (topics.name(at.topic), at.partition)).collect();
    let found = client.list_offsets(&asked, end, wait, |entry| (topics.partition(&entry), entry.offset));
    let found: BTreeMap<Option<TopicPartition>, Offset> = found.map_err(|it| failed(&it, None))?.into_iter().collect();
    let missing = |at| failed(&Failure::of(Code::RD_KAFKA_RESP_ERR__NO_OFFSET as i32), Some(at));
    of.iter().map(|at| found.get(&Some(*at)).copied().ok_or_else(|| missing(*at))).collect()
}
