//! A filter in front of the entries of a dedup's ids, for those that are found by no [index](super::page_index). What it has never seen has no
//! entry, in memory or on disk, and is not looked for there: nearly all ids are new.
//!
//! A Bloom filter in blocks, as Apache Parquet has it: an id sets a bit in each word of one block, so that a look is one access to memory.
//! It grows by parts, each of which is larger than the one before; a part goes when all of its ids have expired. When there is no memory for
//! more, the largest one takes more ids than it is made for, and is mistaken more often: that still spares most looks. After a start it learns,
//! page by page, what is on disk, and has no opinion until it knows all.

use super::Key;
use super::dedup_keys::{PageName, before_pages};
use super::dedup_pages;
use crate::engine::record::Millis;

/// What is known of the ids of a store that have entries.
#[derive(Debug)]
pub struct Seen {
    parts: Vec<Part>,
    known: Known,
    limit_bytes: usize,
}

#[derive(Debug)]
struct Part {
    blocks: Vec<Block>,
    /// So many ids may still be added.
    room: usize,
    /// So many times it was given room for as many ids as it is made for.
    fillings: usize,
    /// The greatest time of an id.
    newest: Millis,
}

/// Which ids are in the filter.
#[derive(Debug)]
enum Known {
    /// Those of the pages before this key, and all since.
    Before(Vec<u8>),
    /// All.
    All,
    /// They were too many.
    None,
}

type Block = [u32; 8];

/// Of a block: of 250 other ids one is then taken for one of these.
const IDS: usize = 20;
/// How often a block takes so many when there is no memory for others: of 10 other ids, 3 are then taken for one of these.
const FILLINGS_MAX: usize = 3;
/// Of the first part: room for 160 ids. There are many tasks with few.
const FIRST_BLOCKS: usize = 8;
/// So many times as large is each part as the one before: there are few, as each is looked at.
const GROWTH: usize = 4;
/// Odd numbers, one for each word of a block (the Parquet format, "Split Block Bloom Filter").
const SALTS: Block = [0x47B6_137B, 0x4497_4D91, 0x8824_AD5B, 0xA2B7_289D, 0x7054_95C7, 0x2DF1_424B, 0x9EFC_4947, 0x5C6B_FB31];

impl Seen {
    /// Nothing yet, in `limit_bytes` at most.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { parts: Vec::new(), known: Known::Before(before_pages()), limit_bytes }
    }

    /// The store may have other ids from now on.
    pub fn forget(&mut self) {
        *self = Self::new(self.limit_bytes);
    }

    /// Whether the store may have an entry for an id of this key.
    #[inline]
    #[must_use]
    pub fn may_have(&self, key: Key<'_>) -> bool {
        !matches!(self.known, Known::All) || self.parts.iter().any(|it| it.has(key.hash()))
    }

    /// The store will have an entry for an id of this key, of that time.
    #[inline]
    pub fn add(&mut self, key: Key<'_>, time: Millis) {
        if matches!(self.known, Known::None) {
            return;
        }
        if self.parts.last().is_none_or(|it| it.room == 0) {
            self.make_room();
        }
        if let Some(part) = self.parts.last_mut() {
            part.add(key.hash(), time);
        }
    }

    /// Sees to it that the last part has room.
    #[cold]
    fn make_room(&mut self) {
        let held: usize = self.parts.iter().map(|it| it.blocks.len()).sum();
        let left = (self.limit_bytes / size_of::<Block>()).saturating_sub(held);
        let wanted = self.parts.iter().map(|it| it.blocks.len() * GROWTH).max().unwrap_or(FIRST_BLOCKS);
        if FIRST_BLOCKS <= left {
            let blocks = vec![Block::default(); wanted.min(left)];
            self.parts.push(Part { room: blocks.len() * IDS, fillings: 1, blocks, newest: Millis::MIN });
            return;
        }
        // The largest one is filled once more: mistakes of several add up.
        let largest = (0..self.parts.len()).max_by_key(|nth| self.parts.get(*nth).map(|it| it.blocks.len()));
        match largest.map(|nth| self.parts.remove(nth)) {
            Some(mut part) if part.fillings < FILLINGS_MAX => {
                (part.room, part.fillings) = (part.blocks.len() * IDS, part.fillings + 1);
                self.parts.push(part);
            }
            _ => (self.parts, self.known) = (Vec::new(), Known::None),
        }
    }

    /// Ids older than this count as not seen, for good.
    pub fn expire(&mut self, oldest: Millis) {
        self.parts.retain(|it| oldest <= it.newest);
    }

    /// From which key on it lacks pages, if it does.
    #[must_use]
    pub fn lacks(&self) -> Option<&[u8]> {
        match &self.known {
            Known::Before(key) => Some(key),
            Known::All | Known::None => None,
        }
    }

    /// Takes in a page; whether it is one. Pages come in the order of their keys.
    pub fn learn(&mut self, key: &[u8], page: &[u8]) -> bool {
        if !PageName::of(key).is_some_and(|name| dedup_pages::each_key(name, page, |key, time| self.add(Key::of(key), time))) {
            return false;
        }
        if let Known::Before(before) = &mut self.known {
            before.clear();
            before.extend_from_slice(key);
            before.push(0);
        }
        true
    }

    /// There are no more pages on disk.
    pub fn learned_all(&mut self) {
        if matches!(self.known, Known::Before(_)) {
            self.known = Known::All;
        }
    }
}

