//! Reads topics by name, up to the end of what is committed, and outside any group: it never joins nor commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;

use crate::adapters::kafka::admin::KafkaAdmin;
use crate::adapters::kafka::client_config::ClientSettings;
use crate::adapters::kafka::client_errors::ClientErrors;
use crate::adapters::kafka::errors::{log_error, log_error_at};
use crate::adapters::kafka::log_lines::LogLines;
use crate::adapters::kafka::offsets;
use crate::adapters::kafka::raw::{Callbacks, Client, Failure, Kind};
use crate::adapters::kafka::reader::Reader;
use crate::adapters::kafka::topics::Topics;
use crate::engine::record::{Millis, Offset, TopicId, TopicPartition};
use crate::runtime::operations::access::{Ends, Place, ReadRecord, TopicReader};
use crate::runtime::ports::LogError;

/// How long offsets of partitions are waited for.
const OFFSETS_WAIT: Duration = Duration::from_secs(10);
/// How long the group's committed offsets are waited for: longer than a transaction that holds them back lives.
const COMMITTED_WAIT: Duration = Duration::from_secs(30);

/// The reader. Topics get numbers when they are first named, and keep them.
pub(super) struct KafkaTopicReader {
    settings: ClientSettings,
    /// Made when it is first needed.
    admin: Option<KafkaAdmin>,
    reader: Reader,
    heard: Arc<Heard>,
    names: Vec<String>,
    /// The partitions under way.
    places: BTreeMap<TopicPartition, Place>,
}

/// What the client told while it was polled.
struct Heard {
    lines: LogLines,
    errors: ClientErrors,
}

impl Callbacks for Heard {
    fn log(&self, level: i32, facility: &str, line: &str) {
        self.lines.say(level, facility, line);
    }

    fn error(&self, failure: Failure) {
        self.errors.put_of_client(&failure, "read");
    }
}

impl KafkaTopicReader {
    pub(super) fn new(settings: &ClientSettings, config: &ClientConfig) -> Result<KafkaTopicReader, LogError> {
        let heard = Arc::new(Heard { lines: LogLines::new("reader"), errors: ClientErrors::default() });
        let client = Client::new(Kind::Consumer, config, Arc::<Heard>::clone(&heard)).map_err(|it| log_error(&it, "make a reader"))?;
        let reader = Reader::new(Arc::new(client), Arc::new(Topics::new(Vec::new())));
        Ok(KafkaTopicReader { settings: settings.clone(), admin: None, reader, heard, names: Vec::new(), places: BTreeMap::new() })
    }

    /// The places by number.
    fn numbered(&mut self, places: &[Place]) -> Vec<TopicPartition> {
        let known = self.names.len();
        let all = places.iter().map(|place| {
            let index = self.names.iter().position(|it| **it == *place.topic).unwrap_or_else(|| {
                self.names.push(place.topic.to_string());
                self.names.len() - 1
            });
            TopicPartition { topic: TopicId(u16::try_from(index).unwrap_or(u16::MAX)), partition: place.partition }
        });
        let all = all.collect();
        if known < self.names.len() {
            self.reader.topics = Arc::new(Topics::new(self.names.clone()));
        }
        all
    }
}

/// Without the plan's number of the partition: those numbered here are no plan's.
fn named(error: LogError) -> LogError {
    LogError { partition: None, ..error }
}

impl TopicReader for KafkaTopicReader {
    fn partitions(&mut self, topics: &[&str]) -> Result<BTreeMap<String, i32>, LogError> {
        let admin = match self.admin.take() {
            Some(admin) => admin,
            None => KafkaAdmin::new(&self.settings)?,
        };
        let mut found = self.admin.insert(admin).partitions()?;
        found.retain(|name, _| topics.contains(&name.as_str()));
        Ok(found)
    }

    fn ends(&mut self, places: &[Place]) -> Result<Vec<Ends>, LogError> {
        let of = self.numbered(places);
        offsets::ends(&self.reader.client, &self.reader.topics, &of, OFFSETS_WAIT).map_err(named)
    }

    fn at(&mut self, places: &[Place], time: Millis) -> Result<Vec<Option<Offset>>, LogError> {
        let of = self.numbered(places);
        offsets::at(&self.reader.client, &self.reader.topics, &of, time, OFFSETS_WAIT).map_err(named)
    }

    fn committed(&mut self, places: &[Place]) -> Result<Vec<Option<Offset>>, LogError> {
        let of = self.numbered(places);
        offsets::committed(&self.reader.client, &self.reader.topics, &of, COMMITTED_WAIT).map_err(named)
    }

    fn start(&mut self, place: &Place, from: Offset) -> Result<(), LogError> {
        self.stop(place);
        for at in self.numbered(std::slice::from_ref(place)) {
            let topics = &self.reader.topics;
            let list = topics.list([(at, from)].into_iter());
            let failed = |failure| log_error_at(&failure, "begin to read", Some(topics.place(at)), None);
            self.reader.client.assign_more(&list).map_err(failed)?;
            self.places.insert(at, place.clone());
        }
        Ok(())
    }

    fn stop(&mut self, place: &Place) {
        for at in self.numbered(std::slice::from_ref(place)) {
            if self.places.remove(&at).is_none() {
                continue;
            }
            let list = self.reader.topics.list([(at, 0)].into_iter());
            if let Err(failure) = self.reader.client.unassign_some(&list) {
                self.heard.errors.put(log_error_at(&failure, "end reading", Some(self.reader.topics.place(at)), None));
            }
        }
    }

    fn poll(&mut self, wait: Duration, max: usize, record: &mut dyn FnMut(ReadRecord<'_>)) -> Result<Vec<(Place, Offset)>, LogError> {
        if let Some(error) = self.heard.errors.take() {
            return Err(error);
        }
        let (mut ends, places, heard, topics) = (Vec::new(), &self.places, &self.heard, Arc::clone(&self.reader.topics));
        self.reader.read(
            wait,
            max,
            &mut |it| {
                let Some(place) = places.get(&it.source) else { return 1 }; // Stopped meanwhile.
                let (key, value) = (it.key, it.value);
                record(ReadRecord { place, offset: it.offset, timestamp: it.timestamp, key, value, headers: it.headers });
                1
            },
            &mut |message, partition| match partition.and_then(|it| places.get(&it)) {
                Some(place) if message.is_end() => {
                    ends.push((place.clone(), message.offset()));
                }
                None if partition.is_some() => {}
                _ => heard.errors.put(log_error_at(&message.error(), "read", partition.map(|it| topics.place(it)), None)),
            },
        );
        match self.heard.errors.take() {
            // Ends reached must not be lost to an error of another partition: that one is told next time.
            Some(error) if !ends.is_empty() => {
                self.heard.errors.put(error);
                Ok(ends)
            }
            Some(error) => Err(error),
            None => Ok(ends),
        }
    }
}
