//! What became of the records of the open transaction: where each changelog ends, and which records were refused.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::errors;
use super::raw::{Delivery, Failure};
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::ports::{Cause, LogError};
use crate::runtime::reaction::Reaction;

/// At most this many refused records of one transaction are told; the others come up when their inputs are read again.
const REFUSED_MAX: usize = 1000;

/// A record's mark, which the client carries along: transaction (16 bits), whether it is of a store (1), an index (47).
const INDEX_BITS: u32 = 47;
const STORE: usize = 1 << INDEX_BITS;
const _: () = assert!(usize::BITS == 64, "a record's mark needs a pointer of 64 bits");

/// Of one client.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    transaction: u16,
    /// Batches of several records were not larger than this.
    batch_size: usize,
    /// The inputs that caused records of this transaction; a mark's index points here.
    inputs: Vec<Cause>,
    /// The changelogs written so far, and the offset after the last acknowledged record of this transaction; an index points here too.
    ends: Vec<(TopicPartition, Option<Offset>)>,
    stores: HashMap<TopicPartition, usize, FxBuildHasher>,
    refused: Vec<(Cause, LogError)>,
    failed: bool,
    crowded: bool,
}

impl Deliveries {
    /// For a client with such batches.
    pub(super) fn new(batch_size: usize) -> Deliveries {
        Deliveries { batch_size, ..Deliveries::default() }
    }

    /// Forgets the last transaction. Reports on its records, should any come, are passed over.
    pub(super) fn begin(&mut self) {
        self.transaction = self.transaction.wrapping_add(1);
        self.inputs.clear();
        self.ends.iter_mut().for_each(|(_, end)| *end = None);
        self.refused.clear();
        self.failed = false;
        self.crowded = false;
    }

    /// The mark of a record with this cause.
    pub(super) fn mark(&mut self, cause: Cause) -> usize {
        let (kind, index) = match cause {
            Cause::Store(at) => {
                let index = *self.stores.entry(at).or_insert_with(|| {
                    self.ends.push((at, None));
                    self.ends.len() - 1
                });
                (STORE, index)
            }
            Cause::Input(..) => {
                if self.inputs.last() != Some(&cause) {
                    self.inputs.push(cause);
                }
                (0, self.inputs.len() - 1)
            }
        };
        usize::from(self.transaction) << (INDEX_BITS + 1) | kind | index
    }

    /// Takes in a report.
    pub(super) fn take(&mut self, delivery: Delivery) {
        if delivery.opaque >> (INDEX_BITS + 1) != usize::from(self.transaction) {
            return;
        }
        let index = delivery.opaque & (STORE - 1);
        let of_store = delivery.opaque & STORE != 0;
        if delivery.code != 0 {
            let cause = if of_store { self.ends.get(index).map(|(at, _)| Cause::Store(*at)) } else { self.inputs.get(index).copied() };
            self.failed(cause, delivery);
        } else if of_store && let Some((_, end)) = self.ends.get_mut(index) {
            *end = (*end).max(Some(delivery.offset + 1));
        }
    }

    fn failed(&mut self, cause: Option<Cause>, delivery: Delivery) {
        let error = errors::log_error(&Failure::of(delivery.code), "write the record");
        self.failed |= !matches!(error.code, "_PURGE_QUEUE" | "_PURGE_INFLIGHT");
        if error.reaction != Reaction::RefuseRecord {
            return; // It is about the transaction, or about another record.
        }
        // The broker looks at whole batches. Which record made one too large is known only when the record stood alone.
        if is_about_size(delivery.code) && delivery.size <= self.batch_size {
            self.crowded = true;
            return;
        }
        if let Some(cause) = cause
            && self.refused.len() < REFUSED_MAX
        {
            self.refused.push((cause, error));
        }
    }

    /// For each changelog written: the offset after the last acknowledged record.
    pub(super) fn ends(&self) -> Vec<(TopicPartition, Offset)> {
        self.ends.iter().filter_map(|(at, end)| end.map(|end| (*at, end))).collect()
    }

    /// The refused records.
    pub(super) fn refused(&mut self) -> Vec<(Cause, LogError)> {
        std::mem::take(&mut self.refused)
    }

    /// A record was not written, and not because the transaction was given up: the client's sequence numbers have a gap, in which
    /// the next transaction would fail.
    pub(super) fn any_failed(&self) -> bool {
        self.failed
    }

    /// A batch of several records was too large: batches must become smaller.
    pub(super) fn crowded(&self) -> bool {
        self.crowded
    }
}

fn is_about_size(code: i32) -> bool {
    matches!(errors::name(code), "MSG_SIZE_TOO_LARGE" | "INVALID_MSG_SIZE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::record::TopicId;

    const TOO_LARGE: i32 = 10;
    const INVALID_TIMESTAMP: i32 = 32;
    const PURGED: i32 = -152;

    fn at(topic: u16, partition: i32) -> TopicPartition {
        TopicPartition { topic: TopicId(topic), partition }
    }

    fn delivery(opaque: usize, code: i32, offset: i64, size: usize) -> Delivery {
        Delivery { opaque, code, offset, size }
    }

    #[test]
    fn a_changelog_ends_after_the_greatest_acknowledged_offset_of_this_transaction() {
        let mut deliveries = Deliveries::new(1000);
        deliveries.begin();
        let stale = deliveries.mark(Cause::Store(at(1, 0)));
        deliveries.begin();
        let marks = [at(1, 0), at(2, 5), at(1, 0)].map(|it| deliveries.mark(Cause::Store(it)));
        let input = deliveries.mark(Cause::Input(at(0, 0), 7));
        deliveries.take(delivery(marks[0], 0, 41, 10));
        deliveries.take(delivery(marks[2], 0, 42, 10));
        deliveries.take(delivery(marks[0], 0, 40, 10));
        deliveries.take(delivery(marks[1], PURGED, -1, 10));
        deliveries.take(delivery(stale, 0, 99, 10));
        deliveries.take(delivery(input, 0, 77, 10));
        assert_eq!(deliveries.ends(), [(at(1, 0), 43)]);
        deliveries.begin();
        assert_eq!(deliveries.ends(), []);
    }

    #[test]
    fn only_errors_about_the_record_itself_refuse_it() {
        let mut deliveries = Deliveries::new(1000);
        deliveries.begin();
        let inputs = [1, 1, 2, 3, 4].map(|offset| Cause::Input(at(0, 3), offset));
        let marks = inputs.map(|it| deliveries.mark(it));
        for (mark, code, size) in [
            (marks[0], PURGED, 10),
            (marks[1], INVALID_TIMESTAMP, 10),
            (marks[2], TOO_LARGE, 1001),
            (marks[3], TOO_LARGE, 1000),
            (marks[4], 0, 10),
        ] {
            deliveries.take(delivery(mark, code, -1, size));
        }
        assert!(deliveries.any_failed());
        assert!(deliveries.crowded(), "the third stood in a batch with others, perhaps");
        let refused: Vec<_> = deliveries.refused().into_iter().map(|(cause, error)| (cause, error.code)).collect();
        assert_eq!(refused, [(inputs[1], "INVALID_TIMESTAMP"), (inputs[2], "MSG_SIZE_TOO_LARGE")]);
    }
}
