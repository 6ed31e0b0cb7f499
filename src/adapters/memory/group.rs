//! A consumer group: members, generations, the range assignment, and committed offsets.
//!
//! ```text
//!                 join                     all have joined                   someone joins or leaves
//!     (outside) ───────▶ Joined ──────────────────────────────▶ Assigned ─────────────────────────────▶ Revoking
//!                          ▲                                                                              │
//!                          └───────────────────────────── unassign ───────────────────────────────────────┘
//! ```
//! A rebalance is eager, as in the classic protocol: every member gives up all it has before anyone gets anything.

use std::collections::BTreeMap;

use crate::adapters::memory::error;
use crate::adapters::memory::partition::Serial;
use crate::engine::record::Offset;
use crate::runtime::mutant::{self, Mutant};
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// A topic's name and a partition of it.
pub type Place = (String, i32);

/// A member as its client knows itself: a restarted client has the same name and another incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberId {
    /// The member's name, stable over restarts.
    pub name: String,
    /// Which of the clients with this name.
    pub incarnation: u64,
}

/// What a member is told, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It has these partitions now.
    Assigned(Vec<Place>),
    /// It must give these up.
    Revoked(Vec<Place>),
    /// It is not a member any more.
    Expelled,
}

/// A group.
#[derive(Debug, Default)]
pub struct Group {
    generation: u32,
    incarnations: u64,
    members: BTreeMap<String, Member>,
    committed: BTreeMap<Place, Offset>,
    /// Offsets of open transactions, each with its number in the order in which they were added.
    pending: BTreeMap<Serial, BTreeMap<Place, (u64, Offset)>>,
    /// The number of each committed offset.
    newest: BTreeMap<Place, u64>,
    held: u64,
}

#[derive(Debug)]
struct Member {
    incarnation: u64,
    topics: Vec<String>,
    phase: Phase,
    /// The generation whose assignment it was told.
    generation: Option<u32>,
}

#[derive(Debug)]
enum Phase {
    Joined,
    Assigned { partitions: Vec<Place>, told: bool },
    Revoking { partitions: Vec<Place>, told: bool },
}

impl Group {
    /// A client joins. One with a name that is there already takes its place and, when it wants the same topics, its partitions,
    /// and the others notice nothing.
    pub fn join(&mut self, name: &str, topics: &[String], counts: &BTreeMap<String, i32>) -> MemberId {
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let id = MemberId { name: name.to_owned(), incarnation };
        if let Some(member) = self.members.get_mut(name) {
            member.incarnation = incarnation;
            if let Phase::Assigned { told, .. } = &mut member.phase
                && member.topics == topics
            {
                *told = false;
                return id;
            }
        }
        let member = Member { incarnation, topics: topics.to_vec(), phase: Phase::Joined, generation: None };
        self.members.insert(name.to_owned(), member);
        self.rebalance(counts);
        id
    }

    /// A member leaves, unless another client has taken its name.
    pub fn leave(&mut self, id: &MemberId, counts: &BTreeMap<String, i32>) {
        if self.members.get(&id.name).is_some_and(|member| member.incarnation == id.incarnation) {
            self.expel(&id.name, counts);
        }
    }

    /// A member has not been heard of for too long.
    pub fn expel(&mut self, name: &str, counts: &BTreeMap<String, i32>) {
        if self.members.remove(name).is_some() {
            self.rebalance(counts);
        }
    }

    /// What a member has not been told yet.
    ///
    /// # Errors
    /// When another client has taken its name.
    pub fn notice(&mut self, id: &MemberId) -> Result<Option<Notice>, LogError> {
        let generation = self.generation;
        let Some(member) = self.members.get_mut(&id.name) else { return Ok(Some(Notice::Expelled)) };
        member.check(id)?;
        Ok(match &mut member.phase {
            Phase::Assigned { partitions, told } if !*told => {
                *told = true;
                member.generation = Some(generation);
                Some(Notice::Assigned(partitions.clone()))
            }
            Phase::Revoking { partitions, told } if !*told => {
                *told = true;
                Some(Notice::Revoked(partitions.clone()))
            }
            Phase::Joined | Phase::Assigned { .. } | Phase::Revoking { .. } => None,
        })
    }

