//! A member of a consumer group of a [`Cluster`].

use std::time::Duration;

use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::group::{Notice, Place};
use crate::adapters::memory::network::Request;
use crate::adapters::memory::reading::{Batch, Readings};
use crate::adapters::memory::{Identity, Membership, Topics};
use crate::engine::record::{Offset, RecordRef, TopicId, TopicPartition};
use crate::runtime::ports::{Consumer, GroupEvent, LogError};

/// A consumer. The group's side of it lives in the cluster.
#[derive(Debug)]
pub struct MemoryConsumer {
    cluster: Cluster,
    topics: Topics,
    group: String,
    name: String,
    subscription: Vec<TopicId>,
    membership: Membership,
    /// What the group gave it.
    assigned: Vec<TopicPartition>,
    /// It was told to give all up, and has not done so yet: it gets no records.
    giving_up: bool,
    readings: Readings,
    /// Those of the last poll.
    ends: Vec<(TopicPartition, Offset)>,
}

impl MemoryConsumer {
    pub(super) fn new(cluster: Cluster, topics: Topics, identity: &Identity, membership: Membership) -> Self {
        Self {
            cluster,
            topics,
            group: identity.group.clone(),
            name: identity.member.clone(),
            subscription: Vec::new(),
            membership,
            assigned: Vec::new(),
            giving_up: false,
            readings: Readings::default(),
            ends: Vec::new(),
        }
    }

    fn join(&mut self) -> Result<(), LogError> {
        let names = self.subscription.iter().map(|topic| Ok(self.topics.name(*topic)?.to_owned())).collect::<Result<Vec<_>, LogError>>()?;
        let mut state = self.cluster.state();
        state.reach(&self.name, Request::Join)?;
        for name in &names {
            state.partition(name, 0)?;
        }
        let counts = state.partition_counts();
        self.membership.set(Some(state.group(&self.group).join(&self.name, &names, &counts)));
        drop(state);
        self.cluster.wake();
        Ok(())
    }

    /// What the group has to say, if anything.
    fn event(&mut self) -> Result<Option<GroupEvent>, LogError> {
        let Some(member) = self.membership.get().filter(|_| !self.giving_up) else { return Ok(None) };
        let notice = self.cluster.state().group(&self.group).notice(&member)?;
        Ok(match notice {
            None => None,
            Some(Notice::Assigned(places)) => {
                self.assigned = self.partitions(&places);
                Some(GroupEvent::Assigned(self.assigned.clone()))
            }
            Some(Notice::Revoked(_)) => {
                self.giving_up = true;
                Some(GroupEvent::Revoked(std::mem::take(&mut self.assigned)))
            }
            Some(Notice::Expelled) => {
                self.giving_up = true;
                Some(GroupEvent::Lost(std::mem::take(&mut self.assigned)))
            }
        })
    }

    fn partitions(&self, places: &[Place]) -> Vec<TopicPartition> {
        let id = |name: &str| self.subscription.iter().copied().find(|topic| self.topics.name(*topic).is_ok_and(|it| it == name));
        let mut partitions: Vec<TopicPartition> =
            places.iter().filter_map(|(name, partition)| Some(TopicPartition { topic: id(name)?, partition: *partition })).collect();
        partitions.sort_unstable();
        partitions
    }
}

impl Consumer for MemoryConsumer {
    fn subscribe(&mut self, topics: &[TopicId]) -> Result<(), LogError> {
        self.subscription = topics.to_vec();
        self.join()
    }

    fn poll(&mut self, wait: Duration, max: usize, record: &mut dyn FnMut(RecordRef<'_>) -> usize) -> Result<Option<GroupEvent>, LogError> {
        self.ends.clear();
        self.cluster.state().reach(&self.name, Request::Poll)?;
        if let Some(event) = self.event()? {
            return Ok(Some(event));
        }
        let mut state = self.cluster.state();
        let mut batch = if self.giving_up { Batch::default() } else { self.readings.read(&mut state, &self.topics, max) };
        if !self.giving_up {
            self.ends = self.readings.new_ends(&mut state, &self.topics);
        }
        if batch.records.is_empty() && batch.error.is_none() && self.ends.is_empty() {
            self.cluster.wait(state, wait);
            return Ok(None);
        }
        drop(state);
        batch.hand_out(&mut |it| _ = record(it));
        batch.error.take().map_or(Ok(None), Err)
    }

    fn ends(&self) -> &[(TopicPartition, Offset)] {
        &self.ends
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>, LogError> {
        let place = |it: &TopicPartition| Ok((self.topics.name(it.topic)?.to_owned(), it.partition));
        let places = partitions.iter().map(place).collect::<Result<Vec<Place>, LogError>>()?;
        let mut state = self.cluster.state();
        state.reach(&self.name, Request::Lookup)?;
        state.group(&self.group).committed(&places)
    }

    fn bounds(&mut self, partitions: &[TopicPartition]) -> Result<Vec<(Offset, Offset)>, LogError> {
        self.cluster.state().reach(&self.name, Request::Lookup)?;
        let bounds = |it: &TopicPartition| {
            let (start, _, end) = self.cluster.bounds(self.topics.name(it.topic)?, it.partition)?;
            Ok((start, end))
        };
        partitions.iter().map(bounds).collect()
    }

    fn stable_ends(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Offset>, LogError> {
        self.cluster.state().reach(&self.name, Request::Lookup)?;
        partitions.iter().map(|it| Ok(self.cluster.bounds(self.topics.name(it.topic)?, it.partition)?.1)).collect()
    }

    fn assign(&mut self, positions: &[(TopicPartition, Offset)], held: &[TopicPartition]) -> Result<(), LogError> {
        self.readings.clear();
        self.ends.clear();
        for (partition, position) in positions {
            self.topics.name(partition.topic)?;
            self.readings.start(*partition, *position);
        }
        self.readings.pause(held, true);
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), LogError> {
        self.readings.clear();
        let gave_up = std::mem::take(&mut self.giving_up);
        let Some(member) = self.membership.get().filter(|_| gave_up) else { return Ok(()) };
        let mut state = self.cluster.state();
        state.alive(&self.name)?;
        let counts = state.partition_counts();
        let still_member = state.group(&self.group).given_up(&member, &counts);
        drop(state);
        self.cluster.wake();
        // One that was expelled joins again as a new member.
        if still_member { Ok(()) } else { self.join() }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.readings.pause(partitions, true);
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.readings.pause(partitions, false);
        Ok(())
    }

    fn known_end(&mut self, partition: TopicPartition) -> Option<Offset> {
        if !self.readings.contains(partition) {
            return None;
        }
        let (_, stable_end, _) = self.cluster.bounds(self.topics.name(partition.topic).ok()?, partition.partition).ok()?;
        Some(stable_end)
    }

    /// It reads straight from the log.
    fn queued(&self) -> usize {
        0
    }

    fn leave(&mut self, stay: bool, _bound: Duration) -> Result<(), LogError> {
        self.readings.clear();
        self.assigned.clear();
        self.giving_up = false;
        if let Some(member) = self.membership.set(None).filter(|_| !stay) {
            let mut state = self.cluster.state();
            state.alive(&self.name)?;
            let counts = state.partition_counts();
            state.group(&self.group).leave(&member, &counts);
            drop(state);
            self.cluster.wake();
        }
        Ok(())
    }
}
