//! Which dead letters are meant, and how they are counted together.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::record::Millis;
use crate::runtime::operations::dead_letters::letter::{Letter, LetterId};

/// Which dead letters are meant: those that fit everything that is said. Nothing said: all that are open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The topic that the record came from, or the dead letter topic.
    pub topic: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// The step.
    pub step: Option<String>,
    /// The topology.
    pub topology: Option<String>,
    /// The record's key, as text.
    pub key: Option<String>,
    /// The record's timestamp is this or later.
    pub since: Option<Millis>,
    /// The record's timestamp is before this.
    pub until: Option<Millis>,
    /// These alone; empty: any.
    pub ids: BTreeSet<LetterId>,
    /// Whether something was done about it.
    pub state: State,
}

/// Whether something was done about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Nothing was.
    #[default]
    Open,
    /// It was sent back or discarded.
    Done,
    /// Either.
    All,
}

impl Filter {
    /// These dead letters, whatever was done about them.
    #[must_use]
    pub fn of(ids: impl IntoIterator<Item = LetterId>) -> Self {
        Self { ids: ids.into_iter().collect(), state: State::All, ..Self::default() }
    }

    /// Whether nothing is said at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { topic, reason, step, topology, key, since, until, ids, state: _ } = self;
        [topic, reason, step, topology, key].iter().all(|it| it.is_none()) && since.is_none() && until.is_none() && ids.is_empty()
    }

    /// Whether dead letters of this topic can be meant.
    #[must_use]
    pub fn reads(&self, dead_letter_topic: &str) -> bool {
        let by_topic = self.topic.as_ref().is_none_or(|it| it == dead_letter_topic || dead_letter_topic.strip_suffix(".dlq") == Some(it));
        by_topic && (self.ids.is_empty() || self.ids.iter().any(|it| &*it.topic == dead_letter_topic))
    }

    /// Whether this one is meant, as far as it was done about is not asked.
    #[must_use]
    pub fn fits(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|it| it == found);
        self.reads(&letter.id.topic)
            && is(&self.reason, &letter.reason)
            && is(&self.step, &letter.step)
            && is(&self.topology, &letter.topology)
            && self.key.as_ref().is_none_or(|it| letter.key.as_deref() == Some(it.as_bytes()))
            && self.since.is_none_or(|since| letter.timestamp.is_some_and(|it| since <= it))
            && self.until.is_none_or(|until| letter.timestamp.is_some_and(|it| it < until))
            && (self.ids.is_empty() || self.ids.contains(&letter.id))
    }

    /// Whether this one is meant, given what was done about it.
    #[must_use]
    pub fn takes(&self, letter: &Letter) -> bool {
        let by_state = match self.state {
            State::Open => letter.mark.is_none(),
            State::Done => letter.mark.is_some(),
            State::All => true,
        };
        by_state && self.fits(letter)
    }
}

/// What dead letters are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupBy {
    /// The reason.
    Reason,
    /// The step.
    Step,
    /// The topic that the record came from.
    Topic,
    /// The topology.
    Topology,
    /// The record's key.
    Key,
}

/// Dead letters counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What each of them has in common, in the order of what was asked for.
    pub by: Vec<String>,
    /// How many nothing was done about.
    pub open: u64,
    /// How many something was done about.
    pub done: u64,
    /// The first record timestamp.
    pub first: Option<Millis>,
    /// The last record timestamp.
    pub last: Option<Millis>,
    /// One of them: the last that was read.
    pub example: LetterId,
}

/// Most groups that are kept apart; the letters of further ones are counted under `…`.
const GROUPS_MAX: usize = 10_000;

/// Counts dead letters by what they have in common.
#[derive(Debug, Clone)]
pub struct Groups {
    by: Vec<GroupBy>,
    groups: BTreeMap<Vec<String>, Group>,
}

impl Groups {
    /// None yet.
    #[must_use]
    pub fn by(by: &[GroupBy]) -> Self {
        Self { by: by.to_vec(), groups: BTreeMap::new() }
    }

