//! What a lag means, from how it changed over the last looks. No thresholds in records: they mean nothing across topics.

use std::collections::VecDeque;

use super::LagStatus;
use crate::engine::record::{Millis, Offset};
use crate::runtime::operations::access::Ends;

/// A judgement takes so many looks; before that, and when one of them was fine, all is well.
pub const WINDOW: usize = 6;
/// A task whose next record is not older than this keeps up: some records are always on their way. Milliseconds.
const KEEPS_UP_WITHIN: Millis = 1_000;

/// The first record that can be seen and is not processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// There is none: nothing is left, or control records alone.
    Nothing,
    /// Its timestamp.
    Record(Millis),
    /// There seems to be one, and nobody could look at it in time.
    Unknown,
}

/// One look at a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Millis,
    /// The next record to process.
    pub position: Offset,
    /// Where the partition ended.
    pub ends: Ends,
    /// What is to be processed next.
    pub head: Head,
    /// The task can't go on.
    pub stopped: bool,
}

/// What follows from the looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Records that can be seen and are not processed.
    pub records_behind: i64,
    /// The age of the first of them; 0: there is none.
    pub behind: Millis,
    /// What it means.
    pub status: LagStatus,
}

/// The last looks at a task, at most [`WINDOW`].
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<Look>);

impl History {
    /// Adds a look, and judges.
    pub fn judge(&mut self, look: Look) -> Verdict {
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(look);
        let behind = self.behind(&look);
        Verdict { records_behind: records(&look), behind, status: self.status(&look) }
    }

    fn status(&self, last: &Look) -> LagStatus {
        let Some(first) = self.0.front().filter(|_| self.0.len() == WINDOW || last.stopped) else { return LagStatus::Ok };
        let all = |holds: &dyn Fn(&Look) -> bool| self.0.iter().all(holds);
        let held_back = |it: &Look| it.head == Head::Nothing && it.ends.visible < it.ends.high && it.ends.visible == last.ends.visible;
        if last.stopped {
            LagStatus::Stopped
        } else if all(&held_back) {
            LagStatus::Blocked
        } else if all(&|it| it.head != Head::Nothing && it.position == last.position) {
            LagStatus::Stalled
        } else if all(&|it| it.head != Head::Nothing && KEEPS_UP_WITHIN < self.behind(it)) && !self.falls(first, last) {
            LagStatus::Slow
        } else {
            LagStatus::Ok
        }
    }

    /// Whether the lag gets less, in records or in time.
    fn falls(&self, first: &Look, last: &Look) -> bool {
        records(last) < records(first) || self.behind(last) < self.behind(first)
    }

    /// The age of the first record that is left, when it was looked at. Where it is not known: that of one before it, so at least its.
    fn behind(&self, look: &Look) -> Millis {
        let known = match look.head {
            Head::Nothing => None,
            Head::Record(time) => Some(time),
            Head::Unknown => self.0.iter().rev().find_map(|it| if let Head::Record(time) = it.head { Some(time) } else { None }),
        };
        known.map_or(0, |it| look.at.saturating_sub(it).max(0))
    }
}

