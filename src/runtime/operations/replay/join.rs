//! Live and replayed records of one topic, joined by id as they come. Pure.
//!
//! Give it one partition of the live topic, then the same one of the replay, and so on: what has met is dropped at once, so that not much
//! more than one partition is held, some 60 bytes for each record.

use std::collections::VecDeque;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::items::Item;
use crate::engine::record::Offset;

/// Differences of one kind that are looked at closely.
pub const DETAILS_MAX: usize = 5;

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The partition.
    pub partition: i32,
    /// The offset there.
    pub offset: Offset,
    /// Its number among those of a pack; 0 when it stands for itself.
    pub nth: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Join {
    live: HashMap<u128, Waiting, FxBuildHasher>,
    /// Further live records of an id that is in `live`.
    repeats: HashMap<u128, VecDeque<Waiting>, FxBuildHasher>,
    /// Replayed records that met none yet.
    replay: Vec<(Item, At)>,
    last: HashMap<u64, At, FxBuildHasher>,
    result: Joined,
}

/// Whether a live record must be in the replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It must: it was visible before the replay's end was fixed.
    Certain,
    /// It may.
    Possible,
    /// It may: a dead letter that was sent back since, so that something was mended for it.
    Redriven,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    item: Item,
    at: At,
    due: Due,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Joined {
    /// On both sides with the same content.
    pub same: u64,
    /// On both sides, with another content.
    pub changed: u64,
    /// Only live, though it was there before the replay's end was fixed.
    pub only_live: u64,
    /// Only in the replay.
    pub only_replay: u64,
    /// Dead letters that are only live, and were sent back since: no difference.
    pub redriven: u64,
    /// On both sides, but behind one that it was ahead of: of the same key and the same source partition.
    pub reordered: u64,
    /// Sum of the digests of what the live side has; the records that are not certain to be in the replay count when they are.
    pub live_digest: u64,
    /// Sum of the digests of what the replay has.
    pub replay_digest: u64,
    /// The first of each kind of difference.
    pub details: Vec<Detail>,
}

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detail {
    /// Which one.
    pub kind: Kind,
    /// Where it stands live.
    pub live: Option<At>,
    /// Where it stands in the replay.
    pub replay: Option<At>,
}

/// How live and replay can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The same id, another content.
    Changed,
    /// Only live.
    OnlyLive,
    /// Only in the replay.
    OnlyReplay,
    /// In another order.
    Reordered,
}

impl Kind {
    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::OnlyLive => "only live",
            Self::OnlyReplay => "only replay",
            Self::Reordered => "order",
        }
    }
}

impl Joined {
    /// Whether both sides have the same, in the same order.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.changed == 0 && self.only_live == 0 && self.only_replay == 0 && self.reordered == 0
    }

    fn note(&mut self, kind: Kind, live: Option<At>, replay: Option<At>) {
        *match kind {
            Kind::Changed => &mut self.changed,
            Kind::OnlyLive => &mut self.only_live,
            Kind::OnlyReplay => &mut self.only_replay,
            Kind::Reordered => &mut self.reordered,
        } += 1;
        if self.details.iter().filter(|it| it.kind == kind).count() < DETAILS_MAX {
            self.details.push(Detail { kind, live, replay });
        }
    }
}

impl Join {
    /// The next live record of a partition.
    pub fn live(&mut self, item: Item, at: At, due: Due) {
        let waiting = Waiting { item, at, due };
        if let Some(first) = self.live.get(&item.id) {
            // A letter of our own comes before one that stands in for it.
            if first.item.stands_in && !item.stands_in {
                self.live.insert(item.id, waiting);
            } else if !item.stands_in {
                self.repeats.entry(item.id).or_default().push_back(waiting);
            }
            return;
        }
        self.live.insert(item.id, waiting);
    }

    /// The next replayed record of a partition.
    pub fn replay(&mut self, item: Item, at: At) {
        self.result.replay_digest = self.result.replay_digest.wrapping_add(weigh(&item));
        if !self.meet(item, at) {
            self.replay.push((item, at));
        }
    }

    /// All partitions were given.
    #[must_use]
    pub fn finish(mut self) -> Joined {
        // A record without a key may stand in another partition than the one that it meets.
        for (item, at) in std::mem::take(&mut self.replay) {
            if !self.meet(item, at) {
                self.result.note(Kind::OnlyReplay, None, Some(at));
            }
        }
        let mut left: Vec<Waiting> = self.live.into_values().chain(self.repeats.into_values().flatten()).collect();
        left.retain(|it| it.due != Due::Possible && !it.item.stands_in);
        left.sort_unstable_by_key(|it| it.at);
        let all = left.len();
        left.retain(|it| it.due == Due::Certain);
        self.result.redriven = (all - left.len()) as u64;
        for it in left {
            self.result.live_digest = self.result.live_digest.wrapping_add(weigh(&it.item));
            self.result.note(Kind::OnlyLive, Some(it.at), None);
        }
        self.result
    }

    fn meet(&mut self, item: Item, at: At) -> bool {
        let Some(live) = self.live.remove(&item.id) else { return false };
        if let Some(next) = self.repeats.get_mut(&item.id).and_then(VecDeque::pop_front) {
            self.live.insert(item.id, next);
        }
        let same = live.item.stands_in || live.item.content == item.content;
        let weight = if same { weigh(&item) } else { weigh(&live.item) };
        self.result.live_digest = self.result.live_digest.wrapping_add(weight);
        if !same {
            self.result.note(Kind::Changed, Some(live.at), Some(at));
            return true;
        }
        self.result.same += 1;
        if let Some(order) = item.order.filter(|_| !live.item.stands_in) {
            match self.last.get(&order) {
                Some(last) if last.partition == live.at.partition && live.at < *last => {
                    self.result.note(Kind::Reordered, Some(live.at), Some(at));
                }
                _ => drop(self.last.insert(order, live.at)),
            }
        }
        true
    }
}

/// What a record adds to a digest: the order does not matter, each record does.
fn weigh(item: &Item) -> u64 {
    super::items::digest(&[&item.id.to_be_bytes(), &item.content.to_be_bytes()])
}
