//! Topics by name for commands and operation: [`Access`] of a Kafka cluster.

mod reader;
mod writer;

use crate::adapters::kafka::client_config::ClientSettings;
use crate::runtime::operations::access::{Access, TopicReader, TopicWriter};
use crate::runtime::ports::LogError;

use reader::KafkaTopicReader;
use writer::KafkaTopicWriter;

/// Gives readers and writers, each with a client of its own.
pub struct KafkaAccess {
    settings: ClientSettings,
}

impl KafkaAccess {
    /// Of the cluster that the settings name; connects to nothing yet.
    #[must_use]
    pub fn new(settings: &ClientSettings) -> KafkaAccess {
        KafkaAccess { settings: settings.clone() }
    }
}

impl Access for KafkaAccess {
    fn reader(&self, group: &str) -> Result<Box<dyn TopicReader>, LogError> {
        Ok(Box::new(KafkaTopicReader::new(&self.settings, &self.settings.topic_reader(group)?)?))
    }

    fn peeker(&self, group: &str) -> Result<Box<dyn TopicReader>, LogError> {
        Ok(Box::new(KafkaTopicReader::new(&self.settings, &self.settings.topic_peeker(group)?)?))
    }

    fn writer(&self, transactional_id: Option<&str>) -> Result<Box<dyn TopicWriter>, LogError> {
        Ok(Box::new(KafkaTopicWriter::new(&self.settings, transactional_id)?))
    }
}
