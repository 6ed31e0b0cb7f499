//! Which page has an id: for the ids of a dedup that have no entries of their own.
//!
//! An entry for each id is most of what a dedup costs: it is gathered, sorted, inserted, written, compacted and deleted. A page that is indexed
//! is written once and deleted once, and this index in memory says of an id, in four bytes, in which page it is to be looked for. What it
//! finds is a hint, seldom a wrong one, and only the page itself tells. When there is no memory for more, the ids of further pages get entries,
//! with a [filter](super::seen) before them. After a start it is made anew, from the indexed pages on disk.
//!
//! A table of fixed size for each part: parts grow, and one goes as a whole when its last page is gone.

use std::ops::RangeInclusive;

use super::Key;
use super::dedup_keys::PageName;
use super::dedup_pages::{self, Page};
use crate::engine::record::Millis;

/// The indexed pages of a store.
#[derive(Debug)]
pub struct PageIndex {
    parts: Vec<Part>,
    /// Added by the transaction under way.
    added: Vec<Place>,
    /// Deleted by it.
    leaving: Vec<Place>,
    /// No page is older.
    oldest: Millis,
    /// Whether it has all indexed pages that are on disk.
    is_complete: bool,
    limit_bytes: usize,
}

#[derive(Debug)]
struct Part {
    /// The number of a page has so many bits.
    page_bits: u32,
    /// An id is in its bucket, or in the next one that had a free slot.
    buckets: Vec<Bucket>,
    taken: usize,
    /// `None`: it is gone.
    pages: Vec<Option<Indexed>>,
    left: usize,
}

#[derive(Debug)]
struct Indexed {
    name: PageName,
    ids: u32,
}

/// Slots that are looked at together. Bits of an id's hash, and in the lower ones the number of its page from 1 on; 0: free.
type Bucket = [u32; 8];

/// Which part, and which of its pages.
type Place = (usize, usize);

/// Slots of the first part: there are many tasks with few ids.
const FIRST_SLOTS: usize = 256;
/// So many times as large is each part as the one before.
const GROWTH: usize = 4;
/// The largest part is such a part of the memory: it goes as a whole.
const LARGEST_PART: usize = 4;
/// What is on disk beyond the memory comes in parts of so many slots at least: each part is looked at.
const LEARNED_SLOTS: usize = 1 << 16;
/// Of so many slots, one is free: a search ends soon.
const OF_SLOTS: usize = 4;
const BUCKET: usize = size_of::<Bucket>() / size_of::<u32>();
/// A part has room for a page in so many slots; more of them have few ids. The fewer bits number pages, the more are left for hashes.
const SLOTS_OF_A_PAGE: usize = 4;
const PAGE_BITS: RangeInclusive<u32> = 10..=20;
const PAGE_BYTES: usize = size_of::<Option<Indexed>>();
/// What a restore fills, as parts of the memory: the rest is for what is new, and for parts that are not full.
const RESTORED: (usize, usize) = (3, 4);
/// Expired pages are looked for when such a part of the window has passed: each time all pages are gone through.
const LOOKS_IN_A_WINDOW: i64 = 1024;
/// A commit deletes so many expired pages at most.
const EXPIRED_MAX: usize = 1_000;

