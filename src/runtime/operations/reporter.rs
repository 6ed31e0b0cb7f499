//! Says how far the tasks of this instance are behind: on the board, and as events on the application's lag topic. Runs on a thread of
//! its own beside the workers; when Kafka is away it says so once, and goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::access::{Access, Ends, NewRecord, Place, TopicReader, TopicWriter};
use super::admin::{Admin, AdminError, NewTopic};
use super::lag::evaluation::{Head, History, Look};
use super::lag::peeks::Peeks;
use super::lag::{LagReport, LagStatus, topic};
use crate::engine::plan::Plan;
use crate::engine::record::{Millis, Offset};
use crate::runtime::board::Board;
use crate::runtime::open_task::State;
use crate::runtime::ports::{Clock, LogError};

/// How often a pause looks for the order to stop.
const PAUSE_STEP: Duration = Duration::from_millis(20);
/// Reports are of interest for so long; of a task that moved away, nobody needs the old ones.
const RETENTION: (&str, &str) = ("retention.ms", "86400000");

/// Who reports.
#[derive(Debug, Clone)]
pub struct About {
    /// `application.id`
    pub application: String,
    /// `instance.id`
    pub instance: String,
    /// `application.server`: where its HTTP is reached.
    pub address: Option<String>,
}

/// Reports the lag of one instance.
pub struct Reporter {
    about: About,
    plan: Arc<Plan>,
    board: Arc<Board>,
    access: Arc<dyn Access>,
    /// Kept from turn to turn while all goes well: a new one has no errors left over.
    reader: Option<Box<dyn TopicReader>>,
    writer: Option<Box<dyn TopicWriter>>,
    peeks: Peeks,
    /// By task.
    histories: BTreeMap<String, History>,
    /// What the last turn said, and the one before it.
    said: (Vec<LagReport>, Vec<LagReport>),
    /// What failed, while it does.
    failing: Option<String>,
}

/// A task as its worker shows it.
struct Shown {
    task: String,
    topology: String,
    place: Place,
    position: Offset,
    committed: Option<Offset>,
    stopped: bool,
}

/// Creates the lag topic when there is none; `replication` -1: the broker's default.
///
/// # Errors
/// When it can't be created.
pub fn prepare(admin: &mut dyn Admin, application_id: &str, replication: i32) -> Result<(), AdminError> {
    let name = topic(application_id);
    if admin.describe(&[&name])?.contains_key(&name) {
        return Ok(());
    }
    let config = [("cleanup.policy", "delete"), RETENTION].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let mut failed = admin.create(&[NewTopic { name: name.clone(), partitions: 1, replication, config }])?;
    failed.remove(&name).map_or(Ok(()), Err)
}

impl Reporter {
    /// Of what the workers show on the board.
    #[must_use]
    pub fn new(about: About, plan: Arc<Plan>, board: Arc<Board>, access: Arc<dyn Access>) -> Self {
        let (peeks, histories, said) = (Peeks::default(), BTreeMap::new(), <(Vec<_>, Vec<_>)>::default());
        Self { about, plan, board, access, reader: None, writer: None, peeks, histories, said, failing: None }
    }

