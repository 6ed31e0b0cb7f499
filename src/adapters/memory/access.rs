//! Topics of a [`Cluster`] by name: [`Access`] for commands and operation.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::partition::Content;
use crate::adapters::memory::reading::Readings;
use crate::adapters::memory::{Topics, error};
use crate::engine::record::{HeaderRef, Millis, Offset, TopicId, TopicPartition};
use crate::runtime::operations::access::{Access, Ends, NewRecord, Place, ReadRecord, TopicReader, TopicWriter};
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// Gives readers and writers of a cluster.
#[derive(Debug, Clone)]
pub struct MemoryAccess(Cluster);

impl MemoryAccess {
    /// Of this cluster.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        Self(cluster.clone())
    }
}

impl Access for MemoryAccess {
    fn reader(&self, group: &str) -> Result<Box<dyn TopicReader>, LogError> {
        let (topics, places) = (Topics([].into()), BTreeMap::new());
        Ok(Box::new(MemoryReader { cluster: self.0.clone(), group: group.to_owned(), readings: Readings::default(), topics, places }))
    }

    fn writer(&self, transactional_id: Option<&str>) -> Result<Box<dyn TopicWriter>, LogError> {
        let transactional_id = transactional_id.map(str::to_owned);
        Ok(Box::new(MemoryWriter { cluster: self.0.clone(), transactional_id, epoch: None }))
    }
}

/// A reader. Topics get numbers when they are first read, and keep them.
#[derive(Debug)]
struct MemoryReader {
    cluster: Cluster,
    group: String,
    readings: Readings,
    topics: Topics,
    places: BTreeMap<TopicPartition, Place>,
}

impl MemoryReader {
    fn numbered(&mut self, place: &Place) -> TopicPartition {
        let known = self.topics.0.iter().position(|it| **it == *place.topic);
        let index = known.unwrap_or_else(|| {
            self.topics = Topics(self.topics.0.iter().cloned().chain([place.topic.to_string()]).collect());
            self.topics.0.len() - 1
        });
        TopicPartition { topic: TopicId(u16::try_from(index).unwrap_or(u16::MAX)), partition: place.partition }
    }
}

impl TopicReader for MemoryReader {
    fn partitions(&mut self, topics: &[&str]) -> Result<BTreeMap<String, i32>, LogError> {
        let mut found = self.cluster.topics();
        found.retain(|name, _| topics.contains(&name.as_str()));
        Ok(found)
    }

    fn ends(&mut self, places: &[Place]) -> Result<Vec<Ends>, LogError> {
        let ends = |place: &Place| {
            let (first, visible, high) = self.cluster.bounds(&place.topic, place.partition)?;
            Ok(Ends { first, visible, high })
        };
        places.iter().map(ends).collect()
    }

    fn at(&mut self, places: &[Place], time: Millis) -> Result<Vec<Option<Offset>>, LogError> {
        let mut state = self.cluster.state();
        places.iter().map(|place| Ok(state.partition(&place.topic, place.partition)?.at(time))).collect()
    }

    fn committed(&mut self, places: &[Place]) -> Result<Vec<Option<Offset>>, LogError> {
        let places: Vec<_> = places.iter().map(|place| (place.topic.to_string(), place.partition)).collect();
        let mut state = self.cluster.state();
        state.find_group(&self.group).map_or_else(|| Ok(vec![None; places.len()]), |group| group.committed(&places))
    }

    fn start(&mut self, place: &Place, from: Offset) -> Result<(), LogError> {
        let at = self.numbered(place);
        self.readings.start(at, from);
        self.places.insert(at, place.clone());
        Ok(())
    }

    fn stop(&mut self, place: &Place) {
        let at = self.numbered(place);
        self.readings.stop(at);
        self.places.remove(&at);
    }

    fn poll(&mut self, wait: Duration, max: usize, record: &mut dyn FnMut(ReadRecord<'_>)) -> Result<Vec<(Place, Offset)>, LogError> {
        let mut state = self.cluster.state();
        let mut batch = self.readings.read(&mut state, &self.topics, max);
        let ends = self.readings.new_ends(&mut state, &self.topics);
        if batch.records.is_empty() && batch.error.is_none() && ends.is_empty() {
            self.cluster.wait(state, wait);
            return Ok(Vec::new());
        }
        drop(state);
        for (source, offset, content) in &batch.records {
            let Some(place) = self.places.get(source) else { continue };
            let headers: Vec<HeaderRef<'_>> = content.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            let (key, value) = (content.key.as_deref(), content.value.as_deref());
            record(ReadRecord { place, offset: *offset, timestamp: Some(content.timestamp), key, value, headers: &headers });
        }
        // The numbers are no plan's.
        let error = batch.error.take().map(|error| LogError { partition: None, ..error });
        let ends = ends.into_iter().filter_map(|(at, offset)| Some((self.places.get(&at)?.clone(), offset))).collect();
        error.map_or(Ok(ends), Err)
    }
}

/// A writer.
#[derive(Debug)]
struct MemoryWriter {
    cluster: Cluster,
    transactional_id: Option<String>,
    /// Once it is initialised.
    epoch: Option<u32>,
}

impl MemoryWriter {
    fn content(&self, record: &NewRecord) -> Content {
        Content {
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
            timestamp: record.timestamp.unwrap_or_else(|| self.cluster.now()),
        }
    }
}

impl TopicWriter for MemoryWriter {
    fn init(&mut self) -> Result<(), LogError> {
        let id = self.transactional_id.as_deref().ok_or_else(|| misused("a writer without a transactional id has no transactions"))?;
        self.epoch = Some(self.cluster.state().take_over(id));
        self.cluster.wake();
        Ok(())
    }

    fn transact(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        let epoch = self.epoch.take().ok_or_else(|| misused("it must be initialised before the next transaction"))?;
        let id = self.transactional_id.as_deref().unwrap_or_default();
        let contents: Vec<Content> = records.iter().map(|it| self.content(it)).collect();
        let mut state = self.cluster.state();
        let send = |(record, content): (&NewRecord, Content)| state.send(id, epoch, &record.topic, record.partition, content).map(drop);
        let sent = records.iter().zip(contents).try_for_each(send);
        let ended = state.end(id, epoch, sent.is_ok());
        drop(state);
        self.cluster.wake();
        sent.and(ended)?;
        self.epoch = Some(epoch);
        Ok(())
    }

    fn write(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        if self.transactional_id.is_some() {
            return Err(misused("this writer writes in transactions only"));
        }
        let append = |record: &NewRecord| self.cluster.append(&record.topic, record.partition, self.content(record)).map(drop);
        records.iter().try_for_each(append)
    }
}

/// The caller broke the order of calls; `init` mends it.
fn misused(what: &str) -> LogError {
    error("_STATE", Reaction::Recycle, what)
}