impl PageIndex {
    /// Nothing yet, in `limit_bytes` at most.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { parts: Vec::new(), added: Vec::new(), leaving: Vec::new(), oldest: Millis::MAX, is_complete: false, limit_bytes }
    }

    /// The store may have other pages from now on.
    pub fn forget(&mut self) {
        *self = Self::new(self.limit_bytes);
    }

    /// Whether it has all indexed pages that are on disk.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// It has them now.
    pub fn completed(&mut self) {
        self.is_complete = true;
        self.committed();
    }

    /// How many pages it has, and how many ids these have.
    #[must_use]
    pub fn count(&self) -> (u64, u64) {
        let pages = self.parts.iter().flat_map(|it| it.pages.iter().flatten());
        pages.fold((0, 0), |(pages, ids), it| (pages + 1, ids + u64::from(it.ids)))
    }

    /// What a restore may leave to it, in bytes as [`bytes_of`] counts them.
    #[must_use]
    pub fn restored_bytes(&self) -> usize {
        let (part, of) = RESTORED;
        self.limit_bytes / of * part
    }

    /// Takes in a page that is on disk, whatever memory that needs; whether it is one.
    pub fn learn(&mut self, name: PageName, page: &[u8]) -> bool {
        let Some(ids) = dedup_pages::count(name, page) else { return false };
        if !self.has_room(ids, 1) {
            self.parts.push(Part::new(self.next_part().max(slots_for(ids))));
        }
        self.add(name, page, ids);
        true
    }

    /// Takes in the pages of a commit: their ids need no entries then. `false`: there is no memory for them.
    pub fn take(&mut self, pages: &[Page]) -> bool {
        let ids = pages.iter().map(|it| it.ids).sum();
        if !self.has_room(ids, pages.len()) {
            let left = self.limit_bytes.saturating_sub(self.bytes() + pages.len() * PAGE_BYTES) / size_of::<Bucket>() * BUCKET;
            // The last one is as large as there is memory, which its pages need some of; each part is looked at, so it is not too small.
            let wanted = self.next_part();
            let slots = wanted.min(left / OF_SLOTS * (OF_SLOTS - 1)).max(slots_for(ids));
            let fits = (wanted / GROWTH..=left).contains(&slots);
            let Some(part) = fits.then(|| Part::new(slots)).filter(|it| pages.len() <= it.pages_max()) else { return false };
            self.parts.push(part);
        }
        pages.iter().for_each(|it| self.add(it.name, &it.value, it.ids));
        true
    }

    /// The pages that may have an id of this hash.
    pub fn with(&self, hash: u64) -> impl Iterator<Item = PageName> {
        self.parts.iter().filter(move |it| it.may_have(hash)).flat_map(move |it| it.with(hash))
    }

    /// Pages whose ids have all expired, not all of them at once: the transaction under way deletes them.
    pub fn expire(&mut self, oldest: Millis, window_ms: i64) -> Vec<PageName> {
        if oldest.saturating_sub(window_ms / LOOKS_IN_A_WINDOW) <= self.oldest {
            return Vec::new();
        }
        self.oldest = Millis::MAX;
        let mut expired = Vec::new();
        for (nth, part) in self.parts.iter().enumerate() {
            for (number, page) in part.pages.iter().enumerate() {
                let Some(Indexed { name, .. }) = page else { continue };
                if name.newest < oldest && expired.len() < EXPIRED_MAX {
                    self.leaving.push((nth, number));
                    expired.push(*name);
                } else {
                    self.oldest = self.oldest.min(name.newest);
                }
            }
        }
        expired
    }

    /// The transaction was committed.
    pub fn committed(&mut self) {
        self.added.clear();
        let leaving = std::mem::take(&mut self.leaving);
        self.remove(&leaving);
    }

    /// The transaction was given up.
    pub fn rewound(&mut self) {
        if !self.leaving.is_empty() {
            self.oldest = Millis::MIN;
            self.leaving.clear();
        }
        let added = std::mem::take(&mut self.added);
        self.remove(&added);
    }

    fn remove(&mut self, places: &[Place]) {
        if places.is_empty() {
            return;
        }
        for (part, number) in places {
            if let Some(part) = self.parts.get_mut(*part)
                && part.pages.get_mut(*number).is_some_and(|it| it.take().is_some())
            {
                part.left -= 1;
            }
        }
        self.parts.retain(|it| it.left != 0);
    }

    /// Adds a page to the last part.
    fn add(&mut self, name: PageName, page: &[u8], ids: usize) {
        let nth = self.parts.len().saturating_sub(1);
        let Some(part) = self.parts.last_mut() else { return };
        self.added.push((nth, part.pages.len()));
        self.oldest = self.oldest.min(name.newest);
        part.pages.push(Some(Indexed { name, ids: u32::try_from(ids).unwrap_or(u32::MAX) }));
        part.left += 1;
        dedup_pages::each_key(name, page, |key, _| part.add(Key::of(key).hash()));
    }

    /// Whether the last part has.
    fn has_room(&self, ids: usize, pages: usize) -> bool {
        let in_bytes = self.bytes() + pages * PAGE_BYTES <= self.limit_bytes || !self.is_complete;
        let fits = |it: &Part| slots_for(it.taken + ids) <= it.slots() && it.pages.len() + pages <= it.pages_max();
        in_bytes && self.parts.last().is_some_and(fits)
    }

    /// Slots of the next part.
    fn next_part(&self) -> usize {
        let least = if self.bytes() < self.limit_bytes { FIRST_SLOTS } else { LEARNED_SLOTS };
        let largest = (self.limit_bytes / LARGEST_PART / size_of::<u32>()).max(least);
        self.parts.last().map_or(FIRST_SLOTS, |it| it.slots() * GROWTH).min(largest)
    }

    fn bytes(&self) -> usize {
        self.parts.iter().map(|it| it.slots() * size_of::<u32>() + it.pages.len() * PAGE_BYTES).sum()
    }
}

