//! Apache Kafka, through librdkafka: the log of [`crate::runtime::ports`], and what is asked about topics and groups beside it.

mod access;
mod admin;
mod changelogs;
mod client_config;
mod client_errors;
mod consumer;
mod deliveries;
mod errors;
mod late_requests;
mod log_lines;
mod offsets;
mod producer;
mod raw;
mod reader;
mod topics;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use access::KafkaAccess;
pub use admin::{GroupState, KafkaAdmin, NewTopic, TopicDescription};
pub use client_config::ClientSettings;

use changelogs::KafkaChangelogs;
use consumer::KafkaConsumer;
use producer::KafkaProducer;
use topics::Topics;

use crate::runtime::ports::{Log, LogError, Parts};
use crate::runtime::turns::{self, Turns};

/// The log as one worker sees it. Makes its clients, but joins nothing yet.
pub struct KafkaLog {
    consumer: KafkaConsumer,
    producer: Turns<KafkaProducer>,
    changelogs: KafkaChangelogs,
}

impl KafkaLog {
    /// For a worker; `topics` are the names of the plan's topics, by [`crate::engine::record::TopicId`].
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn new(settings: &ClientSettings, topics: Vec<String>, worker: usize) -> Result<KafkaLog, LogError> {
        let topics = Arc::new(Topics::new(topics));
        let consumer = KafkaConsumer::new(settings, Arc::clone(&topics), worker)?;
        let name = worker.to_string();
        let producer = |name: String| KafkaProducer::new(settings, Arc::clone(&topics), name, consumer.client());
        let producer = Turns::new(producer(name.clone())?, producer(name + turns::SECOND)?, producer::init_side_by_side);
        let changelogs = KafkaChangelogs::new(settings, topics, worker);
        Ok(KafkaLog { consumer, producer, changelogs })
    }

    /// Without the guard against late requests: only to prove that it is needed.
    #[doc(hidden)]
    #[must_use]
    pub fn without_guard(mut self) -> KafkaLog {
        self.producer.both().into_iter().for_each(|it| it.guard = false);
        self
    }
}

impl Log for KafkaLog {
    fn parts(&mut self) -> Parts<'_> {
        Parts { consumer: &mut self.consumer, producer: &mut self.producer, changelogs: &mut self.changelogs }
    }
}

/// Locks; what a thread left that panicked is whole, as no lock is held over more than single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
