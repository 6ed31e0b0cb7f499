//! Offsets of partitions, asked for by name of the plan's numbers: first, last stable, high watermark, by time, committed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::time::{Duration, Instant};

use rdkafka_sys::types::RDKafkaRespErr as Code;

use super::errors::log_error_at;
use super::raw::{Client, Failure, Mark};
use super::topics::Topics;
use crate::engine::record::{Millis, Offset, TopicPartition};
use crate::runtime::operations::access::Ends;
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// What may be behind offsets that do not come, though the broker answers.
const HELD_BACK: &str = "; an open transaction may hold them back: kafka-transactions.sh find-hanging shows those that no one will end";
/// Between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Asks a client, whatever its own isolation level: (first offset, high watermark) of each partition.
pub(super) fn bounds(client: &Client, topics: &Topics, of: &[TopicPartition], wait: Duration) -> Result<Vec<(Offset, Offset)>, LogError> {
    let found = marks(client, topics, of, [Mark::First, Mark::High], wait)?;
    Ok(found.into_iter().map(|[first, high]| (first, high)).collect())
}

/// The last stable offset of each partition.
pub(super) fn stable_ends(client: &Client, topics: &Topics, of: &[TopicPartition], wait: Duration) -> Result<Vec<Offset>, LogError> {
    Ok(marks(client, topics, of, [Mark::Stable], wait)?.into_iter().map(|[stable]| stable).collect())
}

/// As [`bounds`], and the last stable offset.
pub(super) fn ends(client: &Client, topics: &Topics, of: &[TopicPartition], wait: Duration) -> Result<Vec<Ends>, LogError> {
    // In this order: what is written meanwhile makes `high` greater, never less than `visible`.
    let found = marks(client, topics, of, [Mark::First, Mark::Stable, Mark::High], wait)?;
    Ok(found.into_iter().map(|[first, visible, high]| Ends { first, visible, high }).collect())
}

/// The first stable offset of each partition whose record is not older than `time`.
pub(super) fn at(
    client: &Client,
    topics: &Topics,
    of: &[TopicPartition],
    time: Millis,
    wait: Duration,
) -> Result<Vec<Option<Offset>>, LogError> {
    let found = marks(client, topics, of, [Mark::At(time)], wait)?;
    Ok(found.into_iter().map(|[offset]| (0 <= offset).then_some(offset)).collect())
}

/// The committed offsets of the client's group; stable ones, when the client reads committed.
pub(super) fn committed(
    client: &Client,
    topics: &Topics,
    partitions: &[TopicPartition],
    wait: Duration,
) -> Result<Vec<Option<Offset>>, LogError> {
    let mut list = topics.list(partitions.iter().map(|it| (*it, 0)));
    client.committed(&mut list, wait).map_err(|failure| {
        let error = log_error_at(&failure, "ask for the committed offsets", None, None);
        let is_late = failure.code == Code::RD_KAFKA_RESP_ERR__TIMED_OUT as i32;
        let hint = if is_late { HELD_BACK } else { "" };
        LogError { message: error.message + hint, ..error }
    })?;
    let mut found = BTreeMap::new();
    for entry in list.entries() {
        let at = topics.partition(&entry);
        if entry.code != 0 {
            return Err(log_error_at(&Failure::of(entry.code), "ask for the committed offset", at.map(|it| topics.place(it)), at));
        }
        found.insert(at, entry.offset);
    }
    Ok(partitions.iter().map(|asked| found.get(&Some(*asked)).copied().filter(|it| 0 <= *it)).collect())
}

/// Asks, one request a broker and mark, and again while a leader is on the move.
fn marks<const N: usize>(
    client: &Client,
    topics: &Topics,
    of: &[TopicPartition],
    marks: [Mark; N],
    wait: Duration,
) -> Result<Vec<[Offset; N]>, LogError> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let until = Instant::now() + wait;
    loop {
        let mut found = vec![[-1; N]; of.len()];
        let mut ask_all = || {
            for (index, mark) in marks.into_iter().enumerate() {
                let answer = ask(client, topics, of, mark, until.saturating_duration_since(Instant::now()))?;
                for (place, offset) in found.iter_mut().zip(answer) {
                    place.get_mut(index).into_iter().for_each(|it| *it = offset);
                }
            }
            Ok(())
        };
        match ask_all() {
            Err(LogError { reaction: Reaction::Retry, .. }) if Instant::now() < until => std::thread::sleep(ASK_AGAIN),
            Err(error) => return Err(error),
            Ok(()) => return Ok(found),
        }
    }
}

fn ask(client: &Client, topics: &Topics, of: &[TopicPartition], mark: Mark, wait: Duration) -> Result<Vec<Offset>, LogError> {
    let failed = |failure: &Failure, at: Option<TopicPartition>| {
        let at = at.or_else(|| of.first().filter(|_| of.len() == 1).copied());
        log_error_at(failure, "ask for the partitions' offsets", at.map(|it| topics.place(it)), at)
    };
    let asked: Vec<_> = of.iter().map(|at| (topics.name(at.topic), at.partition)).collect();
    let found = client.list_offsets(&asked, mark, wait, |entry| (topics.partition(&entry), entry.offset)).map_err(|failure| {
        if failure.code == Code::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH as i32 {
            learn_leaders(client, asked.iter().map(|(topic, _)| *topic), wait);
        }
        failed(&failure, None)
    })?;
    let found: BTreeMap<Option<TopicPartition>, Offset> = found.into_iter().collect();
    let missing = |at| failed(&Failure::of(Code::RD_KAFKA_RESP_ERR__NO_OFFSET as i32), Some(at));
    of.iter().map(|at| found.get(&Some(*at)).copied().ok_or_else(|| missing(*at))).collect()
}

/// The client asks in the name of a leader's term that has ended, for as long as it remembers that term (`metadata.max.age.ms`, a quarter of
/// an hour): this error, unlike others of the kind, does not make it forget.
fn learn_leaders<'a>(client: &Client, topics: impl Iterator<Item = &'a CStr>, wait: Duration) {
    let until = Instant::now() + wait;
    for topic in topics.collect::<BTreeSet<_>>() {
        // If no broker answers, the next question fails as well, and says so.
        drop(client.learn_leaders(topic, until.saturating_duration_since(Instant::now())));
    }
}
