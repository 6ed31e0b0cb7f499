//! Times in steps, of a sample of records: the probe that the engine is handed, since it reads no clock itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::totals::WORK;
use crate::engine::operators::Probe;
use crate::runtime::ports::Clock;
use crate::telemetry::histogram::Histogram;

/// One record in so many is measured.
pub const SAMPLE_EVERY: u64 = 64;

/// Times in steps: by subtopology, then by step.
pub type StepTimes = BTreeMap<usize, Vec<(String, Histogram)>>;

/// One record on its way.
pub(in crate::runtime) struct Sample<'s> {
    clock: &'s dyn Clock,
    steps: &'s mut Vec<(String, Histogram)>,
    /// The step that it is in, and since when.
    inside: Option<(usize, Duration)>,
}

impl<'s> Sample<'s> {
    pub(in crate::runtime) fn new(clock: &'s dyn Clock, times: &'s mut StepTimes, subtopology: usize) -> Self {
        Self { clock, steps: times.entry(subtopology).or_default(), inside: None }
    }

    fn leave(&mut self, now: Duration) {
        if let Some((index, since)) = self.inside.take()
            && let Some((_, times)) = self.steps.get_mut(index)
        {
            times.observe(now.saturating_sub(since));
        }
    }
}

impl Probe for Sample<'_> {
    fn enter(&mut self, step: &str) {
        let now = self.clock.elapsed();
        self.leave(now);
        let index = self.steps.iter().position(|(name, _)| name == step).unwrap_or_else(|| {
            self.steps.push((step.to_owned(), Histogram::new(WORK)));
            self.steps.len() - 1
        });
        self.inside = Some((index, now));
    }
}

impl Drop for Sample<'_> {
    fn drop(&mut self) {
        self.leave(self.clock.elapsed());
    }
}