    /// Counts one.
    pub fn add(&mut self, letter: &Letter) {
        let mut by: Vec<String> = self.by.iter().map(|it| it.of(letter)).collect();
        if GROUPS_MAX <= self.groups.len() && !self.groups.contains_key(&by) {
            by = self.by.iter().map(|_| "…".to_owned()).collect();
        }
        let group = self.groups.entry(by.clone()).or_insert_with(|| Group {
            by,
            open: 0,
            done: 0,
            first: None,
            last: None,
            example: letter.id.clone(),
        });
        *if letter.mark.is_none() { &mut group.open } else { &mut group.done } += 1;
        group.first = letter.timestamp.into_iter().chain(group.first).min();
        group.last = letter.timestamp.max(group.last);
        group.example.clone_from(&letter.id);
    }

    /// The groups, the largest first.
    #[must_use]
    pub fn sorted(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_by(|a, b| (b.open + b.done).cmp(&(a.open + a.done)).then_with(|| a.by.cmp(&b.by)));
        groups
    }
}

impl GroupBy {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reason => "reason",
            Self::Step => "step",
            Self::Topic => "topic",
            Self::Topology => "topology",
            Self::Key => "key",
        }
    }

    fn of(self, letter: &Letter) -> String {
        match self {
            Self::Reason => letter.reason.clone(),
            Self::Step => letter.step.clone(),
            Self::Topic => letter.origin.as_ref().map_or_else(|| letter.id.topic.to_string(), |it| it.topic.clone()),
            Self::Topology => letter.topology.clone(),
            Self::Key => letter.key.as_ref().map_or_else(|| "-".to_owned(), |it| String::from_utf8_lossy(it).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::letter;
    use super::*;

    #[test]
    fn a_letter_is_taken_when_it_fits_all_that_is_said() {
        // topic orders, reason WRONG_TYPE, step decode, topology shop, key k, timestamp 1,000, orders.dlq/0/7
        let some = |text: &str| Some(text.to_owned());
        let none = Filter::default;
        let id = |text: &str| std::iter::once(text.parse().unwrap()).collect();
        let cases = [
            (none(), true),
            (Filter { topic: some("orders"), ..none() }, true),
            (Filter { topic: some("orders.dlq"), ..none() }, true),
            (Filter { topic: some("order"), ..none() }, false),
            (Filter { reason: some("WRONG_TYPE"), step: some("decode"), topology: some("shop"), ..none() }, true),
            (Filter { reason: some("WRONG_TYPE"), step: some("amount"), ..none() }, false),
            (Filter { topology: some("mail"), ..none() }, false),
            (Filter { key: some("k"), ..none() }, true),
            (Filter { key: some("K"), ..none() }, false),
            (Filter { since: Some(1_000), until: Some(1_001), ..none() }, true),
            (Filter { since: Some(1_001), ..none() }, false),
            (Filter { until: Some(1_000), ..none() }, false),
            (Filter { ids: id("orders.dlq/0/7"), ..none() }, true),
            (Filter { ids: id("orders.dlq/0/8"), ..none() }, false),
            (Filter { state: State::Done, ..none() }, false),
            (Filter { state: State::All, ..none() }, true),
        ];
        for (filter, taken) in cases {
            assert_eq!(filter.takes(&letter(7)), taken, "{filter:?}");
        }
    }

    #[test]
    fn groups_are_counted_with_their_times_and_an_example_the_largest_first() {
        let mut groups = Groups::by(&[GroupBy::Reason, GroupBy::Topic]);
        groups.add(&Letter { reason: "NOT_JSON".into(), ..letter(1) });
        groups.add(&Letter { timestamp: Some(3_000), ..letter(2) });
        groups.add(&Letter { timestamp: Some(2_000), ..letter(3) });
        let shown: Vec<String> = groups
            .sorted()
            .iter()
            .map(|it| format!("{} {}+{} {:?}..{:?} {}", it.by.join(","), it.open, it.done, it.first, it.last, it.example))
            .collect();
        let expected =
            ["WRONG_TYPE,orders 2+0 Some(2000)..Some(3000) orders.dlq/0/3", "NOT_JSON,orders 1+0 Some(1000)..Some(1000) orders.dlq/0/1"];
        assert_eq!(shown, expected);
    }
}
