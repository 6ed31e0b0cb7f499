//! The reader of changelogs: outside the group, up to the end of what is committed.

use std::sync::Arc;
use std::time::Duration;

use super::client_config::ClientSettings;
use super::client_errors::ClientErrors;
use super::errors::{log_error, log_error_at};
use super::log_lines::LogLines;
use super::offsets;
use super::raw::{Callbacks, Client, Failure, Kind};
use super::reader::Reader;
use super::topics::Topics;
use crate::engine::record::{Offset, RecordRef, TopicPartition};
use crate::runtime::ports::{Changelogs, LogError};

/// How long the offsets of a partition are waited for.
const BOUNDS_WAIT: Duration = Duration::from_secs(10);

/// Reads changelogs. Its client is made when it is first needed: most starts restore nothing.
pub struct KafkaChangelogs {
    settings: ClientSettings,
    topics: Arc<Topics>,
    worker: usize,
    open: Option<(Reader, Arc<Heard>)>,
}

/// What the client told while it was polled.
struct Heard {
    lines: LogLines,
    errors: ClientErrors,
}

impl Callbacks for Heard {
    fn log(&self, level: i32, facility: &str, line: &str) {
        self.errors.read(facility, line);
        self.lines.say(level, facility, line);
    }

    fn error(&self, failure: Failure) {
        self.errors.put_of_client(&failure, "restore");
    }
}

impl KafkaChangelogs {
    pub(super) fn new(settings: &ClientSettings, topics: Arc<Topics>, worker: usize) -> KafkaChangelogs {
        KafkaChangelogs { settings: settings.clone(), topics, worker, open: None }
    }

    fn open(&mut self) -> Result<&mut (Reader, Arc<Heard>), LogError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let heard = Arc::new(Heard { lines: LogLines::new("restore"), errors: ClientErrors::default() });
                let config = self.settings.changelogs(self.worker)?;
                let client = Client::new(Kind::Consumer, &config, Arc::<Heard>::clone(&heard))
                    .map_err(|it| log_error(&it, "make the reader of changelogs"))?;
                (Reader::new(Arc::new(client), Arc::clone(&self.topics)), heard)
            }
        };
        Ok(self.open.insert(open))
    }
}

impl Changelogs for KafkaChangelogs {
    fn bounds(&mut self, partitions: &[TopicPartition]) -> Result<Vec<(Offset, Offset)>, LogError> {
        let (reader, _) = self.open()?;
        offsets::bounds(&reader.client, &reader.topics, partitions, BOUNDS_WAIT)
    }

    fn start(&mut self, partition: TopicPartition, from: Offset) -> Result<(), LogError> {
        let (reader, _) = self.open()?;
        let list = reader.topics.list([(partition, from)].into_iter());
        let failed = |failure| log_error_at(&failure, "begin to restore", Some(reader.topics.place(partition)), Some(partition));
        reader.client.assign_more(&list).map_err(failed)
    }

    fn poll(
        &mut self,
        wait: Duration,
        max: usize,
        record: &mut dyn FnMut(RecordRef<'_>),
    ) -> Result<Vec<(TopicPartition, Offset)>, LogError> {
        let (reader, heard) = self.open()?;
        if let Some(error) = heard.errors.take() {
            return Err(error);
        }
        let mut ends = Vec::new();
        let topics = Arc::clone(&reader.topics);
        let mut one = |it: RecordRef<'_>| {
            record(it);
            1
        };
        reader.read(wait, max, &mut one, &mut |message, partition| match partition {
            Some(partition) if message.is_end() => ends.push((partition, message.offset())),
            partition => heard.errors.put(log_error_at(&message.error(), "restore", partition.map(|it| topics.place(it)), partition)),
        });
        match heard.errors.take() {
            // Ends reached must not be lost to an error of another partition: that one is told next time.
            Some(error) if !ends.is_empty() => {
                heard.errors.put(error);
                Ok(ends)
            }
            Some(error) => Err(error),
            None => Ok(ends),
        }
    }

    fn stop(&mut self, partition: TopicPartition) {
        let Some((reader, heard)) = &self.open else { return };
        let list = reader.topics.list([(partition, 0)].into_iter());
        if let Err(failure) = reader.client.unassign_some(&list) {
            heard.errors.put(log_error_at(&failure, "end restoring", Some(reader.topics.place(partition)), Some(partition)));
        }
    }
}
