//! What requests are answered from: the view, the other instances, and a bounded number of threads for calls that block.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::adapters::http::peers::Peers;
use crate::adapters::http::problem::Problem;
use crate::adapters::http::view::View;
use crate::engine::record::Millis;
use crate::runtime::open_task;
use crate::runtime::operations::access::TopicReader;
use crate::runtime::ports::LogError;

/// The most reads of state at a time.
const STATE_READS: usize = 4;
/// The most reads of topics at a time: each has a client of its own.
const LOG_READS: usize = 2;
/// Threads for calls that block.
pub(super) const THREADS: usize = STATE_READS + LOG_READS;

/// See the module.
pub(super) struct Served {
    pub(super) view: View,
    pub(super) peers: Arc<Peers>,
    /// A client that answered the last time: making one takes longer than most answers.
    reader: Mutex<Option<Box<dyn TopicReader>>>,
    state_reads: Arc<Semaphore>,
    log_reads: Arc<Semaphore>,
}

impl Served {
    pub(super) fn new(view: View, peers: Arc<Peers>) -> Self {
        Self {
            view,
            peers,
            reader: Mutex::new(None),
            state_reads: Arc::new(Semaphore::new(STATE_READS)),
            log_reads: Arc::new(Semaphore::new(LOG_READS)),
        }
    }

    /// Wall-clock time.
    pub(super) fn now(&self) -> Millis {
        (self.view.now)()
    }

    /// Where a task of this instance is in its life; `None`: it is not here.
    pub(super) fn state(&self, task: &str) -> Option<open_task::State> {
        let pictures = self.view.board.pictures();
        pictures.iter().flat_map(|it| &it.tasks).find(|it| it.id == task).map(|it| it.state.clone())
    }

    /// Reads state, on a thread that may block.
    pub(super) async fn read_state<T: Send + 'static>(
        self: Arc<Self>,
        read: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let room = Arc::clone(&self.state_reads);
        blocking(room, move || read(&self)).await
    }

    /// Reads topics with a client of this application.
    pub(super) fn with_reader<T, E: From<LogError>>(&self, read: impl FnOnce(&mut dyn TopicReader) -> Result<T, E>) -> Result<T, E> {
        let kept = || self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().take();
        let mut reader = match known {
            Some(reader) => reader,
            None => self.view.access.reader(&self.view.plan.application_id)?,
        };
        let done = read(&mut *reader)?;
        *kept() = Some(reader);
        Ok(done)
    }

    /// Reads or writes topics, on a thread that may block.
    pub(super) async fn use_log<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let room = Arc::clone(&self.log_reads);
        blocking(room, move || work(&self)).await
    }
}

/// The place is kept until the work is done, also when nobody waits for it any more.
async fn blocking<T: Send + 'static>(
    room: Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let permit = room.acquire_owned().await.map_err(|_| Problem::unavailable("the server ends"))?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(permit);
        done
    });
    done.await.unwrap_or_else(|error| Err(Problem::failed(format!("the work was not finished: {error}"))))
}

/// What stands behind the `?`.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let asked = Query::try_from_uri(&parts.uri).map_err(|error| Problem::bad_request(error.body_text()))?;
        Ok(Self(asked.0))
    }
}
