//! Hand-over: a repartition record goes to its task within the transaction that writes it, when this worker alone writes and reads the topic.
//!
//! Read back from the log it would wait for the end of that transaction, and what comes of it for the end of a second one. It is written to
//! the log all the same, so whoever gets the partition next finds everything there, and its consumed offset is where the transaction's
//! records end. That this worker is alone follows from the group: it has all partitions of the topic and of those that it is made from.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::partition::partition_of;
use crate::engine::plan::Plan;
use crate::engine::record::{HeaderRef, Offset, RecordRef, TopicId, TopicPartition};
use crate::engine::task::effects::Effects;
use crate::runtime::commit::IDLE_COMMIT;
use crate::runtime::mutant::{self, Mutant};
use crate::runtime::ports::LogError;
use crate::runtime::status::Change;
use crate::runtime::tasks::{Source, Tasks, Turn};
use crate::runtime::worker::{Error, Transaction, Worker};

/// Which topics could be handed over, and what is in the way.
#[derive(Debug)]
pub(in crate::runtime) struct Handover {
    /// Each repartition topic, and the topics that it is made from; none when it is switched off.
    feeds: Vec<(TopicId, Vec<TopicId>)>,
    /// Up to here the log has records that are to be read from it.
    unread: BTreeMap<TopicPartition, Offset>,
    /// Since when input is held, so that all that was written can be read.
    holding: Option<Duration>,
    /// It is not held again before.
    hold_from: Duration,
    told: bool,
    look_at: Duration,
    /// When to look again whether markers are there.
    pass_at: Duration,
}

/// The topics of which records are handed over.
#[derive(Debug, Default)]
pub(in crate::runtime) struct HandedOver {
    /// By topic.
    on: Vec<bool>,
    /// A record on its way from the effects of one task into another.
    copy: Effects,
    /// Those of a round: where each goes, and its place among the effects.
    order: Vec<(TopicPartition, usize)>,
    /// One could not be processed by its task: none is handed over while the worker has these partitions.
    failed: bool,
}

/// Between two looks at whether partitions have come together.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Input is held no longer than this for it, and then not for a while.
const HOLD_MAX: Duration = Duration::from_secs(2);
const HOLD_PAUSE: Duration = Duration::from_secs(60);
/// A worker that stops waits for the last markers so long at most, and asks again after a pause.
const MARKERS_MAX: Duration = Duration::from_secs(1);
const MARKERS_PAUSE: Duration = Duration::from_millis(10);
/// How long a round waits for records meanwhile.
pub(in crate::runtime) const HOLD_WAIT: Duration = Duration::from_millis(2);

impl Handover {
    pub(in crate::runtime) fn new(plan: &Plan, enabled: bool) -> Self {
        let feeds = if enabled { plan.repartitions() } else { Vec::new() };
        let (hold_from, look_at, pass_at) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        Self { feeds, unread: BTreeMap::new(), holding: None, hold_from, told: false, look_at, pass_at }
    }

    /// The member has other partitions.
    pub(in crate::runtime) fn assigned(&mut self) {
        (self.hold_from, self.told) = (Duration::ZERO, false);
    }

    /// Everything is read from the log again, in which the partitions end here.
    pub(in crate::runtime) fn begin_anew(&mut self, ends: BTreeMap<TopicPartition, Offset>) {
        (self.unread, self.holding, self.look_at) = (ends, None, Duration::ZERO);
    }

    /// Whether input is held for it.
    pub(in crate::runtime) fn is_holding(&self) -> bool {
        self.holding.is_some()
    }
}

impl Tasks {
    /// Whether records of the topic are handed over.
    pub(in crate::runtime) fn hands_over(&self, topic: TopicId) -> bool {
        self.handed_over.on.get(usize::from(topic.0)).copied().unwrap_or(false)
    }

    /// Records of these topics are, from now on.
    fn begin_hand_over(&mut self, topics: &[TopicId]) {
        self.handed_over.on = (0..self.topic_count()).map(TopicId).map(|it| self.hands_over(it) || topics.contains(&it)).collect();
    }

    /// All topics are read from the log.
    pub(in crate::runtime) fn end_hand_over(&mut self) {
        self.handed_over.on.clear();
    }

    /// With other partitions, what failed before may succeed.
    pub(in crate::runtime) fn forget_failed_hand_over(&mut self) {
        self.handed_over.failed = false;
    }

