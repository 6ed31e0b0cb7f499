//! Carries a replay out: the product's own worker on the shadow's plan, up to the cut.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::shadow::Shadow;
use super::{Error, Phase, Progress, Site};
use crate::engine::record::{Offset, TopicPartition};
use crate::runtime::open_task::State;
use crate::runtime::worker::{Limits, Worker};

/// Workers that may fail and be started again.
const RESTARTS_MAX: u32 = 5;
/// Pause before a worker is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// After so long without a record the replay is given up.
const STALL_MAX: Duration = Duration::from_secs(120);
/// With a rate: what is processed at once is so much of a second's.
const RATE_SLICES: u64 = 20;
/// With a rate: the longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Processes the ranges and commits; how many records. The state and the shadow topics are empty before.
///
/// # Errors
/// When a task stops, nothing comes any more, or workers fail again and again.
pub fn carry_out(
    shadow: &Shadow,
    partitions: &[i32],
    ranges: &BTreeMap<TopicPartition, Range<Offset>>,
    rate: Option<u64>,
    site: &mut Site<'_>,
) -> Result<u64, Error> {
    let mut limits = site.limits;
    if let Some(rate) = rate {
        limits.poll_max_records = limits.poll_max_records.min(usize::try_from(rate / RATE_SLICES).unwrap_or(usize::MAX)).max(1);
    }
    let mut run = Run { shadow, partitions, ranges, rate, limits, processed: 0, done: 0 };
    let mut failures = 0;
    loop {
        match run.work(site) {
            Err(Error::Worker(error)) if failures < RESTARTS_MAX && !error.is_final() => {
                failures += 1;
                site.worlds.clock().sleep(RESTART_PAUSE);
            }
            Err(error) => return Err(error),
            Ok(()) => return Ok(run.processed),
        }
    }
}

struct Run<'a> {
    shadow: &'a Shadow,
    partitions: &'a [i32],
    ranges: &'a BTreeMap<TopicPartition, Range<Offset>>,
    rate: Option<u64>,
    limits: Limits,
    /// By workers that have ended, and by this one.
    processed: u64,
    /// Offsets gone through.
    done: u64,
}

impl Run<'_> {
    fn work(&mut self, site: &mut Site<'_>) -> Result<(), Error> {
        let clock = site.worlds.clock();
        let plan = Arc::new(self.shadow.plan.clone());
        let mut worker = Worker::new(plan, self.partitions.to_vec(), self.limits, site.worlds.world(0)?);
        worker.read_only(self.ranges.clone());
        worker.join()?;
        let before = self.processed;
        let (started, mut moved) = (clock.elapsed(), clock.elapsed());
        while !worker.has_read_all() {
            worker.round()?;
            let now = clock.elapsed();
            if self.processed != before + worker.processed() {
                self.processed = before + worker.processed();
                moved = now;
            }
            self.tell(&worker, site);
            if site.stop.load(Ordering::Relaxed) {
                worker.stop();
                return Err(Error::Stopped);
            }
            let stopped = worker.tasks().iter().find_map(|it| match &it.state {
                State::Stopped(reason) => Some(format!("task {} of the replay stopped: {reason}", it.task.id)),
                State::Restoring | State::Running | State::Suspended => None,
            });
            if let Some(reason) = stopped {
                worker.stop();
                return Err(Error::Failed(reason));
            }
            if moved + STALL_MAX < now {
                worker.stop();
                return Err(Error::Failed(format!("no record came for {} s", STALL_MAX.as_secs())));
            }
            if let Some(rate) = self.rate {
                let due = Duration::from_millis(worker.processed().saturating_mul(1000) / rate.max(1));
                clock.sleep(due.saturating_sub(now.saturating_sub(started)).min(PAUSE_MAX));
            }
        }
        worker.stop();
        Ok(())
    }

    fn tell(&mut self, worker: &Worker, site: &mut Site<'_>) {
        let gone = |(tp, range): (&TopicPartition, &Range<Offset>)| {
            let next = worker.tasks().sources.get(tp)?.next;
            u64::try_from(next.min(range.end) - range.start).ok()
        };
        let of = self.ranges.values().filter_map(|it| u64::try_from(it.end - it.start).ok()).sum();
        self.done = self.done.max(self.ranges.iter().filter_map(gone).sum());
        (site.progress)(Progress { phase: Phase::Replaying, done: self.done, of });
    }
}
