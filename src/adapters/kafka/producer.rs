//! A worker's transactional producer: all effects of its tasks since the last commit, and the offsets they came from, as one.
//!
//! ```text
//!   init ──▶ READY ──begin──▶ OPEN ──commit──▶ COMMITTING ──▶ READY
//!    ▲                          └─────abort────────┴───────▶ READY, or
//!    └── stale: a request may be late, the client failed, or batches must become others
//! ```

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka_sys::types::RDKafkaRespErr as Code;

use super::client_config::ClientSettings;
use super::deliveries::{Batches, Deliveries, Refusals};
use super::errors::{log_error, reaction};
use super::late_requests::LateRequests;
use super::lock;
use super::log_lines::LogLines;
use super::raw::{Callbacks, Client, Delivery, Failure, GroupMetadata, Kind, Outgoing, TopicHandle};
use super::topics::Topics;
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::fail_point::{self, fail_point};
use crate::runtime::ports::{AfterAbort, Committed, Consumer, LogError, OutRecord, Producer, SendError};
use crate::runtime::reaction::Reaction;

/// How long the coordinator may take to hand over the transactional id.
const INIT_WAIT: Duration = Duration::from_secs(30);
/// How long the client is waited for before it is asked how it stands with that.
const INIT_STEP: Duration = Duration::from_millis(50);
/// So many clients are made for one take-over, so that they ask sooner; the last one keeps asking.
const INIT_CLIENTS_MAX: usize = 5;
/// How long the coordinators may take to note the offsets, each time.
const OFFSETS_WAIT: Duration = Duration::from_secs(10);
/// How long records are sent beside the offsets, before their sending is part of the commit.
const FLUSH_AHEAD: Duration = Duration::from_millis(100);
/// How long all records may take to be acknowledged, where the consumed offsets depend on it; each has a shorter bound of its own.
const FLUSH_WAIT: Duration = Duration::from_secs(300);
/// How often a step of the commit is made again when the client says that it may.
const TRIES: usize = 5;
/// How long a commit under way is awaited before an abort, and how long an abort may take.
const ABORT_WAIT: Duration = Duration::from_secs(10);
/// A commit that took longer may have had a request sent twice, log line or not.
const SLOW_COMMIT: Duration = Duration::from_secs(1);
/// Batches that the broker found too large become smaller by this factor.
const BATCH_SHRINK: usize = 4;

/// The producer.
pub struct KafkaProducer {
    settings: ClientSettings,
    topics: Arc<Topics>,
    /// Of the worker, and which of its producers it is.
    name: String,
    /// The consumer whose offsets are committed; woken when a commit is done.
    group: Arc<Client>,
    /// Whether late requests are guarded against. `false` only to show what happens then.
    pub(super) guard: bool,
    batches: Batches,
    /// Of the batches when it was last unclear which of their records were refused, bytes.
    unclear_size: usize,
    session: Option<Session>,
}

/// One client: one producer epoch.
struct Session {
    client: Arc<Client>,
    heard: Arc<Heard>,
    handles: Vec<Option<TopicHandle>>,
    work: SyncSender<Work>,
    done: Receiver<Done>,
    state: State,
    /// Must not begin another transaction.
    stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Ready,
    Open,
    Committing,
}

struct Work {
    offsets: Vec<(TopicPartition, Offset)>,
    /// Partitions whose offsets are where the transaction's records end in them.
    handed_over: Vec<TopicPartition>,
    member: GroupMetadata,
}

struct Done {
    result: Result<(), LogError>,
    took: Duration,
}

/// What the client told.
struct Heard {
    lines: LogLines,
    late: LateRequests,
    deliveries: Mutex<Deliveries>,
    /// The user asked for the client's debug lines.
    debug: bool,
}

impl Callbacks for Heard {
    fn log(&self, level: i32, facility: &str, line: &str) {
        self.late.read(facility, line);
        if level < 7 || self.debug {
            self.lines.say(level, facility, line);
        }
    }

    fn error(&self, failure: Failure) {
        // Each call fails by itself when the client has; what is only told here mends by itself.
        self.lines.say(4, "ERROR", &log_error(&failure, "write").to_string());
    }

    fn delivered(&self, delivery: Delivery) {
        lock(&self.deliveries).take(delivery);
    }
}

