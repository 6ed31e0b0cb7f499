//! A worker's consumer: a member of the group that reads what it was assigned, from where it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka_sys::types::RDKafkaRespErr as Code;

use super::client_config::ClientSettings;
use super::client_errors::ClientErrors;
use super::errors::{log_error, log_error_at};
use super::log_lines::LogLines;
use super::raw::{Callbacks, Client, Entry, Failure, Kind, PartitionList, Rebalance};
use super::reader::Reader;
use super::topics::Topics;
use super::{lock, offsets};
use crate::engine::record::{Offset, RecordRef, TopicId, TopicPartition};
use crate::runtime::ports::{Consumer, GroupEvent, LogError};

/// How long the group's committed offsets are waited for: longer than a transaction that holds them back lives.
const COMMITTED_WAIT: Duration = Duration::from_secs(30);
/// How long the offsets of a partition are waited for.
const BOUNDS_WAIT: Duration = Duration::from_secs(10);
/// How long a join is put off until the group has a coordinator.
const COORDINATOR_WAIT: Duration = Duration::from_secs(30);
/// How long one question for the coordinator may take.
const COORDINATOR_QUESTION: Duration = Duration::from_secs(1);
/// How long partitions may take to begin to be read.
const START_WAIT: Duration = Duration::from_secs(10);
/// For what is asked of the client and not waited for.
const NO_WAIT: Duration = Duration::ZERO;
/// Pause between looks at it.
const START_STEP: Duration = Duration::from_millis(2);
/// How long one step of leaving waits.
const LEAVE_STEP: Duration = Duration::from_millis(20);
/// Records taken at a time, and dropped, while leaving.
const LEAVE_BATCH: usize = 256;

/// The member of the group.
pub struct KafkaConsumer {
    reader: Reader,
    heard: Arc<Heard>,
    /// Those of the last poll.
    ends: Vec<(TopicPartition, Offset)>,
    /// Paused partitions; with where they begin, those that were not read since they were assigned.
    paused: BTreeMap<TopicPartition, Option<Offset>>,
    /// An event that the group waits to be answered.
    unanswered: Option<Unanswered>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unanswered {
    Assigned,
    Revoked,
}

/// What the client told while it was polled.
struct Heard {
    topics: Arc<Topics>,
    lines: LogLines,
    events: Mutex<VecDeque<GroupEvent>>,
    errors: ClientErrors,
    leaving: AtomicBool,
}

impl Callbacks for Heard {
    fn log(&self, level: i32, facility: &str, line: &str) {
        self.errors.read(facility, line);
        self.lines.say(level, facility, line);
    }

    fn error(&self, failure: Failure) {
        self.errors.put_of_client(&failure, "read");
    }

    fn rebalanced(&self, what: Rebalance, partitions: &[Entry<'_>]) -> bool {
        if self.leaving.load(Ordering::Acquire) {
            return true;
        }
        let partitions = partitions.iter().filter_map(|it| self.topics.partition(it)).collect();
        lock(&self.events).push_back(match what {
            Rebalance::Assign => GroupEvent::Assigned(partitions),
            Rebalance::Revoke => GroupEvent::Revoked(partitions),
            Rebalance::Lost => GroupEvent::Lost(partitions),
        });
        false
    }
}

impl KafkaConsumer {
    pub(super) fn new(settings: &ClientSettings, topics: Arc<Topics>, worker: usize) -> Result<KafkaConsumer, LogError> {
        let heard = Arc::new(Heard {
            topics: Arc::clone(&topics),
            lines: LogLines::new("consumer"),
            events: Mutex::default(),
            errors: ClientErrors::default(),
            leaving: AtomicBool::new(false),
        });
        let client = Client::new(Kind::Consumer, &settings.consumer(worker)?, Arc::<Heard>::clone(&heard))
            .map_err(|it| log_error(&it, "make the consumer"))?;
        Ok(KafkaConsumer {
            reader: Reader::new(Arc::new(client), topics),
            heard,
            ends: Vec::new(),
            paused: BTreeMap::new(),
            unanswered: None,
        })
    }

    /// The client: for who the member is, and to wake it.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.reader.client)
    }