impl Part {
    fn has(&self, hash: u64) -> bool {
        self.blocks.get(place(hash, self.blocks.len())).is_some_and(|block| {
            let missing = block.iter().zip(bits(hash)).fold(0, |missing, (word, bit)| missing | !word & bit);
            missing == 0
        })
    }

    fn add(&mut self, hash: u64, time: Millis) {
        let place = place(hash, self.blocks.len());
        if let Some(block) = self.blocks.get_mut(place) {
            block.iter_mut().zip(bits(hash)).for_each(|(word, bit)| *word |= bit);
        }
        self.newest = self.newest.max(time);
        self.room = self.room.saturating_sub(1);
    }
}

/// Which of so many blocks: the upper half of the hash, as a part of all that it could be.
#[inline]
fn place(hash: u64, blocks: usize) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize
}

/// The bit in each word, by the lower half of the hash.
#[inline]
fn bits(hash: u64) -> Block {
    SALTS.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u64) -> [u8; 9] {
        let mut key = [1; 9];
        key[1..].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn filter(limit_bytes: usize) -> Seen {
        let mut seen = Seen::new(limit_bytes);
        seen.learned_all();
        seen
    }

    proptest! {
        #[test]
        fn what_was_added_and_has_not_expired_may_be_there(ids in prop::collection::vec((any::<u64>(), 0_i64..100), 0..300), oldest in 0_i64..100) {
            let mut seen = filter(1 << 20);
            ids.iter().for_each(|(id, time)| seen.add(Key::of(&key(*id)), *time));
            seen.expire(oldest);
            prop_assert!(ids.iter().filter(|(_, time)| oldest <= *time).all(|(id, _)| seen.may_have(Key::of(&key(*id)))));
        }
    }

    #[test]
    fn of_others_few_are_taken_for_seen() {
        let mut seen = filter(1 << 20);
        // Six parts, the last one a third full.
        (0..100_000).for_each(|id| seen.add(Key::of(&key(id)), 0));
        let mistaken = (1_000_000..1_100_000).filter(|it| seen.may_have(Key::of(&key(*it)))).count();
        assert!((1..3_000).contains(&mistaken), "{mistaken} of 100,000");
    }

    #[test]
    fn without_memory_for_more_it_is_mistaken_more_often() {
        let blocks = 2_048;
        let mut seen = filter(blocks * size_of::<Block>());
        let (mut added, mut mistaken) = (0, Vec::new());
        // In parts of 8, 32, 128, 512 and what is left. This one is filled twice more.
        for room in [blocks, blocks - 680, blocks - 680].map(|it| (it * IDS) as u64) {
            (added..added + room).for_each(|id| seen.add(Key::of(&key(id)), 0));
            added += room;
            assert!((0..added).all(|id| seen.may_have(Key::of(&key(id)))));
            mistaken.push((1_000_000..1_010_000).filter(|it| seen.may_have(Key::of(&key(*it)))).count());
        }
        assert!(matches!(mistaken[..], [..300, 300..1_500, 1_500..4_000]), "{mistaken:?} of 10,000");
        seen.add(Key::of(&key(added)), 0);
        assert!(seen.parts.is_empty() && seen.may_have(Key::of(&key(2_000_000))), "then they were too many");
    }

    #[test]
    fn parts_go_when_their_ids_have_expired() {
        let mut seen = filter(1 << 20);
        (0..100_000).for_each(|id| seen.add(Key::of(&key(id)), 1));
        (100_000..200_000).for_each(|id| seen.add(Key::of(&key(id)), 2));
        let parts = seen.parts.len();
        seen.expire(2);
        assert!((1..parts).contains(&seen.parts.len()), "{} of {parts}", seen.parts.len());
        assert!((100_000..200_000).all(|id| seen.may_have(Key::of(&key(id)))));
    }

    #[test]
    fn it_has_no_opinion_before_it_knows_all_and_when_they_are_too_many() {
        let mut seen = Seen::new(1_000);
        assert!(seen.lacks().is_some() && seen.may_have(Key::of(&key(1))));
        seen.learned_all();
        assert!(seen.lacks().is_none() && !seen.may_have(Key::of(&key(1))));
        (0..2_000).for_each(|id| seen.add(Key::of(&key(id)), 0));
        assert!(seen.lacks().is_none() && seen.may_have(Key::of(&key(77_777))), "a KB was not enough");
        seen.forget();
        assert!(seen.lacks().is_some());
    }

    #[test]
    fn it_learns_the_pages_that_are_on_disk() {
        let ids: Vec<_> = (0..5_000).map(key).collect();
        let time = 9_i64;
        let mut value = Vec::new();
        crate::engine::state::dedup_keys::write_time(time, &mut value);
        let pages = dedup_pages::pack(ids.iter().map(|it| (&it[..], Some(&value[..]))), 1_000, 3);
        assert!(1 < pages.len());
        let mut seen = Seen::new(1 << 20);
        for page in &pages {
            assert!(seen.lacks().is_some_and(|it| it <= &page.name.key()[..]));
            assert!(seen.learn(&page.name.key(), &page.value));
        }
        seen.learned_all();
        assert!(ids.iter().all(|it| seen.may_have(Key::of(it))) && !seen.may_have(Key::of(&key(77_777))));
        assert!(!seen.learn(b"\x02", b"no page"));
    }
}
