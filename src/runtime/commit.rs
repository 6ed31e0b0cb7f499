//! A commit, step by step: what a crash after each step leaves behind is said beside it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::board::Meter;
use super::fail_point::{self, fail_point};
use super::mutant::{self, Mutant};
use super::open_task::{Disk, OpenTask, State};
use super::ports::{AfterAbort, Cause, Committed, LogError, OutRecord, Parts, Producer, SendError, StoreError};
use super::reaction::Reaction;
use super::status::Change;
use super::worker::{Consumed, Error, Transaction, Worker};
use crate::engine::partition::partition_of;
use crate::engine::record::{Offset, TopicPartition};

/// How long one wait for room in the producer's queue lasts; there are as many as it takes, within the delivery timeout.
const ROOM_WAIT: Duration = Duration::from_millis(10);
/// Transactions given up in a row after which the worker is started anew.
const REWINDS_MAX: u32 = 10;
/// Positions that moved over control records alone are committed when nothing else was for so long: with traffic they go with its commits.
pub(super) const IDLE_COMMIT: Duration = Duration::from_secs(1);
/// A header of what a replay writes: the topic's number, partition and offset of the cause. The order of outputs is compared by it.
pub(super) const REPLAY_CAUSE: &str = "goyt.replay.cause";
/// Pause between tries of what the broker could not do yet.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Committed state is on disk after so long, however much is left to be read.
const WRITE_WITHIN: Duration = Duration::from_secs(1);

impl Worker {
    /// Whether it is time: the interval is over, or much is open, or little is left to be read; one commit at a time.
    pub(super) fn commit_due(&mut self) -> bool {
        let open = matches!(self.transaction, Transaction::None | Transaction::Open) && self.effects.is_empty();
        if !open || !self.tasks.dirty() {
            return false;
        }
        let now = self.clock.elapsed();
        self.next_commit() <= now
            || self.limits.commit_max_bytes <= self.tasks.dirty_bytes()
            || self.early_commit() <= now && self.has_caught_up()
    }

    /// When what is open may be committed, if little is left to be read: then nothing is gained by waiting for more.
    pub(super) fn early_commit(&self) -> Duration {
        if !self.tasks.has_processed() {
            return self.next_commit();
        }
        self.last_commit + self.limits.commit_interval_min
    }

    /// Whether less is left to be read than one round takes.
    fn has_caught_up(&mut self) -> bool {
        let ready = self.ready();
        let consumer = self.log.parts().consumer;
        let (tasks, mut left) = (&self.tasks, self.limits.poll_max_records);
        ready.into_iter().all(|partition| {
            let (Some(source), Some(end)) = (tasks.sources.get(&partition), consumer.known_end(partition)) else { return true };
            let behind = source.behind(end);
            let within = behind < left;
            left = left.saturating_sub(behind);
            within
        })
    }

    /// When what is open is to be committed.
    pub(super) fn next_commit(&self) -> Duration {
        let interval = self.limits.commit_interval;
        self.last_commit + if self.tasks.has_processed() { interval } else { interval.max(IDLE_COMMIT) }
    }

    /// Sends what piled up. While a commit runs it stays where it is: a producer has one transaction.
    pub(super) fn send(&mut self) -> Result<(), Error> {
        if self.effects.is_empty() || matches!(self.transaction, Transaction::Committing(..)) {
            return Ok(());
        }
        if let Err(error) = self.open_transaction() {
            return self.react(error);
        }
        let Self { log, effects, packs, meter, tasks, plan, .. } = self;
        let replays = !tasks.ranges.is_empty();
        let causes: Vec<String> = (0..effects.len()).filter(|_| replays).filter_map(|it| Some(cause(effects.get(it)?.cause))).collect();
        let producer = log.parts().producer;
        let mut send = |it: &OutRecord<'_>| send_counted(producer, meter, it);
        let mut failed = None;
        let mut headers = Vec::new();
        for index in 0..effects.len() {
            let Some(it) = effects.get(index) else { break };
            headers.clear();
            headers.extend(effects.headers(index));
            headers.extend(causes.get(index).map(|it| (REPLAY_CAUSE, Some(it.as_bytes()))));
            let mut record = OutRecord {
                topic: it.topic,
                partition: it.partition,
                key: it.key,
                value: it.value,
                timestamp: it.timestamp,
                headers: &headers,
                cause: Cause::Input(it.cause.0, it.cause.1),
                watched: false,
            };
            let sent = if plan.is_repartition(it.topic) {
                let place = || partition_of(it.key.unwrap_or_default(), tasks.partition_count(it.topic));
                let partition = it.partition.unwrap_or_else(place);
                (record.partition, record.watched) = (Some(partition), true);
                packs.add(TopicPartition { topic: it.topic, partition }, &record, &mut send)
            } else {
                send(&record)
            };
            failed = sent.err();
            if failed.is_some() {
                break;
            }
        }
        match failed {
            None => {
                self.effects.clear();
                fail_point(fail_point::AFTER_SEND);
                Ok(())
            }
            Some(error) => self.not_sent(error),
        }
    }

