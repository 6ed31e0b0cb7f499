//! Pages: how the ids that a commit saw first go to the changelog, many in one record, and expire together.
//!
//! A record for each id would be most of what a topology with a dedup writes: Kafka and its clients pay by the record. A page is a
//! key that is written once, and deleted once, when the newest of its ids has expired. Its value is, for each id: its length and
//! bytes, and how many milliseconds it is older than the newest.
//!
//! An id has the time of the newest page that has it: it is seen anew only when it has expired, which is later. A page that is written
//! once more, by a promotion, or deleted takes along the ids that it had, but those that another page has, too.

use super::dedup_keys::{PageName, STREAM_TIME, begin_id, id_of, read_time, write_time};
use crate::engine::bytes;
use crate::engine::codec::{self, Malformed};
use crate::engine::record::{Millis, Offset};

/// A page is begun when the last one has so many bytes: far below what Kafka takes in a record.
const PAGE_BYTES: usize = 32 << 10;
/// Ids of one page are of the same one of so many parts of the window: one id from the future keeps few others from expiring.
const PARTS_OF_WINDOW: i64 = 16;

/// An id as the store has it, with its time.
pub type Seen<'s> = (&'s [u8], Millis);

/// A page to be written.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// What it is called.
    pub name: PageName,
    /// Its ids.
    pub value: Vec<u8>,
    /// How many these are.
    pub ids: usize,
}

/// Packs what a commit wrote: entries of ids, with their values. `position`: where the task stands.
pub fn pack<'e>(entries: impl Iterator<Item = (&'e [u8], Option<&'e [u8]>)>, window_ms: i64, position: Offset) -> Vec<Page> {
    let mut ids: Vec<Seen<'e>> = entries.filter_map(|(key, value)| Some((id_of(key)?, read_time(value?)?))).collect();
    let part = |time: Millis| time.div_euclid((window_ms / PARTS_OF_WINDOW).max(1));
    // Most often all are of one part, which is no work.
    ids.sort_by_key(|(_, time)| part(*time));
    let mut pages = Vec::new();
    for of_part in ids.chunk_by(|(_, one), (_, other)| part(*one) == part(*other)) {
        let mut rest = of_part;
        while !rest.is_empty() {
            let (page, left) = rest.split_at(fitting(rest));
            pages.push(write(page, position, pages.len()));
            rest = left;
        }
    }
    pages
}

/// How many of these ids a page takes; at least one.
fn fitting(ids: &[Seen<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |(id, _): &&Seen<'_>| {
        bytes += id.len() + 4;
        bytes < PAGE_BYTES
    };
    ids.iter().take_while(fits).count().max(1)
}

fn write(ids: &[Seen<'_>], position: Offset, number: usize) -> Page {
    let newest = ids.iter().map(|(_, time)| *time).max().unwrap_or(Millis::MIN);
    Page { name: PageName { newest, position, number: number as u64 }, value: value(newest, ids), ids: ids.len() }
}

fn value(newest: Millis, ids: &[Seen<'_>]) -> Vec<u8> {
    let mut value = Vec::with_capacity(ids.iter().map(|(id, _)| id.len() + 4).sum());
    for (id, time) in ids {
        codec::write_bytes(id, &mut value);
        codec::write_int(newest.saturating_sub(*time), &mut value);
    }
    value
}

/// The ids of a page; `None`: the bytes are none.
#[must_use]
pub fn read(name: PageName, mut value: &[u8]) -> Option<Vec<Seen<'_>>> {
    let mut ids = Vec::new();
    while !value.is_empty() {
        ids.push(next(name, &mut value)?);
    }
    Some(ids)
}

/// How many ids a page has; `None`: the bytes are none.
#[must_use]
pub fn count(name: PageName, mut value: &[u8]) -> Option<usize> {
    let mut ids = 0;
    while !value.is_empty() {
        next(name, &mut value)?;
        ids += 1;
    }
    Some(ids)
}

/// Hands out the key of each id, with its time; whether the bytes are a page: if not, up to where they are one.
pub fn each_key(name: PageName, mut value: &[u8], mut each: impl FnMut(&[u8], Millis)) -> bool {
    let mut key = Vec::new();
    while !value.is_empty() {
        let Some((id, time)) = next(name, &mut value) else { return false };
        key.clear();
        begin_id(&mut key);
        bytes::append(id, &mut key);
        each(&key, time);
    }
    true
}

/// The time of an id in a page, if it has it.
///
/// # Errors
/// When the bytes are no page; those behind the id are not looked at.
pub fn time_of(name: PageName, mut value: &[u8], id: &[u8]) -> Result<Option<Millis>, Malformed> {
    while !value.is_empty() {
        let (found, time) = next(name, &mut value).ok_or_else(|| Malformed("page of ids".to_owned()))?;
        if found == id {
            return Ok(Some(time));
        }
    }
    Ok(None)
}

fn next<'p>(name: PageName, value: &mut &'p [u8]) -> Option<Seen<'p>> {
    let id = codec::read_bytes(value)?;
    let older = codec::read_int(value).filter(|it| 0 <= *it)?;
    Some((id, name.newest.saturating_sub(older)))
}

