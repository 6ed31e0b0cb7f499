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
    batches: Batches,
    /// The inputs that caused records of this transaction; a mark's index points here.
    inputs: Vec<Cause>,
    /// The changelogs written so far, and the offset after the last acknowledged record of this transaction; an index points here too.
    ends: Vec<(TopicPartition, Option<Offset>)>,
    stores: HashMap<TopicPartition, usize, FxBuildHasher>,
    refused: Vec<(Cause, LogError)>,
    suspects: Vec<(Cause, LogError)>,
    suspects_size: usize,
    failed: bool,
}

/// How a client makes batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Batches {
    /// A batch of several records is not larger than this, bytes.
    pub size: usize,
    /// Each record stands alone.
    pub single: bool,
}

/// The records that were refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusals {
    /// None.
    None,
    /// These, and no doubt about it.
    Known(Vec<(Cause, LogError)>),
    /// Some in batches of so many bytes: the broker judges whole batches, so which ones it were shows when each stands alone.
    Unclear(usize),
}

impl Deliveries {
    /// For a client with such batches.
    pub(super) fn new(batches: Batches) -> Deliveries {
        Deliveries { batches, ..Deliveries::default() }
    }

    /// Forgets the last transaction. Reports on its records, should any come, are passed over.
    pub(super) fn begin(&mut self) {
        self.transaction = self.transaction.wrapping_add(1);
        self.inputs.clear();
        self.ends.iter_mut().for_each(|(_, end)| *end = None);
        self.refused.clear();
        self.suspects.clear();
        self.suspects_size = 0;
        self.failed = false;
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
        let Some(cause) = cause else { return };
        // A record larger than a batch stood alone, too. (The client gives the one error of a batch to all its records.)
        let alone = self.batches.single || self.batches.size < delivery.size;
        let list = if alone { &mut self.refused } else { &mut self.suspects };
        if list.len() < REFUSED_MAX {
            list.push((cause, error));
        }
        if !alone {
            self.suspects_size = self.suspects_size.saturating_add(delivery.size);
        }
    }

    /// For each changelog written: the offset after the last acknowledged record.
    pub(super) fn ends(&self) -> Vec<(TopicPartition, Offset)> {
        self.ends.iter().filter_map(|(at, end)| end.map(|end| (*at, end))).collect()
    }

    /// The refused records.
    pub(super) fn refusals(&mut self) -> Refusals {
        let (refused, suspects) = (std::mem::take(&mut self.refused), std::mem::take(&mut self.suspects));
        match (refused.is_empty(), suspects.len()) {
            (true, 0) => Refusals::None,
            (false, _) => Refusals::Known(refused),
            (true, 1) => Refusals::Known(suspects),
            (true, _) => Refusals::Unclear(self.suspects_size),
        }
    }

    /// A record was not written, and not because the transaction was given up: the client's sequence numbers have a gap, in which
    /// the next transaction would fail.
    pub(super) fn any_failed(&self) -> bool {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::record::TopicId;

    const TOO_LARGE: i32 = 10;
    const INVALID_TIMESTAMP: i32 = 32;
    const PURGED: i32 = -152;
    const INVALID_DIFFERENT: i32 = -138;

    fn at(topic: u16, partition: i32) -> TopicPartition {
        TopicPartition { topic: TopicId(topic), partition }
    }

    fn delivery(opaque: usize, code: i32, offset: i64, size: usize) -> Delivery {
        Delivery { opaque, code, offset, size }
    }

    #[test]
    fn a_changelog_ends_after_the_greatest_acknowledged_offset_of_this_transaction() {
        let mut deliveries = Deliveries::new(Batches { size: 1000, single: false });
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

    fn refused(batches: Batches, reports: &[(Offset, i32, usize)]) -> (Refusals, bool) {
        let mut deliveries = Deliveries::new(batches);
        deliveries.begin();
        for (offset, code, size) in reports {
            let mark = deliveries.mark(Cause::Input(at(0, 3), *offset));
            deliveries.take(delivery(mark, *code, -1, *size));
        }
        (deliveries.refusals(), deliveries.any_failed())
    }

    fn known(offset: Offset, code: i32) -> Refusals {
        Refusals::Known(vec![(Cause::Input(at(0, 3), offset), errors::log_error(&Failure::of(code), "write the record"))])
    }

    #[test]
    fn a_record_is_refused_for_an_error_about_itself_when_it_stood_alone() {
        let (several, single) = (Batches { size: 1000, single: false }, Batches { size: 1000, single: true });
        #[rustfmt::skip]
        let table = [
            ("purged",                        several, vec![(1, PURGED, 10), (2, PURGED, 10)],                       Refusals::None,           false),
            ("another record of its batch",   several, vec![(1, INVALID_DIFFERENT, 10)],                             Refusals::None,           true),
            ("the only one that failed",      several, vec![(1, 0, 10), (2, INVALID_TIMESTAMP, 10)],                 known(2, INVALID_TIMESTAMP), true),
            ("larger than any batch",         several, vec![(1, TOO_LARGE, 1001), (2, TOO_LARGE, 10)],               known(1, TOO_LARGE),      true),
            ("perhaps one, perhaps the other", several, vec![(1, TOO_LARGE, 1000), (2, TOO_LARGE, 10)],              Refusals::Unclear(1010),  true),
            ("each alone",                    single,  vec![(1, 0, 10), (2, INVALID_TIMESTAMP, 10), (3, PURGED, 9)], known(2, INVALID_TIMESTAMP), true),
        ];
        for (name, batches, reports, expected, failed) in table {
            assert_eq!(refused(batches, &reports), (expected, failed), "{name}");
        }
    }
}
