//! What becomes of requests on their way between a client and the [`super::cluster::Cluster`]: without a network they are done at once.

use std::fmt;
use std::time::Duration;

use crate::adapters::memory::error;
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// Decides about each request. Calls come in an order that depends on nothing but the answers.
pub trait Network: Send + fmt::Debug {
    /// What becomes of a request of this client.
    fn fate(&mut self, client: &str, request: Request) -> Fate;

    /// How long a request, or a marker on its way to a partition, takes.
    fn delay(&mut self) -> Duration;
}

/// What a client asks for, as far as it matters to what can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// To be a member of the group, or not to be any more.
    Join,
    /// Records.
    Poll,
    /// Committed offsets, or bounds of partitions.
    Lookup,
    /// Records of changelogs.
    Restore,
    /// `InitProducerId`
    Init,
    /// `Produce`
    Send,
    /// `TxnOffsetCommit`
    Offsets,
    /// `EndTxn`
    End,
    /// No request: the client looks how its commit ended.
    Outcome,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Done,
    /// It never arrives.
    Lost,
    /// It is done, and its answer is lost. Of [`Request::Send`]: the client's queue is full.
    ReplyLost,
    /// The client gives up on it; it arrives after this time all the same.
    Late(Duration),
    /// It does not arrive; the client repeats it by itself, which is done and answered; the first one arrives after this time.
    Repeated(Duration),
    /// The client's process is dead: nothing that it does has any effect.
    Dead,
}

/// What a client is told that waited in vain.
pub(super) fn timed_out(what: Request) -> LogError {
    error("_TIMED_OUT", Reaction::Retry, format!("no answer to {what:?}"))
}

/// What a dead client is told, so that it ends soon.
pub(super) fn dead() -> LogError {
    error("_DESTROY", Reaction::Stop, "the process is dead")
}
