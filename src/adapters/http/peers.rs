//! The other instances, and whether Kafka answers: a thread that asks now and then, and follows the lag that instances report.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::adapters::http::view::View;
use crate::engine::record::Millis;
use crate::runtime::operations::access::{Access, Place, ReadRecord, TopicReader};
use crate::runtime::operations::lag::{self, LagReport};
use crate::runtime::ports::LogError;

/// How often Kafka is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Without an answer for so long, Kafka is away.
const ANSWER_WITHIN: Millis = 15_000;
/// What was reported longer ago than this is not believed any more: its instance may be gone.
pub(super) const REPORT_WITHIN: Millis = 60_000;
/// Pause between looks at what was reported.
const WAIT: Duration = Duration::from_millis(200);
/// How long the server's end waits for a question under way.
const ENDS_WITHIN: Duration = Duration::from_millis(300);
/// Reports taken at a time.
const REPORTS_MAX: usize = 1_000;
/// Tasks of which reports are kept.
const TASKS_MAX: usize = 100_000;

/// What is known of the others.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// When Kafka answered last.
    answered: Option<Millis>,
    /// Why it does not.
    error: Option<String>,
    /// The latest report of each task.
    reports: BTreeMap<String, LagReport>,
}

impl Peers {
    /// Why Kafka does not answer; `None`: it does.
    pub(super) fn kafka(&self, now: Millis) -> Option<String> {
        let known = self.known();
        let why = || known.error.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        match known.answered {
            None => Some(format!("it has not answered yet{}", why())),
            Some(at) if at + ANSWER_WITHIN < now => Some(format!("it has not answered for {} s{}", (now - at) / 1000, why())),
            Some(_) => None,
        }
    }

    /// The latest believable report of a task.
    pub(super) fn report(&self, task: &str, now: Millis) -> Option<LagReport> {
        self.known().reports.get(task).filter(|it| now <= it.at + REPORT_WITHIN).cloned()
    }

    /// All believable reports, by task.
    pub(super) fn reports(&self, now: Millis) -> Vec<LagReport> {
        self.known().reports.values().filter(|it| now <= it.at + REPORT_WITHIN).cloned().collect()
    }

    fn answered(&self, now: Millis) {
        let mut known = self.known();
        (known.answered, known.error) = (Some(now), None);
    }

    fn failed(&self, error: &LogError) {
        self.known().error = Some(error.to_string());
    }

    /// Keeps a report, unless a later one of its task is known.
    fn put(&self, report: LagReport) {
        let reports = &mut self.known().reports;
        let known = reports.get(&report.task);
        if known.is_none_or(|it| it.at <= report.at) && (known.is_some() || reports.len() < TASKS_MAX) {
            reports.insert(report.task.clone(), report);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Asking {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Asking {
    /// Asks from now on.
    ///
    /// # Errors
    /// When the system has no thread.
    pub(super) fn start(view: &View, peers: &Arc<Peers>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let ask = Ask {
            access: Arc::clone(&view.access),
            application: view.plan.application_id.clone(),
            now: Arc::clone(&view.now),
            peers: Arc::clone(peers),
            stop: Arc::clone(&stop),
        };
        let thread = Builder::new().name("http-peers".to_owned()).spawn(move || ask.run())?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        // While Kafka is away a question takes long: then it is left to itself.
        for _ in 0..ENDS_WITHIN.as_millis() {
            if thread.is_finished() {
                return drop(thread.join());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What the thread works with.
struct Ask {
    access: Arc<dyn Access>,
    application: String,
    now: Arc<dyn Fn() -> Millis + Send + Sync>,
    peers: Arc<Peers>,
    stop: Arc<AtomicBool>,
}

impl Ask {
    fn run(self) {
        while !self.stopped() {
            if let Err(error) = self.follow() {
                self.peers.failed(&error);
            }
            self.pause();
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Until the next question.
    fn pause(&self) {
        for _ in 0..ASK_EVERY.as_millis().checked_div(WAIT.as_millis()).unwrap_or(1) {
            if self.stopped() {
                return;
            }
            std::thread::sleep(WAIT);
        }
    }

    /// Asks and reads with one reader until it fails.
    fn follow(&self) -> Result<(), LogError> {
        let mut reader = self.access.reader(&self.application)?;
        let topic: Arc<str> = lag::topic(&self.application).into();
        let mut reading = 0;
        while !self.stopped() {
            let partitions = reader.partitions(&[&topic])?.get(&*topic).copied().unwrap_or(0);
            self.peers.answered((self.now)());
            // The topic comes with the first report, and may get more partitions.
            let places: Vec<Place> = (reading..partitions).map(|partition| Place { topic: Arc::clone(&topic), partition }).collect();
            self.begin(&mut *reader, &places)?;
            reading = reading.max(partitions);
            match reading {
                0 => self.pause(),
                _ => self.read(&mut *reader)?,
            }
        }
        Ok(())
    }

    /// Begins with the reports that are still believed.
    fn begin(&self, reader: &mut dyn TopicReader, places: &[Place]) -> Result<(), LogError> {
        if places.is_empty() {
            return Ok(());
        }
        let (ends, at) = (reader.ends(places)?, reader.at(places, (self.now)() - REPORT_WITHIN)?);
        for ((place, ends), at) in places.iter().zip(ends).zip(at) {
            reader.start(place, at.unwrap_or(ends.high))?;
        }
        Ok(())
    }

    /// Takes reports until the next question is due.
    fn read(&self, reader: &mut dyn TopicReader) -> Result<(), LogError> {
        for _ in 0..ASK_EVERY.as_millis().checked_div(WAIT.as_millis()).unwrap_or(1) {
            if self.stopped() {
                return Ok(());
            }
            reader.poll(Duration::ZERO, REPORTS_MAX, &mut |record: ReadRecord<'_>| {
                if let Some(report) = record.value.and_then(lag::read) {
                    self.peers.put(report);
                }
            })?;
            std::thread::sleep(WAIT);
        }
        Ok(())
    }
}