    fn open_transaction(&mut self) -> Result<(), LogError> {
        if !matches!(self.transaction, Transaction::None) {
            return Ok(());
        }
        let producer = self.log.parts().producer;
        if let Some(reason) = &self.recycle {
            // Until it is done it is still to be done: the old producer must not be used meanwhile.
            producer.init()?;
            self.meter.totals.recycles += 1;
            (self.report)(&Change::Recycled { reason: reason.clone() });
            self.recycle = None;
        }
        producer.begin()?;
        self.transaction = Transaction::Open;
        Ok(())
    }

    /// Seals what is open and starts its commit; [`Worker::settle`] sees its end. Processing goes on meanwhile.
    pub(super) fn begin_commit(&mut self) -> Result<(), Error> {
        if let Some(reason) = self.tasks.torn.take().filter(|_| !mutant::is(Mutant::TornGoesOn)) {
            return self.rewind(&reason, false);
        }
        if let Err(error) = self.open_transaction() {
            return self.react(error);
        }
        self.last_commit = self.clock.elapsed();
        let now = self.clock.now();
        let Self { log, tasks, packs, report, meter, .. } = self;
        tasks.seal_counts(meter, &**report);
        let Parts { producer, consumer, .. } = log.parts();
        let mut send = |it: &OutRecord<'_>| send_counted(producer, meter, it);
        let (mut failed, mut unsealed) = (packs.send(&mut send).err(), Vec::new());
        // 1. Changelog records: one for each changed key. A crash: the transaction is aborted, the input read again.
        //    A task that restores hands out none: written behind what it has not read, they would hide that it lacks it.
        for (index, open) in tasks.iter_mut().enumerate().filter(|(_, it)| !matches!(it.state, State::Suspended | State::Restoring)) {
            let changelogs = &open.changelogs;
            let sealed = open.task.seal(&mut Disk(&mut *open.store), |store, key, value| {
                let (None, Some(changelog)) = (&failed, changelogs.get(store)) else { return };
                if mutant::is(Mutant::ChangelogSkipped) && key.last().is_some_and(|it| it % 16 == 0) {
                    return;
                }
                let record = OutRecord {
                    topic: changelog.topic,
                    partition: Some(changelog.partition),
                    key: Some(key),
                    value,
                    timestamp: now,
                    headers: &[],
                    cause: Cause::Store(*changelog),
                    watched: true,
                };
                failed = send(&record).err();
            });
            if let Err(error) = sealed {
                unsealed.push((index, error));
            }
        }
        match failed {
            None if unsealed.is_empty() => {}
            None => {
                unsealed.iter().for_each(|(index, error)| self.state_failed(*index, error));
                return self.rewind("a state failed", false);
            }
            Some(error) => return self.not_sent(error),
        }
        // 2. Consumed offsets, as the member of the group that we are: a zombie's are refused.
        let mut consumed = Consumed::default();
        for (tp, source) in &mut tasks.sources {
            match source.consumed.take() {
                Some(_) if std::mem::take(&mut source.handed_over) => consumed.handed_over.push(*tp),
                Some(offset) => consumed.offsets.push((*tp, offset)),
                None => {}
            }
        }
        fail_point(fail_point::BEFORE_COMMIT);
        if mutant::is(Mutant::NoOffsets) {
            consumed = Consumed::default();
        }
        if mutant::is(Mutant::StoreFirst) {
            tasks.iter_mut().for_each(|it| drop(it.store.write(&mut it.task.overlay.sealed(), &[])));
        }
        // 3. The commit itself, on the producer's own thread. A crash on the way: `init` and the committed offsets tell how it ended.
        match producer.commit(&consumed.offsets, &consumed.handed_over, consumer) {
            Ok(()) => {
                self.transaction = Transaction::Committing(consumed);
                Ok(())
            }
            Err(error) => self.react_to_commit(&error),
        }
    }

