//! A task: a subtopology × a partition, as a pure state machine: record in → effects out.

pub mod dead_letter;
pub mod effects;
mod ids;
mod null;
mod tally;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::failure::Failure;
use crate::engine::json::Envelope;
use crate::engine::json::decode::{self, Decoded};
use crate::engine::operators::{self, Flow, Halt, Probe, Scratch, Stop, Way};
use crate::engine::plan::{Decode, StoreKind, Subtopology};
use crate::engine::record::{Millis, Offset, RecordRef};
use crate::engine::repartition;
use crate::engine::state::overlay::Overlay;
use crate::engine::state::page_index::PageIndex;
use crate::engine::state::seen::Seen;
use crate::engine::state::{Committed, Key, StoreError, dedup_keys};
use crate::engine::value::{Texts, Value};
use dead_letter::Refusal;
use effects::Effects;
use null::Null;
pub use tally::{EVENT_TIMES_MAX, Outcome, Outcomes, Tally};

/// A task.
#[derive(Debug)]
pub struct Task {
    /// `<topology>.<subtopology>_<partition>`.
    pub id: String,
    /// What it runs.
    pub plan: Arc<Subtopology>,
    /// Its partition.
    pub partition: i32,
    /// Its state, not committed over committed.
    pub overlay: Overlay,
    /// What it writes without logic: `goyt run --null`.
    null: Option<Box<Null>>,
    /// What became of its records since the last seal.
    pub tally: Tally,
    /// The next record to process.
    position: Option<Offset>,
    /// Whether records were processed since the last seal.
    processed: bool,
    /// The greatest over the partition's records of min(event timestamp, record timestamp).
    stream_time: Millis,
    logged_stream_time: Millis,
    /// Records whose effects the broker refused: dead letters when they are read again.
    refused: BTreeMap<Offset, Refusal>,
    /// Up to where expired pages have been swept whose ids have entries, by store.
    swept: Vec<Vec<u8>>,
    /// What no page is older than, by store: as long as that has not expired, none is looked for.
    oldest_page: Vec<Millis>,
    /// What is known of the ids of a dedup that have entries, by store.
    seen: Vec<Seen>,
    /// Where those of them are that have none, by store.
    pages: Vec<PageIndex>,
    slots: Vec<Value<'static>>,
    scratch: Scratch,
}

/// The memory for entries is cut into so many parts.
const PARTS: usize = 8;
/// So many of them are for what is known of ids that have entries.
const SEEN_PARTS: usize = 1;
/// And for the index of pages; more of them where no entries are kept in memory that are on disk.
const INDEX_PARTS: usize = 3;
const INDEX_PARTS_ALONE: usize = 5;

impl Task {
    /// A task without state in memory.
    #[must_use]
    pub fn new(plan: Arc<Subtopology>, partition: i32, cache_bytes: usize) -> Self {
        let cached = |kind: StoreKind| matches!(kind, StoreKind::Aggregate | StoreKind::Allot);
        let cached: Vec<bool> = plan.stores.iter().map(|it| cached(it.kind)).collect();
        let of_ids: Vec<usize> = plan.stores.iter().map(|it| usize::from(matches!(it.kind, StoreKind::Dedup { .. }))).collect();
        let dedups = of_ids.iter().sum::<usize>();
        let index_parts = if cached.contains(&true) { INDEX_PARTS } else { INDEX_PARTS_ALONE };
        let of_each = cache_bytes / PARTS / dedups.max(1);
        let (seen, index) = (of_each * SEEN_PARTS, of_each * index_parts);
        Self {
            id: plan.task_id(partition),
            overlay: Overlay::new(&cached, cache_bytes - dedups * (seen + index)),
            null: None,
            tally: Tally::default(),
            position: None,
            processed: false,
            stream_time: Millis::MIN,
            logged_stream_time: Millis::MIN,
            refused: BTreeMap::new(),
            swept: vec![dedup_keys::before_pages(); plan.stores.len()],
            oldest_page: vec![Millis::MIN; plan.stores.len()],
            seen: of_ids.iter().map(|it| Seen::new(it * seen)).collect(),
            pages: of_ids.iter().map(|it| PageIndex::new(it * index)).collect(),
            slots: Vec::new(),
            scratch: Scratch::default(),
            plan,
            partition,
        }
    }

