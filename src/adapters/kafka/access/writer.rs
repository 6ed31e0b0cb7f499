//! Writes a few records to topics by name: all of them in one transaction, or each for itself.
//!
//! A writer never goes on with a client that may have a request under way (see `late_requests`): whoever wrote must take the id over
//! again with `init`, and look again at what is written. A writer that did that by itself could fence another one that began meanwhile,
//! and write what that one wrote already.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka_sys::types::RDKafkaRespErr as Code;

use crate::adapters::kafka::client_config::ClientSettings;
use crate::adapters::kafka::errors::log_error;
use crate::adapters::kafka::late_requests::LateRequests;
use crate::adapters::kafka::lock;
use crate::adapters::kafka::log_lines::LogLines;
use crate::adapters::kafka::raw::{Callbacks, Client, Delivery, Failure, Kind, Outgoing, TopicHandle};
use crate::engine::record::HeaderRef;
use crate::runtime::operations::access::{NewRecord, TopicWriter};
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// How long the coordinator may take to hand over the transactional id.
const INIT_WAIT: Duration = Duration::from_secs(30);
/// How long it may take to write all records of a call, and a commit. Beyond that, the outcome is unknown.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// How long an abort may take; what is left open then is aborted by the next `init`.
const ABORT_WAIT: Duration = Duration::from_secs(10);
/// A commit that took longer may have had a request sent twice, log line or not.
const SLOW_COMMIT: Duration = Duration::from_secs(1);
/// One wait for acknowledgements, or for room in the queue.
const SERVE_WAIT: Duration = Duration::from_millis(20);

/// The writer.
pub(super) struct KafkaTopicWriter {
    settings: ClientSettings,
    transactional_id: Option<String>,
    session: Option<Session>,
}

/// One client: one producer epoch.
struct Session {
    client: Arc<Client>,
    heard: Arc<Heard>,
    handles: BTreeMap<String, TopicHandle>,
}

/// What the client told.
struct Heard {
    lines: LogLines,
    late: LateRequests,
    deliveries: Mutex<Deliveries>,
}

/// What became of the records of the call under way.
#[derive(Debug, Default)]
struct Deliveries {
    done: usize,
    /// The first record that failed, by its index, and why.
    failed: Option<(usize, i32)>,
}

impl Callbacks for Heard {
    fn log(&self, level: i32, facility: &str, line: &str) {
        self.late.read(facility, line);
        if level < 7 {
            self.lines.say(level, facility, line);
        }
    }

    fn error(&self, failure: Failure) {
        // Each call fails by itself when the client has; what is only told here mends by itself.
        self.lines.say(4, "ERROR", &log_error(&failure, "write").to_string());
    }

    fn delivered(&self, delivery: Delivery) {
        let mut deliveries = lock(&self.deliveries);
        deliveries.done += 1;
        let purged = [Code::RD_KAFKA_RESP_ERR__PURGE_QUEUE as i32, Code::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT as i32];
        if delivery.code != 0 && !purged.contains(&delivery.code) && deliveries.failed.is_none_or(|(index, _)| delivery.opaque < index) {
            deliveries.failed = Some((delivery.opaque, delivery.code));
        }
    }
}

impl KafkaTopicWriter {
    pub(super) fn new(settings: &ClientSettings, transactional_id: Option<&str>) -> Result<KafkaTopicWriter, LogError> {
        settings.topic_writer(transactional_id)?; // Mistakes are told now, not at the first record.
        Ok(KafkaTopicWriter { settings: settings.clone(), transactional_id: transactional_id.map(Into::into), session: None })
    }

    fn session(&self) -> Result<Session, LogError> {
        let config = self.settings.topic_writer(self.transactional_id.as_deref())?;
        let heard = Heard { lines: LogLines::new("writer"), late: LateRequests::default(), deliveries: Mutex::default() };
        let heard = Arc::new(heard);
        let client = Client::new(Kind::Producer, &config, Arc::<Heard>::clone(&heard)).map_err(|it| log_error(&it, "make a writer"))?;
        Ok(Session { client: Arc::new(client), heard, handles: BTreeMap::new() })
    }
}