    /// Takes repartition records among the effects, from `first` on, through their tasks, and those that these write in turn.
    ///
    /// One partition after the other, since the state of one task is then at hand for many records.
    pub(in crate::runtime) fn hand_over(&mut self, first: usize, turn: &Turn<'_>, effects: &mut Effects) {
        if self.handed_over.on.is_empty() {
            return;
        }
        let (mut copy, mut order) = (std::mem::take(&mut self.handed_over.copy), std::mem::take(&mut self.handed_over.order));
        let mut done = first;
        while done < effects.len() {
            order.clear();
            for index in done..effects.len() {
                let Some(output) = effects.get(index).filter(|it| self.hands_over(it.topic)) else { continue };
                let partition = partition_of(output.key.unwrap_or_default(), self.partition_count(output.topic));
                order.push((TopicPartition { topic: output.topic, partition }, index));
            }
            done = effects.len();
            order.sort_unstable();
            for (source, index) in &order {
                copy.clear();
                copy.repeat(effects, *index, None);
                effects.place(*index, source.partition);
                self.take_over(*source, &copy, turn, effects);
            }
        }
        (self.handed_over.copy, self.handed_over.order) = (copy, order);
    }

    /// Takes the one record of `copy` through its task, as the next one of its partition.
    fn take_over(&mut self, source: TopicPartition, copy: &Effects, turn: &Turn<'_>, effects: &mut Effects) {
        let Some((it, at)) = copy.get(0).zip(self.sources.get(&source).copied()) else { return };
        let headers: Vec<HeaderRef<'_>> = copy.headers(0).collect();
        // Its offset is known when it is acknowledged. This one is as great at most, since those of a transaction share it, and greater than
        // that of the transaction before.
        let offset = at.next - i64::from(at.handed_over);
        let record = RecordRef { source, offset, timestamp: Some(it.timestamp), key: it.key, value: it.value, headers: &headers };
        if self.process(record, true, turn, effects) == 0 {
            self.handed_over.failed = true;
            self.torn.get_or_insert_with(|| "a record that was handed over could not be processed; it goes through the log".to_owned());
        }
    }
}

impl Worker {
    /// Begins the hand-over of topics for which nothing is in the way any more.
    pub(in crate::runtime) fn arrange_hand_over(&mut self) -> Result<(), Error> {
        let now = self.clock.elapsed();
        if self.handover.feeds.is_empty() || now < self.handover.look_at {
            return Ok(());
        }
        let candidates = self.candidates();
        let quiet = matches!(self.transaction, Transaction::None) && self.effects.is_empty() && !self.tasks.has_processed();
        let done = if candidates.is_empty() {
            self.handover.look_at = now + LOOK_EVERY;
            self.release_input()
        } else if quiet && self.all_is_read(&candidates) {
            self.begin_hand_over(&candidates)
        } else {
            self.hold_input(now)
        };
        done.or_else(|error| self.react(error))
    }

    /// As the partitions are assigned: begins where nothing is to be read first, else input is held.
    pub(in crate::runtime) fn hand_over_from_the_start(&mut self) {
        let candidates = self.candidates();
        if candidates.is_empty() {
            return;
        }
        if self.all_is_read(&candidates) {
            self.turn_on(&candidates);
        } else {
            self.handover.holding = Some(self.clock.elapsed());
        }
    }

    /// Whether records of the topic are not read for now because of a hand-over.
    pub(in crate::runtime) fn is_kept_from_reading(&self, topic: TopicId) -> bool {
        self.tasks.hands_over(topic) || self.handover.is_holding() && !self.plan.is_repartition(topic)
    }

    /// The topics that are not handed over, and that this worker alone writes and reads.
    fn candidates(&self) -> Vec<TopicId> {
        if self.tasks.handed_over.failed || !self.tasks.ranges.is_empty() {
            return Vec::new(); // A replay reads what was recorded.
        }
        let ready = self.tasks.ready();
        let whole = |topic: TopicId, has: &dyn Fn(&TopicPartition) -> bool| {
            let count = self.tasks.partition_count(topic);
            0 < count && (0..count).all(|partition| has(&TopicPartition { topic, partition }))
        };
        let alone = |(topic, feeders): &&(TopicId, Vec<TopicId>)| {
            !self.tasks.hands_over(*topic)
                && whole(*topic, &|it| ready.binary_search(it).is_ok())
                && feeders.iter().all(|it| whole(*it, &|it| self.tasks.sources.contains_key(it)))
        };
        self.handover.feeds.iter().filter(alone).map(|(topic, _)| *topic).collect()
    }