impl Part {
    fn new(slots: usize) -> Self {
        let page_bits = (slots / SLOTS_OF_A_PAGE).checked_ilog2().unwrap_or(0).clamp(*PAGE_BITS.start(), *PAGE_BITS.end());
        Self { page_bits, buckets: vec![Bucket::default(); slots.div_ceil(BUCKET)], taken: 0, pages: Vec::new(), left: 0 }
    }

    fn slots(&self) -> usize {
        self.buckets.len() * BUCKET
    }

    fn pages_max(&self) -> usize {
        (1 << self.page_bits) - 2
    }

    /// The bits of a hash that a slot has.
    fn mark(&self, hash: u64) -> u32 {
        (hash as u32) << self.page_bits
    }

    /// Adds an id of the last page.
    fn add(&mut self, hash: u64) {
        let slot = self.mark(hash) | self.pages.len() as u32;
        for place in self.places(hash) {
            if let Some(free) = self.buckets.get_mut(place).and_then(|it| it.iter_mut().find(|it| **it == 0)) {
                *free = slot;
                self.taken += 1;
                return;
            }
        }
    }

    /// Whether it has a slot like one of this hash. Nearly all ids are new: this is all that is done for them.
    fn may_have(&self, hash: u64) -> bool {
        let mark = self.mark(hash);
        for bucket in self.places(hash).filter_map(|it| self.buckets.get(it)) {
            let (mut alike, mut free) = (false, false);
            for slot in bucket {
                alike |= (slot ^ mark) >> self.page_bits == 0;
                free |= *slot == 0;
            }
            if alike || free {
                return alike;
            }
        }
        false
    }

    /// The pages of the slots that are like one of this hash.
    fn with(&self, hash: u64) -> impl Iterator<Item = PageName> {
        let buckets = self.places(hash).filter_map(|it| self.buckets.get(it));
        let slots = buckets.flatten().take_while(|it| **it != 0);
        let alike = slots.filter(move |it| (**it ^ self.mark(hash)) >> self.page_bits == 0);
        let page = |slot: &u32| self.pages.get((slot & ((1 << self.page_bits) - 1)) as usize - 1)?.as_ref();
        alike.filter_map(move |it| Some(page(it)?.name))
    }

    /// The places of a hash: the first one by its upper half, and those behind it.
    fn places(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let buckets = self.buckets.len();
        let first = (((hash >> 32) * buckets as u64) >> 32) as usize;
        (first..buckets).chain(0..first)
    }
}

/// What a page of so many ids needs, about, in bytes.
#[must_use]
pub fn bytes_of(ids: usize) -> usize {
    slots_for(ids) * size_of::<u32>() + PAGE_BYTES
}

