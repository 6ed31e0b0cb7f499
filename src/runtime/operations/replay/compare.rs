//! Reads both sides and compares them: outputs by id, stores at the same offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::cut::Cut;
use super::fold::{Fold, StoreDifference, key_text, value_text};
use super::items;
use super::join::{At, DETAILS_MAX, Detail, Due, Join, Kind};
use super::report::{Difference, Report, StoreRow, TopicRow};
use super::shadow::{Shadow, Twin};
use super::span::Span;
use super::{Error, Part, Phase, Progress, Site, is_compared};
use crate::engine::plan::{Role, StoreKind, StorePlan};
use crate::engine::record::Offset;
use crate::engine::state::dedup_keys::{self, PageName};
use crate::engine::state::dedup_pages;
use crate::runtime::operations::access::{Ends, Place, Range, ReadRecord, TopicReader, read_ranges};
use crate::runtime::operations::audit;
use crate::runtime::operations::dead_letters::letter::Letter;
use crate::runtime::operations::dead_letters::marks::{Action, Marks};

/// Offsets of a topic's partitions that are joined at once; one partition at least.
const JOINED_AT_ONCE: Offset = 1_000_000;
/// Fields that are shown of one difference.
const FIELDS_MAX: usize = 5;
/// Records between two tellings of progress.
const TELL_EVERY: u64 = 4_096;

/// A topic whose records are compared.
#[derive(Debug, Clone)]
pub(super) struct Output {
    twin: Twin,
    partitions: Vec<OutputPartition>,
}

#[derive(Debug, Clone)]
struct OutputPartition {
    live: Place,
    shadow: Place,
    /// The first live offset that is left.
    first: Offset,
    /// Live records below are certain to be in the replay.
    certain: Offset,
    /// Live records from here on are certain not to be in the replay.
    possible: Offset,
}

impl Output {
    pub(super) fn of(shadow: &Shadow, counts: &BTreeMap<String, i32>) -> Vec<Self> {
        let output = |twin: &Twin| {
            let partition = |partition| {
                let place = |topic: &str| Place { topic: topic.into(), partition };
                OutputPartition { live: place(&twin.live), shadow: place(&twin.shadow), first: 0, certain: 0, possible: 0 }
            };
            let partitions = (0..counts.get(&twin.live).copied().unwrap_or(0)).map(partition).collect();
            Self { twin: twin.clone(), partitions }
        };
        shadow.twins.iter().filter(|it| is_compared(it.role)).map(output).collect()
    }

    /// Partitions of which the first records are gone, for people.
    pub(super) fn gone(&self) -> Option<String> {
        let gone: Vec<String> =
            self.partitions.iter().filter(|it| 0 < it.first).map(|it| format!("{} begins at {}", name(&it.live), it.first)).collect();
        (!gone.is_empty()).then(|| gone.join(", "))
    }
}

/// Notes what is visible of the live outputs: before the replay's end is fixed.
pub(super) fn certain(reader: &mut dyn TopicReader, outputs: &mut [Output]) -> Result<(), Error> {
    look(reader, outputs, |it, ends| (it.first, it.certain) = (ends.first, ends.visible))
}

/// Notes what is written of the live outputs: behind the replay's end. The high watermark, since what is committed may be a little late in
/// becoming visible.
pub(super) fn possible(reader: &mut dyn TopicReader, outputs: &mut [Output]) -> Result<(), Error> {
    look(reader, outputs, |it, ends| it.possible = ends.high)
}

fn look(reader: &mut dyn TopicReader, outputs: &mut [Output], note: impl Fn(&mut OutputPartition, Ends)) -> Result<(), Error> {
    let places: Vec<Place> = outputs.iter().flat_map(|it| it.partitions.iter().map(|it| it.live.clone())).collect();
    let ends = reader.ends(&places)?;
    for (partition, ends) in outputs.iter_mut().flat_map(|it| &mut it.partitions).zip(ends) {
        note(partition, ends);
    }
    Ok(())
}

