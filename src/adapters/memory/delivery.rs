//! What is on its way inside the cluster, and is done when its time has come: commits, late copies of requests, markers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::adapters::memory::cluster::State;
use crate::adapters::memory::error;
use crate::adapters::memory::group::{MemberId, Place};
use crate::adapters::memory::network::{Fate, Network, Request, dead, timed_out};
use crate::adapters::memory::partition::Serial;
use crate::adapters::memory::transactions::Transaction;
use crate::engine::record::Offset;
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// A transaction that is open for so long is aborted, and its producer fenced: what Kafka Streams, too, sets `transaction.timeout.ms` to.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// What is on its way, by the time at which it arrives.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    pub(super) network: Option<Box<dyn Network>>,
    pub(super) now: Duration,
    due: BTreeMap<(Duration, u64), Delivery>,
    number: u64,
}

/// Something on its way.
#[derive(Debug)]
pub(super) enum Delivery {
    /// The offsets of a commit; then its end.
    Commit(Commit),
    /// The end of a commit.
    End(Commit),
    /// A copy of a request to end a transaction. Nobody waits for its answer.
    Copy { transactional_id: String, epoch: u32, committed: bool },
    /// A copy of a request to take a transactional id over.
    TakeOver { transactional_id: String },
    /// A control record.
    Marker { serial: Serial, place: Place, committed: bool },
    /// The end of a transaction reaches the offsets of a group.
    GroupMarker { serial: Serial, group: String, committed: bool },
}

/// A commit on its way.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) client: String,
    pub(super) transactional_id: String,
    pub(super) epoch: u32,
    pub(super) group: String,
    pub(super) member: Option<MemberId>,
    pub(super) offsets: Vec<(Place, Offset)>,
    /// Where the client waits.
    pub(super) answer: Weak<Mutex<Option<Answer>>>,
}

/// How a commit ended, for its client.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) result: Result<(), LogError>,
    /// A request was repeated on the way.
    pub(super) repeated: bool,
}

impl Commit {
    fn answer(&self, result: Result<(), LogError>, repeated: bool) {
        if let Some(answer) = self.answer.upgrade() {
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answer { result, repeated });
        }
    }

    fn copy(&self) -> Delivery {
        Delivery::Copy { transactional_id: self.transactional_id.clone(), epoch: self.epoch, committed: true }
    }
}

impl Deliveries {
    /// Puts something on its way.
    pub(super) fn push(&mut self, after: Duration, delivery: Delivery) {
        self.number += 1;
        self.due.insert((self.now.saturating_add(after), self.number), delivery);
    }

    /// When the next arrives.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    fn pop(&mut self, at: Duration) -> Option<Delivery> {
        let first = self.due.first_entry()?;
        (first.key().0 <= at).then(|| first.remove())
    }

    /// Removes the markers of a transaction: they are done now.
    fn markers(&mut self, of: Serial) -> Vec<Delivery> {
        let is_of = |it: &Delivery| matches!(it, Delivery::Marker { serial, .. } | Delivery::GroupMarker { serial, .. } if *serial == of);
        let keys: Vec<_> = self.due.iter().filter(|(_, it)| is_of(it)).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|it| self.due.remove(it)).collect()
    }

    pub(super) fn fate(&mut self, client: &str, request: Request) -> Fate {
        self.network.as_mut().map_or(Fate::Done, |it| it.fate(client, request))
    }

    pub(super) fn delay(&mut self) -> Duration {
        self.network.as_mut().map_or(Duration::ZERO, |it| it.delay())
    }
}