fn slots_for(ids: usize) -> usize {
    ids * OF_SLOTS / (OF_SLOTS - 1) + 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::state::dedup_keys::{begin_id, write_time};

    const WINDOW: i64 = 1_000;

    fn id_key(id: u32) -> Vec<u8> {
        let mut key = Vec::new();
        begin_id(&mut key);
        key.extend_from_slice(&id.to_be_bytes());
        key
    }

    /// The pages of a commit at `position` with so many ids, from `first` on, all of one time.
    fn pages(first: u32, count: u32, time: Millis, position: i64) -> Vec<Page> {
        let mut value = Vec::new();
        write_time(time, &mut value);
        let keys: Vec<Vec<u8>> = (first..first + count).map(id_key).collect();
        dedup_pages::pack(keys.iter().map(|it| (&it[..], Some(&value[..]))), WINDOW, position)
    }

    fn found(index: &PageIndex, id: u32) -> Vec<PageName> {
        index.with(Key::of(&id_key(id)).hash()).collect()
    }

    fn complete(limit_bytes: usize) -> PageIndex {
        let mut index = PageIndex::new(limit_bytes);
        index.completed();
        index
    }

    #[derive(Debug, Clone)]
    enum Act {
        Take(u32),
        Expire(i64),
        Commit,
        GiveUp,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![(1_u32..300).prop_map(Act::Take), (0_i64..60).prop_map(Act::Expire), Just(Act::Commit), Just(Act::GiveUp)]
    }

    proptest! {
        /// What is committed and not expired is found, and nothing that was given up; in bounded memory.
        #[test]
        fn an_id_is_found_as_long_as_its_page_is_there(acts in prop::collection::vec(act(), 1..60)) {
            let limit = 16 << 10;
            let mut index = complete(limit);
            // Each page: its ids, and whether it is to stay if the transaction is committed, and if it is given up.
            let mut model: BTreeMap<PageName, (u32, u32, bool, bool)> = BTreeMap::new();
            let (mut next, mut time, mut leaves) = (0, 0, false);
            for act in acts {
                match act {
                    Act::Take(count) => {
                        time += 1;
                        let pages = pages(next, count, time, time);
                        prop_assert_eq!(pages.len(), 1);
                        if index.take(&pages) {
                            model.insert(pages[0].name, (next, count, true, false));
                        }
                        next += count;
                    }
                    Act::Expire(back) if !leaves => {
                        leaves = true;
                        for name in index.expire(time - back, WINDOW) {
                            prop_assert!(name.newest < time - back);
                            model.get_mut(&name).unwrap().2 = false;
                        }
                    }
                    Act::Expire(_) => {}
                    Act::Commit | Act::GiveUp => {
                        let committed = matches!(act, Act::Commit);
                        if committed { index.committed() } else { index.rewound() }
                        model.retain(|_, it| if committed { it.2 } else { it.3 });
                        model.values_mut().for_each(|it| (it.2, it.3) = (true, true));
                        leaves = false;
                    }
                }
                prop_assert!(index.bytes() <= limit);
                for (name, (first, count, ..)) in &model {
                    for id in [*first, first + count / 2, first + count - 1] {
                        prop_assert!(found(&index, id).contains(name));
                    }
                }
                let names: Vec<PageName> = (0..next).flat_map(|id| found(&index, id)).collect();
                prop_assert!(names.iter().all(|it| model.contains_key(it)));
                prop_assert_eq!(index.count(), (model.len() as u64, model.values().map(|it| u64::from(it.1)).sum()));
            }
        }
    }

    #[test]
    fn what_expires_makes_room() {
        let mut index = complete(64 << 10);
        let taken = (0..).find(|it| !index.take(&pages(it * 100, 100, i64::from(*it), i64::from(*it)))).unwrap();
        assert!(80 <= taken && index.bytes() <= 64 << 10, "{taken} pages of 100 ids in {} bytes", index.bytes());
        index.committed();
        assert!(!index.take(&pages(0, 100, 0, -1)));
        let expired = index.expire(i64::from(taken) / 2, WINDOW).len();
        assert_eq!(expired, usize::try_from(taken).unwrap() / 2);
        assert!(!index.take(&pages(0, 100, 0, -1)), "not before it is committed");
        index.committed();
        assert!(index.take(&pages(0, 100, 0, -1)));
    }

    #[test]
    fn other_ids_are_seldom_taken_for_these() {
        let mut index = complete(16 << 20);
        for commit in 0..100 {
            assert!(index.take(&pages(commit * 1_000, 1_000, 7, i64::from(commit))));
            index.committed();
        }
        let mistakes: usize = (1_000_000..1_010_000).map(|id| found(&index, id).len()).sum();
        assert!(mistakes < 50, "{mistakes} pages are looked at for 10,000 other ids");
    }

    #[test]
    fn what_a_restore_leaves_to_it_is_within_its_memory() {
        for (limit, of_a_page) in [(10 << 10, 1), (50 << 10, 10), (200 << 10, 100), (200 << 10, 1_000), (3 << 20, 800)] {
            let mut index = PageIndex::new(limit);
            let left = index.restored_bytes() / bytes_of(of_a_page);
            for nth in 0..u32::try_from(left).unwrap() {
                let ids = u32::try_from(of_a_page).unwrap();
                pages(nth * ids, ids, 7, i64::from(nth)).iter().for_each(|it| assert!(index.learn(it.name, &it.value)));
            }
            assert!(index.bytes() <= limit, "{} of {limit} bytes, by {left} pages of {of_a_page} ids", index.bytes());
        }
    }

    #[test]
    fn what_is_on_disk_is_indexed_whatever_memory_it_needs() {
        let mut index = PageIndex::new(0);
        for commit in 0..10 {
            for page in pages(commit * 1_000, 1_000, 7, i64::from(commit)) {
                assert!(index.learn(page.name, &page.value));
            }
        }
        assert!(!index.learn(PageName { newest: 0, position: 0, number: 0 }, b"\xFF"));
        index.completed();
        assert!((0..10_000).all(|id| !found(&index, id).is_empty()));
        assert!(!index.take(&pages(10_000, 1, 7, 11)), "there is no room for more");
    }
}
