//! What a store on disk needs, given its changelog: nothing, the tail, everything, or a person.

use crate::engine::record::Offset;

/// What is to be done before a task may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing.
    Ready,
    /// Read the changelog from here on.
    Tail(Offset),
    /// Read all of it.
    All,
    /// The changelog has less than the store needs, or had: nothing can be done without losing something.
    Stop(String),
}

/// Decides. `stored`: up to where the store reflects its changelog; `start`, `end`: what the changelog has (read uncommitted).
#[must_use]
pub fn decide(stored: Option<Offset>, start: Offset, end: Offset) -> Recovery {
    match stored {
        Some(stored) if end < stored => Recovery::Stop(format!(
            "it is shorter than the store: it ends at {end}, the store reflects it up to {stored}. The store may be the last good \
             copy: keep it. The topic was deleted, made anew or lost records; `goyt reset` rebuilds everything from the input"
        )),
        Some(stored) if stored < start => Recovery::Stop(format!(
            "it lacks what the store needs: the store reflects it up to {stored}, it begins at {start}. Records were deleted from it: \
             it must be compacted, never cut. `goyt reset` rebuilds everything from the input"
        )),
        Some(stored) if stored == end => Recovery::Ready,
        Some(stored) => Recovery::Tail(stored),
        None if 0 < start => Recovery::Stop(format!(
            "its beginning is missing: it begins at {start}. Records were deleted from it, and no store on disk has them. \
             `goyt reset` rebuilds everything from the input"
        )),
        None if end == 0 => Recovery::Ready,
        None => Recovery::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_situation_has_one_answer() {
        let stop = |stored, start, end| matches!(decide(stored, start, end), Recovery::Stop(_));
        assert_eq!(decide(None, 0, 0), Recovery::Ready);
        assert_eq!(decide(None, 0, 7), Recovery::All);
        assert_eq!(decide(Some(7), 0, 7), Recovery::Ready);
        assert_eq!(decide(Some(5), 0, 7), Recovery::Tail(5));
        assert_eq!(decide(Some(5), 5, 7), Recovery::Tail(5));
        assert!(stop(Some(8), 0, 7), "shorter than the store");
        assert!(stop(Some(4), 5, 7), "cut behind the store");
        assert!(stop(None, 5, 7), "cut, and nothing on disk");
        assert!(stop(Some(1), 0, 0), "made anew");
    }
}
