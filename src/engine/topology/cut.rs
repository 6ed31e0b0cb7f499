//! Cuts a checked topology at its `key` steps into subtopologies: slots and stores get their numbers, internal topics their names.
//!
//! Only what is used behind a `key` crosses its repartition topic.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Checked, SlotDraft};
use super::mistake::Mistakes;
use super::topics::Topics;
use super::visit;
use crate::engine::expr::Slot;
use crate::engine::plan::{Decode, Divided, EventPlan, Layout, Operator, Role, Step, StoreKind, StorePlan, Subtopology};
use crate::engine::record::TopicId;
use crate::engine::schema::{Kind, ObjectSchema};

/// The subtopologies of a topology, in the order of the steps that begin them.
pub fn cut(topology: &Checked, topics: &mut Topics<'_>, mistakes: &mut Mistakes<'_>) -> Vec<Subtopology> {
    let (input, at) = &topology.input;
    let source = topics.input(input);
    let dead_letters = topics.dead_letters(source, input, at, mistakes);
    let outputs = topology.outputs.iter().map(|(name, at)| topics.output(name, source, at, mistakes)).collect();
    let mut cutting = Cutting { topology, topics, mistakes, input: source, outputs, parts: Vec::new() };
    let part = Part { name: input.clone(), source, layout: None, steps: &topology.steps };
    cutting.part(part);
    if let Some(first) = cutting.parts.first_mut() {
        first.dead_letters = Some(dead_letters);
    }
    cutting.parts
}

struct Cutting<'c, 't, 's, 'a> {
    topology: &'c Checked,
    topics: &'t mut Topics<'a>,
    mistakes: &'t mut Mistakes<'s>,
    input: TopicId,
    outputs: Vec<TopicId>,
    parts: Vec<Subtopology>,
}

/// What becomes a subtopology.
struct Part<'c> {
    name: String,
    source: TopicId,
    /// The slots of the whole topology that come in by a repartition topic; `None`: events come in.
    layout: Option<Vec<Slot>>,
    steps: &'c [Step],
}

/// Where slots and stores of the whole topology are in a part.
struct Places {
    slots: BTreeMap<Slot, Slot>,
    stores: BTreeMap<usize, usize>,
}

impl Places {
    fn slot(&self, whole: Slot) -> Slot {
        // Each slot of the part was gathered from its steps before.
        self.slots.get(&whole).copied().unwrap_or(Slot::MAX)
    }
}

impl<'c> Cutting<'c, '_, '_, '_> {
    /// Makes a subtopology, and those behind it.
    fn part(&mut self, part: Part<'c>) {
        let places = self.places(part.steps);
        let mut steps = part.steps.to_vec();
        let mut behind = Vec::new();
        self.place(&mut steps, &places, &mut behind);
        let stores: Vec<StorePlan> = self.stores(&places);
        let decode = match &part.layout {
            None => Decode::Events(self.events(&places)),
            // Filled by the part before, which knows its side.
            Some(_) => Decode::Repartition(Layout { fields: Vec::new(), fingerprint: 0 }),
        };
        let index = self.parts.len();
        self.parts.push(Subtopology {
            topology: self.topology.name.clone(),
            name: part.name,
            source: part.source,
            decode,
            dead_letters: None,
            slots: Slot::try_from(places.slots.len()).unwrap_or(Slot::MAX),
            fingerprint: fingerprint_of(&stores),
            stores,
            steps: Vec::new(),
        });
        for (key, topic) in behind {
            let Some(steps_behind) = self.topology.behind.get(&key) else { continue };
            let crossing = self.needed(steps_behind);
            let there = self.places(steps_behind);
            let of = |slot: &Slot| self.topology.slots.get(usize::from(*slot)).cloned();
            let drafts: Vec<(Slot, SlotDraft)> = crossing.iter().filter_map(|it| Some((*it, of(it)?))).collect();
            let fields = drafts.iter().map(|(it, draft)| (places.slot(*it), there.slot(*it), draft.of.clone())).collect();
            let layout = Layout { fields, fingerprint: layout_fingerprint(&drafts) };
            set_layout(&mut steps, &key, topic, &layout);
            let next = self.parts.len();
            self.part(Part { name: key, source: topic, layout: Some(crossing), steps: steps_behind });
            if let Some(next) = self.parts.get_mut(next) {
                next.decode = Decode::Repartition(layout);
            }
        }
        if let Some(this) = self.parts.get_mut(index) {
            this.steps = steps;
        }
    }

    /// Numbers for the slots and stores of a part, in the order in which they were made.
    fn places(&self, steps: &[Step]) -> Places {
        let mut slots: BTreeSet<Slot> = visit::written(steps);
        slots.extend(visit::read(steps));
        visit::keys(steps, &mut |key| slots.extend(self.topology.behind.get(key).iter().flat_map(|it| self.needed(it))));
        let mut stores = BTreeSet::new();
        visit::stores(steps, &mut |it| stores.extend([it]));
        Places {
            slots: slots.into_iter().zip(0..).collect(),
            stores: stores.into_iter().enumerate().map(|(here, whole)| (whole, here)).collect(),
        }
    }

    /// The slots that steps need from before them.
    fn needed(&self, steps: &[Step]) -> Vec<Slot> {
        let mut needed: BTreeSet<Slot> = visit::read(steps);
        visit::keys(steps, &mut |key| needed.extend(self.topology.behind.get(key).iter().flat_map(|it| self.needed(it))));
        let written = visit::written(steps);
        needed.into_iter().filter(|it| !written.contains(it)).collect()
    }

    /// Puts the part's numbers in, and gathers its `key` steps with their topics.
    fn place(&mut self, steps: &mut [Step], places: &Places, behind: &mut Vec<(String, TopicId)>) {
        for step in steps {
            visit::renumber(&mut step.operator, &mut |it| *it = places.slot(*it), &mut |it| {
                *it = places.stores.get(it).copied().unwrap_or(usize::MAX);
            });
            match &mut step.operator {
                Operator::Key { to, .. } => {
                    let at = self.topology.ids.get(&step.id).cloned().unwrap_or_default();
                    *to = self.topics.internal(&self.topology.name, &step.id, Role::Repartition, self.input, &at, self.mistakes);
                    behind.push((step.id.clone(), *to));
                }
                Operator::Emit(emit) => emit.to = self.outputs.get(usize::from(emit.to.0)).copied().unwrap_or(self.input),
                Operator::Branch(cases) => {
                    for case in cases {
                        self.place(&mut case.steps, places, behind);
                    }
                }
                _ => {}
            }
        }
    }

    fn stores(&mut self, places: &Places) -> Vec<StorePlan> {
        let mut stores = Vec::new();
        for whole in places.stores.keys() {
            let Some(draft) = self.topology.stores.get(*whole) else { continue };
            let at = self.topology.ids.get(&draft.id).cloned().unwrap_or_default();
            let changelog = self.topics.internal(&self.topology.name, &draft.id, Role::Changelog, self.input, &at, self.mistakes);
            let (key, value) = (draft.key.clone(), draft.value.clone());
            stores.push(StorePlan { id: draft.id.clone(), changelog, key, value, kind: draft.kind, each: draft.each });
        }
        stores
    }

    /// The events, with slots where the part uses a field.
    fn events(&self, places: &Places) -> Vec<EventPlan> {
        let used = |slot: &Slot| self.topology.slots.get(usize::from(*slot)).map(|it| (it, places.slot(*slot)));
        let used: Vec<(&SlotDraft, Slot)> = places.slots.keys().filter_map(used).collect();
        let mut events = self.topology.events.clone();
        for event in &mut events {
            set_slots(&mut event.fields, "event", &used);
        }
        events
    }
}