    /// From now on it only reads and writes: `goyt run --null`.
    pub fn without_logic(&mut self) {
        self.null = Some(Box::default());
    }

    /// Processes the next record of the task's partition. `undecodable`: an earlier reader of the topic wrote its dead letter.
    /// `probe`: is told of the record's way.
    ///
    /// # Errors
    /// When the task can't go on; the record has left no trace then.
    pub fn process(
        &mut self,
        record: RecordRef<'_>,
        now: Millis,
        undecodable: bool,
        committed: &mut dyn Committed,
        effects: &mut Effects,
        probe: Option<&mut dyn Probe>,
    ) -> Result<Outcome, Stop> {
        let mark = effects.mark();
        let timestamp = record.timestamp.filter(|it| 0 <= *it).map_or(now, |it| it.min(now));
        if let Some(null) = self.null.as_mut().filter(|it| it.has_learned()) {
            null.write(&record, timestamp, effects);
            self.position = Some(record.offset + 1);
            self.processed = true;
            self.tally.count(Outcome::Processed);
            return Ok(Outcome::Processed);
        }
        let before = effects.len();
        let refusal = self.refused.get(&record.offset).cloned();
        let outcome = match refusal {
            Some(refusal) => {
                self.dead_letter(&record, &refusal.failure(), Some(&refusal), timestamp, effects)?;
                Outcome::Dead
            }
            None => match self.run(record, timestamp, committed, effects, probe) {
                Ok(outcome) => {
                    self.overlay.keep_record();
                    outcome
                }
                Err(halt) => {
                    self.overlay.roll_back_record();
                    effects.take_back(mark);
                    match *halt {
                        Halt::Stop(stop) => return Err(stop),
                        Halt::Failed(failure) => {
                            let decoding = failure.step.is_none();
                            if !(decoding && undecodable) {
                                self.dead_letter(&record, &failure, None, timestamp, effects)?;
                            }
                            if decoding { Outcome::Undecodable } else { Outcome::Dead }
                        }
                    }
                }
            },
        };
        if let Some(null) = &mut self.null {
            null.learn(effects, before);
        }
        self.position = Some(record.offset + 1);
        self.processed = true;
        self.tally.count(outcome);
        Ok(outcome)
    }

    fn run(
        &mut self,
        record: RecordRef<'_>,
        timestamp: Millis,
        committed: &mut dyn Committed,
        effects: &mut Effects,
        mut probe: Option<&mut dyn Probe>,
    ) -> Result<Outcome, Box<Halt>> {
        if let Some(probe) = &mut probe {
            probe.enter(dead_letter::DECODE);
        }
        let plan = &*self.plan;
        let texts = Texts::new();
        let mut slots: Vec<Value<'_>> = std::mem::take(&mut self.slots);
        slots.resize(usize::from(plan.slots), Value::Null);
        let (event, envelope, place) = match &plan.decode {
            Decode::Events(events) => {
                match decode::decode(events, record.value, &mut slots, &texts).map_err(|it| Box::new(Halt::Failed(it)))? {
                    Decoded::Event(event, envelope) => (event, envelope, 0),
                    Decoded::PassedBy(envelope) => {
                        self.stream_time = self.stream_time.max(counted(&envelope, &record));
                        self.slots = recycle(slots);
                        return Ok(Outcome::PassedBy);
                    }
                }
            }
            Decode::Repartition(layout) => {
                let (envelope, place) = repartition::read(record.value, layout, &mut slots)
                    .map_err(|message| Box::new(Halt::Stop(Stop::Step { step: plan.name.clone(), message })))?;
                (0, envelope, place)
            }
        };
        let event_time = envelope.micros.div_euclid(1000);
        let stream_time = self.stream_time.max(counted(&envelope, &record));
        let mut flow = Flow {
            plan,
            record,
            event,
            envelope,
            place,
            slots: &mut slots,
            texts: &texts,
            stream_time,
            timestamp,
            overlay: &mut self.overlay,
            seen: &self.seen,
            pages: &self.pages,
            committed,
            effects,
            scratch: &mut self.scratch,
            probe: probe.map(|it| it as &mut dyn Probe),
        };
        let way = operators::run(&mut flow, &plan.steps);
        self.slots = recycle(slots);
        let way = way?;
        self.stream_time = stream_time;
        Ok(match way {
            Way::Through => {
                self.tally.note(event_time);
                Outcome::Processed
            }
            Way::Filtered => Outcome::Filtered,
            Way::Duplicate => Outcome::Duplicate,
        })
    }

