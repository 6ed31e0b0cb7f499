//! Transactions: who may write under a transactional id, and what is open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::adapters::memory::error;
use crate::adapters::memory::group::Place;
use crate::adapters::memory::partition::Serial;
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// All transactional ids.
#[derive(Debug, Default)]
pub struct Transactions {
    holders: BTreeMap<String, Holder>,
    serials: Serial,
}

/// What a transaction has touched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// Its number.
    pub serial: Serial,
    /// The partitions it wrote to.
    pub partitions: BTreeSet<Place>,
    /// The groups whose offsets it holds.
    pub groups: BTreeSet<String>,
}

/// The latest producer of a transactional id.
#[derive(Debug, Default)]
struct Holder {
    epoch: u32,
    open: Option<Transaction>,
    /// When it was begun.
    since: Duration,
    /// The last transaction that ended, and how.
    last: Option<(Serial, bool)>,
}

impl Transactions {
    /// A producer takes a transactional id over. Returns its epoch, and the open transaction of its predecessor, to be aborted.
    pub fn take_over(&mut self, id: &str) -> (u32, Option<Transaction>) {
        let holder = self.holders.entry(id.to_owned()).or_default();
        holder.epoch += 1;
        let left_open = holder.open.take();
        holder.last = left_open.as_ref().map(|it| (it.serial, false));
        (holder.epoch, left_open)
    }

    /// Aborts a transaction that was begun before a time, if there is one, and fences its producer.
    pub fn time_out(&mut self, begun_before: Duration) -> Option<Transaction> {
        let holder = self.holders.values_mut().find(|it| it.open.is_some() && it.since < begun_before)?;
        holder.epoch += 1;
        holder.last = holder.open.as_ref().map(|it| (it.serial, false));
        holder.open.take()
    }

    /// How many transactions are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.holders.values().filter(|it| it.open.is_some()).count()
    }

    /// The last transaction of a producer that ended.
    #[must_use]
    pub fn last(&self, id: &str) -> Option<Serial> {
        self.holders.get(id)?.last.map(|(serial, _)| serial)
    }

    /// The open transaction of a producer, begun when there is none.
    ///
    /// # Errors
    /// When another producer has taken the id over.
    pub fn open(&mut self, id: &str, epoch: u32, now: Duration) -> Result<&mut Transaction, LogError> {
        let serials = &mut self.serials;
        let holder = holder(&mut self.holders, id, epoch)?;
        Ok(holder.open.get_or_insert_with(|| {
            *serials += 1;
            holder.since = now;
            Transaction { serial: *serials, ..Transaction::default() }
        }))
    }

    /// Ends the open transaction of a producer: returns it, if there is one.
    ///
    /// # Errors
    /// When another producer has taken the id over, or the last transaction has ended in the other way.
    pub fn end(&mut self, id: &str, epoch: u32, committed: bool) -> Result<Option<Transaction>, LogError> {
        let holder = holder(&mut self.holders, id, epoch)?;
        match (holder.open.take(), holder.last) {
            (Some(transaction), _) => {
                holder.last = Some((transaction.serial, committed));
                Ok(Some(transaction))
            }
            (None, Some((_, was))) if was != committed => {
                Err(error("INVALID_TXN_STATE", Reaction::Recycle, format!("the last transaction of {id} has ended already")))
            }
            (None, _) => Ok(None),
        }
    }
}

fn holder<'a>(holders: &'a mut BTreeMap<String, Holder>, id: &str, epoch: u32) -> Result<&'a mut Holder, LogError> {
    let found = holders.get_mut(id).filter(|holder| holder.epoch == epoch);
    found.ok_or_else(|| error("_FENCED", Reaction::Recycle, format!("another producer has taken {id} over")))
}