impl State {
    /// Does what has arrived by now.
    pub(super) fn deliver_until(&mut self, now: Duration) {
        self.deliveries.now = now;
        while let Some(delivery) = self.deliveries.pop(now) {
            self.deliver(delivery);
        }
        if self.deliveries.network.is_some() {
            let opened_before = now.checked_sub(TRANSACTION_TIMEOUT);
            while let Some(aborted) = opened_before.and_then(|it| self.transactions.time_out(it)) {
                self.write_markers(Some(aborted), false);
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Commit(commit) => self.deliver_offsets(commit),
            Delivery::End(commit) => self.deliver_end(&commit),
            // Refused or not: nobody waits for the answer.
            Delivery::Copy { transactional_id, epoch, committed } => drop(self.end(&transactional_id, epoch, committed)),
            Delivery::TakeOver { transactional_id } => drop(self.take_over(&transactional_id)),
            Delivery::Marker { serial, place: (topic, number), committed } => {
                // A topic deleted meanwhile needs no marker.
                if let Ok(partition) = self.partition(&topic, number) {
                    partition.mark(serial, committed);
                }
            }
            Delivery::GroupMarker { serial, group, committed } => self.group(&group).end(serial, committed),
        }
    }

    fn deliver_offsets(&mut self, mut commit: Commit) {
        // A process that died meanwhile does not go on to the end of its commit.
        if commit.answer.strong_count() == 0 {
            return;
        }
        if !commit.offsets.is_empty() {
            let fate = self.deliveries.fate(&commit.client, Request::Offsets);
            if fate == Fate::Dead {
                return;
            }
            let abortable = LogError { reaction: Reaction::AbortAndRewind, ..timed_out(Request::Offsets) };
            if fate == Fate::Lost {
                return commit.answer(Err(abortable), false);
            }
            let offsets = std::mem::take(&mut commit.offsets);
            let held = self.group(&commit.group).check(commit.member.as_ref(), &commit.client);
            let held = held.and_then(|()| self.hold_offsets(&commit.transactional_id, commit.epoch, &commit.group, offsets));
            if let Err(error) = held {
                return commit.answer(Err(error), false);
            }
            if fate != Fate::Done {
                return commit.answer(Err(abortable), false);
            }
        }
        let delay = self.deliveries.delay();
        self.deliveries.push(delay, Delivery::End(commit));
    }

    fn deliver_end(&mut self, commit: &Commit) {
        if commit.answer.strong_count() == 0 {
            return;
        }
        let unknown = || Err(timed_out(Request::End));
        match self.deliveries.fate(&commit.client, Request::End) {
            Fate::Dead => {}
            Fate::Done => commit.answer(self.end(&commit.transactional_id, commit.epoch, true), false),
            Fate::Lost => commit.answer(unknown(), false),
            Fate::ReplyLost => {
                drop(self.end(&commit.transactional_id, commit.epoch, true));
                commit.answer(unknown(), false);
            }
            Fate::Late(after) => {
                self.deliveries.push(after, commit.copy());
                commit.answer(unknown(), false);
            }
            Fate::Repeated(after) => {
                self.deliveries.push(after, commit.copy());
                commit.answer(self.end(&commit.transactional_id, commit.epoch, true), true);
            }
        }
    }

    /// Tells partitions and groups that a transaction has ended: each hears of it at a time of its own.
    pub(super) fn write_markers(&mut self, ended: Option<Transaction>, committed: bool) {
        let Some(Transaction { serial, partitions, groups }) = ended else { return };
        let partitions = partitions.into_iter().map(|place| Delivery::Marker { serial, place, committed });
        let groups = groups.into_iter().map(|group| Delivery::GroupMarker { serial, group, committed });
        for marker in partitions.chain(groups) {
            match self.deliveries.delay() {
                Duration::ZERO => self.deliver(marker),
                delay => self.deliveries.push(delay, marker),
            }
        }
    }

    /// The next transaction of a producer waits until the last one has ended everywhere.
    pub(super) fn finish(&mut self, transactional_id: &str) {
        if let Some(serial) = self.transactions.last(transactional_id) {
            for marker in self.deliveries.markers(serial) {
                self.deliver(marker);
            }
        }
    }

    /// What becomes of a request that has no effect in the cluster but its answer.
    ///
    /// # Errors
    /// What the client is told that gets no answer.
    pub(super) fn reach(&mut self, client: &str, request: Request) -> Result<(), LogError> {
        match self.deliveries.fate(client, request) {
            Fate::Done | Fate::Repeated(_) => Ok(()),
            Fate::Lost | Fate::ReplyLost | Fate::Late(_) => Err(error("_TRANSPORT", Reaction::Retry, format!("no answer to {request:?}"))),
            Fate::Dead => Err(dead()),
        }
    }

    /// Whether a client's process lives: what it says to the group is said again until it arrives.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn alive(&mut self, client: &str) -> Result<(), LogError> {
        match self.deliveries.fate(client, Request::Join) {
            Fate::Dead => Err(dead()),
            Fate::Done | Fate::Lost | Fate::ReplyLost | Fate::Late(_) | Fate::Repeated(_) => Ok(()),
        }
    }
}

/// A place where a client waits for an answer.
pub(super) fn waiting() -> Arc<Mutex<Option<Answer>>> {
    Arc::default()
}
