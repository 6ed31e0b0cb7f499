//! Two transactional producers that take turns: a transaction does not wait until the markers of the one before it are written.
//!
//! A coordinator answers a commit as soon as it is decided, and writes a marker into each partition after that; until all are there it
//! refuses the next transaction of that producer. Another producer need not wait. All else stays one after the other: a turn begins when
//! the last commit is known to have succeeded, so records and offsets stand behind those of the transaction before. In a partition nothing is
//! visible before what stands in front of it is decided, and of two offsets a group keeps the one that was added later.

use std::time::Duration;

use super::ports::{AfterAbort, Committed, Consumer, LogError, OutRecord, Producer, SendError};
use crate::engine::record::{Offset, TopicPartition};

/// What the second producer's transactional id has behind that of the first.
pub const SECOND: &str = "-b";

/// Two producers.
#[derive(Debug)]
pub struct Turns<P> {
    first: P,
    second: P,
    turn: Turn,
    /// The last transaction was committed: the next one is the other's.
    ended: bool,
    init: Init<P>,
}

/// How both are initialised.
pub type Init<P> = fn(&mut P, &mut P) -> Result<(), LogError>;

#[derive(Debug, Clone, Copy)]
enum Turn {
    First,
    Second,
}

impl<P> Turns<P> {
    /// Of these two.
    pub fn new(first: P, second: P, init: Init<P>) -> Self {
        Self { first, second, turn: Turn::First, ended: false, init }
    }

    /// Both.
    pub fn both(&mut self) -> [&mut P; 2] {
        [&mut self.first, &mut self.second]
    }

    fn current(&mut self) -> &mut P {
        match self.turn {
            Turn::First => &mut self.first,
            Turn::Second => &mut self.second,
        }
    }
}

/// One producer after the other.
///
/// # Errors
/// Of the first that fails.
pub fn init_in_order<P: Producer>(first: &mut P, second: &mut P) -> Result<(), LogError> {
    first.init()?;
    second.init()
}

impl<P: Producer> Producer for Turns<P> {
    /// Of both: either may have left something open.
    fn init(&mut self) -> Result<(), LogError> {
        self.ended = false;
        (self.init)(&mut self.first, &mut self.second)
    }

    fn begin(&mut self) -> Result<(), LogError> {
        if std::mem::take(&mut self.ended) {
            self.turn = match self.turn {
                Turn::First => Turn::Second,
                Turn::Second => Turn::First,
            };
        }
        self.current().begin()
    }

    fn send(&mut self, record: &OutRecord<'_>) -> Result<(), SendError> {
        self.current().send(record)
    }

    fn serve(&mut self, wait: Duration) {
        self.current().serve(wait);
    }

    fn commit(
        &mut self,
        offsets: &[(TopicPartition, Offset)],
        handed_over: &[TopicPartition],
        consumer: &mut dyn Consumer,
    ) -> Result<(), LogError> {
        self.current().commit(offsets, handed_over, consumer)
    }

    fn committed(&mut self, wait: Duration) -> Option<Committed> {
        let committed = self.current().committed(wait)?;
        // To be recycled are both: the other must not begin before that either.
        self.ended = committed.result.is_ok() && !committed.recycle;
        Some(committed)
    }

    fn queued(&self) -> usize {
        self.first.queued() + self.second.queued()
    }

    fn abort(&mut self) -> Result<AfterAbort, LogError> {
        self.current().abort()
    }
}
