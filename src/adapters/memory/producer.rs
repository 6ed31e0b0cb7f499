//! A transactional producer of a [`Cluster`].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::group::Place;
use crate::adapters::memory::partition::Content;
use crate::adapters::memory::{Identity, Membership, Topics, error};
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::ports::{AfterAbort, Cause, Committed, Consumer, LogError, OutRecord, Producer, SendError};
use crate::runtime::reaction::Reaction;

/// A producer. What it sends is in the log at once, held back from readers until the transaction ends; a commit is done at once,
/// and reported when it is asked for.
#[derive(Debug)]
pub struct MemoryProducer {
    cluster: Cluster,
    topics: Topics,
    identity: Identity,
    membership: Membership,
    /// Its epoch, once it is initialised.
    epoch: Option<u32>,
    phase: Phase,
    changelog_ends: BTreeMap<TopicPartition, Offset>,
}

#[derive(Debug)]
enum Phase {
    /// Between transactions.
    Idle,
    /// In a transaction.
    Open,
    /// Its commit has ended, and was not asked for yet.
    Ended(Committed),
    /// The commit failed: to be aborted.
    Failed,
}

impl MemoryProducer {
    pub(super) fn new(cluster: Cluster, topics: Topics, identity: Identity, membership: Membership) -> Self {
        Self { cluster, topics, identity, membership, epoch: None, phase: Phase::Idle, changelog_ends: BTreeMap::new() }
    }

    fn epoch(&self) -> Result<u32, LogError> {
        self.epoch.ok_or_else(|| misused("the producer is not initialised"))
    }

    fn append(&mut self, record: &OutRecord<'_>) -> Result<(), LogError> {
        let epoch = self.epoch()?;
        let topic = self.topics.name(record.topic)?;
        let content = Content {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect(),
            timestamp: record.timestamp,
        };
        let mut state = self.cluster.state();
        let (_, offset) = state.send(&self.identity.transactional_id, epoch, topic, record.partition, content)?;
        if let Cause::Store(changelog) = record.cause {
            self.changelog_ends.insert(changelog, offset + 1);
        }
        Ok(())
    }

    fn end(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), LogError> {
        let epoch = self.epoch()?;
        let place = |it: &TopicPartition| Ok((self.topics.name(it.topic)?.to_owned(), it.partition));
        let offsets = offsets.iter().map(|(it, offset)| Ok((place(it)?, *offset))).collect::<Result<Vec<(Place, _)>, LogError>>()?;
        let Identity { group, member, transactional_id } = &self.identity;
        let mut state = self.cluster.state();
        if !offsets.is_empty() {
            state.group(group).check(self.membership.get().as_ref(), member)?;
            state.hold_offsets(transactional_id, epoch, group, offsets)?;
        }
        state.end(transactional_id, epoch, true)?;
        drop(state);
        self.cluster.wake();
        Ok(())
    }
}

impl Producer for MemoryProducer {
    fn init(&mut self) -> Result<(), LogError> {
        self.epoch = Some(self.cluster.state().take_over(&self.identity.transactional_id));
        self.cluster.wake();
        self.phase = Phase::Idle;
        self.changelog_ends.clear();
        Ok(())
    }

    fn begin(&mut self) -> Result<(), LogError> {
        self.epoch()?;
        match self.phase {
            Phase::Idle => {
                self.phase = Phase::Open;
                Ok(())
            }
            Phase::Open => Err(misused("a transaction is open already")),
            Phase::Ended(_) => Err(misused("nobody asked how the last commit ended")),
            Phase::Failed => Err(misused("the last transaction has failed and must be aborted")),
        }
    }

    fn send(&mut self, record: &OutRecord<'_>) -> Result<(), SendError> {
        if !matches!(self.phase, Phase::Open) {
            return Err(SendError::Failed(misused("no transaction is open")));
        }
        self.append(record).map_err(|error| match error.reaction {
            Reaction::RefuseRecord => SendError::Refused(error),
            Reaction::Retry | Reaction::AbortAndRewind | Reaction::Recycle | Reaction::LeaveTask | Reaction::Rejoin | Reaction::Stop => {
                SendError::Failed(error)
            }
        })
    }

    fn serve(&mut self, _wait: Duration) {}

    fn commit(&mut self, offsets: &[(TopicPartition, Offset)], _consumer: &mut dyn Consumer) -> Result<(), LogError> {
        if !matches!(self.phase, Phase::Open) {
            return Err(misused("no transaction is open"));
        }
        let result = self.end(offsets);
        let changelog_ends = std::mem::take(&mut self.changelog_ends).into_iter().collect();
        self.phase = Phase::Ended(Committed { result, changelog_ends, refused: Vec::new(), recycle: false });
        Ok(())
    }

    fn committed(&mut self, _wait: Duration) -> Option<Committed> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Ended(committed) => {
                if committed.result.is_err() {
                    self.phase = Phase::Failed;
                }
                Some(committed)
            }
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// It writes straight to the log.
    fn queued(&self) -> usize {
        0
    }

    fn abort(&mut self) -> Result<AfterAbort, LogError> {
        let epoch = self.epoch()?;
        self.phase = Phase::Idle;
        self.changelog_ends.clear();
        self.cluster.state().end(&self.identity.transactional_id, epoch, false)?;
        self.cluster.wake();
        Ok(AfterAbort::Usable)
    }
}

/// The caller broke the order of calls.
fn misused(what: &str) -> LogError {
    error("_STATE", Reaction::Stop, what)
}
