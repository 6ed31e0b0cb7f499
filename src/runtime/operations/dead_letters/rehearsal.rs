//! Would it pass now? Runs records through the current topologies without effects, as far as that can be told without the state.
//!
//! The tasks begin with an empty state and read the last records of the origin partition first, for its stream time: that is what makes a
//! record too old, and it only grows. Records go through one after the other, as a redrive would send them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::letter::{Letter, Origin};
use super::redrive;
use crate::engine::failure::{Failure, code};
use crate::engine::operators::Stop;
use crate::engine::plan::{Decode, Late, Operator, Plan, Step, Subtopology};
use crate::engine::record::{HeaderRef, Millis, Offset, RecordRef, TopicPartition};
use crate::engine::task::effects::Effects;
use crate::engine::task::{Outcome, Task};
use crate::runtime::operations::access::{Place, Range, TopicReader, read_ranges};
use crate::runtime::operations::trial::Empty;
use crate::runtime::ports::LogError;

/// How many of the last offsets of an origin partition are read for its stream time.
const TAIL: Offset = 500;

/// What would become of a record, by topology that reads its origin topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outlook {
    /// One for each topology. None: nobody here reads the topic.
    pub verdicts: Vec<Verdict>,
}

/// What a topology would do with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The topology.
    pub topology: String,
    /// What.
    pub would: Would,
    /// What can't be told from here, or should be known.
    pub note: Option<String>,
}

/// What would become of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Would {
    /// It goes through the steps up to the first `key`, and writes so many records.
    Pass(usize),
    /// It is no failure, and has no effect: why.
    Nothing(&'static str),
    /// It would be a dead letter again.
    Fail(Failure),
    /// The task would stop: why.
    Stop(String),
}

impl Outlook {
    /// Whether it would be no dead letter and stop nothing.
    #[must_use]
    pub fn passes(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(|it| matches!(it.would, Would::Pass(_) | Would::Nothing(_)))
    }
}

impl Would {
    /// As it stands in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass(_) => "passes",
            Self::Nothing(_) => "no effect",
            Self::Fail(_) => "fails",
            Self::Stop(_) => "stops",
        }
    }
}

/// Tasks that nobody sees.
pub struct Rehearsal<'p> {
    plan: &'p Plan,
    now: Millis,
    /// By subtopology and partition.
    tasks: BTreeMap<(usize, i32), Task>,
    /// Origin partitions whose last records were read.
    read: BTreeSet<Place>,
    effects: Effects,
}

impl<'p> Rehearsal<'p> {
    /// Of these topologies, now.
    #[must_use]
    pub fn new(plan: &'p Plan, now: Millis) -> Self {
        Self { plan, now, tasks: BTreeMap::new(), read: BTreeSet::new(), effects: Effects::default() }
    }

    /// What would become of the record.
    ///
    /// # Errors
    /// When the last records of its origin can't be read.
    pub fn outlook(&mut self, reader: &mut dyn TopicReader, letter: &Letter) -> Result<Outlook, LogError> {
        let Some(origin) = &letter.origin else { return Ok(Outlook::default()) };
        self.read_tail(reader, origin)?;
        let readers: Vec<usize> = self.readers(&origin.topic).collect();
        let headers = letter.headers_back();
        let headers: Vec<HeaderRef<'_>> = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let mut outlook = Outlook::default();
        for index in readers {
            let Some(part) = self.plan.subtopologies.get(index) else { continue };
            let record = RecordRef {
                source: TopicPartition { topic: part.source, partition: origin.partition },
                offset: origin.offset,
                timestamp: Some(self.now),
                key: letter.key.as_deref(),
                value: letter.value.as_deref(),
                headers: &headers,
            };
            let would = self.run(index, record);
            let note = note(part, letter, &would);
            outlook.verdicts.push(Verdict { topology: part.topology.clone(), would, note });
        }
        Ok(outlook)
    }

    /// The first subtopologies that read a topic.
    fn readers<'t>(&'t self, topic: &'t str) -> impl Iterator<Item = usize> + 't {
        let reads = move |it: &Subtopology| matches!(it.decode, Decode::Events(_)) && it.name == topic;
        self.plan.subtopologies.iter().enumerate().filter(move |(_, it)| reads(it)).map(|(index, _)| index)
    }

