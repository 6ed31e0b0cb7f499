//! One record of the log through the tasks that read its partition: all that it stands for, or nothing.

use std::collections::BTreeSet;

use super::board::{SAMPLE_EVERY, Sample, StepTimes};
use super::open_task::{Disk, OpenTask, State};
use super::status::{Change, Report};
use super::tasks::{Source, Turn};
use crate::engine::operators::{Probe, Stop};
use crate::engine::record::{Offset, RecordRef};
use crate::engine::repartition::pack;
use crate::engine::state::StoreError;
use crate::engine::task::Outcome;
use crate::engine::task::effects::Effects;

/// The way of one record of the log, which may be a pack of several.
pub(super) struct Passage<'t> {
    /// The tasks, by index among those that are open.
    pub(super) readers: &'t [usize],
    pub(super) open: &'t mut [OpenTask],
    pub(super) source: &'t mut Source,
    pub(super) times: &'t mut StepTimes,
    pub(super) damaged: &'t mut BTreeSet<String>,
    /// It was handed over, not read.
    pub(super) handed_over: bool,
    /// Records processed so far by the worker.
    pub(super) processed: u64,
    /// Those of this passage.
    pub(super) records: usize,
    /// It was processed in part only: why.
    pub(super) torn: Option<String>,
}

/// Why a record did not come through.
#[derive(Debug)]
pub(super) enum Broken {
    /// One of its tasks can't go on.
    Stopped,
    /// What it holds can't be read.
    Unreadable(pack::Damaged),
}

impl From<pack::Damaged> for Broken {
    fn from(damaged: pack::Damaged) -> Self {
        Self::Unreadable(damaged)
    }
}

impl Passage<'_> {
    /// Takes the next record through the tasks.
    pub(super) fn take(&mut self, record: RecordRef<'_>, turn: &Turn<'_>, effects: &mut Effects) -> Result<(), Broken> {
        let mut undecodable = false;
        let measured = self.processed.is_multiple_of(SAMPLE_EVERY);
        for (nth, reader) in self.readers.iter().enumerate() {
            let Some(open) = self.open.get_mut(*reader) else { continue };
            let mut sample = measured.then(|| Sample::new(turn.clock, self.times, open.subtopology));
            let probe = sample.as_mut().map(|it| it as &mut dyn Probe);
            let processed = open.task.process(record, turn.now, undecodable, &mut Disk(&mut *open.store), effects, probe);
            drop(sample);
            match processed {
                Ok(outcome) => undecodable |= outcome == Outcome::Undecodable,
                Err(Stop::Store(StoreError::Damaged(why))) => {
                    self.damaged.insert(open.task.id.clone());
                    self.source.halted_at = Some(record.offset);
                    self.torn = Some(format!("state of {} is damaged: {why}", open.task.id));
                    return Err(Broken::Stopped);
                }
                // Read from the log, it will stop its task and nothing else.
                Err(_) if self.handed_over => return Err(Broken::Stopped),
                Err(stop) => {
                    let in_part = nth != 0 || self.records != 0;
                    self.stop(*reader, record.offset, &stop.to_string(), in_part, turn.report);
                    return Err(Broken::Stopped);
                }
            }
        }
        self.source.records += 1;
        self.source.bytes += (record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)) as u64;
        self.records += 1;
        self.processed += 1;
        Ok(())
    }

    /// None of its tasks can go on.
    pub(super) fn stop_all(&mut self, offset: Offset, reason: &str, report: &Report) {
        for reader in self.readers {
            self.stop(*reader, offset, reason, self.records != 0, report);
        }
    }

    fn stop(&mut self, reader: usize, offset: Offset, reason: &str, in_part: bool, report: &Report) {
        let Some(open) = self.open.get_mut(reader) else { return };
        let reason = format!("{reason}; at offset {offset}");
        report(&Change::Stopped { task: open.task.id.clone(), reason: reason.clone() });
        open.state = State::Stopped(reason.clone());
        self.source.halted_at = Some(offset);
        if in_part {
            self.torn = Some(reason);
        }
    }
}