    /// Reports every `interval` until it is told to stop; then once more, that its tasks are with nobody.
    pub fn run(mut self, interval: Duration, clock: &dyn Clock, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.turn(clock.now());
            let next = clock.elapsed() + interval;
            while clock.elapsed() < next && !stop.load(Ordering::Relaxed) {
                clock.sleep(PAUSE_STEP.min(interval));
            }
        }
        self.leave(clock.now());
    }

    /// Looks and reports once.
    pub fn turn(&mut self, now: Millis) {
        let shown = self.shown();
        let done = self.look(&shown, now).and_then(|reports| {
            let events: Vec<NewRecord> = reports.iter().map(|it| self.record(it)).collect();
            self.said.1 = std::mem::replace(&mut self.said.0, reports.clone());
            self.board.put_lag(reports);
            self.write(&events)
        });
        self.tell(done);
    }

    /// Says that its tasks are with nobody any more.
    pub fn leave(&mut self, now: Millis) {
        // The workers end before they are told of here: the last turn may have met none of their tasks any more.
        let left = if self.said.0.is_empty() { &self.said.1 } else { &self.said.0 };
        let left = left.iter().map(|it| LagReport { status: LagStatus::Stopped, at: now, ..it.clone() });
        let events: Vec<NewRecord> = left.map(|it| self.record(&it)).collect();
        let done = self.write(&events);
        self.board.put_lag(Vec::new());
        self.tell(done);
    }

    /// The tasks on the board that are here.
    fn shown(&self) -> Vec<Shown> {
        let mut shown = Vec::new();
        for picture in self.board.pictures() {
            for task in picture.tasks.iter().filter(|it| it.state != State::Suspended) {
                let source = picture.sources.iter().find(|it| it.partition == task.source);
                let part = self.plan.subtopologies.get(task.subtopology);
                let topic = self.plan.topics.get(usize::from(task.source.topic.0));
                if let (Some(source), Some(part), Some(topic)) = (source, part, topic) {
                    shown.push(Shown {
                        task: task.id.clone(),
                        topology: part.topology.clone(),
                        place: Place { topic: topic.name.as_str().into(), partition: task.source.partition },
                        position: source.position,
                        committed: source.committed,
                        stopped: matches!(task.state, State::Stopped(_)),
                    });
                }
            }
        }
        shown.sort_by(|a, b| a.task.cmp(&b.task));
        shown
    }

    fn look(&mut self, shown: &[Shown], now: Millis) -> Result<Vec<LagReport>, LogError> {
        self.histories.retain(|task, _| shown.iter().any(|it| it.task == *task));
        if shown.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.access.peeker(&self.about.application)?,
        };
        let positions: BTreeMap<&Place, Offset> = shown.iter().map(|it| (&it.place, it.position)).collect();
        let places: Vec<Place> = positions.keys().map(|it| (*it).clone()).collect();
        let ends = reader.ends(&places)?;
        let at: BTreeMap<Place, (Offset, Ends)> =
            positions.iter().zip(&ends).map(|((place, position), ends)| ((*place).clone(), (*position, *ends))).collect();
        let heads = self.peeks.heads(&mut *reader, &at)?;
        self.reader = Some(reader);
        let report = |it: &Shown| {
            let (_, ends) = *at.get(&it.place)?;
            let head = heads.get(&it.place).copied().unwrap_or(Head::Unknown);
            let history = self.histories.entry(it.task.clone()).or_default();
            let verdict = history.judge(Look { at: now, position: it.position, ends, head, stopped: it.stopped });
            Some(LagReport {
                application: self.about.application.clone(),
                instance: self.about.instance.clone(),
                address: self.about.address.clone(),
                topology: it.topology.clone(),
                task: it.task.clone(),
                topic: it.place.topic.to_string(),
                partition: it.place.partition,
                position: it.position,
                committed: it.committed,
                visible_end: ends.visible,
                records_behind: verdict.records_behind,
                behind: verdict.behind,
                status: verdict.status,
                at: now,
            })
        };
        Ok(shown.iter().filter_map(report).collect())
    }

    fn record(&self, report: &LagReport) -> NewRecord {
        NewRecord {
            topic: topic(&self.about.application),
            partition: Some(0),
            key: Some(report.task.clone().into_bytes()),
            value: Some(report.event().to_string().into_bytes()),
            headers: Vec::new(),
            timestamp: Some(report.at),
        }
    }

    fn write(&mut self, events: &[NewRecord]) -> Result<(), LogError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.access.writer(None)?,
        };
        writer.write(events)?;
        self.writer = Some(writer);
        Ok(())
    }

    /// Says when it begins to fail, and when it works again.
    fn tell(&mut self, done: Result<(), LogError>) {
        match (done, self.failing.is_some()) {
            (Ok(()), true) => {
                self.failing = None;
                tracing::info!("lag is reported again");
            }
            (Err(error), false) => {
                tracing::warn!("lag can't be reported: {error}");
                self.failing = Some(error.to_string());
            }
            (Ok(()), false) | (Err(_), true) => {}
        }
    }
}
