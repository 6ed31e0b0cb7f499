//! The tally: what became of a task's records since it was last sealed. Plain counts; nothing is measured here.

use crate::engine::record::Millis;

/// What became of a record. Each has exactly one outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It went through the steps.
    Processed,
    /// An event that the topology does not read.
    PassedBy,
    /// A filter or a branch let it go.
    Filtered,
    /// Seen before.
    Duplicate,
    /// A dead letter: it could not be decoded. Of two topologies that read its topic, the first one writes it.
    Undecodable,
    /// A dead letter: a step rejected it.
    Dead,
}

/// Counts of outcomes; they add up to `records_in`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// Records taken in: counted by who hands them to the task, so that the sum is a check.
    pub records_in: u64,
    /// See [`Outcome::Processed`].
    pub processed: u64,
    /// See [`Outcome::PassedBy`].
    pub passed_by: u64,
    /// See [`Outcome::Filtered`].
    pub filtered: u64,
    /// See [`Outcome::Duplicate`].
    pub duplicate: u64,
    /// See [`Outcome::Undecodable`] and [`Outcome::Dead`].
    pub dead: u64,
}

impl Outcomes {
    /// The names of the outcomes with their counts.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("processed", self.processed),
            ("passed_by", self.passed_by),
            ("filtered", self.filtered),
            ("duplicate", self.duplicate),
            ("dead", self.dead),
        ]
    }

    /// Whether they add up: nothing vanished, and nothing came twice.
    #[must_use]
    pub fn add_up(&self) -> bool {
        self.records_in == self.named().iter().map(|(_, count)| count).sum::<u64>()
    }

    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        self.records_in += other.records_in;
        self.processed += other.processed;
        self.passed_by += other.passed_by;
        self.filtered += other.filtered;
        self.duplicate += other.duplicate;
        self.dead += other.dead;
    }
}

/// What a task counts until its next commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// What became of its records.
    pub outcomes: Outcomes,
    /// Dead letters written, by (step, reason).
    pub dead: Vec<((String, String), u64)>,
    /// The events' own timestamps, of the first [`EVENT_TIMES_MAX`] records that were processed.
    pub event_times: Vec<Millis>,
}

/// Most timestamps that are kept until a commit, for each task: 8 KB of them. Later ones are not measured.
pub const EVENT_TIMES_MAX: usize = 1_024;

impl Tally {
    /// Counts an outcome.
    pub fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Processed => &mut self.outcomes.processed,
            Outcome::PassedBy => &mut self.outcomes.passed_by,
            Outcome::Filtered => &mut self.outcomes.filtered,
            Outcome::Duplicate => &mut self.outcomes.duplicate,
            Outcome::Undecodable | Outcome::Dead => &mut self.outcomes.dead,
        } += 1;
    }

    /// Counts a dead letter.
    pub(super) fn count_dead(&mut self, step: &str, reason: &str) {
        match self.dead.iter_mut().find(|((of_step, of_reason), _)| of_step == step && of_reason == reason) {
            Some((_, count)) => *count += 1,
            None => self.dead.push(((step.to_owned(), reason.to_owned()), 1)),
        }
    }

    /// Notes when a processed event happened.
    pub(super) fn note(&mut self, event_time: Millis) {
        if self.event_times.len() < EVENT_TIMES_MAX {
            self.event_times.push(event_time);
        }
    }

    /// Forgets everything but its memory.
    pub fn clear(&mut self) {
        self.outcomes = Outcomes::default();
        self.dead.clear();
        self.event_times.clear();
    }
}
