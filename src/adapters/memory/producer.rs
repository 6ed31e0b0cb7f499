//! A transactional producer of a [`Cluster`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::group::Place;
use crate::adapters::memory::network::delivery::{self, Answer, Commit, Delivery};
use crate::adapters::memory::network::{Fate, Request, dead, timed_out};
use crate::adapters::memory::partition::Content;
use crate::adapters::memory::{Identity, Membership, Topics, error};
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::mutant::{self, Mutant};
use crate::runtime::ports::{AfterAbort, Committed, Consumer, LogError, OutRecord, Producer, SendError};
use crate::runtime::reaction::Reaction;

/// A producer. What it sends is in the log at once, held back from readers until the transaction ends; a commit is done at once, or takes
/// the time that the network takes, and is reported when it is asked for.
#[derive(Debug)]
pub struct MemoryProducer {
    cluster: Cluster,
    topics: Topics,
    identity: Identity,
    membership: Membership,
    /// Its epoch, once it is initialised.
    epoch: Option<u32>,
    phase: Phase,
    /// Where watched records end that the transaction wrote.
    ends: BTreeMap<TopicPartition, Offset>,
    /// The broker knows of the open transaction.
    known: bool,
    /// A record of the open transaction got lost.
    lost: bool,
}

#[derive(Debug)]
enum Phase {
    /// Between transactions.
    Idle,
    /// In a transaction.
    Open,
    /// Its commit is under way.
    Committing(Arc<Mutex<Option<Answer>>>),
    /// The commit failed: to be aborted.
    Failed,
}

impl MemoryProducer {
    pub(super) fn new(cluster: Cluster, topics: Topics, identity: Identity, membership: Membership) -> Self {
        let (epoch, phase, ends) = (None, Phase::Idle, BTreeMap::new());
        Self { cluster, topics, identity, membership, epoch, phase, ends, known: false, lost: false }
    }

    fn epoch(&self) -> Result<u32, LogError> {
        self.epoch.ok_or_else(|| misused("the producer is not initialised"))
    }

    fn fate(&self, request: Request) -> Fate {
        self.cluster.state().deliveries.fate(&self.identity.member, request)
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
        if mutant::is(Mutant::DeadLetterOutside) && topic.ends_with(".dlq") {
            return self.cluster.append(topic, record.partition, content).map(drop);
        }
        let mut state = self.cluster.state();
        let (partition, offset) = state.send(&self.identity.transactional_id, epoch, topic, record.partition, content)?;
        if record.watched {
            self.ends.insert(TopicPartition { topic: record.topic, partition }, offset + 1);
        }
        self.known = true;
        Ok(())
    }

    /// Puts the commit on its way; without a network it is done when this returns.
    fn end(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<Arc<Mutex<Option<Answer>>>, LogError> {
        let epoch = self.epoch()?;
        let place = |it: &TopicPartition| Ok((self.topics.name(it.topic)?.to_owned(), it.partition));
        let offsets = offsets.iter().map(|(it, offset)| Ok((place(it)?, *offset))).collect::<Result<Vec<(Place, _)>, LogError>>()?;
        let answer = delivery::waiting();
        let Identity { group, member, transactional_id } = self.identity.clone();
        if self.lost {
            let result = Err(LogError { reaction: Reaction::AbortAndRewind, ..timed_out(Request::Send) });
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answer { result, repeated: false });
            return Ok(answer);
        }
        if !self.known && offsets.is_empty() {
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answer { result: Ok(()), repeated: false });
            return Ok(answer);
        }
        self.known = true;
        let commit = Commit {
            client: member,
            transactional_id,
            epoch,
            group,
            member: self.membership.get(),
            offsets,
            answer: Arc::downgrade(&answer),
        };
        let mut state = self.cluster.state();
        let delay = state.deliveries.delay();
        state.deliveries.push(delay, Delivery::Commit(commit));
        let now = state.deliveries.now;
        state.deliver_until(now);
        drop(state);
        self.cluster.wake();
        Ok(answer)
    }
}

impl Producer for MemoryProducer {
    fn init(&mut self) -> Result<(), LogError> {
        if mutant::is(Mutant::NotFenced) {
            let now = self.cluster.now();
            self.identity.transactional_id.push_str(&format!("-{now}"));
        }
        let id = &self.identity.transactional_id;
        let mut state = self.cluster.state();
        match state.deliveries.fate(&self.identity.member, Request::Init) {
            Fate::Dead => return Err(dead()),
            Fate::Lost => return Err(timed_out(Request::Init)),
            Fate::ReplyLost => {
                state.take_over(id);
                return Err(timed_out(Request::Init));
            }
            Fate::Late(after) => {
                state.deliveries.push(after, Delivery::TakeOver { transactional_id: id.clone() });
                return Err(timed_out(Request::Init));
            }
            Fate::Repeated(after) => state.deliveries.push(after, Delivery::TakeOver { transactional_id: id.clone() }),
            Fate::Done => {}
        }
        self.epoch = Some(state.take_over(id));
        drop(state);
        self.cluster.wake();
        self.phase = Phase::Idle;
        (self.known, self.lost) = (false, false);
        self.ends.clear();
        Ok(())
    }