impl KafkaProducer {
    pub(super) fn new(settings: &ClientSettings, topics: Arc<Topics>, name: String, group: Arc<Client>) -> Result<KafkaProducer, LogError> {
        let batches = settings.batches();
        settings.producer(&name, batches)?; // Mistakes are told now, not at the first transaction.
        Ok(KafkaProducer { settings: settings.clone(), topics, name, group, guard: true, batches, unclear_size: 0, session: None })
    }

    fn session(&mut self) -> Result<Session, LogError> {
        let config = self.settings.producer(&self.name, self.batches)?;
        let heard = Arc::new(Heard {
            lines: LogLines::new("producer"),
            late: LateRequests::default(),
            deliveries: Mutex::new(Deliveries::new(self.batches)),
            debug: self.settings.producer.contains_key("debug"),
        });
        let client = Client::new(Kind::Producer, &config, Arc::<Heard>::clone(&heard)).map_err(|it| log_error(&it, "make the producer"))?;
        let client = Arc::new(client);
        let (work, to_do) = sync_channel(1);
        let (report, done) = sync_channel(1);
        let (group, topics) = (Arc::clone(&self.group), Arc::clone(&self.topics));
        let committer = Committer { client: Arc::clone(&client), heard: Arc::clone(&heard), topics, group, to_do, report };
        // Not joined: it ends when the session is dropped, or, if it then waits for a broker that is away, when the process does.
        std::thread::Builder::new().name(format!("commit-{}", self.name)).spawn(move || committer.run()).map_err(|error| {
            let code = Code::RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE as i32;
            log_error(&Failure { text: error.to_string(), ..Failure::of(code) }, "start the committing thread")
        })?;
        let handles = (0..self.topics.count()).map(|_| None).collect();
        Ok(Session { client, heard, handles, work, done, state: State::New, stale: false })
    }

    /// Takes in the end of the commit.
    fn finish(&mut self, done: Done) -> Option<Committed> {
        let session = self.session.as_mut()?;
        session.state = if done.result.is_ok() { State::Ready } else { State::Open };
        let late = self.guard && (session.heard.late.possible() || SLOW_COMMIT < done.took);
        let mut deliveries = lock(&session.heard.deliveries);
        let refusals = deliveries.refusals();
        let batches = next_batches(self.batches, done.result.is_ok(), &refusals, &mut self.unclear_size);
        // Whatever a failed commit leaves behind in the client, a new one has none of it. Failures are rare enough for that.
        session.stale |= late || done.result.is_err() || batches != self.batches;
        self.batches = batches;
        Some(Committed {
            result: done.result,
            ends: deliveries.ends(),
            refused: if let Refusals::Known(refused) = refusals { refused } else { Vec::new() },
            recycle: session.stale,
        })
    }
}

/// How batches are made after a commit. When it is unclear which records were refused, the next transaction writes each by itself.
/// If it succeeds, it were none: batches of that size are larger than the topic allows, and become smaller for good.
fn next_batches(now: Batches, succeeded: bool, refusals: &Refusals, unclear_size: &mut usize) -> Batches {
    match refusals {
        Refusals::Unclear(size) => {
            *unclear_size = *size;
            Batches { single: true, ..now }
        }
        Refusals::Known(_) => Batches { single: false, ..now },
        Refusals::None if now.single && succeeded => {
            let size = (now.size.min(*unclear_size) / BATCH_SHRINK).max(1);
            tracing::info!(batch_size = size, "batches were larger than a topic allows: they become smaller");
            Batches { size, single: false }
        }
        Refusals::None => now,
    }
}

/// The thread on which commits wait for the broker, so that the worker does not.
struct Committer {
    client: Arc<Client>,
    heard: Arc<Heard>,
    topics: Arc<Topics>,
    group: Arc<Client>,
    to_do: Receiver<Work>,
    report: SyncSender<Done>,
}

impl Committer {
    fn run(self) {
        for work in &self.to_do {
            let begun = Instant::now();
            let result = self.commit(&work);
            if self.report.send(Done { result, took: begun.elapsed() }).is_err() {
                return; // The session is gone.
            }
            self.group.wake();
        }
    }

    fn commit(&self, work: &Work) -> Result<(), LogError> {
        if !work.offsets.is_empty() || !work.handed_over.is_empty() {
            self.add_offsets(work)?;
            fail_point(fail_point::AFTER_OFFSETS);
        }
        // A bound would leave the outcome unknown.
        again(|| self.client.commit_transaction(None)).map_err(|it| log_error(&it, "commit the transaction"))
    }