    /// On a new cluster a join is refused until the topic of offsets is made, and librdkafka then waits for seconds. So ask for an offset
    /// until one can be had, and join then.
    fn wait_for_coordinator(&self, topic: TopicId) -> Result<(), LogError> {
        let until = Instant::now() + COORDINATOR_WAIT;
        loop {
            let mut first = self.reader.topics.list([(TopicPartition { topic, partition: 0 }, 0)].into_iter());
            match self.reader.client.committed(&mut first, COORDINATOR_QUESTION) {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    let error = log_error(&failure, "find the group's coordinator");
                    if error.reaction != crate::runtime::reaction::Reaction::Retry || until < Instant::now() {
                        return Err(error);
                    }
                }
            }
            std::thread::sleep(LEAVE_STEP);
        }
    }

    /// The oldest event, if there is one.
    fn event(&mut self) -> Option<GroupEvent> {
        let event = lock(&self.heard.events).pop_front()?;
        self.unanswered = Some(match event {
            GroupEvent::Assigned(_) => Unanswered::Assigned,
            GroupEvent::Revoked(_) | GroupEvent::Lost(_) => Unanswered::Revoked,
        });
        Some(event)
    }

    /// Polls and drops what comes, until `done` or the bound.
    fn drain(&mut self, until: Instant, mut done: impl FnMut(&Client) -> bool) -> Result<(), LogError> {
        while !done(&self.reader.client) {
            if until < Instant::now() {
                let failure = Failure::of(Code::RD_KAFKA_RESP_ERR__TIMED_OUT as i32);
                return Err(log_error(&failure, "leave the group"));
            }
            self.reader.read(LEAVE_STEP, LEAVE_BATCH, &mut |_| 1, &mut |_, _| {});
        }
        Ok(())
    }

    /// An assignment is carried out by the client's own thread. A pause in the middle of that would get a number above the start's; what is
    /// fetched then counts as of before, and is dropped for ever. So the start is waited for: a seek succeeds behind it, and not before.
    fn wait_for_start(&self, positions: &mut PartitionList) -> Result<(), LogError> {
        let until = Instant::now() + START_WAIT;
        loop {
            let sought = self.reader.client.seek(positions, START_WAIT);
            let starting = [Code::RD_KAFKA_RESP_ERR__STATE as i32, Code::RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS as i32];
            let is_under_way = positions.entries().iter().any(|it| starting.contains(&it.code));
            match sought {
                Ok(()) if !is_under_way => return Ok(()),
                Ok(()) if Instant::now() < until => std::thread::sleep(START_STEP),
                Ok(()) => {
                    let late = Failure::of(Code::RD_KAFKA_RESP_ERR__TIMED_OUT as i32);
                    return Err(log_error(&late, "begin to read the partitions"));
                }
                Err(failure) => return Err(log_error(&failure, "begin to read the partitions")),
            }
        }
    }
}

impl Consumer for KafkaConsumer {
    fn subscribe(&mut self, topics: &[TopicId]) -> Result<(), LogError> {
        if let Some(first) = topics.first() {
            self.wait_for_coordinator(*first)?;
        }
        let list = self.reader.topics.list(topics.iter().map(|topic| (TopicPartition { topic: *topic, partition: -1 }, 0)));
        self.reader.client.subscribe(&list).map_err(|it| log_error(&it, "join the group"))
    }

