//! Data that is missing: a log cut at either end, partitions added. A task that needs what is gone stops, by name; nothing is skipped.

use super::faults::Fault;
use super::process::{Process, Site};
use super::random::Random;
use crate::engine::plan::{Plan, Role};
use crate::engine::record::{Offset, TopicId, TopicPartition};

/// Where data is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    kind: Kind,
    topic: String,
    at: TopicPartition,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Retention took records of a source that were processed: nothing that is needed.
    Processed,
    /// Retention took records of a source that were not processed.
    Unprocessed,
    /// A source lost its end, with records that were processed.
    End,
    /// A changelog lost its beginning, and the disks are empty.
    Changelog,
    /// A changelog lost its end, with records that the disk has.
    ChangelogEnd,
    /// A source has more partitions.
    Partitions,
}

const KINDS: [Kind; 6] = [Kind::Processed, Kind::Unprocessed, Kind::End, Kind::Changelog, Kind::ChangelogEnd, Kind::Partitions];
/// Times that records are put in where some must be unprocessed.
const FEEDS: u32 = 60;

impl Gap {
    /// Draws one, where there is something to take; `None`: there is not.
    pub fn draw(plan: &Plan, site: &Site, random: &mut Random) -> Option<Self> {
        let kind = *random.item(&KINDS)?;
        let role = if matches!(kind, Kind::Changelog | Kind::ChangelogEnd) { Role::Changelog } else { Role::Input };
        let mut places = Vec::new();
        for ((topic, count), number) in plan.topics.iter().zip(&site.partitions).zip(0..).filter(|((it, _), _)| it.role == role) {
            for partition in 0..*count {
                let at = TopicPartition { topic: TopicId(number), partition };
                let gap = Self { kind, topic: topic.name.clone(), at };
                if gap.cut(site).is_some() {
                    places.push(gap);
                }
            }
        }
        random.item(&places).cloned()
    }

    /// The offset at which it is cut; `None`: there is nothing to be taken.
    fn cut(&self, site: &Site) -> Option<Offset> {
        let (start, _, end) = site.cluster.bounds(&self.topic, self.at.partition).ok()?;
        let committed = site.cluster.committed(&site.plan.application_id).get(&(self.topic.clone(), self.at.partition)).copied();
        match self.kind {
            Kind::Processed => committed.filter(|it| start < *it),
            Kind::Unprocessed => committed.map(|_| end),
            Kind::End => committed.filter(|it| start < *it).map(|it| it - 1),
            Kind::Changelog | Kind::ChangelogEnd => (start + 1 < end).then_some(start + 1),
            Kind::Partitions => Some(0),
        }
    }

    /// How often records are put in before it opens.
    #[must_use]
    pub fn feeds(&self) -> u32 {
        if self.kind == Kind::Unprocessed { FEEDS } else { 0 }
    }

    /// Takes the data away; whether a task must stop for it.
    ///
    /// # Errors
    /// When that can't be done.
    pub fn open(&self, site: &Site, processes: &[Process]) -> Result<bool, String> {
        let (topic, partition) = (self.topic.as_str(), self.at.partition);
        let Some(at) = self.cut(site) else { return Ok(false) };
        let needed = match self.kind {
            Kind::Processed => false,
            Kind::Unprocessed => {
                let committed = site.cluster.committed(&site.plan.application_id);
                committed.get(&(topic.to_owned(), partition)).is_some_and(|it| *it < at)
            }
            Kind::End | Kind::Changelog | Kind::Partitions => true,
            // A disk that has less than what is left, or is damaged, can't know of it.
            Kind::ChangelogEnd => is_sound(site) && processes.iter().all(|it| self.position(site, it).is_some_and(|it| at < it)),
        };
        let done = match self.kind {
            Kind::Processed | Kind::Unprocessed => site.cluster.delete_records(topic, partition, at),
            Kind::Changelog => {
                processes.iter().for_each(|it| it.disk.wipe());
                site.cluster.delete_records(topic, partition, at)
            }
            Kind::End | Kind::ChangelogEnd if needed => site.cluster.truncate(topic, partition, at),
            Kind::End | Kind::ChangelogEnd => Ok(()),
            Kind::Partitions => {
                // A group that hears of them gives partitions out anew; here it hears of nothing but its members.
                processes.iter().flat_map(Process::members).for_each(|it| site.cluster.expel(&site.plan.application_id, it));
                let count = site.partitions.get(usize::from(self.at.topic.0)).copied().unwrap_or(0);
                site.cluster.add_partitions(topic, usize::try_from(count).unwrap_or(0) + 1)
            }
        };
        done.map(|()| needed).map_err(|it| it.to_string())
    }

    /// Up to where a disk has the changelog.
    fn position(&self, site: &Site, process: &Process) -> Option<Offset> {
        let stores = site.plan.subtopologies.iter().flat_map(|part| part.stores.iter().enumerate().map(move |it| (part, it)));
        let (part, (number, _)) = stores.into_iter().find(|(_, (_, it))| it.changelog == self.at.topic)?;
        process.disk.positions(&part.task_id(self.at.partition))?.get(number).copied().flatten()
    }

    /// Whether a process has told of it: a task that needs the data has stopped, with a reason that says what to do.
    #[must_use]
    pub fn is_told(&self, process: &Process, site: &Site) -> bool {
        let topic = site.plan.topics.get(usize::from(self.at.topic.0)).map_or("", |it| it.name.as_str());
        process.stopped().iter().any(|reason| reason.contains(topic) && reason.contains("goyt reset"))
    }
}

/// Whether no disk can have been damaged in this run.
fn is_sound(site: &Site) -> bool {
    let counts = site.network.counts();
    [Fault::Damage, Fault::PowerLoss].iter().all(|it| !counts.contains_key(it))
}