    fn add_offsets(&self, work: &Work) -> Result<(), LogError> {
        let client = &self.client;
        if work.handed_over.is_empty() {
            // Records and offsets go to the brokers side by side. Without a thread for it the records go with the commit.
            return std::thread::scope(|scope| {
                drop(std::thread::Builder::new().name("flush".to_owned()).spawn_scoped(scope, || client.flush(FLUSH_AHEAD)));
                self.add(&work.offsets, work)
            });
        }
        // The offsets are where the records came to stand.
        client.flush(FLUSH_WAIT);
        let ends = lock(&self.heard.deliveries).ends_of(&work.handed_over);
        let unknown = Failure::of(Code::RD_KAFKA_RESP_ERR__INCONSISTENT as i32);
        let ends = ends.ok_or_else(|| log_error(&unknown, "learn where the records stand that were handed over"))?;
        self.add(&[&*work.offsets, &*ends].concat(), work)
    }

    fn add(&self, offsets: &[(TopicPartition, Offset)], work: &Work) -> Result<(), LogError> {
        let list = self.topics.list(offsets.iter().copied());
        again(|| self.client.send_offsets(&list, &work.member, OFFSETS_WAIT)).map_err(|it| log_error(&it, "add the consumed offsets"))
    }
}

/// Initialises both at the same time: most of it is waiting.
pub(super) fn init_side_by_side(first: &mut KafkaProducer, second: &mut KafkaProducer) -> Result<(), LogError> {
    std::thread::scope(|scope| {
        let under_way = std::thread::Builder::new().name("init".to_owned()).spawn_scoped(scope, || first.init());
        let other = second.init();
        let first = under_way.map(|it| it.join().unwrap_or_else(|_| Err(out_of_order("its initialising thread died"))));
        first.unwrap_or_else(|_| Err(out_of_order("no thread could be started to initialise it"))).and(other)
    })
}

/// Makes a call that the client says may be made again, a few times.
fn again(call: impl Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    for _ in 1..TRIES {
        match call() {
            Err(failure) if failure.retriable && !failure.abortable && !failure.fatal => {}
            done => return done,
        }
    }
    call()
}

/// A call that the producer's state does not allow: said as an error, not a panic; `init` mends it.
fn out_of_order(what: &str) -> LogError {
    log_error(&Failure { text: what.into(), ..Failure::of(Code::RD_KAFKA_RESP_ERR__STATE as i32) }, "use the producer")
}

impl Producer for KafkaProducer {
    fn init(&mut self) -> Result<(), LogError> {
        let until = Instant::now() + INIT_WAIT;
        let mut made_anew = 0;
        loop {
            let mut session = match self.session.take() {
                Some(session) if session.state == State::New && !session.stale => session,
                old => {
                    drop(old); // Before the new one: they have the same transactional id.
                    self.session()?
                }
            };
            // Asked for a coordinator before a broker is connected, the client would wait for half a second before it asks again.
            let result = session.client.connect(INIT_WAIT).and_then(|()| session.client.init_transactions(INIT_STEP));
            let code = result.as_ref().map_or_else(|it| it.code, |()| 0);
            // The coordinator is ending what a predecessor left open, which takes it some milliseconds. A new client asks again as soon as
            // it is connected, the old one half a second later.
            let ending = code == Code::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS as i32;
            // What mends by itself, such as a coordinator that is loading, is asked for again as well.
            let mends = result.as_ref().is_err_and(|it| reaction(it) == Reaction::Retry);
            match &result {
                Ok(()) => session.state = State::Ready,
                Err(_) => session.stale = !mends,
            }
            if (ending || mends) && Instant::now() < until {
                session.stale = ending && made_anew < INIT_CLIENTS_MAX;
                made_anew += usize::from(session.stale);
                self.session = Some(session);
                continue;
            }
            self.session = Some(session);
            return result.map_err(|it| log_error(&it, "take over the transactional id"));
        }
    }

