//! The partitions that a client reads: its positions, and records handed out fairly.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::adapters::memory::Topics;
use crate::adapters::memory::cluster::{State, out_of_range};
use crate::adapters::memory::partition::Content;
use crate::engine::record::{HeaderRef, Offset, RecordRef, TopicPartition};
use crate::runtime::mutant::{self, Mutant};
use crate::runtime::ports::LogError;

/// Partitions that are being read.
#[derive(Debug, Default)]
pub(super) struct Readings {
    partitions: BTreeMap<TopicPartition, Reading>,
    /// The partition whose turn it was last.
    last: Option<TopicPartition>,
}

#[derive(Debug)]
struct Reading {
    position: Offset,
    paused: bool,
    /// An error was told; nothing more is read until it is started anew.
    failed: bool,
    /// The end that was told last.
    end: Option<Offset>,
}

/// What one read brought.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<(TopicPartition, Offset, Arc<Content>)>,
    pub(super) error: Option<LogError>,
}

impl Readings {
    pub(super) fn start(&mut self, partition: TopicPartition, position: Offset) {
        self.partitions.insert(partition, Reading { position, paused: false, failed: false, end: None });
    }

    pub(super) fn stop(&mut self, partition: TopicPartition) {
        self.partitions.remove(&partition);
    }

    pub(super) fn clear(&mut self) {
        self.partitions.clear();
    }

    pub(super) fn contains(&self, partition: TopicPartition) -> bool {
        self.partitions.contains_key(&partition)
    }

    /// Those that are not read are left alone.
    pub(super) fn pause(&mut self, partitions: &[TopicPartition], paused: bool) {
        for partition in partitions {
            if let Some(reading) = self.partitions.get_mut(partition) {
                reading.paused = paused;
            }
        }
    }

    /// Reads at most `max` records, beginning with the partition after the one that had the last turn.
    pub(super) fn read(&mut self, state: &mut State, topics: &Topics, max: usize) -> Batch {
        let mut batch = Batch::default();
        let turns = self.turns();
        for partition in turns {
            if batch.records.len() >= max || batch.error.is_some() {
                break;
            }
            let Some(reading) = self.partitions.get_mut(&partition).filter(|it| !it.paused && !it.failed) else { continue };
            self.last = Some(partition);
            let mut records = Vec::new();
            match read(state, topics, partition, reading.position, max - batch.records.len(), &mut records) {
                Ok(position) => reading.position = position,
                Err(error) => {
                    reading.failed = true;
                    batch.error = Some(LogError { partition: Some(partition), ..error });
                }
            }
            batch.records.extend(records.into_iter().map(|(offset, content)| (partition, offset, content)));
        }
        batch
    }

    /// The ends that were reached and not told yet.
    pub(super) fn new_ends(&mut self, state: &mut State, topics: &Topics) -> Vec<(TopicPartition, Offset)> {
        let mut ends = Vec::new();
        for (partition, reading) in self.partitions.iter_mut().filter(|(_, it)| !it.paused && !it.failed) {
            let found = topics.name(partition.topic).and_then(|name| state.partition(name, partition.partition));
            let at_end = found.is_ok_and(|it| it.stable_end() <= reading.position);
            if at_end && reading.end != Some(reading.position) {
                reading.end = Some(reading.position);
                ends.push((*partition, reading.position));
            }
        }
        ends
    }

    fn turns(&self) -> Vec<TopicPartition> {
        let (before, after): (Vec<_>, Vec<_>) = self.partitions.keys().copied().partition(|it| Some(*it) <= self.last);
        after.into_iter().chain(before).collect()
    }
}

impl Batch {
    /// Hands the records out. The cluster must not be locked, since the taker may use it.
    pub(super) fn hand_out(&self, record: &mut dyn FnMut(RecordRef<'_>)) {
        for (source, offset, content) in &self.records {
            let headers: Vec<HeaderRef<'_>> = content.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            record(RecordRef {
                source: *source,
                offset: *offset,
                timestamp: Some(content.timestamp),
                key: content.key.as_deref(),
                value: content.value.as_deref(),
                headers: &headers,
            });
        }
    }
}

fn read(
    state: &mut State,
    topics: &Topics,
    TopicPartition { topic, partition }: TopicPartition,
    position: Offset,
    max: usize,
    records: &mut Vec<(Offset, Arc<Content>)>,
) -> Result<Offset, LogError> {
    let name = topics.name(topic)?;
    let found = state.partition(name, partition)?;
    let read = if mutant::is(Mutant::ReadUncommitted) {
        found.read_uncommitted(position, max, records)
    } else {
        found.read(position, max, records)
    };
    read.map_err(|it| out_of_range(name, partition, position, it))
}
