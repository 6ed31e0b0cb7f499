//! Where a replay ends: at offsets that the live application has committed, and at which its state is known.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Error, Part};
use crate::engine::record::Offset;
use crate::runtime::operations::access::{Ends, Place, TopicReader};
use crate::runtime::ports::Clock;

/// Looks at a task that is always in the middle of a commit when it is looked at.
const TRIES_MAX: u32 = 500;
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(7);

/// A consistent look at the live application, task by task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cut {
    /// The committed offset of each source partition; none where nothing was committed yet.
    pub committed: BTreeMap<Place, Option<Offset>>,
    /// The end of each changelog partition that holds the state at that offset.
    pub changelogs: BTreeMap<Place, Offset>,
}

/// Cuts. While the application works on, a task is looked at until no commit of it is under way.
///
/// # Errors
/// When a task is never found between two commits; when the cluster does not answer.
pub fn cut(reader: &mut dyn TopicReader, parts: &[Part], clock: &dyn Clock) -> Result<Cut, Error> {
    let mut cut = Cut::default();
    let mut left: Vec<&Part> = parts.iter().collect();
    for _ in 0..TRIES_MAX {
        let sources: Vec<Place> = left.iter().map(|it| it.source.clone()).collect();
        let changelogs: Vec<Place> = left.iter().flat_map(|it| it.changelogs.iter().cloned()).collect();
        let before = reader.committed(&sources)?;
        let ends: BTreeMap<&Place, Ends> = changelogs.iter().zip(reader.ends(&changelogs)?).collect();
        let after = reader.committed(&sources)?;
        let mut again = Vec::new();
        for ((part, before), after) in left.into_iter().zip(before).zip(after) {
            let of_part: Vec<Ends> = part.changelogs.iter().filter_map(|it| ends.get(it).copied()).collect();
            if agree(before, &of_part, after) {
                cut.committed.insert(part.source.clone(), after);
                cut.changelogs.extend(part.changelogs.iter().cloned().zip(of_part.iter().map(|it| it.high)));
            } else {
                again.push(part);
            }
        }
        if again.is_empty() {
            return Ok(cut);
        }
        left = again;
        clock.sleep(PAUSE);
    }
    let names: Vec<String> = left.iter().map(|it| it.task.clone()).collect();
    Err(Error::Refused {
        reason: format!("{} was in the middle of a commit each of the {TRIES_MAX} times that it was looked at", names.join(", ")),
        hint: "replay at a quieter time, or with the application stopped".to_owned(),
    })
}

/// Whether the changelogs up to their ends are the state at the committed offset: no transaction was open on them, and none was committed
/// between the two looks at the offset, which leave out no commit that is under way.
fn agree(before: Option<Offset>, changelogs: &[Ends], after: Option<Offset>) -> bool {
    before == after && changelogs.iter().all(|it| it.visible == it.high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_offset_agree_only_between_two_commits() {
        let ends = |visible, high| Ends { first: 0, visible, high };
        for (before, changelogs, after, agrees) in [
            (Some(7), vec![ends(3, 3), ends(9, 9)], Some(7), true),
            (None, vec![ends(0, 0)], None, true),
            (Some(7), vec![], Some(7), true),
            (Some(7), vec![ends(3, 3)], Some(8), false),
            (Some(7), vec![ends(3, 3), ends(8, 9)], Some(7), false),
        ] {
            assert_eq!(agree(before, &changelogs, after), agrees, "{before:?} {changelogs:?} {after:?}");
        }
    }
}