/// Compares what was written. `whole`: the replay began with the very first record everywhere.
pub(super) fn outputs(
    shadow: &Shadow,
    reader: &mut dyn TopicReader,
    outputs: &[Output],
    whole: bool,
    site: &mut Site<'_>,
    report: &mut Report,
) -> Result<(), Error> {
    let places: Vec<Place> = outputs.iter().flat_map(|it| it.partitions.iter().map(|it| it.shadow.clone())).collect();
    let ends: BTreeMap<&Place, Ends> = places.iter().zip(reader.ends(&places)?).collect();
    let live = outputs.iter().flat_map(|it| &it.partitions).map(|it| it.possible - it.first);
    let replayed = ends.values().map(|it| it.high - it.first);
    let mut read = Read::of(Phase::ComparingOutputs, live.chain(replayed).sum());
    let mut marks = Marks::of(&audit::topic(&shadow.live));
    marks.look(reader).map_err(|it| Error::Failed(it.to_string()))?;
    for output in outputs {
        let (role, topology) = (output.twin.role, shadow.topology.as_str());
        let mut join = Join::default();
        for batch in batches(&output.partitions) {
            let certain: BTreeMap<&Place, Offset> = batch.iter().map(|it| (&it.live, if whole { it.certain } else { 0 })).collect();
            let ranges: Vec<Range> = batch.iter().map(|it| range(&it.live, it.first, it.possible)).collect();
            read.through(reader, role, &ranges, site, |it, at| {
                if let Some(item) = items::item(role, topology, it) {
                    let certain = certain.get(it.place).is_some_and(|end| it.offset < *end);
                    let due = match certain {
                        true if role == Role::DeadLetter && is_redriven(&marks, it) => Due::Redriven,
                        true => Due::Certain,
                        false => Due::Possible,
                    };
                    join.live(item, at, due);
                }
            })?;
            let end = |place: &Place| ends.get(place).map_or((0, 0), |it| (it.first, it.high));
            let ranges: Vec<Range> = batch.iter().map(|it| range(&it.shadow, end(&it.shadow).0, end(&it.shadow).1)).collect();
            read.through(reader, role, &ranges, site, |it, at| {
                if let Some(item) = items::item(role, topology, it) {
                    join.replay(item, at);
                }
            })?;
        }
        let mut joined = join.finish();
        if output.gone().is_some() {
            joined.only_replay = 0;
            joined.details.retain(|it| it.kind != Kind::OnlyReplay);
        }
        for detail in std::mem::take(&mut joined.details) {
            report.differences.push(difference(reader, &output.twin, detail)?);
        }
        report.topics.push(TopicRow { topic: output.twin.live.clone(), role, joined });
    }
    Ok(())
}

/// Whether a dead letter was sent back.
fn is_redriven(marks: &Marks, record: &ReadRecord<'_>) -> bool {
    let letter = Letter::read(record);
    marks.get(&letter.id, letter.origin.as_ref()).is_some_and(|it| it.action == Action::Redrive)
}

/// Partitions that are joined at once.
fn batches(partitions: &[OutputPartition]) -> Vec<Vec<&OutputPartition>> {
    let mut batches: Vec<Vec<&OutputPartition>> = Vec::new();
    let mut size = Offset::MAX;
    for partition in partitions {
        let own = partition.possible - partition.first;
        match batches.last_mut() {
            Some(batch) if size.saturating_add(own) <= JOINED_AT_ONCE => batch.push(partition),
            _ => {
                batches.push(vec![partition]);
                size = 0;
            }
        }
        size = size.saturating_add(own);
    }
    batches
}

/// What a difference of outputs is, in full: both records are read once more.
fn difference(reader: &mut dyn TopicReader, twin: &Twin, detail: Detail) -> Result<Difference, Error> {
    let mut texts = Vec::new();
    let mut id = String::new();
    for (topic, at) in [(&twin.live, detail.live), (&twin.shadow, detail.replay)] {
        let Some(wanted) = at else { continue };
        let place = Place { topic: topic.as_str().into(), partition: wanted.partition };
        read_ranges(reader, &[range(&place, wanted.offset, wanted.offset + 1)], |it| {
            items::each(twin.role, &it, |it, at| {
                if at.nth == wanted.nth {
                    id = items::name(twin.role, it).unwrap_or_default();
                    let reason = items::header(it.headers, "goyt.reason").map(|it| Value::from(it.to_owned()));
                    texts.push(reason.unwrap_or_else(|| it.value.and_then(|it| serde_json::from_slice(it).ok()).unwrap_or_default()));
                }
            });
            false
        })?;
    }
    let mut fields = Vec::new();
    if let (Kind::Changed, [live, replay]) = (detail.kind, texts.as_slice()) {
        differing(live, replay, String::new(), &mut fields);
    }
    let text = |at: Option<At>| at.map(|it| format!("{}@{}", it.partition, it.offset));
    Ok(Difference { place: twin.live.clone(), kind: detail.kind, id, live: text(detail.live), replay: text(detail.replay), fields })
}

/// The paths at which two values differ, with both.
fn differing(live: &Value, replay: &Value, path: String, fields: &mut Vec<String>) {
    if live == replay || FIELDS_MAX <= fields.len() {
        return;
    }
    if let (Value::Object(a), Value::Object(b)) = (live, replay) {
        let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for name in names {
            let of = |it: &serde_json::Map<String, Value>| it.get(name).cloned().unwrap_or_default();
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            differing(&of(a), &of(b), path, fields);
        }
        return;
    }
    let path = if path.is_empty() { "value" } else { &path };
    fields.push(format!("{path}: live {live}, replay {replay}"));
}

