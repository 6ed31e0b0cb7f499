//! Reads changelogs from a [`Cluster`], outside the group.

use std::time::Duration;

use crate::adapters::memory::Topics;
use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::network::Request;
use crate::adapters::memory::reading::Readings;
use crate::engine::record::{Offset, RecordRef, TopicPartition};
use crate::runtime::ports::{Changelogs, LogError};

/// A reader of changelogs.
#[derive(Debug)]
pub struct MemoryChangelogs {
    cluster: Cluster,
    topics: Topics,
    readings: Readings,
    /// The client's name.
    client: String,
}

impl MemoryChangelogs {
    pub(super) fn new(cluster: Cluster, topics: Topics, client: String) -> Self {
        Self { cluster, topics, readings: Readings::default(), client }
    }
}

impl Changelogs for MemoryChangelogs {
    fn bounds(&mut self, partitions: &[TopicPartition]) -> Result<Vec<(Offset, Offset)>, LogError> {
        self.cluster.state().reach(&self.client, Request::Lookup)?;
        let bounds = |it: &TopicPartition| {
            let (start, _, end) = self.cluster.bounds(self.topics.name(it.topic)?, it.partition)?;
            Ok((start, end))
        };
        partitions.iter().map(bounds).collect()
    }

    fn start(&mut self, partition: TopicPartition, from: Offset) -> Result<(), LogError> {
        self.topics.name(partition.topic)?;
        self.readings.start(partition, from);
        Ok(())
    }

    fn poll(
        &mut self,
        wait: Duration,
        max: usize,
        record: &mut dyn FnMut(RecordRef<'_>),
    ) -> Result<Vec<(TopicPartition, Offset)>, LogError> {
        let mut state = self.cluster.state();
        state.reach(&self.client, Request::Restore)?;
        let mut batch = self.readings.read(&mut state, &self.topics, max);
        let ends = self.readings.new_ends(&mut state, &self.topics);
        if batch.records.is_empty() && batch.error.is_none() && ends.is_empty() {
            self.cluster.wait(state, wait);
            return Ok(ends);
        }
        drop(state);
        batch.hand_out(record);
        batch.error.take().map_or(Ok(ends), Err)
    }

    fn stop(&mut self, partition: TopicPartition) {
        self.readings.stop(partition);
    }
}
