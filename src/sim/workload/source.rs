//! An input topic: the events that are read of it, its samples, and which field is the key of its records.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::event::{self, ENVELOPE, Making};
use super::{Input, Made, Sample};
use crate::engine::expr::Slot;
use crate::engine::plan::{Decode, EventPlan, Late, Operand, Operator, Plan, Step};
use crate::engine::record::{HeaderRef, RecordRef, TopicId, TopicPartition};
use crate::engine::schema::{Kind, ObjectSchema};
use crate::runtime::operations::trial::{Trial, Verdict};

/// An input topic.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) topic: TopicId,
    /// The events that are read, each once.
    pub(super) events: Vec<EventPlan>,
    /// Samples that are taken: the index of their event, and their value.
    samples: Vec<(usize, Map<String, Json>, Sample)>,
    /// Samples that become dead letters.
    pub(super) refused: Vec<Sample>,
    /// The fields that make the key, by event.
    keys: Vec<Vec<String>>,
    pub(super) trial: Trial,
    /// The shortest and the longest window of a dedup that refuses what is older, milliseconds.
    windows: Option<(u64, u64)>,
}

/// Where no dedup has a window, milliseconds.
const WINDOW: u64 = 86_400_000;

impl Source {
    /// `None`: nothing reads the topic as events.
    pub(super) fn new<'s>(plan: &Plan, topic: TopicId, samples: impl Iterator<Item = &'s Sample>) -> Option<Self> {
        let readers: Vec<_> = plan.subtopologies.iter().filter(|it| it.source == topic).cloned().map(Arc::new).collect();
        let mut events: Vec<EventPlan> = Vec::new();
        for reader in &readers {
            let Decode::Events(read) = &reader.decode else { continue };
            let known = |it: &EventPlan| events.iter().any(|known| (&known.event_type, known.major) == (&it.event_type, it.major));
            let new: Vec<EventPlan> = read.iter().filter(|it| !known(it)).cloned().collect();
            events.extend(new);
        }
        if events.is_empty() {
            return None;
        }
        let mut windows = Vec::new();
        readers.iter().for_each(|it| collect_windows(&it.steps, &mut windows));
        let windows = windows.iter().min().copied().zip(windows.iter().max().copied());
        let mut trial = Trial::new(readers);
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for sample in samples {
            let Sample { key, value, headers, .. } = sample.clone();
            // Judged by its own time, as the tests do.
            let verdict = self::verdict(&mut trial, &Input { topic, key, value, headers, timestamp: 0, made: Made::Event });
            let event = sample.value.as_deref().and_then(|it| serde_json::from_slice::<Map<String, Json>>(it).ok());
            match (verdict, event) {
                (Verdict::Effect, Some(event)) => {
                    let index = events.iter().position(|it| event.get("eventType").and_then(Json::as_str) == Some(&it.event_type));
                    taken.extend(index.map(|it| (it, event, sample.clone())));
                }
                (Verdict::Dead, _) => refused.push(sample.clone()),
                _ => {}
            }
        }
        let keys = (0..events.len()).map(|it| key_of(&trial, &events, it, &taken)).collect();
        Some(Self { topic, events, samples: taken, refused, keys, trial, windows })
    }

    /// How old an event may be, milliseconds.
    pub(super) fn window(&self) -> u64 {
        self.windows.map_or(WINDOW, |it| it.0 / 2)
    }

    /// How old an event must be to be refused; `None`: none is.
    pub(super) fn too_old(&self) -> Option<u64> {
        self.windows.map(|it| it.1.saturating_mul(2))
    }

    /// An event, which the topologies may refuse.
    pub(super) fn draft(&self, making: &mut Making<'_>) -> Input {
        let (index, event, headers) = match making.random.item(&self.samples) {
            Some((index, sample, record)) => {
                let event = self.events.get(*index).map(|it| making.after(it, sample));
                (*index, event, record.headers.clone())
            }
            None => {
                let index = making.random.index(self.events.len());
                (index, self.events.get(index).map(|it| making.event(it)), Vec::new())
            }
        };
        self.input(index, &event.unwrap_or_default(), headers, making)
    }

    /// An event of a type that nobody reads.
    pub(super) fn other(&self, mut making: Making<'_>) -> Input {
        let index = making.random.index(self.events.len());
        let mut event = self.events.get(index).map(|it| making.event(it)).unwrap_or_default();
        event.insert("eventType".to_owned(), "NOBODY_READS_THIS".into());
        Input { made: Made::Other, ..self.input(index, &event, Vec::new(), &making) }
    }

    /// An event as a record.
    pub(super) fn input(
        &self,
        index: usize,
        event: &Map<String, Json>,
        headers: Vec<(String, Option<Vec<u8>>)>,
        making: &Making<'_>,
    ) -> Input {
        let fields = self.keys.get(index).map(Vec::as_slice).unwrap_or_default();
        let parts: Option<Vec<String>> = fields.iter().map(|it| event.get(it).and_then(plain)).collect();
        let key = parts.filter(|it| !it.is_empty()).map(|it| it.join("|").into_bytes());
        Input { topic: self.topic, key, value: Some(event::text(event)), headers, timestamp: making.time, made: Made::Event }
    }
}