/// A partition of a store whose contents are compared.
pub(super) struct StorePart {
    pub(super) task: String,
    pub(super) plan: StorePlan,
    pub(super) live: Place,
    pub(super) shadow: Place,
    /// The end of the live changelog at the cut.
    until: Offset,
    at: Offset,
    live_fold: Fold,
    replay_fold: Fold,
    pub(super) difference: StoreDifference,
}

/// The stores of which the replay has all that the live ones have seen.
pub(super) fn stores(shadow: &Shadow, spans: &[(Part, Ends, Span)], cut: &Cut) -> Vec<StorePart> {
    let mut all = Vec::new();
    for (part, _, span) in spans.iter().filter(|(_, _, span)| span.whole) {
        let Some(plan) = shadow.plan.subtopologies.get(part.subtopology) else { continue };
        for (store, live) in plan.stores.iter().zip(&part.changelogs) {
            all.push(StorePart {
                task: part.task.clone(),
                plan: store.clone(),
                live: live.clone(),
                shadow: Place { topic: shadow.name(store.changelog).into(), partition: live.partition },
                until: cut.changelogs.get(live).copied().unwrap_or(0),
                at: span.range.end,
                live_fold: Fold::default(),
                replay_fold: Fold::default(),
                difference: StoreDifference::default(),
            });
        }
    }
    all
}

/// Reads the live state at the cut: at once, before compaction takes away what has been overwritten since.
pub(super) fn read_live(reader: &mut dyn TopicReader, stores: &mut [StorePart], site: &mut Site<'_>) -> Result<(), Error> {
    let ranges: Vec<Range> = stores.iter().map(|it| range(&it.live, 0, it.until)).collect();
    fold(reader, &ranges, Phase::ReadingState, stores, site, |it| &mut it.live_fold)
}

/// Reads the state of the replay.
pub(super) fn read_replay(reader: &mut dyn TopicReader, stores: &mut [StorePart], site: &mut Site<'_>) -> Result<(), Error> {
    let places: Vec<Place> = stores.iter().map(|it| it.shadow.clone()).collect();
    let ends = reader.ends(&places)?;
    let ranges: Vec<Range> = places.iter().zip(ends).map(|(place, ends)| range(place, ends.first, ends.high)).collect();
    fold(reader, &ranges, Phase::ComparingState, stores, site, |it| &mut it.replay_fold)
}

fn fold(
    reader: &mut dyn TopicReader,
    ranges: &[Range],
    phase: Phase,
    stores: &mut [StorePart],
    site: &mut Site<'_>,
    of: impl Fn(&mut StorePart) -> &mut Fold,
) -> Result<(), Error> {
    let index: BTreeMap<Place, usize> = ranges.iter().enumerate().map(|(index, it)| (it.place.clone(), index)).collect();
    let mut read = Read::of(phase, ranges.iter().map(|it| it.until - it.from).sum());
    let mut refused = None;
    read.through(reader, Role::Changelog, ranges, site, |it, _| {
        let (Some(store), Some(key)) = (index.get(it.place).and_then(|at| stores.get_mut(*at)), it.key) else { return };
        let kind = store.plan.kind;
        if let Err(error) = of(store).take(kind, key, it.value) {
            refused.get_or_insert_with(|| Error::Failed(format!("{} at offset {}: {error}", name(it.place), it.offset)));
        }
    })?;
    refused.map_or(Ok(()), Err)
}

/// Compares the stores.
pub(super) fn judge(
    shadow: &Shadow,
    reader: &mut dyn TopicReader,
    stores: &mut [StorePart],
    site: &mut Site<'_>,
    report: &mut Report,
) -> Result<(), Error> {
    for it in stores {
        it.difference = std::mem::take(&mut it.live_fold).difference(&std::mem::take(&mut it.replay_fold), it.plan.kind);
        let found = &it.difference;
        report.stores.push(StoreRow {
            task: it.task.clone(),
            store: it.plan.id.clone(),
            partition: it.live.partition,
            at: it.at,
            same: found.same,
            changed: found.changed.len() as u64,
            only_live: found.only_live.len() as u64,
            only_replay: found.only_replay.len() as u64,
            live_digest: found.live_digest,
            replay_digest: found.replay_digest,
        });
        if found.is_identical() {
            continue;
        }
        let of_kind = [(Kind::Changed, &found.changed), (Kind::OnlyLive, &found.only_live), (Kind::OnlyReplay, &found.only_replay)];
        let shown: Vec<(Kind, &[u8])> =
            of_kind.iter().flat_map(|(kind, keys)| keys.iter().take(DETAILS_MAX).map(|key| (*kind, &**key))).collect();
        let keys: Vec<&[u8]> = shown.iter().map(|(_, key)| *key).collect();
        let live = values(reader, &it.live, it.plan.kind, it.until, &keys, site)?;
        let end = reader.ends(std::slice::from_ref(&it.shadow))?.first().map_or(0, |it| it.high);
        let replay = values(reader, &it.shadow, it.plan.kind, end, &keys, site)?;
        let text = |values: &BTreeMap<Vec<u8>, Vec<u8>>, key: &[u8]| values.get(key).map(|value| value_text(&it.plan, value));
        for (kind, key) in shown {
            report.differences.push(Difference {
                place: format!("{} {}", it.task, it.plan.id),
                kind,
                id: key_text(&it.plan, key),
                live: text(&live, key),
                replay: text(&replay, key),
                fields: Vec::new(),
            });
        }
    }
    let compared = report.stores.len();
    let all: usize = shadow.plan.subtopologies.iter().map(|it| it.stores.len()).sum();
    if compared == 0 && 0 < all {
        report.notes.push("stores were not compared".to_owned());
    }
    Ok(())
}

