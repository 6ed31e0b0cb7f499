//! Flow control: input waits while what it became waits behind a repartition topic. The client hands out partitions by what it happened to
//! fetch; without this a long lag would first go through to the repartition topics, and results would come last.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::plan::Plan;
use crate::engine::record::{TopicId, TopicPartition};
use crate::runtime::worker::{Error, Worker};

/// What is held back, and why.
#[derive(Debug)]
pub(in crate::runtime) struct Flow {
    /// Each repartition topic, and the topics that it is made from.
    feeds: Vec<(TopicId, Vec<TopicId>)>,
    /// More records than this wait: hold back. 0: never.
    most: i64,
    held: BTreeSet<TopicId>,
    /// When to look again.
    look_at: Duration,
}

/// Between two looks. In this time a worker processes a few thousand records at most.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What is held back goes on when so much of the bound is left. Holding drops what was fetched ahead, so it must not happen often.
const GO_ON_BELOW: i64 = 4;

impl Flow {
    pub(in crate::runtime) fn new(plan: &Plan, most: i64) -> Self {
        Self { feeds: plan.repartitions(), most, held: BTreeSet::new(), look_at: Duration::ZERO }
    }

    /// Whether records of the topic are held back.
    pub(in crate::runtime) fn holds(&self, topic: TopicId) -> bool {
        self.held.contains(&topic)
    }

    /// What is to be held back, given how many records wait in a repartition topic. Between the two bounds it stays as it is.
    fn decide(&self, waiting: impl Fn(TopicId) -> i64) -> BTreeSet<TopicId> {
        let mut held = BTreeSet::new();
        for (repartition, feeders) in &self.feeds {
            let waiting = waiting(*repartition);
            let is_held = |it: &&TopicId| self.held.contains(*it) && self.most / GO_ON_BELOW < waiting;
            held.extend(feeders.iter().filter(|it| self.most < waiting || is_held(it)));
        }
        held
    }
}

impl Worker {
    /// Holds input back, or lets it go on.
    pub(in crate::runtime) fn hold_back(&mut self) -> Result<(), Error> {
        let now = self.clock.elapsed();
        if self.flow.most == 0 || self.flow.feeds.is_empty() || now < self.flow.look_at {
            return Ok(());
        }
        self.flow.look_at = now + LOOK_EVERY;
        // A partition that is stopped or restored does not hold up the others.
        let ready = self.tasks.ready();
        let mut waiting: Vec<(TopicId, i64)> = self.flow.feeds.iter().map(|(topic, _)| (*topic, 0)).collect();
        let consumer = self.log.parts().consumer;
        for partition in &ready {
            if let Some((_, sum)) = waiting.iter_mut().find(|(topic, _)| *topic == partition.topic)
                && let (Some(source), Some(end)) = (self.tasks.sources.get(partition), consumer.known_end(*partition))
            {
                *sum = sum.saturating_add_unsigned(source.behind(end) as u64);
            }
        }
        let held = self.flow.decide(|topic| waiting.iter().find(|(it, _)| *it == topic).map_or(0, |(_, sum)| *sum));
        if held == self.flow.held {
            return Ok(());
        }
        let of = |topics: &BTreeSet<TopicId>, not: &BTreeSet<TopicId>| -> Vec<TopicPartition> {
            ready.iter().filter(|it| topics.contains(&it.topic) && !not.contains(&it.topic)).copied().collect()
        };
        let (stop, go_on) = (of(&held, &self.flow.held), of(&self.flow.held, &held));
        self.flow.held = held;
        let go_on: Vec<_> = go_on.into_iter().filter(|it| !self.is_kept_from_reading(it.topic)).collect();
        let consumer = self.log.parts().consumer;
        let done = consumer.pause(&stop).and_then(|()| consumer.resume(&go_on));
        done.or_else(|error| self.react(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: TopicId = TopicId(0);
    const REPARTITION: TopicId = TopicId(1);

    #[test]
    fn input_is_held_above_the_bound_and_goes_on_at_a_quarter_of_it() {
        let mut flow = Flow { feeds: vec![(REPARTITION, vec![INPUT])], most: 100, held: BTreeSet::new(), look_at: Duration::ZERO };
        for (waiting, held) in [(0, false), (100, false), (101, true), (60, true), (26, true), (25, false), (60, false), (101, true)] {
            flow.held = flow.decide(|_| waiting);
            assert_eq!(flow.holds(INPUT), held, "{waiting} waiting");
        }
    }
}