/// What a trial says of a record.
pub(super) fn verdict(trial: &mut Trial, input: &Input) -> Verdict {
    let headers: Vec<HeaderRef<'_>> = input.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    let record = RecordRef {
        source: TopicPartition { topic: input.topic, partition: 0 },
        offset: 0,
        timestamp: Some(input.timestamp),
        key: input.key.as_deref(),
        value: input.value.as_deref(),
        headers: &headers,
    };
    trial.verdict(record, input.timestamp)
}

/// The fields that make the key of an event. First come those by which a step before any `key` keeps state, since what belongs
/// together must be in one partition; then the field that is the key in samples; then the first that looks like an id.
fn key_of(trial: &Trial, events: &[EventPlan], index: usize, samples: &[(usize, Map<String, Json>, Sample)]) -> Vec<String> {
    let Some(event) = events.get(index) else { return Vec::new() };
    for reader in &trial.readers {
        let Decode::Events(read) = &reader.decode else { continue };
        let own = read.iter().find(|it| (&it.event_type, it.major) == (&event.event_type, event.major));
        if let Some(fields) = own.and_then(|it| kept_by(&reader.steps, &it.fields)) {
            return fields;
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, value, sample) in samples.iter().filter(|it| it.0 == index) {
        let is_key = |it: &&String| value.get(*it).and_then(plain).map(String::into_bytes) == sample.key;
        for name in value.keys().filter(|it| !ENVELOPE.contains(&it.as_str())).filter(is_key) {
            *counts.entry(name).or_default() += 1;
        }
    }
    if let Some((name, _)) = counts.into_iter().rev().max_by_key(|it| it.1) {
        return vec![name.to_owned()];
    }
    let is_id =
        |kind: &Kind| matches!(kind, Kind::Int { .. } | Kind::Uuid) || matches!(kind, Kind::String { one_of, .. } if one_of.is_empty());
    let mut ids = event.fields.properties.iter().filter(|it| it.required && !it.nullable && is_id(&it.kind));
    ids.find(|it| !ENVELOPE.contains(&it.name.as_str())).map(|it| it.name.clone()).into_iter().collect()
}

/// The fields by which the first step keeps state, other than by the event's id.
fn kept_by(steps: &[Step], schema: &ObjectSchema) -> Option<Vec<String>> {
    let field = |slot: Slot| schema.properties.iter().find(|it| it.slot == Some(slot)).map(|it| it.name.clone());
    for step in steps {
        let by = match &step.operator {
            Operator::Key { .. } => return None,
            Operator::Dedup { by, .. } | Operator::Unique { by, .. } => by,
            Operator::Aggregate(it) => &it.by,
            Operator::Branch(cases) => match cases.iter().find_map(|it| kept_by(&it.steps, schema)) {
                Some(found) => return Some(found),
                None => continue,
            },
            _ => continue,
        };
        let fields: Option<Vec<String>> = by.iter().map(|it| if let Operand::Slot(slot) = it { field(*slot) } else { None }).collect();
        if let Some(fields) = fields.filter(|it| !it.iter().any(|it| it == "eventId")) {
            return Some(fields);
        }
    }
    None
}

fn collect_windows(steps: &[Step], windows: &mut Vec<u64>) {
    for step in steps {
        match &step.operator {
            Operator::Dedup { window_ms, late: Late::Reject, .. } => windows.extend(u64::try_from(*window_ms)),
            Operator::Branch(cases) => cases.iter().for_each(|it| collect_windows(&it.steps, windows)),
            _ => {}
        }
    }
}

/// A scalar as plain text.
fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(it) => Some(it.clone()),
        Json::Number(it) => Some(it.to_string()),
        Json::Bool(it) => Some(it.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