    fn run(&mut self, index: usize, record: RecordRef<'_>) -> Would {
        let Some(part) = self.plan.subtopologies.get(index) else { return Would::Nothing("there is no such topology") };
        let partition = record.source.partition;
        let task = self.tasks.entry((index, partition)).or_insert_with(|| Task::new(Arc::new(part.clone()), partition, 0));
        self.effects.clear();
        match task.process(record, self.now, false, &mut Empty, &mut self.effects, None) {
            Ok(Outcome::Processed) => Would::Pass(self.effects.len()),
            Ok(Outcome::PassedBy) => Would::Nothing("an event that the topology does not read"),
            Ok(Outcome::Filtered) => Would::Nothing("filtered"),
            Ok(Outcome::Duplicate) => Would::Nothing("its id was seen already"),
            Ok(Outcome::Undecodable | Outcome::Dead) => Would::Fail(failure(&self.effects)),
            Err(Stop::Step { step, message }) => Would::Stop(format!("step `{step}`: {message}")),
            Err(Stop::Store(error)) => Would::Stop(error.to_string()),
        }
    }

    /// Lets the tasks of a partition read its last records, once.
    fn read_tail(&mut self, reader: &mut dyn TopicReader, origin: &Origin) -> Result<(), LogError> {
        let place = Place { topic: origin.topic.as_str().into(), partition: origin.partition };
        let readers: Vec<(usize, TopicPartition)> = self
            .readers(&origin.topic)
            .filter_map(|it| Some((it, TopicPartition { topic: self.plan.subtopologies.get(it)?.source, partition: origin.partition })))
            .collect();
        let there = |counts: BTreeMap<String, i32>| counts.get(&origin.topic).is_some_and(|it| origin.partition < *it);
        if readers.is_empty() || !self.read.insert(place.clone()) || !there(reader.partitions(&[&origin.topic])?) {
            return Ok(());
        }
        let Some(ends) = reader.ends(std::slice::from_ref(&place))?.pop() else { return Ok(()) };
        let range = Range { place, from: ends.first.max(ends.visible - TAIL), until: ends.visible };
        read_ranges(reader, &[range], |it| {
            for (index, source) in &readers {
                let (offset, timestamp, key, value, headers) = (it.offset, it.timestamp, it.key, it.value, it.headers);
                self.run(*index, RecordRef { source: *source, offset, timestamp, key, value, headers });
            }
            true
        })?;
        for (index, source) in readers {
            if let Some(task) = self.tasks.get_mut(&(index, source.partition)) {
                // The stream time stays. The ids do not: among the last records is perhaps the one that is rehearsed.
                task.overlay.discard();
            }
        }
        Ok(())
    }
}

/// What the dead letter among the effects says.
fn failure(effects: &Effects) -> Failure {
    let headers: BTreeMap<&str, &[u8]> =
        effects.headers(effects.len().saturating_sub(1)).filter_map(|(name, value)| Some((name, value?))).collect();
    let text = |name: &str| headers.get(name).map(|it| String::from_utf8_lossy(it).into_owned()).unwrap_or_default();
    Failure {
        code: text("goyt.reason").into(),
        path: text("goyt.path"),
        message: text("__streams.errors.message"),
        step: Some(text("goyt.step")),
    }
}

/// What should be known beside the verdict.
fn note(part: &Subtopology, letter: &Letter, would: &Would) -> Option<String> {
    match would {
        Would::Fail(failure) if failure.code == code::TOO_OLD => Some(
            "stream time only grows: it passes with `late: process` (or a longer `window`, after a reset), never by waiting".to_owned(),
        ),
        Would::Fail(_) | Would::Stop(_) => None,
        Would::Pass(_) | Would::Nothing(_)
            if letter.reason == code::TOO_OLD && rejects_late(&part.steps) && part.topology == letter.topology =>
        {
            Some(format!("it was too old; the last {TAIL} records of its partition do not tell whether it still is"))
        }
        Would::Pass(_) | Would::Nothing(_) => {
            if redrive::repeats(part, letter) {
                return Some("it has had its effect here, and would have it once more: no dedup".to_owned());
            }
            behind_state(&part.steps, None).map(|it| format!("can't be told for sure: {it}"))
        }
    }
}

fn rejects_late(steps: &[Step]) -> bool {
    steps.iter().any(|it| matches!(it.operator, Operator::Dedup { late: Late::Reject, .. }))
}

/// The first step that decides behind an aggregate, whose state is not known here.
fn behind_state<'s>(steps: &'s [Step], mut state: Option<&'s str>) -> Option<String> {
    for step in steps {
        match &step.operator {
            Operator::Aggregate(_) => state = Some(&step.id),
            Operator::Require { .. } | Operator::Filter { .. } => {
                if let Some(state) = state {
                    return Some(format!("step `{}` may depend on the state of `{state}`, which is empty here", step.id));
                }
            }
            Operator::Branch(cases) => {
                if let Some(found) = cases.iter().find_map(|it| behind_state(&it.steps, state)) {
                    return Some(found);
                }
            }
            Operator::Let(_) | Operator::Split(_) | Operator::Key { .. } | Operator::Dedup { .. } => {}
            Operator::Unique { .. } | Operator::Allot { .. } | Operator::Emit(_) => {}
        }
    }
    None
}
