//! Errors that the client tells while it is polled, until the runtime takes them.

use std::collections::VecDeque;
use std::sync::Mutex;

use rdkafka_sys::types::RDKafkaRespErr as Code;

use super::errors::log_error;
use super::lock;
use super::raw::Failure;
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// At most this many wait to be taken; what comes then is dropped, as it would say the same.
const WAITING_MAX: usize = 16;

/// The errors of one client.
#[derive(Debug, Default)]
pub(super) struct ClientErrors {
    waiting: Mutex<VecDeque<LogError>>,
}

impl ClientErrors {
    /// Adds one, unless the same waits already.
    pub(super) fn put(&self, error: LogError) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() < WAITING_MAX && !waiting.contains(&error) {
            waiting.push_back(error);
        }
    }

    /// Adds one about the client as a whole. A single connection that was lost is not told: the client makes it again, and says so
    /// in the log; only all of them at once are an error.
    pub(super) fn put_of_client(&self, failure: &Failure, doing: &str) {
        let of_one_connection = [Code::RD_KAFKA_RESP_ERR__TRANSPORT as i32, Code::RD_KAFKA_RESP_ERR__RESOLVE as i32];
        if !of_one_connection.contains(&failure.code) {
            self.put(log_error(failure, doing));
        }
    }

    /// Reads a line of the client's log. Where a broker names some partitions' new leaders and has none for others, the client reads what it
    /// never wrote (librdkafka 2.12.1, issue 5280), and may wait for leaders that don't exist, for ever: only a new client helps.
    pub(super) fn read(&self, facility: &str, line: &str) {
        if facility == "METADATAUPDATE" && line.contains("not found in cache") {
            let text = "the client has lost its picture of the cluster and is made anew".into();
            let failure = Failure { text, ..Failure::of(Code::RD_KAFKA_RESP_ERR__FAIL as i32) };
            self.put(LogError { reaction: Reaction::Renew, ..log_error(&failure, "follow the partitions' leaders") });
        }
    }

    /// Takes the oldest.
    pub(super) fn take(&self) -> Option<LogError> {
        lock(&self.waiting).pop_front()
    }
}
