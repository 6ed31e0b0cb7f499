//! From where a replay reads, and what it would leave out. Pure.

use std::ops::Range;

use super::Part;
use crate::engine::record::{Millis, Offset};
use crate::runtime::operations::access::Ends;

/// From where a replay reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// The first record of each partition.
    Earliest,
    /// This offset in each partition of the input; what lies behind a repartition is read from its first record.
    Offset(Offset),
    /// The first record that is not older, in each partition.
    Time(Millis),
}

/// What is read of a source partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The first record to the first that is not read.
    pub range: Range<Offset>,
    /// Whether nothing before it ever was, or is there.
    pub whole: bool,
}

/// What is read of a source partition. `at`: the first offset that is not older than the time asked for.
#[must_use]
pub fn span(part: &Part, begin: Begin, ends: Ends, at: Option<Offset>, committed: Option<Offset>) -> Span {
    let until = committed.unwrap_or(ends.first);
    let from = match begin {
        Begin::Offset(offset) if !part.behind_repartition => offset.max(ends.first),
        Begin::Earliest | Begin::Offset(_) => ends.first,
        Begin::Time(_) => at.unwrap_or(until),
    };
    let from = from.min(until);
    Span { range: from..until, whole: from == 0 }
}

/// Why a replay would be partial, if so: each reason with what it is about.
#[must_use]
pub fn gaps(begin: Begin, parts: &[(Part, Ends, Span)]) -> Vec<String> {
    let mut gaps = Vec::new();
    let gone: Vec<String> = parts
        .iter()
        .filter(|(_, ends, span)| 0 < ends.first && span.range.start <= ends.first)
        .map(|(part, ends, _)| format!("{}[{}] begins at {}", part.source.topic, part.source.partition, ends.first))
        .collect();
    if !gone.is_empty() {
        gaps.push(format!("records are gone that the live application has seen: {}", gone.join(", ")));
    }
    if begin != Begin::Earliest {
        let mut tasks: Vec<&str> = parts
            .iter()
            .filter(|(part, _, span)| !part.changelogs.is_empty() && !span.whole)
            .map(|(part, ..)| part.task.as_str())
            .collect();
        tasks.sort_unstable();
        if let (Some(first), count) = (tasks.first(), tasks.len()) {
            let more = if count == 1 { String::new() } else { format!(" and {} more tasks", count - 1) };
            gaps.push(format!("{first}{more} would begin without the state that came before, dedup windows among it"));
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::operations::access::Place;

    fn part(behind_repartition: bool, stateful: bool) -> Part {
        let place = |topic: &str| Place { topic: topic.into(), partition: 1 };
        Part {
            task: "t.s_1".to_owned(),
            subtopology: 0,
            source: place("in"),
            changelogs: stateful.then(|| place("c")).into_iter().collect(),
            behind_repartition,
        }
    }

    #[test]
    fn a_span_ends_at_what_is_committed_and_is_whole_from_the_very_first_record() {
        let ends = |first| Ends { first, visible: 100, high: 100 };
        for (begin, first, at, committed, range, whole) in [
            (Begin::Earliest, 0, None, Some(50), 0..50, true),
            (Begin::Earliest, 0, None, None, 0..0, true),
            (Begin::Earliest, 9, None, Some(50), 9..50, false),
            (Begin::Offset(20), 0, None, Some(50), 20..50, false),
            (Begin::Offset(70), 0, None, Some(50), 50..50, false),
            (Begin::Offset(3), 9, None, Some(50), 9..50, false),
            (Begin::Time(7), 0, Some(30), Some(50), 30..50, false),
            (Begin::Time(7), 0, None, Some(50), 50..50, false),
        ] {
            let found = span(&part(false, true), begin, ends(first), at, committed);
            assert_eq!(found, Span { range, whole }, "{begin:?} {first} {at:?} {committed:?}");
        }
        let behind = span(&part(true, true), Begin::Offset(20), ends(0), None, Some(50));
        assert_eq!(behind, Span { range: 0..50, whole: true }, "what was recorded behind a repartition is complete");
    }

    #[test]
    fn what_would_silently_be_partial_is_named() {
        let gaps = |begin, stateful, first, range: Range<Offset>| {
            let whole = range.start == 0;
            gaps(begin, &[(part(false, stateful), Ends { first, visible: 9, high: 9 }, Span { range, whole })])
        };
        assert_eq!(gaps(Begin::Earliest, true, 0, 0..9), [""; 0]);
        assert_eq!(gaps(Begin::Earliest, true, 4, 4..9), ["records are gone that the live application has seen: in[1] begins at 4"]);
        assert_eq!(gaps(Begin::Offset(5), false, 0, 5..9), [""; 0], "without state nothing before matters");
        let reason = "t.s_1 would begin without the state that came before, dedup windows among it";
        assert_eq!(gaps(Begin::Offset(5), true, 0, 5..9), [reason]);
    }
}