impl Session {
    /// Queues all records, waiting for room where need be. Their marks are their indexes.
    fn queue(&mut self, records: &[NewRecord], until: Instant) -> Result<(), LogError> {
        *lock(&self.heard.deliveries) = Deliveries::default();
        for (index, record) in records.iter().enumerate() {
            let failed = |failure: &Failure| about(failure, record);
            if !self.handles.contains_key(&record.topic) {
                let name = CString::new(record.topic.as_str()).unwrap_or_default();
                let handle = TopicHandle::new(&self.client, &name).map_err(|it| failed(&it))?;
                self.handles.insert(record.topic.clone(), handle);
            }
            let Some(topic) = self.handles.get(&record.topic) else { continue };
            let headers: Vec<HeaderRef<'_>> = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            let outgoing = Outgoing {
                topic,
                partition: record.partition.unwrap_or(-1),
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                timestamp: record.timestamp.unwrap_or(0), // 0 is now.
                headers: &headers,
                opaque: index,
            };
            while let Err(failure) = self.client.produce(&outgoing) {
                if failure.code != Code::RD_KAFKA_RESP_ERR__QUEUE_FULL as i32 || until < Instant::now() {
                    return Err(failed(&failure));
                }
                self.client.serve(SERVE_WAIT);
            }
        }
        Ok(())
    }

    /// The first record that failed.
    fn failed(&self, records: &[NewRecord]) -> Option<LogError> {
        let (index, code) = lock(&self.heard.deliveries).failed?;
        let failure = Failure::of(code);
        Some(records.get(index).map_or_else(|| log_error(&failure, "write a record"), |record| about(&failure, record)))
    }

    fn commit(&self, until: Instant) -> Result<(), Failure> {
        loop {
            match self.client.commit_transaction(Some(until.saturating_duration_since(Instant::now()))) {
                Err(failure) if failure.retriable && !failure.abortable && !failure.fatal && Instant::now() < until => {}
                done => return done,
            }
        }
    }
}

fn about(failure: &Failure, record: &NewRecord) -> LogError {
    let at = record.partition.map_or_else(|| record.topic.clone(), |it| format!("{}/{it}", record.topic));
    LogError { at: Some(at), ..log_error(failure, "write a record") }
}

/// A call that the writer's state does not allow; `init` mends it.
fn out_of_order(what: &str) -> LogError {
    log_error(&Failure { text: what.into(), ..Failure::of(Code::RD_KAFKA_RESP_ERR__STATE as i32) }, "write")
}

impl TopicWriter for KafkaTopicWriter {
    fn init(&mut self) -> Result<(), LogError> {
        self.session = None; // Before the new one: they have the same transactional id.
        let session = self.session()?;
        // Asked for a coordinator before a broker is connected, the client would wait for half a second before it asks again.
        let result = session.client.connect(INIT_WAIT).and_then(|()| session.client.init_transactions(INIT_WAIT));
        result.map_err(|it| log_error(&it, "take over the transactional id"))?;
        self.session = Some(session);
        Ok(())
    }

    fn transact(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        let Some(mut session) = self.session.take().filter(|_| self.transactional_id.is_some()) else {
            return Err(out_of_order("it must be initialised before the next transaction"));
        };
        let begun = Instant::now();
        session.heard.late.clear();
        session.client.begin_transaction().map_err(|it| log_error(&it, "begin a transaction"))?;
        if let Err(error) = session.queue(records, begun + WRITE_WAIT) {
            drop(session.client.abort_transaction(ABORT_WAIT)); // If it can't be, `init` does it.
            return Err(error);
        }
        match session.commit(Instant::now() + WRITE_WAIT) {
            Ok(()) => {
                if !session.heard.late.possible() && begun.elapsed() < SLOW_COMMIT {
                    self.session = Some(session);
                }
                Ok(())
            }
            Err(failure) if failure.abortable => {
                drop(session.client.abort_transaction(ABORT_WAIT));
                Err(session.failed(records).unwrap_or_else(|| log_error(&failure, "commit the transaction")))
            }
            // It may still be on its way.
            Err(failure) => match log_error(&failure, "commit the transaction") {
                error if error.reaction == Reaction::Retry => Err(LogError { reaction: Reaction::Recycle, ..error }),
                error => Err(error),
            },
        }
    }

    fn write(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        if self.transactional_id.is_some() {
            return Err(out_of_order("this writer writes in transactions only"));
        }
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.session()?,
        };
        let until = Instant::now() + WRITE_WAIT;
        session.queue(records, until)?;
        while lock(&session.heard.deliveries).done < records.len() {
            if until < Instant::now() {
                let failure = Failure::of(Code::RD_KAFKA_RESP_ERR__TIMED_OUT as i32);
                return Err(session.failed(records).unwrap_or_else(|| log_error(&failure, "wait for acknowledgements")));
            }
            session.client.serve(SERVE_WAIT);
        }
        match session.failed(records) {
            Some(error) => Err(error), // With its client: the sequence of an idempotent producer may have a gap now.
            None => {
                self.session = Some(session);
                Ok(())
            }
        }
    }
}