    /// A member has given up what it had to; says whether it is still a member.
    pub fn given_up(&mut self, id: &MemberId, counts: &BTreeMap<String, i32>) -> bool {
        let Some(member) = self.members.get_mut(&id.name).filter(|it| it.incarnation == id.incarnation) else { return false };
        if let Phase::Revoking { .. } = member.phase {
            member.phase = Phase::Joined;
            self.assign_when_all_have_joined(counts);
        }
        true
    }

    /// Whether a member may commit: it must know the current generation.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self, id: Option<&MemberId>, name: &str) -> Result<(), LogError> {
        if mutant::is(Mutant::AnyMember) {
            return Ok(());
        }
        let found = id.and_then(|id| self.members.get(&id.name).map(|member| (id, member)));
        let Some((id, member)) = found else {
            return Err(error("UNKNOWN_MEMBER_ID", Reaction::LeaveTask, format!("{name} is not a member of the group")));
        };
        member.check(id)?;
        if member.generation != Some(self.generation) {
            return Err(error("ILLEGAL_GENERATION", Reaction::LeaveTask, format!("{name} is of an earlier generation of the group")));
        }
        Ok(())
    }

    /// Committed offsets, stable only.
    ///
    /// # Errors
    /// While an open transaction holds an offset of one of them.
    pub fn committed(&self, places: &[Place]) -> Result<Vec<Option<Offset>>, LogError> {
        let unstable =
            |place: &&Place| !mutant::is(Mutant::UnstableOffsets) && self.pending.values().any(|offsets| offsets.contains_key(*place));
        if let Some((topic, partition)) = places.iter().find(unstable) {
            let text = format!("an open transaction holds an offset of {topic}-{partition}");
            return Err(error("UNSTABLE_OFFSET_COMMIT", Reaction::Retry, text));
        }
        Ok(places.iter().map(|place| self.committed.get(place).copied()).collect())
    }

    /// All committed offsets.
    #[must_use]
    pub fn all_committed(&self) -> &BTreeMap<Place, Offset> {
        &self.committed
    }

    /// The names of its members.
    pub fn member_names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// What the group is about, as a broker names it.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.members.values().all(|member| matches!(member.phase, Phase::Assigned { .. })) {
            "Stable"
        } else {
            "PreparingRebalance"
        }
    }

    /// Holds offsets until their transaction ends.
    pub fn hold(&mut self, transaction: Serial, offsets: impl IntoIterator<Item = (Place, Offset)>) {
        self.held += 1;
        let held = offsets.into_iter().map(|(place, offset)| (place, (self.held, offset)));
        self.pending.entry(transaction).or_default().extend(held);
    }

    /// Ends a transaction. Of two that end in another order than their offsets were added in, those that were added later stay.
    pub fn end(&mut self, transaction: Serial, committed: bool) {
        if let Some(offsets) = self.pending.remove(&transaction).filter(|_| committed) {
            for (place, (held, offset)) in offsets {
                let newest = self.newest.entry(place.clone()).or_default();
                if *newest < held {
                    *newest = held;
                    self.committed.insert(place, offset);
                }
            }
        }
    }

    fn rebalance(&mut self, counts: &BTreeMap<String, i32>) {
        for member in self.members.values_mut() {
            member.phase = match std::mem::replace(&mut member.phase, Phase::Joined) {
                Phase::Assigned { partitions, told: true } => Phase::Revoking { partitions, told: false },
                Phase::Assigned { told: false, .. } | Phase::Joined => Phase::Joined,
                revoking @ Phase::Revoking { .. } => revoking,
            };
        }
        self.assign_when_all_have_joined(counts);
    }

    fn assign_when_all_have_joined(&mut self, counts: &BTreeMap<String, i32>) {
        if self.members.is_empty() || !self.members.values().all(|member| matches!(member.phase, Phase::Joined)) {
            return;
        }
        self.generation += 1;
        let mut assignment = self.range_assignment(counts);
        for (name, member) in &mut self.members {
            let partitions = assignment.remove(name).unwrap_or_default();
            member.phase = Phase::Assigned { partitions, told: false };
        }
    }

    /// Each topic's partitions in runs, to its members by name; the first members get one more where it doesn't come out even.
    /// So partition p of all topics with equal counts and readers goes to one member.
    fn range_assignment(&self, counts: &BTreeMap<String, i32>) -> BTreeMap<String, Vec<Place>> {
        let mut assignment: BTreeMap<String, Vec<Place>> = BTreeMap::new();
        for (topic, count) in counts {
            let readers: Vec<&String> =
                self.members.iter().filter(|(_, member)| member.topics.contains(topic)).map(|(name, _)| name).collect();
            let readers_count = i32::try_from(readers.len()).unwrap_or(i32::MAX).max(1);
            let (each, more) = (count / readers_count, count % readers_count);
            let mut next = 0;
            for (place, reader) in (0..).zip(readers) {
                let until = next + each + i32::from(place < more);
                assignment.entry(reader.clone()).or_default().extend((next..until).map(|partition| (topic.clone(), partition)));
                next = until;
            }
        }
        assignment
    }
}

