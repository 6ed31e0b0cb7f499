//! What became of the records of the open transaction: where watched partitions end, and which records were refused.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::errors;
use super::raw::{Delivery, Failure};
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::ports::{Cause, LogError};
use crate::runtime::reaction::Reaction;

/// At most this many refused records of one transaction are told; the others come up when their inputs are read again.
const REFUSED_MAX: usize = 1000;

/// A record's mark, which the client carries along: transaction (16 bits), its watched partition (16), its cause (32). Both count from 1; 0 is
/// none, and the cause of a record of a store is its partition.
const CAUSE_BITS: u32 = 32;
const WATCHED_BITS: u32 = 16;
const _: () = assert!(usize::BITS == 64, "a record's mark needs a pointer of 64 bits");

/// Of one client.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    transaction: u16,
    batches: Batches,
    /// The inputs that caused records of this transaction.
    inputs: Vec<Cause>,
    /// The partitions watched so far, and the offset after the last acknowledged record of this transaction.
    ends: Vec<(TopicPartition, Option<Offset>)>,
    watched: HashMap<TopicPartition, usize, FxBuildHasher>,
    /// A watched record was acknowledged without its offset, as the broker does when it has it from an earlier try.
    unplaced: bool,
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
        self.unplaced = false;
        self.refused.clear();
        self.suspects.clear();
        self.suspects_size = 0;
        self.failed = false;
    }

    /// The mark of a record with this cause, that goes to a partition that is watched, if it is.
    pub(super) fn mark(&mut self, cause: Cause, watched: Option<TopicPartition>) -> usize {
        let cause = match cause {
            Cause::Store(_) => 0,
            Cause::Input(..) => {
                if self.inputs.last() != Some(&cause) {
                    self.inputs.push(cause);
                }
                self.inputs.len()
            }
        };
        let watched = watched.map_or(0, |at| {
            *self.watched.entry(at).or_insert_with(|| {
                self.ends.push((at, None));
                self.ends.len()
            })
        });
        usize::from(self.transaction) << (CAUSE_BITS + WATCHED_BITS) | watched << CAUSE_BITS | cause
    }

    /// Takes in a report.
    pub(super) fn take(&mut self, delivery: Delivery) {
        let field = |shift: u32, bits: u32| delivery.opaque >> shift & ((1 << bits) - 1);
        if field(CAUSE_BITS + WATCHED_BITS, 16) != usize::from(self.transaction) {
            return;
        }
        let end = field(CAUSE_BITS, WATCHED_BITS).checked_sub(1).and_then(|it| self.ends.get_mut(it));
        if delivery.code != 0 {
            let input = field(0, CAUSE_BITS).checked_sub(1);
            let cause = input.map_or_else(|| end.map(|(at, _)| Cause::Store(*at)), |it| self.inputs.get(it).copied());
            self.failed(cause, delivery);
        } else if let Some((_, end)) = end {
            self.unplaced |= delivery.offset < 0;
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

    /// For each watched partition written: the offset after the last acknowledged record.
    pub(super) fn ends(&self) -> Vec<(TopicPartition, Offset)> {
        self.ends.iter().filter_map(|(at, end)| end.map(|end| (*at, end))).collect()
    }

    /// The ends of these partitions; `None` when one is not known, since not all that was written is acknowledged, with its offset.
    pub(super) fn ends_of(&self, partitions: &[TopicPartition]) -> Option<Vec<(TopicPartition, Offset)>> {
        let end = |at: &TopicPartition| Some((*at, self.watched.get(at).and_then(|it| self.ends.get(it - 1))?.1?));
        partitions.iter().map(end).collect::<Option<_>>().filter(|_| partitions.is_empty() || !self.unplaced)
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
    fn a_watched_partition_ends_after_the_greatest_acknowledged_offset_of_this_transaction() {
        let mut deliveries = Deliveries::new(Batches { size: 1000, single: false });
        deliveries.begin();
        let stale = deliveries.mark(Cause::Store(at(1, 0)), Some(at(1, 0)));
        deliveries.begin();
        let marks = [at(1, 0), at(2, 5), at(1, 0)].map(|it| deliveries.mark(Cause::Store(it), Some(it)));
        let input = deliveries.mark(Cause::Input(at(0, 0), 7), None);
        let watched = deliveries.mark(Cause::Input(at(0, 0), 7), Some(at(3, 1)));
        deliveries.take(delivery(marks[0], 0, 41, 10));
        deliveries.take(delivery(marks[2], 0, 42, 10));
        deliveries.take(delivery(marks[0], 0, 40, 10));
        deliveries.take(delivery(marks[1], PURGED, -1, 10));
        deliveries.take(delivery(stale, 0, 99, 10));
        deliveries.take(delivery(input, 0, 77, 10));
        assert_eq!(deliveries.ends_of(&[at(3, 1)]), None, "not acknowledged yet");
        deliveries.take(delivery(watched, 0, 4, 10));
        assert_eq!(deliveries.ends(), [(at(1, 0), 43), (at(3, 1), 5)]);
        assert_eq!(deliveries.ends_of(&[at(3, 1)]), Some(vec![(at(3, 1), 5)]));
        deliveries.take(delivery(watched, 0, -1, 10));
        assert_eq!(deliveries.ends_of(&[at(3, 1)]), None, "acknowledged, but where?");
        deliveries.begin();
        assert_eq!(deliveries.ends(), []);
        assert_eq!(deliveries.ends_of(&[]), Some(vec![]));
    }

    fn refused(batches: Batches, reports: &[(Offset, i32, usize)]) -> (Refusals, bool) {
        let mut deliveries = Deliveries::new(batches);
        deliveries.begin();
        for (offset, code, size) in reports {
            let mark = deliveries.mark(Cause::Input(at(0, 3), *offset), None);
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
