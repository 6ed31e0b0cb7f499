//! Worker threads: started, watched, started again with back-off when they fail, stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::board::Board;
use super::ports::{Clock, StoreError};
use super::reaction::Reaction;
use super::status::{Change, Report};
use super::worker::{Error, Limits, Worker, World};
use crate::engine::plan::Plan;

/// Makes the world of a worker, anew each time it starts.
pub trait Worlds: Send + Sync {
    /// The world of worker `n`.
    ///
    /// # Errors
    /// When it can't be had.
    fn world(&self, worker: usize) -> Result<World, Error>;

    /// Time.
    fn clock(&self) -> Box<dyn Clock>;
}

/// What runs, and how.
pub struct Application {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Partition counts of the plan's topics.
    pub partitions: Vec<i32>,
    /// What bounds each worker.
    pub limits: Limits,
    /// `num.stream.threads`
    pub workers: usize,
    /// How failed workers are started again.
    pub restarts: Restarts,
    /// Who is told of changes.
    pub report: Arc<Report>,
    /// Where failures of workers are counted, and that loops turn.
    pub board: Arc<Board>,
}

/// How failed workers are started again.
#[derive(Debug, Clone, Copy)]
pub struct Restarts {
    /// Pause after the first failure; doubled with each that follows.
    pub backoff: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// So many in a row, without a minute of health between them, end the process.
    pub max: u32,
}

/// A worker that has run for so long was healthy.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// So many times within a minute a worker takes its name in the group back: brokers that come and go may keep as many answers back.
const REJOINS_MAX: usize = 5;
/// How often a pause looks for the order to stop.
const PAUSE_STEP: Duration = Duration::from_millis(50);

/// The running workers.
pub struct Running {
    threads: Vec<JoinHandle<Ended>>,
    stop: Arc<AtomicBool>,
    records: Arc<AtomicU64>,
}

/// How a worker, or all of them, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// Stopped, all committed.
    Clean,
    /// Stopped without the last commit.
    Uncommitted,
    /// Failed for good.
    Failed,
}

impl Application {
    /// Starts the workers. `stop` ends them; a worker that fails for good sets it, so that the others stop as well.
    ///
    /// # Errors
    /// When the system has no thread for them.
    pub fn start(self: &Arc<Self>, worlds: &Arc<dyn Worlds>, stop: &Arc<AtomicBool>) -> std::io::Result<Running> {
        let records = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        for n in 0..self.workers {
            let (application, worlds, stop) = (Arc::clone(self), Arc::clone(worlds), Arc::clone(stop));
            let records = Arc::clone(&records);
            let run = move || {
                let ended = application.supervise(n, &*worlds, &stop, &records);
                stop.store(true, Ordering::Relaxed);
                ended
            };
            threads.push(Builder::new().name(format!("worker-{n}")).spawn(run)?);
        }
        Ok(Running { threads, stop: Arc::clone(stop), records })
    }

    fn supervise(&self, n: usize, worlds: &dyn Worlds, stop: &AtomicBool, records: &AtomicU64) -> Ended {
        let clock = worlds.clock();
        let mut failures = 0;
        let (mut waiting, mut fenced) = (false, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            let started = clock.elapsed();
            self.board.turn(n, clock.now());
            let error = match self.work(n, worlds, stop, records) {
                Ok(ended) => return ended,
                Err(error) => error,
            };
            if started + HEALTHY_AFTER < clock.elapsed() {
                (failures, waiting) = (0, false);
            }
            let passing = match &error {
                Error::Log(error) => error.reaction == Reaction::Retry,
                Error::Store(_, error) => matches!(error, StoreError::Full(_)),
            };
            if passing {
                // The broker is away, or the disk is full: that is waited for without end, and said once.
                if !std::mem::replace(&mut waiting, true) {
                    (self.report)(&Change::Waiting { reason: error.to_string() });
                }
                self.pause(n, &*clock, self.restarts.backoff, stop);
                continue;
            }
            failures += 1;
            let now = clock.elapsed();
            let rejoins = matches!(&error, Error::Log(it) if it.reaction == Reaction::Rejoin);
            if rejoins {
                fenced.retain(|it| now < *it + HEALTHY_AFTER);
                fenced.push(now);
            }
            let give_up = error.is_final() || REJOINS_MAX < fenced.len() || self.restarts.max < failures;
            let backoff = self.restarts.backoff.saturating_mul(1 << (failures - 1).min(16)).min(self.restarts.backoff_max);
            let again_in = (!give_up).then_some(backoff);
            self.board.count(|it| it.worker_failures += 1);
            (self.report)(&Change::WorkerFailed { worker: n, reason: error.to_string(), again_in });
            if give_up {
                return Ended::Failed;
            }
            self.pause(n, &*clock, backoff, stop);
        }
        // Stopped while it was not running: what it had not committed is processed again.
        Ended::Uncommitted
    }

    fn work(&self, n: usize, worlds: &dyn Worlds, stop: &AtomicBool, records: &AtomicU64) -> Result<Ended, Error> {
        let mut worker = Worker::new(Arc::clone(&self.plan), self.partitions.clone(), self.limits, worlds.world(n)?);
        worker.join()?;
        let mut counted = 0;
        let clock = worlds.clock();
        while !stop.load(Ordering::Relaxed) {
            worker.round()?;
            self.board.turn(n, clock.now());
            records.fetch_add(worker.processed() - counted, Ordering::Relaxed);
            counted = worker.processed();
        }
        let committed = worker.stop();
        Ok(if committed { Ended::Clean } else { Ended::Uncommitted })
    }

    fn pause(&self, n: usize, clock: &dyn Clock, time: Duration, stop: &AtomicBool) {
        let until = clock.elapsed() + time;
        while clock.elapsed() < until && !stop.load(Ordering::Relaxed) {
            clock.sleep(PAUSE_STEP.min(time));
            self.board.turn(n, clock.now());
        }
    }
}

impl Running {
    /// Records processed so far, by all workers.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Whether all workers have ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Whether the order to stop was given.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How the workers ended: the worst of it. Waits for them.
    #[must_use]
    pub fn join(self) -> Ended {
        self.threads.into_iter().map(|it| it.join().unwrap_or(Ended::Failed)).max().unwrap_or(Ended::Clean)
    }
}
