//! Dead letters: found, looked at, sent back once, discarded. Over the ports of operation, for the command line and for HTTP.
//!
//! ```text
//!  <topic>.dlq ──▶ letters ──▶ filter ──┬─▶ list, groups, one letter
//!                     ▲                 ├─▶ rehearsal: would it pass now?
//!  <application>-audit ─▶ marks         └─▶ redrive: [records back to <topic>, marks] in one transaction
//! ```

pub mod filter;
pub mod letter;
pub mod marks;
pub mod redrive;
pub mod rehearsal;

use std::collections::BTreeMap;

use filter::{Filter, Group, GroupBy, Groups};
use letter::{Letter, LetterId};
use marks::Marks;

use crate::engine::plan::{Plan, Role};
use crate::engine::record::{Millis, Offset};
use crate::runtime::operations::access::{Place, Range, TopicReader, read_ranges};
use crate::runtime::operations::audit;
use crate::runtime::ports::LogError;

/// Why nothing could be found out or done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The audit topic can't be relied on.
    #[error("{topic} {fault}")]
    Audit {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        fault: String,
    },
    /// Somebody else redrives or discards: the later one goes on.
    #[error(
        "another redrive or discard of this application has taken over; what this one did is done\n  hint: run it again when that one has ended"
    )]
    Taken,
}

/// How far the dead letter topics have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Through {
    /// Offsets gone through.
    pub read: u64,
    /// Of so many.
    pub of: u64,
}

/// Dead letters found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The latest of them by record timestamp, at most as many as asked for; the latest first.
    pub letters: Vec<Letter>,
    /// How many there are in all.
    pub matched: u64,
}

/// The latest dead letters that the filter takes, with what was done about them.
///
/// # Errors
/// When the log can't be read, or the audit topic not be relied on.
pub fn list(reader: &mut dyn TopicReader, plan: &Plan, filter: &Filter, limit: usize) -> Result<Listing, Error> {
    let mut latest: BTreeMap<(Option<Millis>, LetterId), Letter> = BTreeMap::new();
    let mut matched = 0;
    visit(reader, plan, filter, &mut |letter, _| {
        let Some(letter) = letter else { return true };
        matched += 1;
        latest.insert((letter.timestamp, letter.id.clone()), letter);
        if limit < latest.len() {
            latest.pop_first();
        }
        true
    })?;
    Ok(Listing { letters: latest.into_values().rev().collect(), matched })
}

/// The dead letters that the filter takes, counted by what they have in common; the largest group first.
///
/// # Errors
/// As [`list`].
pub fn group(reader: &mut dyn TopicReader, plan: &Plan, filter: &Filter, by: &[GroupBy]) -> Result<Vec<Group>, Error> {
    let mut groups = Groups::by(by);
    visit(reader, plan, filter, &mut |letter, _| {
        letter.iter().for_each(|it| groups.add(it));
        true
    })?;
    Ok(groups.sorted())
}

/// One dead letter with what was done about it; `None`: there is no such.
///
/// # Errors
/// As [`list`].
pub fn find(reader: &mut dyn TopicReader, plan: &Plan, id: &LetterId) -> Result<Option<Letter>, Error> {
    Ok(list(reader, plan, &Filter::of([id.clone()]), 1)?.letters.pop())
}

/// Hands out the dead letters that the filter takes, in the order of offsets in each partition, the partitions mixed; `None`: one that it
/// does not take was read. Goes on until the end of now, or `each` says `false`.
///
/// # Errors
/// As [`list`].
pub fn visit(
    reader: &mut dyn TopicReader,
    plan: &Plan,
    filter: &Filter,
    each: &mut dyn FnMut(Option<Letter>, Through) -> bool,
) -> Result<(), Error> {
    let mut marks = Marks::of(&audit::topic(&plan.application_id));
    marks.look(reader)?;
    let ranges = ranges(reader, plan, filter)?;
    let mut through = Through { read: 0, of: ranges.iter().map(length).sum() };
    read_ranges(reader, &ranges, |record| {
        through.read += 1;
        let mut letter = Letter::read(&record);
        letter.mark = marks.get(&letter.id, letter.origin.as_ref()).cloned();
        let taken = filter.takes(&letter);
        each(taken.then_some(letter), through)
    })?;
    Ok(())
}

/// The dead letter topics of a plan.
pub fn topics(plan: &Plan) -> impl Iterator<Item = &str> {
    plan.topics.iter().filter(|it| it.role == Role::DeadLetter).map(|it| it.name.as_str())
}

/// What is there to be read of the topics that the filter can mean, by topic and partition.
fn ranges(reader: &mut dyn TopicReader, plan: &Plan, filter: &Filter) -> Result<Vec<Range>, Error> {
    let topics: Vec<&str> = topics(plan).filter(|it| filter.reads(it)).collect();
    let counts = reader.partitions(&topics)?;
    let place = |topic: &str, partition| Place { topic: topic.into(), partition };
    let places = counts.iter().flat_map(|(topic, count)| (0..*count).map(move |it| place(topic, it)));
    let wanted = |it: &Place| filter.ids.is_empty() || filter.ids.iter().any(|id| id.topic == it.topic && id.partition == it.partition);
    let places: Vec<Place> = places.filter(wanted).collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let ends = reader.ends(&places)?;
    // Whatever stands before the first record of that time is older.
    let since = match filter.since {
        Some(since) => reader.at(&places, since)?.into_iter().map(|it| it.unwrap_or(Offset::MAX)).collect(),
        None => vec![0; places.len()],
    };
    let ranges = places.into_iter().zip(ends).zip(since).map(|((place, ends), since)| {
        let ids = || filter.ids.iter().filter(|it| it.topic == place.topic && it.partition == place.partition).map(|it| it.offset);
        let (from, until) = (ends.first.max(since).max(ids().min().unwrap_or(0)), ends.visible);
        let until = ids().max().map_or(until, |it| until.min(it.saturating_add(1)));
        Range { place, from, until }
    });
    Ok(ranges.filter(|it| it.from < it.until).collect())
}

fn length(range: &Range) -> u64 {
    u64::try_from(range.until - range.from).unwrap_or(0)
}

#[cfg(test)]
mod tests;