    /// Whether all that was written to these topics has been read.
    fn all_is_read(&self, topics: &[TopicId]) -> bool {
        let read = |(at, end): (&TopicPartition, &Offset)| self.tasks.sources.get(at).is_some_and(|it| *end <= it.next);
        mutant::is(Mutant::HandedOverUnread) || self.handover.unread.iter().filter(|(at, _)| topics.contains(&at.topic)).all(read)
    }

    fn turn_on(&mut self, topics: &[TopicId]) {
        self.tasks.begin_hand_over(topics);
        if !std::mem::replace(&mut self.handover.told, true) {
            (self.report)(&Change::HandsOver { topics: topics.len() });
        }
    }

    fn begin_hand_over(&mut self, topics: &[TopicId]) -> Result<(), LogError> {
        self.turn_on(topics);
        let partitions = self.partitions_of(|it| topics.contains(&it));
        self.log.parts().consumer.pause(&partitions)?;
        self.release_input()
    }

    fn hold_input(&mut self, now: Duration) -> Result<(), LogError> {
        match self.handover.holding {
            None if now < self.handover.hold_from => Ok(()),
            None => {
                self.handover.holding = Some(now);
                let inputs = self.partitions_of(|it| !self.plan.is_repartition(it));
                self.log.parts().consumer.pause(&inputs)
            }
            Some(since) if since + HOLD_MAX < now => {
                self.handover.hold_from = now + HOLD_PAUSE;
                self.release_input()
            }
            Some(_) => Ok(()),
        }
    }

    fn release_input(&mut self) -> Result<(), LogError> {
        if self.handover.holding.take().is_none() {
            return Ok(());
        }
        let ready = self.ready();
        self.log.parts().consumer.resume(&ready)
    }

    /// A commit has ended: where its records end, in partitions that were handed over and in others.
    pub(in crate::runtime) fn written_to(&mut self, partition: TopicPartition, end: Offset, handed_over: bool) {
        if !self.plan.is_repartition(partition.topic) {
            return;
        }
        let Some(source) = self.tasks.sources.get_mut(&partition).filter(|_| handed_over) else {
            self.handover.unread.insert(partition, end);
            return;
        };
        source.next = source.next.max(end);
        if source.consumed.is_none() {
            source.before_markers = Some((end, self.clock.elapsed()));
        }
    }

    /// Where nothing was handed over for a while, the position goes behind the markers, which would count as lag else.
    pub(in crate::runtime) fn pass_markers(&mut self) -> Result<(), Error> {
        let now = self.clock.elapsed();
        if now < self.handover.pass_at {
            return Ok(());
        }
        self.handover.pass_at = now + IDLE_COMMIT;
        self.pass_markers_of_before(now.saturating_sub(IDLE_COMMIT)).or_else(|error| self.react(error))
    }

    /// The same at the end, when nothing will be handed over any more; whether a position has moved.
    pub(in crate::runtime) fn pass_last_markers(&mut self, until: Duration) -> bool {
        let until = until.min(self.clock.elapsed() + MARKERS_MAX);
        while self.tasks.before_markers() && self.clock.elapsed() < until {
            if self.pass_markers_of_before(Duration::MAX).is_err() {
                break; // They stay lag until the next start.
            }
            if self.tasks.before_markers() {
                self.clock.sleep(MARKERS_PAUSE);
            }
        }
        self.tasks.dirty()
    }

    /// Only when the markers are there: a committed offset behind the end of the log is nowhere.
    fn pass_markers_of_before(&mut self, committed_before: Duration) -> Result<(), LogError> {
        let waits = |it: &Source| it.before_markers.is_some_and(|(_, since)| since <= committed_before);
        let partitions: Vec<TopicPartition> = self.tasks.sources.iter().filter(|(_, it)| waits(it)).map(|(tp, _)| *tp).collect();
        if partitions.is_empty() {
            return Ok(());
        }
        let ends = self.log.parts().consumer.stable_ends(&partitions)?;
        for (partition, stable_end) in partitions.iter().zip(ends) {
            let Some(source) = self.tasks.sources.get_mut(partition) else { continue };
            // Nobody else writes here: what is stable behind the records are all the markers.
            if source.before_markers.is_some_and(|(end, _)| end < stable_end) {
                source.before_markers = None;
                source.next = source.next.max(stable_end);
                source.consumed = Some(stable_end);
            }
        }
        Ok(())
    }

    /// The worker's partitions of topics.
    fn partitions_of(&self, of: impl Fn(TopicId) -> bool) -> Vec<TopicPartition> {
        self.tasks.sources.keys().filter(|it| of(it.topic)).copied().collect()
    }
}
