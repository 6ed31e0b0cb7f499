//! The log and the stores in memory: what `goyt test` and the embedded demo run on.
//!
//! Topics, transactions and consumer groups behave as a broker's do where a client can tell: offsets with gaps, control records,
//! last stable offsets, fencing, generations. Nothing here is random, so the same calls give the same results.

pub mod access;
pub mod admin;
pub mod changelogs;
pub mod clock;
pub mod cluster;
pub mod consumer;
pub mod driver;
pub mod group;
pub mod network;
pub mod partition;
pub mod producer;
mod reading;
pub mod store;
pub mod transactions;

use std::sync::{Arc, Mutex, PoisonError};

use crate::adapters::memory::changelogs::MemoryChangelogs;
use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::consumer::MemoryConsumer;
use crate::adapters::memory::group::MemberId;
use crate::adapters::memory::producer::MemoryProducer;
use crate::engine::record::TopicId;
use crate::runtime::ports::{Log, LogError, Parts};
use crate::runtime::reaction::Reaction;
use crate::runtime::turns::{self, Turns};

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The consumer group.
    pub group: String,
    /// The member's name in it, which stays the same over restarts.
    pub member: String,
    /// The transactional id of its first producer; the second's follows from it.
    pub transactional_id: String,
}

/// One worker's view of a [`Cluster`]. Dropping it is a crash: the member stays in the group, an open transaction stays open.
pub struct MemoryLog {
    consumer: MemoryConsumer,
    producer: Turns<MemoryProducer>,
    changelogs: MemoryChangelogs,
}

impl MemoryLog {
    /// A client of the cluster; `topics` are the names that [`TopicId`]s stand for, by index.
    #[must_use]
    pub fn new(cluster: &Cluster, identity: Identity, topics: impl IntoIterator<Item = String>) -> Self {
        let topics = Topics(topics.into_iter().collect());
        let membership = Membership::default();
        let member = identity.member.clone();
        let second = Identity { transactional_id: identity.transactional_id.clone() + turns::SECOND, ..identity.clone() };
        let producer = |identity| MemoryProducer::new(cluster.clone(), topics.clone(), identity, membership.clone());
        Self {
            consumer: MemoryConsumer::new(cluster.clone(), topics.clone(), &identity, membership.clone()),
            producer: Turns::new(producer(identity), producer(second), turns::init_in_order),
            changelogs: MemoryChangelogs::new(cluster.clone(), topics, member),
        }
    }
}

impl Log for MemoryLog {
    fn parts(&mut self) -> Parts<'_> {
        Parts { consumer: &mut self.consumer, producer: &mut self.producer, changelogs: &mut self.changelogs }
    }
}

/// The names of topics, by id.
#[derive(Debug, Clone)]
struct Topics(Arc<[String]>);

impl Topics {
    fn name(&self, topic: TopicId) -> Result<&str, LogError> {
        let name = self.0.get(usize::from(topic.0)).map(String::as_str);
        name.ok_or_else(|| error("_UNKNOWN_TOPIC", Reaction::Stop, format!("there is no topic with the number {}", topic.0)))
    }
}

/// What the producer must know of its consumer to commit in its name: a clone is the same membership.
#[derive(Debug, Clone, Default)]
struct Membership(Arc<Mutex<Option<MemberId>>>);

impl Membership {
    fn get(&self) -> Option<MemberId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what it was before.
    fn set(&self, member: Option<MemberId>) -> Option<MemberId> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), member)
    }
}

/// An error as a broker or client would give it.
fn error(code: &'static str, reaction: Reaction, message: impl Into<String>) -> LogError {
    LogError { code, reaction, message: message.into(), at: None, partition: None }
}