    fn dead_letter(
        &mut self,
        record: &RecordRef<'_>,
        failure: &Failure,
        refusal: Option<&Refusal>,
        timestamp: Millis,
        effects: &mut Effects,
    ) -> Result<(), Stop> {
        let Some(topic) = self.plan.dead_letters else {
            // The checker rules rejections out behind a repartition; what is left can only be decided by people.
            let step = failure.step.clone().unwrap_or_else(|| self.plan.name.clone());
            return Err(Stop::Step { step, message: format!("{}: {}", failure.code, failure.message) });
        };
        dead_letter::write(&self.plan, record, failure, refusal, topic, timestamp, effects);
        self.tally.count_dead(failure.step.as_deref().unwrap_or(dead_letter::DECODE), &failure.code);
        Ok(())
    }

    /// The broker refused what a record caused: it will be a dead letter when it is read again.
    pub fn refuse(&mut self, offset: Offset, message: String) {
        let before = self.refused.remove(&offset);
        self.refused.insert(offset, Refusal::after(before, message));
    }

    /// The next record to process, if any was processed since the last rewind.
    #[must_use]
    pub fn position(&self) -> Option<Offset> {
        self.position
    }

    /// How many ids of each store stand in pages alone, less these pages: for which the store has an entry each.
    #[must_use]
    pub fn ids_without_entries(&self) -> Vec<u64> {
        let without = |it: &PageIndex| {
            let (pages, ids) = it.count();
            ids.saturating_sub(pages)
        };
        self.pages.iter().map(without).collect()
    }

    /// What the index of pages of a store leaves to a restore, in bytes as [`bytes_of`](crate::engine::state::page_index::bytes_of) counts them.
    #[must_use]
    pub fn index_bytes(&self, store: usize) -> usize {
        self.pages.get(store).map_or(0, PageIndex::restored_bytes)
    }

    /// Before a commit: packs new ids, forgets those that have expired, notes the stream time, and hands out the writes for the changelogs.
    /// A task that has processed nothing hands out nothing: its state may not be complete, and must not be taken for it.
    ///
    /// # Errors
    /// When the state failed.
    pub fn seal(&mut self, committed: &mut dyn Sweep, mut write: impl FnMut(usize, &[u8], Option<&[u8]>)) -> Result<(), StoreError> {
        if let Some(null) = &self.null {
            // What it learns from goes to no changelog, and is not needed any more when it has.
            if null.has_learned() {
                self.overlay.discard();
            }
            return Ok(());
        }
        if !std::mem::take(&mut self.processed) {
            return Ok(());
        }
        let plan = Arc::clone(&self.plan);
        // One commit at a time: the one before was committed, or it was given up.
        self.pages.iter_mut().for_each(PageIndex::committed);
        for (store, of) in plan.stores.iter().enumerate() {
            if let StoreKind::Dedup { window_ms } = of.kind {
                let packed = self.pack(store, window_ms, committed)?;
                self.learn(store, committed)?;
                self.sweep(store, window_ms, committed)?;
                if let Some(oldest_page) = self.oldest_page.get_mut(store) {
                    *oldest_page = packed.min(*oldest_page);
                }
                if self.logged_stream_time < self.stream_time {
                    let mut time = Vec::new();
                    dedup_keys::write_time(self.stream_time, &mut time);
                    self.overlay.put(store, Key::of(dedup_keys::STREAM_TIME), Some(&time));
                }
            }
        }
        self.logged_stream_time = self.stream_time;
        self.overlay.keep_record();
        self.overlay.seal(|store, key, value| {
            let dedup = plan.stores.get(store).is_some_and(|it| matches!(it.kind, StoreKind::Dedup { .. }));
            let logged = if dedup { dedup_keys::logged(key) } else { Some(Cow::Borrowed(key)) };
            if let Some(key) = logged {
                write(store, &key, value);
            }
        });
        Ok(())
    }