impl Member {
    fn check(&self, id: &MemberId) -> Result<(), LogError> {
        if self.incarnation == id.incarnation {
            return Ok(());
        }
        let text = format!("another client has joined as {}: two processes have the same `instance.id`", id.name);
        Err(error("FENCED_INSTANCE_ID", Reaction::Rejoin, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_whose_partitions_do_not_come_out_even_gives_one_more_to_the_first_members() {
        let counts = BTreeMap::from([("a".to_owned(), 5), ("b".to_owned(), 5), ("c".to_owned(), 1)]);
        let mut group = Group::default();
        let all = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let one = group.join("m1", &all, &counts);
        let two = group.join("m2", &all[..2], &counts);
        let text = |notice| match notice {
            Some(Notice::Assigned(places)) => places.iter().map(|(topic, it)| format!("{topic}{it}")).collect::<Vec<_>>().join(" "),
            other => format!("{other:?}"),
        };
        assert_eq!(text(group.notice(&one).unwrap()), "a0 a1 a2 b0 b1 b2 c0");
        assert_eq!(text(group.notice(&two).unwrap()), "a3 a4 b3 b4");
        assert_eq!(group.notice(&two).unwrap(), None, "told once");
    }

    #[test]
    fn offsets_of_an_open_transaction_are_waited_for_and_dropped_when_it_aborts() {
        let mut group = Group::default();
        let (here, there) = (("t".to_owned(), 0), ("t".to_owned(), 1));
        group.hold(1, [(here.clone(), 10)]);
        let error = group.committed(&[there.clone(), here.clone()]).unwrap_err();
        assert_eq!((error.code, error.reaction), ("UNSTABLE_OFFSET_COMMIT", Reaction::Retry));
        assert_eq!(group.committed(&[there]).unwrap(), [None]);
        group.end(1, true);
        group.hold(2, [(here.clone(), 20)]);
        group.end(2, false);
        assert_eq!(group.committed(&[here]).unwrap(), [Some(10)]);
    }

    #[test]
    fn who_may_commit() {
        let counts = BTreeMap::from([("t".to_owned(), 2)]);
        let topics = ["t".to_owned()];
        let mut group = Group::default();
        let code = |group: &Group, id: Option<&MemberId>| group.check(id, "m").map_or_else(|error| error.code, |()| "ok");
        assert_eq!(code(&group, None), "UNKNOWN_MEMBER_ID");
        let old = group.join("m", &topics, &counts);
        assert_eq!(code(&group, Some(&old)), "ILLEGAL_GENERATION", "its assignment was not told yet");
        group.notice(&old).unwrap();
        assert_eq!(code(&group, Some(&old)), "ok");
        let other = group.join("n", &topics, &counts);
        group.notice(&old).unwrap();
        assert_eq!(code(&group, Some(&old)), "ok", "told to give up: its last commit");
        group.given_up(&old, &counts);
        assert_eq!(code(&group, Some(&old)), "ILLEGAL_GENERATION", "partitions have been given out anew");
        group.notice(&old).unwrap();
        let new = group.join("m", &topics, &counts);
        assert_eq!(code(&group, Some(&old)), "FENCED_INSTANCE_ID");
        group.notice(&new).unwrap();
        assert_eq!(code(&group, Some(&new)), "ok");
        group.leave(&old, &counts);
        assert_eq!(code(&group, Some(&new)), "ok", "only the latest client of a name can leave");
        group.leave(&new, &counts);
        assert_eq!(code(&group, Some(&new)), "UNKNOWN_MEMBER_ID");
        assert_eq!(group.member_names().collect::<Vec<_>>(), [other.name.as_str()]);
    }
}
