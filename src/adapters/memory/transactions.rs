//! Transactions: who may write under a transactional id, and what is open.

use std::collections::{BTreeMap, BTreeSet};

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
}

impl Transactions {
    /// A producer takes a transactional id over. Returns its epoch, and the open transaction of its predecessor, to be aborted.
    pub fn take_over(&mut self, id: &str) -> (u32, Option<Transaction>) {
        let holder = self.holders.entry(id.to_owned()).or_default();
        holder.epoch += 1;
        (holder.epoch, holder.open.take())
    }

    /// The open transaction of a producer, begun when there is none.
    ///
    /// # Errors
    /// When another producer has taken the id over.
    pub fn open(&mut self, id: &str, epoch: u32) -> Result<&mut Transaction, LogError> {
        let serials = &mut self.serials;
        let holder = holder(&mut self.holders, id, epoch)?;
        Ok(holder.open.get_or_insert_with(|| {
            *serials += 1;
            Transaction { serial: *serials, ..Transaction::default() }
        }))
    }

    /// Ends the open transaction of a producer: returns it, if there is one.
    ///
    /// # Errors
    /// When another producer has taken the id over.
    pub fn end(&mut self, id: &str, epoch: u32) -> Result<Option<Transaction>, LogError> {
        holder(&mut self.holders, id, epoch).map(|holder| holder.open.take())
    }
}

fn holder<'a>(holders: &'a mut BTreeMap<String, Holder>, id: &str, epoch: u32) -> Result<&'a mut Holder, LogError> {
    let found = holders.get_mut(id).filter(|holder| holder.epoch == epoch);
    found.ok_or_else(|| error("_FENCED", Reaction::Recycle, format!("another producer has taken {id} over")))
}
