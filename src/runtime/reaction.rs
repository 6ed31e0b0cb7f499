//! What can be done about an error of the log. Which error gets which is decided in one table, by the adapter that knows the errors:
//! `adapters/kafka/errors.rs`.

/// What is done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reaction {
    /// The same call again, after a pause; said once.
    Retry,
    /// The transaction is given up, and its input read again.
    AbortAndRewind,
    /// As `AbortAndRewind`, with a new producer in between.
    Recycle,
    /// The partition went to another member: the transaction is given up, and the partition not read again.
    LeaveTask,
    /// The record that was to be written can't be: its cause becomes a dead letter.
    RefuseRecord,
    /// The member's name was given to another client. That may be a request of its own that the broker answered too late, so the worker
    /// is started anew and takes the name back; when that happens again and again, another process has the name, and this one ends.
    Rejoin,
    /// The client is unsound: the worker is started anew, with new ones.
    Renew,
    /// Only the operator can help: what is concerned stops, by name.
    Stop,
}