    fn begin(&mut self) -> Result<(), LogError> {
        self.epoch()?;
        match self.phase {
            Phase::Idle => {
                self.phase = Phase::Open;
                (self.known, self.lost) = (false, false);
                Ok(())
            }
            Phase::Open => Err(misused("a transaction is open already")),
            Phase::Committing(_) => Err(misused("nobody asked how the last commit ended")),
            Phase::Failed => Err(misused("the last transaction has failed and must be aborted")),
        }
    }

    fn send(&mut self, record: &OutRecord<'_>) -> Result<(), SendError> {
        if !matches!(self.phase, Phase::Open) {
            return Err(SendError::Failed(misused("no transaction is open")));
        }
        match self.fate(Request::Send) {
            Fate::Dead => return Err(SendError::Failed(dead())),
            Fate::ReplyLost => return Err(SendError::Full),
            Fate::Lost => {
                self.lost = true;
                return Ok(());
            }
            Fate::Done | Fate::Late(_) | Fate::Repeated(_) => {}
        }
        self.append(record).map_err(|error| match error.reaction {
            Reaction::RefuseRecord => SendError::Refused(error),
            Reaction::Retry
            | Reaction::AbortAndRewind
            | Reaction::Recycle
            | Reaction::LeaveTask
            | Reaction::Rejoin
            | Reaction::Renew
            | Reaction::Stop => SendError::Failed(error),
        })
    }

    fn serve(&mut self, wait: Duration) {
        self.cluster.pass(wait);
    }

    fn commit(
        &mut self,
        offsets: &[(TopicPartition, Offset)],
        handed_over: &[TopicPartition],
        _consumer: &mut dyn Consumer,
    ) -> Result<(), LogError> {
        if !matches!(self.phase, Phase::Open) {
            return Err(misused("no transaction is open"));
        }
        // What got lost has no end, and fails the commit anyway.
        let ends = handed_over.iter().filter_map(|it| Some((*it, *self.ends.get(it)?)));
        let offsets: Vec<_> = offsets.iter().copied().chain(ends).collect();
        self.phase = Phase::Committing(self.end(&offsets)?);
        Ok(())
    }

    fn committed(&mut self, wait: Duration) -> Option<Committed> {
        let fate = self.fate(Request::Outcome);
        let Phase::Committing(answer) = &self.phase else { return None };
        let answered = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answered = match fate {
            // It is of no use to anyone any more, but ends the waiting.
            Fate::Dead if answered.is_none() => Answer { result: Err(dead()), repeated: false },
            _ => {
                let Some(answered) = answered else {
                    self.cluster.pass(wait);
                    return None;
                };
                answered
            }
        };
        self.phase = if answered.result.is_ok() { Phase::Idle } else { Phase::Failed };
        let ends = std::mem::take(&mut self.ends).into_iter().collect();
        Some(Committed { result: answered.result, ends, refused: Vec::new(), recycle: answered.repeated })
    }

    /// It writes straight to the log.
    fn queued(&self) -> usize {
        0
    }

    fn abort(&mut self) -> Result<AfterAbort, LogError> {
        let epoch = self.epoch()?;
        if let Phase::Committing(answer) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.cluster.let_pass(|| answer.lock().unwrap_or_else(PoisonError::into_inner).is_some());
        }
        self.ends.clear();
        if !std::mem::take(&mut self.known) {
            return Ok(AfterAbort::Usable);
        }
        let id = &self.identity.transactional_id;
        let copy = || Delivery::Copy { transactional_id: id.clone(), epoch, committed: false };
        let mut state = self.cluster.state();
        let fate = state.deliveries.fate(&self.identity.member, Request::End);
        let after = match fate {
            Fate::Dead => return Err(dead()),
            Fate::Done => AfterAbort::Usable,
            Fate::Lost => return Err(timed_out(Request::End)),
            Fate::ReplyLost => {
                drop(state.end(id, epoch, false));
                return Err(timed_out(Request::End));
            }
            Fate::Late(after) => {
                state.deliveries.push(after, copy());
                return Err(timed_out(Request::End));
            }
            Fate::Repeated(after) => {
                state.deliveries.push(after, copy());
                AfterAbort::Recycle
            }
        };
        state.end(id, epoch, false)?;
        drop(state);
        self.cluster.wake();
        Ok(after)
    }
}

/// The caller broke the order of calls.
fn misused(what: &str) -> LogError {
    error("_STATE", Reaction::Stop, what)
}