    fn poll(&mut self, wait: Duration, max: usize, record: &mut dyn FnMut(RecordRef<'_>) -> usize) -> Result<Option<GroupEvent>, LogError> {
        self.ends.clear();
        if let Some(event) = self.event() {
            return Ok(Some(event));
        }
        if let Some(error) = self.heard.errors.take() {
            return Err(error);
        }
        let (topics, heard, ends) = (Arc::clone(&self.reader.topics), &self.heard, &mut self.ends);
        self.reader.read(wait, max, record, &mut |message, partition| match partition {
            Some(partition) if message.is_end() => ends.push((partition, message.offset())),
            partition => heard.errors.put(log_error_at(&message.error(), "read", partition.map(|it| topics.place(it)), partition)),
        });
        if let Some(event) = self.event() {
            return Ok(Some(event));
        }
        self.heard.errors.take().map_or(Ok(None), Err)
    }

    fn ends(&self) -> &[(TopicPartition, Offset)] {
        &self.ends
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>, LogError> {
        offsets::committed(&self.reader.client, &self.reader.topics, partitions, COMMITTED_WAIT)
    }

    fn bounds(&mut self, partitions: &[TopicPartition]) -> Result<Vec<(Offset, Offset)>, LogError> {
        offsets::bounds(&self.reader.client, &self.reader.topics, partitions, BOUNDS_WAIT)
    }

    fn stable_ends(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Offset>, LogError> {
        offsets::stable_ends(&self.reader.client, &self.reader.topics, partitions, BOUNDS_WAIT)
    }

    fn assign(&mut self, positions: &[(TopicPartition, Offset)], held: &[TopicPartition]) -> Result<(), LogError> {
        self.ends.clear();
        self.reader.drop_taken();
        // The client gives each partition a new version, and drops what was fetched under an older one: nothing stale is handed out.
        // It leaves them paused that were.
        let client = Arc::clone(&self.reader.client);
        let mut paused = self.reader.topics.list(std::mem::take(&mut self.paused).into_keys().map(|it| (it, 0)));
        client.resume(&mut paused).map_err(|it| log_error(&it, "resume the partitions"))?;
        let mut list = self.reader.topics.list(positions.iter().copied());
        client.assign(Some(&list)).map_err(|it| log_error(&it, "take the partitions"))?;
        self.unanswered = None;
        if list.is_empty() {
            return Ok(());
        }
        self.wait_for_start(&mut list)?;
        self.pause(held)?;
        self.paused = positions.iter().filter(|it| held.contains(&it.0)).map(|(it, begin)| (*it, Some(*begin))).collect();
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), LogError> {
        self.reader.drop_taken();
        self.reader.client.assign(None).map_err(|it| log_error(&it, "give up the partitions"))?;
        self.unanswered = None;
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let mut list = self.reader.topics.list(partitions.iter().map(|it| (*it, 0)));
        self.reader.client.pause(&mut list).map_err(|it| log_error(&it, "pause the partitions"))?;
        for partition in partitions {
            self.paused.entry(*partition).or_insert(None);
        }
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let resumed: Vec<_> = partitions.iter().filter_map(|it| self.paused.remove_entry(it)).collect();
        if resumed.is_empty() {
            return Ok(());
        }
        let mut list = self.reader.topics.list(resumed.iter().map(|(it, _)| (*it, 0)));
        self.reader.client.resume(&mut list).map_err(|it| log_error(&it, "resume the partitions"))?;
        // The thread that fetches may sleep, up to a second, and this does not wake it. A seek does, but for one to offset 0; what was
        // not read yet can be sought where it begins.
        let begin: Vec<_> = resumed.into_iter().filter_map(|(it, begin)| Some((it, begin?))).collect();
        if begin.is_empty() {
            return Ok(());
        }
        let mut begin = self.reader.topics.list(begin.into_iter());
        self.reader.client.seek(&mut begin, NO_WAIT).map_err(|it| log_error(&it, "begin to read the partitions"))
    }

    fn known_end(&mut self, partition: TopicPartition) -> Option<Offset> {
        self.reader.client.known_end(self.reader.topics.name(partition.topic), partition.partition)
    }

    fn queued(&self) -> usize {
        self.reader.client.fetched()
    }

    /// A static member sends no LeaveGroup when it is closed, but it does when it unsubscribes: so that comes first, unless it is to stay.
    /// It unsubscribes only when nothing is left to be answered. Its member id is dropped at the moment when the request is sent; closing
    /// before that would keep it from being sent.
    fn leave(&mut self, stay: bool, bound: Duration) -> Result<(), LogError> {
        let until = Instant::now() + bound;
        self.heard.leaving.store(true, Ordering::Release);
        while self.event().is_some() {}
        match self.unanswered {
            Some(Unanswered::Assigned) => self.assign(&[], &[])?,
            Some(Unanswered::Revoked) => self.unassign()?,
            None => {}
        }
        if !stay {
            // With the broker away the client would drop the request without a word.
            self.reader.client.connect(bound).map_err(|it| log_error(&it, "leave the group"))?;
            self.reader.client.unsubscribe().map_err(|it| log_error(&it, "leave the group"))?;
            self.drain(until, |client| !client.is_member())?;
        }
        self.reader.client.close().map_err(|it| log_error(&it, "close the consumer"))?;
        self.drain(until, Client::is_closed)
    }
}