/// Records that can be seen and are not processed; control records between them count, too.
fn records(look: &Look) -> i64 {
    match look.head {
        Head::Nothing => 0,
        Head::Record(_) | Head::Unknown => look.ends.visible.saturating_sub(look.position.max(look.ends.first)).max(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (position, visible end, high watermark, age of the next record; `None`: there is none)
    type At = (Offset, Offset, Offset, Option<Millis>);

    fn judged(looks: &[At], stopped: bool) -> Verdict {
        let mut history = History::default();
        let mut verdict = None;
        for (turn, (position, visible, high, age)) in (1..).zip(looks) {
            let at = turn * 5_000;
            let head = age.map_or(Head::Nothing, |it| Head::Record(at - it));
            let ends = Ends { first: 0, visible: *visible, high: *high };
            verdict = Some(history.judge(Look { at, position: *position, ends, head, stopped }));
        }
        verdict.unwrap()
    }

    #[test]
    fn what_a_lag_means() {
        use LagStatus::{Blocked, Ok, Slow, Stalled};
        let idle: At = (10, 11, 11, None);
        #[rustfmt::skip]
        let table: Vec<(&str, Vec<At>, LagStatus, i64, Millis)> = vec![
            ("control records alone are left",        vec![idle; 8],                                                          Ok, 0, 0),
            ("behind, but not for long enough to say", vec![(0, 100, 100, Some(90_000)); 5],                                  Ok, 100, 90_000),
            ("it does not move",                      vec![(0, 100, 100, Some(90_000)); 6],                                   Stalled, 100, 90_000),
            ("it moved before the window",            [vec![(0, 100, 100, Some(9_000))], vec![(1, 100, 100, Some(9_000)); 6]].concat(), Stalled, 99, 9_000),
            ("it moves, and falls back",              (0..6).map(|it| (it, 100 + 2 * it, 200, Some(5_000 + 100 * it))).collect(), Slow, 105, 5_500),
            ("it moves as fast as its input, far behind", (0..6).map(|it| (it, 100 + it, 200, Some(5_000))).collect(),        Slow, 100, 5_000),
            ("it catches up in records",              (0..6).map(|it| (2 * it, 100 + it, 200, Some(5_000))).collect(),        Ok, 95, 5_000),
            ("it catches up in time",                 (0..6).map(|it| (it, 100 + 2 * it, 200, Some(5_000 - 100 * it))).collect(), Ok, 105, 4_500),
            ("some records are always on their way",  (0..6).map(|it| (it, 100 + 2 * it, 200, Some(900))).collect(),          Ok, 105, 900),
            ("it was done once within the window",    [vec![(0, 100, 100, Some(9_000)); 3], vec![idle], vec![(10, 100, 100, Some(9_000)); 2]].concat(), Ok, 90, 9_000),
            ("an open transaction holds all back",    vec![(10, 10, 15, None); 6],                                            Blocked, 0, 0),
            ("for a short time only",                 vec![(10, 10, 15, None); 5],                                            Ok, 0, 0),
            ("it grows behind the open transaction",  (0..6).map(|it| (10, 10, 15 + it, None)).collect(),                     Blocked, 0, 0),
            ("transactions come and go",              (0..6).map(|it| (10 + it, 10 + it, 15 + it, None)).collect(),           Ok, 0, 0),
            ("held back, but there is work left",     (0..6).map(|it| (it, 10, 15, Some(9_000 - it))).collect(),              Ok, 5, 8_995),
            ("the clock of the producer goes ahead",  vec![(0, 1, 1, Some(-5_000))],                                          Ok, 1, 0),
        ];
        for (name, looks, status, records_behind, behind) in table {
            assert_eq!(judged(&looks, false), Verdict { records_behind, behind, status }, "{name}");
        }
        let stopped = judged(&[(10, 100, 100, Some(3_000))], true);
        assert_eq!((stopped.status, stopped.records_behind), (LagStatus::Stopped, 90), "said at once");
    }

    #[test]
    fn an_age_that_is_not_known_is_taken_from_a_record_before() {
        let mut history = History::default();
        let look = |at, position, head| Look { at, position, ends: Ends { first: 0, visible: 9, high: 9 }, head, stopped: false };
        assert_eq!(history.judge(look(1_000, 0, Head::Unknown)).behind, 0);
        history.judge(look(2_000, 1, Head::Record(500)));
        assert_eq!(history.judge(look(3_000, 2, Head::Unknown)).behind, 2_500);
    }

    #[test]
    fn records_that_retention_took_do_not_count() {
        let ends = Ends { first: 50, visible: 60, high: 60 };
        let verdict = History::default().judge(Look { at: 0, position: 3, ends, head: Head::Record(0), stopped: false });
        assert_eq!(verdict.records_behind, 10);
    }
}
