//! A worker puts up its picture: now and then, and at once when a task changes. Never while a record is on its way.

use std::time::Duration;

use super::{Picture, SourcePicture, TaskPicture, Waiting};
use crate::runtime::ports::Parts;
use crate::runtime::worker::Worker;

/// How old a picture becomes while nothing changes but counts.
const SHOW_EVERY: Duration = Duration::from_millis(250);

impl Worker {
    /// Puts up a picture when the last one is old, or shows tasks otherwise than they are.
    pub(in crate::runtime) fn show(&mut self) {
        let now = self.clock.elapsed();
        if self.meter.is_moving() && self.meter.assigned && !self.tasks.restoring() {
            self.meter.partitions_settled(now);
        }
        let old = self.meter.shown.is_none_or(|it| it + SHOW_EVERY <= now);
        let changed = !self.tasks.iter().map(|it| (it.key(), std::mem::discriminant(&it.state))).eq(self.meter.states.iter().copied());
        if old || changed {
            self.show_now();
        }
    }

    /// Puts up a picture.
    pub(in crate::runtime) fn show_now(&mut self) {
        self.meter.shown = Some(self.clock.elapsed());
        self.meter.states.clear();
        self.meter.states.extend(self.tasks.iter().map(|it| (it.key(), std::mem::discriminant(&it.state))));
        let picture = self.picture();
        self.board.put(picture);
    }

    fn picture(&mut self) -> Picture {
        let mut totals = self.meter.totals.clone();
        totals.times.steps.clone_from(&self.tasks.step_times);
        let tasks = self.tasks.iter().map(|open| {
            let counts = totals.tasks.get(&open.key()).cloned().unwrap_or_default();
            TaskPicture {
                id: open.task.id.clone(),
                subtopology: open.subtopology,
                source: open.source,
                state: open.state.clone(),
                restored: self.restore.progress(&open.task.id),
                outcomes: counts.outcomes,
                dead: counts.dead,
                ids_without_entries: open.task.ids_without_entries(),
            }
        });
        let tasks = tasks.collect();
        let sources = self.tasks.sources.iter();
        let sources = sources.map(|(tp, it)| SourcePicture { partition: *tp, position: it.next, committed: it.committed }).collect();
        let Parts { producer, consumer, .. } = self.log.parts();
        let waiting = Waiting {
            unsent: self.effects.bytes(),
            state: self.tasks.dirty_bytes(),
            producer: producer.queued(),
            consumer: consumer.queued(),
        };
        Picture { worker: self.number, at: self.clock.now(), assigned: self.meter.assigned, tasks, sources, totals, waiting }
    }
}

impl Drop for Worker {
    /// It has ended, well or not.
    fn drop(&mut self) {
        let last = self.picture();
        self.board.take_down(&last);
    }
}