    fn begin(&mut self) -> Result<(), LogError> {
        let Some(session) = self.session.as_mut().filter(|it| it.state == State::Ready && !it.stale) else {
            return Err(out_of_order("it must be initialised before the next transaction"));
        };
        session.heard.late.clear();
        lock(&session.heard.deliveries).begin();
        session.client.begin_transaction().map_err(|it| {
            session.stale = true;
            log_error(&it, "begin a transaction")
        })?;
        session.state = State::Open;
        Ok(())
    }

    fn send(&mut self, record: &OutRecord<'_>) -> Result<(), SendError> {
        let Some(session) = self.session.as_mut().filter(|it| it.state == State::Open) else {
            return Err(SendError::Failed(out_of_order("no transaction is open")));
        };
        let failed = |failure: &Failure| SendError::Failed(log_error(failure, "write a record"));
        let Some(handle) = session.handles.get_mut(usize::from(record.topic.0)) else {
            return Err(SendError::Failed(out_of_order("the topic is not of the plan")));
        };
        let topic = match handle {
            Some(topic) => topic,
            None => handle.insert(TopicHandle::new(&session.client, self.topics.name(record.topic)).map_err(|it| failed(&it))?),
        };
        let watched = record.partition.filter(|_| record.watched).map(|partition| TopicPartition { topic: record.topic, partition });
        let outgoing = Outgoing {
            topic,
            partition: record.partition.unwrap_or(-1),
            key: record.key,
            value: record.value,
            timestamp: record.timestamp,
            headers: record.headers,
            opaque: lock(&session.heard.deliveries).mark(record.cause, watched),
        };
        session.client.produce(&outgoing).map_err(|failure| match failure.code {
            code if code == Code::RD_KAFKA_RESP_ERR__QUEUE_FULL as i32 => SendError::Full,
            _ => match log_error(&failure, "write a record") {
                error if error.reaction == Reaction::RefuseRecord => SendError::Refused(error),
                error => SendError::Failed(error),
            },
        })
    }

    fn serve(&mut self, wait: Duration) {
        if let Some(session) = &self.session {
            session.client.serve(wait);
        }
    }

    /// The member is the one of this producer's log, whatever consumer is given.
    fn commit(
        &mut self,
        offsets: &[(TopicPartition, Offset)],
        handed_over: &[TopicPartition],
        _consumer: &mut dyn Consumer,
    ) -> Result<(), LogError> {
        let Some(session) = self.session.as_mut().filter(|it| it.state == State::Open) else {
            return Err(out_of_order("no transaction is open"));
        };
        let Some(member) = self.group.group_metadata() else {
            return Err(out_of_order("the consumer has no group"));
        };
        let work = Work { offsets: offsets.to_vec(), handed_over: handed_over.to_vec(), member };
        session.work.try_send(work).map_err(|_| out_of_order("a commit is under way"))?;
        session.state = State::Committing;
        Ok(())
    }

    fn committed(&mut self, wait: Duration) -> Option<Committed> {
        let session = self.session.as_ref().filter(|it| it.state == State::Committing)?;
        match session.done.recv_timeout(wait) {
            Ok(done) => self.finish(done),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.finish(Done { result: Err(out_of_order("its committing thread died")), took: Duration::ZERO })
            }
        }
    }

    fn queued(&self) -> usize {
        self.session.as_ref().map_or(0, |it| it.client.unsent())
    }

    fn abort(&mut self) -> Result<AfterAbort, LogError> {
        if self.session.as_ref().is_some_and(|it| it.state == State::Committing) && self.committed(ABORT_WAIT).is_none() {
            // Its outcome comes too late to matter: the next client puts an end to it.
            self.session.as_mut().into_iter().for_each(|it| it.stale = true);
            return Ok(AfterAbort::Recycle);
        }
        let Some(session) = self.session.as_mut() else { return Ok(AfterAbort::Recycle) };
        if session.state == State::Open {
            let begun = Instant::now();
            match session.client.abort_transaction(ABORT_WAIT) {
                Ok(()) => session.state = State::Ready,
                Err(failure) => {
                    // `init` aborts what the coordinator still has.
                    session.stale = true;
                    session.heard.lines.say(4, "ABORT", &log_error(&failure, "abort the transaction").to_string());
                }
            }
            session.stale |= lock(&session.heard.deliveries).any_failed();
            session.stale |= self.guard && (session.heard.late.possible() || SLOW_COMMIT < begun.elapsed());
        }
        Ok(if session.stale { AfterAbort::Recycle } else { AfterAbort::Usable })
    }
}