    /// Sees to a commit that has ended.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        if !matches!(self.transaction, Transaction::Committing(..)) {
            return Ok(());
        }
        let Some(committed) = self.log.parts().producer.committed(Duration::ZERO) else { return Ok(()) };
        self.end_commit(committed)
    }

    fn end_commit(&mut self, committed: Committed) -> Result<(), Error> {
        let Transaction::Committing(Consumed { mut offsets, handed_over }) = std::mem::replace(&mut self.transaction, Transaction::None)
        else {
            return Ok(());
        };
        let unknown = |it: &LogError| mutant::is(Mutant::UnknownIsCommitted) && it.reaction == Reaction::Retry;
        if let Err(error) = committed.result
            && !unknown(&error)
        {
            // Still open at the broker: until it is aborted, the group's offsets can't be read.
            self.transaction = Transaction::Open;
            if !committed.refused.is_empty() {
                return self.refused(committed.refused);
            }
            return self.react_to_commit(&error);
        }
        if committed.recycle && !mutant::is(Mutant::NoRecycling) {
            self.recycle = Some("a request of the last commit was retried or slow, and may arrive once more".to_owned());
        }
        self.rewinds = 0;
        self.waiting = false;
        self.packs.committed();
        fail_point(fail_point::AFTER_COMMIT);
        self.count_commit();
        offsets.extend(committed.ends.iter().filter(|(tp, _)| handed_over.contains(tp)));
        for (tp, offset) in &offsets {
            if let Some(source) = self.tasks.sources.get_mut(tp) {
                source.committed = Some(*offset);
            }
        }
        for (tp, end) in &committed.ends {
            self.written_to(*tp, *end, handed_over.contains(tp));
        }
        self.apply(&offsets, &committed.ends);
        fail_point(fail_point::AFTER_STORE_WRITE);
        Ok(())
    }

    /// What was done in the transaction counts from now on.
    fn count_commit(&mut self) {
        self.meter.committed(self.clock.elapsed().saturating_sub(self.last_commit));
        let now = self.clock.now();
        for open in self.tasks.iter_mut() {
            self.meter.task_committed(open.key(), &open.sealed, now);
            open.sealed.clear();
        }
    }

    /// 4. What was done is state from now on. It goes to disk when little is left to be read. Before that, more of it comes soon, and much is
    ///    written with less work than little: in the order of keys, each is inserted next to the one before, and each once. A crash before:
    ///    the tail is restored.
    fn apply(&mut self, offsets: &[(TopicPartition, Offset)], ends: &[(TopicPartition, Offset)]) {
        let now = self.clock.elapsed();
        for open in self.tasks.iter_mut() {
            let offset = offsets.iter().find(|(tp, _)| *tp == open.source).map(|it| it.1);
            open.committed(offset, ends, now);
        }
        let all = self.has_caught_up();
        self.write_state(|it| all || it.task.overlay.is_full());
    }

    /// Writes what has waited for long enough.
    pub(super) fn write_late(&mut self) {
        let Some(before) = self.clock.elapsed().checked_sub(WRITE_WITHIN) else { return };
        self.write_state(|it| it.unwritten_since <= before);
    }

    /// Writes the committed state of tasks to disk, of each in one batch.
    pub(super) fn write_state(&mut self, due: impl Fn(&OpenTask) -> bool) {
        let (mut lagging, mut damaged) = (Vec::new(), BTreeSet::new());
        for (index, open) in self.tasks.iter_mut().enumerate() {
            if open.positions.is_empty() || !due(open) {
                continue;
            }
            if let Err(error) = open.write() {
                // Kafka has it: the store is to read it back from there.
                (self.report)(&Change::Waiting {
                    reason: format!("state of {} could not be written, its tail will be restored: {error}", open.task.id),
                });
                if matches!(error, StoreError::Damaged(_)) {
                    damaged.insert(open.task.id.clone());
                }
                lagging.push(index);
            }
        }
        self.tasks.damaged.append(&mut damaged);
        if !lagging.is_empty() {
            self.restore_again(&lagging);
        }
    }

    /// Does what is to be done when a record was not queued.
    fn not_sent(&mut self, (cause, error): NotSent) -> Result<(), Error> {
        match (cause, error) {
            (Cause::Input(..), SendError::Refused(error)) => self.refused(vec![(cause, error)]),
            (_, SendError::Refused(error) | SendError::Failed(error)) => self.react_to_commit(&error),
            (_, SendError::Full) => self.rewind("the producer's queue stayed full", true),
        }
    }

    /// What the broker refused makes dead letters of its causes, when they are read again.
    fn refused(&mut self, refused: Vec<(Cause, LogError)>) -> Result<(), Error> {
        if self.packs.refused() {
            return self.rewind("the broker refused a derived record, perhaps one of several that went as one: now each goes alone", false);
        }
        let mut reasons = Vec::new();
        for (cause, error) in refused {
            match cause {
                Cause::Input(tp, offset) if !self.is_internal(tp.topic) => {
                    for open in self.tasks.iter_mut().filter(|it| it.source == tp) {
                        open.task.refuse(offset, error.to_string());
                    }
                    reasons.push(format!("{} at offset {offset}: {error}", self.name(tp)));
                }
                Cause::Input(tp, _) | Cause::Store(tp) => {
                    let source = self.tasks.iter().find(|it| it.source == tp || it.changelogs.contains(&tp)).map(|it| it.source);
                    if let Some(source) = source {
                        self.halt(source, &format!("the broker refuses a record that it must write: {error}"));
                    }
                }
            }
        }
        self.rewind(&format!("the broker refused a derived record, its cause becomes a dead letter: {}", reasons.join("; ")), false)
    }

    /// Does what the table says about an error in a transaction in which something was sent: it is never gone on with.
    fn react_to_commit(&mut self, error: &LogError) -> Result<(), Error> {
        match error.reaction {
            Reaction::Rejoin | Reaction::Renew | Reaction::Stop => Err(error.clone().into()),
            Reaction::AbortAndRewind | Reaction::LeaveTask => self.rewind(&error.to_string(), false),
            // The outcome is not known: a new producer first, then the committed offsets tell.
            Reaction::Retry | Reaction::Recycle | Reaction::RefuseRecord => self.rewind(&error.to_string(), true),
        }
    }

    /// Gives the open transaction up and reads its input again, from where the group stands.
    pub(super) fn rewind(&mut self, reason: &str, recycle: bool) -> Result<(), Error> {
        (self.report)(&Change::Rewound { reason: reason.to_owned() });
        self.rewinds += 1;
        self.meter.rewound();
        self.tasks.forget_counts();
        let producer = self.log.parts().producer;
        let mut recycle = recycle || self.recycle.take().is_some();
        if !matches!(self.transaction, Transaction::None) && !recycle {
            recycle = match producer.abort() {
                Ok(AfterAbort::Usable) => false,
                Ok(AfterAbort::Recycle) | Err(_) => true,
            };
        }
        if recycle {
            producer.init()?;
            self.meter.totals.recycles += 1;
        }
        self.transaction = Transaction::None;
        self.effects.clear();
        self.packs.forget();
        if REWINDS_MAX < self.rewinds {
            return Err(Error::Log(LogError {
                code: "GAVE_UP",
                reaction: Reaction::Recycle,
                message: format!("{REWINDS_MAX} transactions in a row failed, the last one: {reason}"),
                at: None,
                partition: None,
            }));
        }
        self.reassign()
    }

    /// Commits what is open before `until`; whether all of it is. A transaction that fails meanwhile is given up.
    pub(super) fn commit_until(&mut self, until: Duration) -> Result<bool, Error> {
        let rewinds = self.rewinds;
        while self.clock.elapsed() < until {
            if matches!(self.transaction, Transaction::Committing(..)) {
                if let Some(committed) = self.log.parts().producer.committed(ROOM_WAIT) {
                    self.end_commit(committed)?;
                }
                continue;
            }
            self.send()?;
            if rewinds < self.rewinds {
                return Ok(false);
            }
            if !self.effects.is_empty() {
                // A transaction can't be opened yet. Offsets must not be committed without what came of their records.
                self.clock.sleep(RETRY_PAUSE);
                continue;
            }
            if !self.tasks.dirty() {
                return Ok(true);
            }
            self.begin_commit()?;
        }
        Ok(false)
    }

    /// Calls again what the broker can't do yet, with a pause, for as long as its error says so and `bound` allows.
    pub(super) fn patiently<T>(&mut self, bound: Duration, mut call: impl FnMut(&mut Self) -> Result<T, LogError>) -> Result<T, LogError> {
        let until = self.clock.elapsed() + bound;
        loop {
            match call(self) {
                Err(error) if error.reaction == Reaction::Retry && self.clock.elapsed() < until => self.clock.sleep(RETRY_PAUSE),
                other => return other,
            }
        }
    }
}

/// As it stands in [`REPLAY_CAUSE`].
fn cause((source, offset): (TopicPartition, Offset)) -> String {
    format!("{}/{}@{offset}", source.topic.0, source.partition)
}

/// Why a record was not queued, and what had caused it.
type NotSent = (Cause, SendError);

/// Queues a record, and counts it.
fn send_counted(producer: &mut dyn Producer, meter: &mut Meter, record: &OutRecord<'_>) -> Result<(), NotSent> {
    send_with_room(producer, record).map(|()| meter.published(record.topic, record.key, record.value))
}

/// Queues a record, making room when the queue is full.
fn send_with_room(producer: &mut dyn Producer, record: &OutRecord<'_>) -> Result<(), NotSent> {
    /// Times the queue may be found full for one record: a minute in all.
    const TRIES_MAX: u32 = 6_000;
    for _ in 0..TRIES_MAX {
        match producer.send(record) {
            Err(SendError::Full) => producer.serve(ROOM_WAIT),
            other => return other.map_err(|error| (record.cause, error)),
        }
    }
    Err((record.cause, SendError::Full))
}