/// The values of keys in a changelog up to an offset.
pub(super) fn values(
    reader: &mut dyn TopicReader,
    place: &Place,
    kind: StoreKind,
    until: Offset,
    keys: &[&[u8]],
    site: &mut Site<'_>,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
    let wanted: BTreeSet<&[u8]> = keys.iter().copied().collect();
    let mut values = BTreeMap::new();
    let mut put = |key: &[u8], value: Option<&[u8]>| match value.filter(|_| wanted.contains(key)) {
        Some(value) => drop(values.insert(key.to_vec(), value.to_vec())),
        None => drop(values.remove(key)),
    };
    let mut read = Read::of(Phase::ComparingState, until);
    read.through(reader, Role::Changelog, &[range(place, 0, until)], site, |it, _| match (it.key, kind) {
        // What is none was met before, when the state was read.
        (Some(key), StoreKind::Dedup { .. }) => drop(dedup_pages::unpack(key, it.value, &mut put)),
        (Some(key), _) => put(key, it.value),
        (None, _) => {}
    })?;
    Ok(values)
}

/// The pages of a live dedup that have any of these ids.
pub(super) fn pages_with(
    reader: &mut dyn TopicReader,
    store: &StorePart,
    keys: &[&[u8]],
    site: &mut Site<'_>,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
    let ids: BTreeSet<&[u8]> = keys.iter().filter_map(|it| dedup_keys::id_of(it)).collect();
    let mut pages = BTreeMap::new();
    let mut read = Read::of(Phase::ComparingState, store.until);
    read.through(reader, Role::Changelog, &[range(&store.live, 0, store.until)], site, |it, _| {
        let Some(key) = it.key else { return };
        let read = |page| PageName::of(key).and_then(|name| dedup_pages::read(name, page));
        let page = it.value.filter(|page| read(page).is_some_and(|all| all.iter().any(|(id, _)| ids.contains(id))));
        match page {
            Some(page) => drop(pages.insert(key.to_vec(), page.to_vec())),
            None => drop(pages.remove(key)),
        }
    })?;
    Ok(pages)
}

/// Reading that tells how far it is, and stops when told.
struct Read {
    phase: Phase,
    done: u64,
    of: u64,
}

impl Read {
    fn of(phase: Phase, offsets: Offset) -> Self {
        Self { phase, done: 0, of: u64::try_from(offsets).unwrap_or(0) }
    }

    fn through(
        &mut self,
        reader: &mut dyn TopicReader,
        role: Role,
        ranges: &[Range],
        site: &mut Site<'_>,
        mut record: impl FnMut(&ReadRecord<'_>, At),
    ) -> Result<(), Error> {
        let mut stopped = false;
        // An offset that no record is at counts as well: the log's control records, and what was compacted away.
        let mut last: BTreeMap<Arc<str>, BTreeMap<i32, Offset>> = BTreeMap::new();
        for it in ranges {
            last.entry(Arc::clone(&it.place.topic)).or_default().insert(it.place.partition, it.from);
        }
        let mut told = self.done;
        read_ranges(reader, ranges, |it| {
            if let Some(last) = last.get_mut(&it.place.topic).and_then(|of| of.get_mut(&it.place.partition)) {
                self.done += u64::try_from(it.offset + 1 - *last).unwrap_or(0);
                *last = it.offset + 1;
            }
            items::each(role, &it, &mut record);
            if told + TELL_EVERY <= self.done {
                told = self.done;
                (site.progress)(Progress { phase: self.phase, done: self.done, of: self.of });
                stopped = site.stop.load(Ordering::Relaxed);
            }
            !stopped
        })?;
        if stopped { Err(Error::Stopped) } else { Ok(()) }
    }
}

fn range(place: &Place, from: Offset, until: Offset) -> Range {
    Range { place: place.clone(), from: from.min(until), until }
}

fn name(place: &Place) -> String {
    format!("{}[{}]", place.topic, place.partition)
}
