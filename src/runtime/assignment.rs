//! Tasks follow their partitions: what is given, what is taken, and where reading begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::mutant::{self, Mutant};
use super::open_task::{Disk, State};
use super::ports::GroupEvent;
use super::status::Change;
use super::tasks::Source;
use super::worker::{Error, Start, Worker};
use crate::engine::record::{Offset, TopicPartition};

/// Longest wait for the group's committed offsets: an open transaction of a predecessor holds them back until it times out.
const OFFSETS_WITHIN: Duration = Duration::from_secs(60);
/// Longest wait for the last commit when partitions are to be given up.
const REVOKE_WITHIN: Duration = Duration::from_secs(10);

impl Worker {
    /// Does what a change of the membership asks for.
    pub(super) fn follow(&mut self, event: GroupEvent) -> Result<(), Error> {
        self.meter.partitions_move(self.clock.elapsed());
        self.meter.assigned = matches!(event, GroupEvent::Assigned(_));
        let report = Arc::clone(&self.report);
        match event {
            GroupEvent::Revoked(partitions) => {
                report(&Change::Revoked { partitions: partitions.len(), lost: false });
                let until = self.clock.elapsed() + REVOKE_WITHIN;
                self.giving_up = true;
                let committed = self.commit_until(until);
                self.giving_up = false;
                if !committed? && self.tasks.dirty() {
                    self.drop_open("the last commit before a rebalance took too long")?;
                }
                self.suspend();
                self.log.parts().consumer.unassign()?;
                Ok(())
            }
            GroupEvent::Lost(partitions) => {
                report(&Change::Revoked { partitions: partitions.len(), lost: true });
                self.drop_open("the partitions were given to others")?;
                self.suspend();
                self.log.parts().consumer.unassign()?;
                Ok(())
            }
            GroupEvent::Assigned(partitions) => self.assigned(&partitions),
        }
    }

    /// Gives the open transaction up without reading its input again: the partitions are not ours any more.
    fn drop_open(&mut self, reason: &str) -> Result<(), Error> {
        self.tasks.sources.clear();
        self.rewind(reason, false)
    }

    fn suspend(&mut self) {
        // Others may have the partitions next; nothing of the transaction is open any more that a failure could tear.
        self.write_state(|_| true);
        self.tasks.torn = None;
        self.restore.stop_all(self.log.parts().changelogs);
        self.tasks.unopened.clear();
        self.tasks.sources.clear();
        for open in self.tasks.iter_mut() {
            open.state = State::Suspended;
        }
    }

    fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        let report = Arc::clone(&self.report);
        let given: BTreeSet<_> = partitions.iter().copied().collect();
        let closed = self.tasks.close(|it| given.contains(&it.source), &*report);
        let kept = self.tasks.iter().count();
        let mut opened = 0;
        self.tasks.prepare(&given, &mut *self.stores);
        for partition in &given {
            let Self { tasks, stores, .. } = self;
            opened += tasks.open(*partition, &mut **stores, &*report).map_err(|(task, error)| Error::Store(task, error))?;
        }
        self.handover.assigned();
        self.tasks.forget_failed_hand_over();
        self.meter.totals.rebalances += 1;
        report(&Change::Assigned { partitions: given.len(), kept, opened, closed });
        let fresh = Source::at(0, None);
        self.tasks.sources = given.into_iter().map(|tp| (tp, fresh)).collect();
        self.reassign()
    }

    /// Opens tasks whose stores another worker of this process had open when their partition was given.
    pub(super) fn open_later(&mut self) -> Result<(), Error> {
        let report = Arc::clone(&self.report);
        for partition in std::mem::take(&mut self.tasks.unopened) {
            let before = self.tasks.iter().count();
            let Self { tasks, stores, .. } = self;
            let opened = tasks.open(partition, &mut **stores, &*report).map_err(|(task, error)| Error::Store(task, error))?;
            let behind: Vec<usize> = (before..before + opened).collect();
            self.restore_where_needed(&behind);
            self.resume_ready()?;
        }
        Ok(())
    }

    /// Reads all partitions of the worker from where the group stands. Tasks whose state is what the group's offset says go on; the
    /// others restore the tail first.
    pub(super) fn reassign(&mut self) -> Result<(), Error> {
        if self.giving_up {
            self.tasks.sources.clear();
        }
        self.tasks.end_hand_over();
        let partitions: Vec<TopicPartition> = self.tasks.sources.keys().copied().collect();
        if partitions.is_empty() {
            for open in self.tasks.iter_mut() {
                open.task.give_up();
            }
            return Ok(());
        }
        let committed = self.patiently(OFFSETS_WITHIN, |it| it.log.parts().consumer.committed(&partitions))?;
        let mut positions = Vec::new();
        let mut gaps = BTreeMap::new();
        let bounds = self.patiently(OFFSETS_WITHIN, |it| it.log.parts().consumer.bounds(&partitions))?;
        self.handover.begin_anew(partitions.iter().zip(&bounds).map(|(tp, (_, end))| (*tp, *end)).collect());
        for ((tp, committed), (start, end)) in partitions.iter().zip(committed).zip(bounds) {
            let range = self.tasks.ranges.get(tp).cloned();
            let start_at = if mutant::is(Mutant::Latest) { Start::Latest } else { self.limits.start };
            let position = committed.unwrap_or(match (&range, start_at) {
                (Some(range), _) => range.start,
                (None, Start::Earliest) => start,
                (None, Start::Latest) => end,
            });
            if range.is_some_and(|it| it.end <= position) {
                self.tasks.complete.insert(*tp);
            } else {
                self.tasks.complete.remove(tp);
            }
            let count = self.tasks.partition_count(tp.topic);
            if let Some(gap) = added(tp.partition, count).or_else(|| gap(committed, start, end)) {
                gaps.insert(*tp, gap);
            } else {
                positions.push((*tp, position));
            }
            self.tasks.sources.insert(*tp, Source::at(position, committed));
        }
        for (tp, reason) in gaps {
            let reason = format!("{} {reason}", self.name(tp));
            self.halt(tp, &reason);
        }
        self.wake_tasks();
        self.hand_over_from_the_start();
        let ready = self.ready();
        let held: Vec<_> = positions.iter().map(|it| it.0).filter(|it| !ready.contains(it)).collect();
        self.log.parts().consumer.assign(&positions, &held)?;
        Ok(())
    }

    /// Each task goes on, or is restored.
    fn wake_tasks(&mut self) {
        let (mut behind, mut failed) = (Vec::new(), Vec::new());
        self.reopen_damaged();
        let closed = self.tasks.damaged.clone();
        for (index, open) in self.tasks.iter_mut().enumerate() {
            if matches!(open.state, State::Stopped(_)) || closed.contains(&open.task.id) {
                // What it did in the transaction that was given up must not come into the next one.
                open.task.give_up();
                continue;
            }
            if mutant::is(Mutant::NothingForgotten) && open.state == State::Running {
                continue;
            }
            if mutant::is(Mutant::UnwrittenForgotten) {
                open.task.overlay.forget();
            }
            match open.task.rewind(&mut Disk(&mut *open.store)) {
                Ok(()) => behind.push(index),
                Err(error) => failed.push((index, error)),
            }
        }
        for (index, error) in failed {
            self.state_failed(index, &error);
        }
        self.restore_where_needed(&behind);
    }

    /// Reads the partitions whose tasks are all running.
    pub(super) fn resume_ready(&mut self) -> Result<(), Error> {
        let ready = self.ready();
        self.log.parts().consumer.resume(&ready)?;
        Ok(())
    }

    /// The partitions to be read: all their tasks run, and nothing holds them back.
    pub(super) fn ready(&self) -> Vec<TopicPartition> {
        let held = |it: &TopicPartition| self.flow.holds(it.topic) || self.is_kept_from_reading(it.topic);
        self.tasks.ready().into_iter().filter(|it| !held(it)).collect()
    }
}

/// Why a partition can't be read that was added after the start, if it was: its keys were others' before.
fn added(partition: i32, count: i32) -> Option<String> {
    (count <= partition).then(|| {
        format!(
            "was added to the topic: it had {count} partitions when this process started. Keys have moved to other partitions, but their \
             state has not, so nothing of this one is processed. Stop all instances; then `goyt reset` starts anew with all partitions"
        )
    })
}

/// Why a partition can't be read on from its committed offset, if so: a gap is never skipped.
fn gap(committed: Option<Offset>, start: Offset, end: Offset) -> Option<String> {
    match committed {
        Some(offset) if offset < start => Some(format!(
            "lacks records: the next to process is {offset}, the first that is left is {start}. They were deleted before they were \
             processed. `goyt reset` starts anew; to go on without them, set the group's offset to {start}"
        )),
        Some(offset) if end < offset => Some(format!(
            "is shorter than what was processed: the next to process is {offset}, its end is {end}. It was deleted and made anew, or \
             lost records. `goyt reset` starts anew"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_was_added_is_not_read() {
        assert_eq!(added(5, 6), None);
        assert!(added(6, 6).is_some_and(|it| it.contains("6 partitions") && it.contains("goyt reset")));
    }

    #[test]
    fn only_a_committed_offset_inside_the_partition_is_read_on() {
        for (committed, start, end, stops) in [
            (None, 5, 9, false),
            (Some(5), 5, 9, false),
            (Some(9), 5, 9, false),
            (Some(4), 5, 9, true),
            (Some(10), 5, 9, true),
            (Some(0), 0, 0, false),
        ] {
            assert_eq!(gap(committed, start, end).is_some(), stops, "{committed:?} in {start}..{end}");
        }
    }
}