/// A page without some of its ids, when it has any of them: what to write in its place, `None` to delete it.
#[must_use]
pub fn without(name: PageName, page: &[u8], gone: impl Fn(&[u8]) -> bool) -> Option<Option<Vec<u8>>> {
    let ids = read(name, page)?;
    let left: Vec<Seen<'_>> = ids.iter().filter(|(id, _)| !gone(id)).copied().collect();
    (left.len() < ids.len()).then(|| (!left.is_empty()).then(|| value(name.newest, &left)))
}

/// Hands out what a changelog record puts into the store: the ids, if it is a page, and the record itself. What a deleted page deletes
/// besides is told by what is there: see [`read`].
///
/// # Errors
/// When it begins like a page and is none.
pub fn unpack(key: &[u8], value: Option<&[u8]>, mut put: impl FnMut(&[u8], Option<&[u8]>)) -> Result<(), Malformed> {
    if let (false, Some(page)) = (key == STREAM_TIME, value) {
        let name = PageName::of(key).filter(|it| count(*it, page).is_some()).ok_or_else(|| Malformed("page of ids".to_owned()))?;
        let mut seen_at = Vec::new();
        each_key(name, page, |id_key, time| {
            seen_at.clear();
            write_time(time, &mut seen_at);
            put(id_key, Some(&seen_at));
        });
    }
    put(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(id: &[u8], time: Millis) -> (Vec<u8>, Vec<u8>) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        begin_id(&mut key);
        key.extend_from_slice(id);
        write_time(time, &mut value);
        (key, value)
    }

    fn packed(entries: &[(Vec<u8>, Vec<u8>)], window_ms: i64) -> Vec<Page> {
        pack(entries.iter().map(|(key, value)| (&key[..], Some(&value[..]))), window_ms, 7)
    }

    proptest! {
        #[test]
        fn all_ids_are_in_the_pages_once(
            ids in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..40), -5_000_i64..5_000, 0..200),
            window_ms in 1_i64..10_000,
        ) {
            let entries: Vec<_> = ids.iter().map(|(id, time)| entry(id, *time)).collect();
            let pages = packed(&entries, window_ms);
            let mut found = BTreeMap::new();
            for page in &pages {
                let ids = read(page.name, &page.value).unwrap();
                prop_assert_eq!(ids.iter().map(|it| it.1).max(), Some(page.name.newest));
                prop_assert!(ids.iter().all(|it| page.name.newest - it.1 < (window_ms / PARTS_OF_WINDOW).max(1)));
                prop_assert!(ids.iter().all(|it| time_of(page.name, &page.value, it.0) == Ok(Some(it.1))));
                for (id, time) in ids {
                    prop_assert!(found.insert(id.to_vec(), time).is_none());
                }
            }
            prop_assert_eq!(found, ids);
        }
    }

    #[test]
    fn ids_are_taken_out_of_a_page() {
        let pages = packed(&[entry(b"a", 5), entry(b"b", 3)], 1_000);
        let [Page { name, value, .. }] = &pages[..] else { panic!("{pages:?}") };
        let left = without(*name, value, |id| id == b"a").unwrap().unwrap();
        assert_eq!(read(*name, &left).unwrap(), [(&b"b"[..], 3)]);
        assert_eq!(time_of(*name, &left, b"a"), Ok(None));
        assert!(time_of(*name, &left[..left.len() - 1], b"c").is_err());
        assert_eq!(without(*name, value, |_| true), Some(None));
        assert_eq!(without(*name, value, |id| id == b"c"), None);
    }

    #[test]
    fn what_was_deleted_is_in_no_page() {
        let (key, _) = entry(b"a", 1);
        assert_eq!(pack([(&key[..], None)].into_iter(), 100, 7), []);
    }

    #[test]
    fn a_page_is_bounded_and_no_two_have_the_same_key() {
        let entries: Vec<_> = (0..10_000_u32).map(|it| entry(&it.to_be_bytes(), 1)).collect();
        let pages = packed(&entries, 1_000_000);
        assert!(pages.iter().all(|it| it.value.len() <= PAGE_BYTES));
        assert!(pages.windows(2).all(|it| it[0].name.key() < it[1].name.key()));
        let large = entry(&vec![0; PAGE_BYTES], 1);
        assert_eq!(packed(&[large.clone(), entry(b"a", 1), large], 1_000_000).len(), 3);
    }
}
