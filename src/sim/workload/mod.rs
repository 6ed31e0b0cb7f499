//! The input of a run, made from the plan: events of the schemas that its topics accept, or records after the users' samples, with
//! copies, late ones and broken ones among them.

mod breakage;
mod event;
mod source;
mod trial;

use std::collections::VecDeque;

use crate::engine::plan::{Plan, Role};
use crate::engine::record::{Millis, TopicId};
use crate::sim::random::Random;
use source::Source;
use trial::Verdict;

/// A record after which others are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The topic.
    pub topic: String,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What a workload is like. Shares are per mille of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// So many different ids and texts come often: few collide often. Others come now and then.
    pub keys: u64,
    /// Copies of a record that came before, byte for byte.
    pub copies: u64,
    /// Records that can't be processed.
    pub broken: u64,
    /// Records whose times lie before those of the records before them.
    pub late: u64,
    /// Events of a type that nobody reads.
    pub others: u64,
}

impl Shape {
    /// Draws one: most shares are small, some are none at all, and now and then one is large.
    pub fn draw(random: &mut Random) -> Self {
        let mut share = || match random.below(6) {
            0 => 0,
            1 => random.between(100, 300),
            _ => random.between(5, 60),
        };
        let (copies, broken, late, others) = (share(), share(), share(), share());
        Self { keys: random.between(1, 40), copies, broken, late, others }
    }
}

/// What a record was made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// An event that the topologies take, as far as that can be told without their state.
    Event,
    /// An earlier record once more.
    Copy,
    /// An event of a type that nobody reads.
    Other,
    /// A record that can't be processed: what is wrong with it.
    Broken(&'static str),
}

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The topic.
    pub topic: TopicId,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The record timestamp.
    pub timestamp: Millis,
    /// What it was made as.
    pub made: Made,
}

/// Makes records.
#[derive(Debug)]
pub struct Workload {
    shape: Shape,
    sources: Vec<Source>,
    /// Events that may come once more.
    recent: VecDeque<Input>,
    /// Records so far.
    count: u64,
}

/// Of so many of the last events, one may come once more.
const RECENT_MAX: usize = 200;
/// Events that are made until one is taken.
const TRIES_MAX: u32 = 24;
/// A late record is at most so much older than now, milliseconds.
const LATE_MAX: u64 = 3_600_000;
/// The time between an event and its record, at most, milliseconds.
const DELAY_MAX: u64 = 500;

impl Workload {
    /// The workload of a plan, with the samples of its input topics.
    #[must_use]
    pub fn new(plan: &Plan, samples: &[Sample], shape: Shape) -> Self {
        let inputs = plan.topics.iter().enumerate().filter(|it| it.1.role == Role::Input);
        let sources = inputs.filter_map(|(index, topic)| {
            let id = TopicId(u16::try_from(index).ok()?);
            Source::new(plan, id, samples.iter().filter(|it| it.topic == topic.name))
        });
        Self { shape, sources: sources.collect(), recent: VecDeque::new(), count: 0 }
    }

    /// The next record; `None`: the plan reads no topic that it does not write itself.
    pub fn next(&mut self, random: &mut Random, now: Millis) -> Option<Input> {
        self.count += 1;
        let mut drawn = random.below(1000);
        let mut falls = |share: u64| match drawn.checked_sub(share) {
            Some(left) => {
                drawn = left;
                false
            }
            None => true,
        };
        if falls(self.shape.copies) && !self.recent.is_empty() {
            let copied = self.recent.get(random.index(self.recent.len()))?;
            return Some(Input { timestamp: now, made: Made::Copy, ..copied.clone() });
        }
        let (broken, other) = (falls(self.shape.broken), falls(self.shape.others));
        let index = random.index(self.sources.len());
        let source = self.sources.get_mut(index)?;
        let late = if random.chance(self.shape.late) { random.between(1_000, LATE_MAX.min(source.window())) } else { 0 };
        let stamp = now.saturating_sub_unsigned(late);
        let made = event::Making { random, keys: self.shape.keys, count: self.count, time: stamp };
        if broken {
            return Some(breakage::record(source, made));
        }
        if other {
            return Some(source.other(made));
        }
        let input = source.event(made);
        // Without a key, a copy would come into any partition: nothing is promised of it.
        if input.key.is_some() && input.made == Made::Event {
            self.recent.truncate(RECENT_MAX - 1);
            self.recent.push_front(input.clone());
        }
        Some(input)
    }
}

impl Source {
    /// An event that is taken, if one is found.
    fn event(&mut self, mut making: event::Making<'_>) -> Input {
        let mut last = None;
        for _ in 0..TRIES_MAX {
            let input = self.draft(&mut making);
            match self.trial.verdict(&input) {
                Verdict::Effect => return input,
                // To stop a task is worse than to have no effect.
                Verdict::Nothing | Verdict::Dead => last = Some(input),
                Verdict::Stops => {}
            }
        }
        last.unwrap_or_else(|| self.other(making))
    }
}