fn set_slots(object: &mut ObjectSchema, path: &str, used: &[(&SlotDraft, Slot)]) {
    for property in &mut object.properties {
        let path = format!("{path}.{}", property.name);
        if let Kind::Object(inner) = &mut property.kind {
            set_slots(inner, &path, used);
            continue;
        }
        let of = property.kind.value_type();
        property.slot = used.iter().find(|(it, _)| it.name == path && *it.of.required() == of).map(|(_, slot)| *slot);
    }
}

fn set_layout(steps: &mut [Step], key: &str, topic: TopicId, with: &Layout) {
    for step in steps {
        match &mut step.operator {
            Operator::Key { to, layout, .. } if step.id == key && *to == topic => *layout = with.clone(),
            Operator::Branch(cases) => cases.iter_mut().for_each(|it| set_layout(&mut it.steps, key, topic, with)),
            _ => {}
        }
    }
}

/// Names and types of what crosses, in their order.
fn layout_fingerprint(fields: &[(Slot, SlotDraft)]) -> u32 {
    let mut hash = Fnv::new();
    for (_, it) in fields {
        hash.text(&it.name);
        hash.text(&it.of.to_string());
    }
    hash.short()
}

/// What must not change while state is kept: ids, types and kinds of the stores.
fn fingerprint_of(stores: &[StorePlan]) -> String {
    let mut hash = Fnv::new();
    for store in stores {
        hash.text(&store.id);
        hash.text(match store.kind {
            // A window may change: what was forgotten is forgotten.
            StoreKind::Dedup { .. } => "dedup",
            StoreKind::Unique => "unique",
            StoreKind::Allot => "allot",
            StoreKind::Aggregate => "aggregate",
        });
        for of in &store.key {
            hash.text(&of.to_string());
        }
        for (name, of) in &store.value {
            hash.text(name);
            hash.text(&of.to_string());
        }
        if let Some(Divided { key, value }) = store.each {
            hash.text(&format!("each {key} {value}"));
        }
    }
    format!("{:016x}", hash.0)
}

/// FNV-1a: stable for ever, unlike the hashes of the standard library.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes a text in, and where it ends.
    fn text(&mut self, text: &str) {
        for byte in text.bytes().chain([0xFF]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Folded to 32 bits.
    fn short(&self) -> u32 {
        let bytes = (self.0 ^ (self.0 >> 32)).to_be_bytes();
        bytes.last_chunk().map_or(0, |it: &[u8; 4]| u32::from_be_bytes(*it))
    }
}