    /// Drops what is not committed.
    pub fn give_up(&mut self) {
        self.overlay.discard();
        self.pages.iter_mut().for_each(PageIndex::rewound);
    }

    /// The transaction was aborted, or the partition moved: what is not committed is dropped, and the task stands at `position`.
    ///
    /// # Errors
    /// When the state failed.
    pub fn rewind(&mut self, committed: &mut dyn Committed) -> Result<(), StoreError> {
        self.give_up();
        self.position = None;
        self.processed = false;
        self.read_times(committed)
    }

    /// Reads what the task keeps in memory from its state, when that is complete.
    ///
    /// # Errors
    /// When the state failed.
    pub fn load(&mut self, committed: &mut dyn Sweep) -> Result<(), StoreError> {
        for store in 0..self.plan.stores.len() {
            self.index(store, committed)?;
        }
        self.read_times(committed)
    }

    fn read_times(&mut self, committed: &mut dyn Committed) -> Result<(), StoreError> {
        self.stream_time = Millis::MIN;
        let mut value = Vec::new();
        for (store, of) in self.plan.stores.iter().enumerate() {
            let dedup = matches!(of.kind, StoreKind::Dedup { .. });
            if dedup && self.overlay.get(committed, store, Key::of(dedup_keys::STREAM_TIME), &mut value)? {
                self.stream_time = self.stream_time.max(dedup_keys::read_time(&value).unwrap_or(Millis::MIN));
            }
        }
        self.logged_stream_time = self.stream_time;
        self.swept = vec![dedup_keys::before_pages(); self.plan.stores.len()];
        self.oldest_page = vec![Millis::MIN; self.plan.stores.len()];
        Ok(())
    }

    /// Everything up to `offset` is committed: refusals before it are done with.
    pub fn committed(&mut self, offset: Offset) {
        self.refused = self.refused.split_off(&offset);
        self.pages.iter_mut().for_each(PageIndex::committed);
        for (of, seen) in self.plan.stores.iter().zip(&mut self.seen) {
            // Not before: the stream time of a transaction that is given up does not count.
            if let StoreKind::Dedup { window_ms } = of.kind {
                seen.expire(self.logged_stream_time.saturating_sub(window_ms));
            }
        }
    }

    /// What is in memory of its state counts no more: its stores are to be restored.
    pub fn forget(&mut self) {
        self.overlay.forget();
        self.seen.iter_mut().for_each(Seen::forget);
        self.pages.iter_mut().for_each(PageIndex::forget);
    }
}

/// Committed state that can also be gone through in the order of its keys.
pub trait Sweep: Committed {
    /// Hands out entries from `from` on until `entry` says `false`.
    ///
    /// # Errors
    /// When the files are damaged or can't be read.
    fn scan(&mut self, store: usize, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError>;
}

/// What a record counts for stream time: both stamps are in the log, so a replay agrees, and one from the future can't run ahead.
fn counted(envelope: &Envelope<'_>, record: &RecordRef<'_>) -> Millis {
    let event_time = envelope.micros.div_euclid(1000);
    record.timestamp.filter(|it| 0 <= *it).map_or(event_time, |it| it.min(event_time))
}

/// The same memory, for values of another record.
fn recycle(mut slots: Vec<Value<'_>>) -> Vec<Value<'static>> {
    slots.clear();
    slots.into_iter().map(|_| Value::Null).collect()
}
