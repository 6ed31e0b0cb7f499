//! Entries of one store, gathered until they are worth being written at once, then handed out in the order of keys.

/// Entries in the order in which they came. Of several of a key, the last one counts.
#[derive(Debug, Clone, Default)]
pub struct Bulk {
    /// Of each entry: the lengths of its key and of its value, the key, the value.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// What is sorted. Ordered by the part alone as far as that goes: what it stands for lies elsewhere, and looking there costs a cache miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// A part of the key, as a number of the same order.
    part: u64,
    /// Where it lies in the bytes: what came later lies behind.
    at: usize,
}

/// The length of a value that is none. Lengths in Kafka's records have 31 bits.
const DELETED: u32 = u32::MAX;
const LENGTH_BYTES: usize = size_of::<u32>();
const PART_BYTES: usize = size_of::<u64>();
/// Parts of a key by which entries are sorted before whole keys are compared.
const PARTS_MAX: usize = 8;
/// Of so few entries whose keys begin alike, whole keys are compared.
const FEW: usize = 8;

impl Bulk {
    /// Adds an entry; without a value the key is deleted.
    pub fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let length = |it: usize| u32::try_from(it).unwrap_or(DELETED).to_ne_bytes();
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&length(key.len()));
        self.bytes.extend_from_slice(&value.map_or(DELETED.to_ne_bytes(), |it| length(it.len())));
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.entries.push(Entry { part: part(key, 0), at });
    }

    /// Memory in use.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, in the order in which they came, until [`Bulk::sort`] is called.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.entries.iter().map(|it| (key(&self.bytes, it.at), value(&self.bytes, it.at)))
    }

    /// Puts the entries in the order of keys.
    pub fn sort(&mut self) {
        let Self { bytes, entries } = self;
        sort(entries, 0, bytes);
    }

    /// What is left of each key, in the order of keys once [`Bulk::sort`] was called.
    pub fn sorted(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let last_of_key = |(nth, entry): &(usize, &Entry)| {
            let next = self.entries.get(nth + 1).filter(|it| it.part == entry.part);
            next.is_none_or(|it| key(&self.bytes, it.at) != key(&self.bytes, entry.at))
        };
        let last = self.entries.iter().enumerate().filter(last_of_key);
        last.map(|(_, it)| (key(&self.bytes, it.at), value(&self.bytes, it.at)))
    }
}

/// Sorts entries whose keys are the same before their `nth` part, which they have in hand.
fn sort(entries: &mut [Entry], nth: usize, bytes: &[u8]) {
    entries.sort_unstable();
    for alike in entries.chunk_by_mut(|a, b| a.part == b.part) {
        let ends_here = |it: &Entry| key(bytes, it.at).len() < (nth + 1) * PART_BYTES;
        if alike.len() == 1 {
            continue;
        }
        if alike.len() <= FEW || nth + 1 == PARTS_MAX || alike.iter().any(ends_here) {
            // The sort is stable, and what came first lies first.
            alike.sort_by(|a, b| key(bytes, a.at).cmp(key(bytes, b.at)));
        } else {
            alike.iter_mut().for_each(|it| it.part = part(key(bytes, it.at), nth + 1));
            sort(alike, nth + 1, bytes);
        }
    }
}

/// The `nth` part of a key; what it lacks is filled up with zeros.
fn part(key: &[u8], nth: usize) -> u64 {
    let rest = key.get(nth * PART_BYTES..).unwrap_or_default();
    let mut part = [0; PART_BYTES];
    part.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(part)
}

fn length(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|it| it.first_chunk::<LENGTH_BYTES>());
    found.map_or(0, |it| u32::from_ne_bytes(*it))
}

fn key(bytes: &[u8], at: usize) -> &[u8] {
    let start = at + 2 * LENGTH_BYTES;
    bytes.get(start..start + length(bytes, at) as usize).unwrap_or_default()
}

fn value(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let length_of_value = length(bytes, at + LENGTH_BYTES);
    let start = at + 2 * LENGTH_BYTES + length(bytes, at) as usize;
    if length_of_value == DELETED { None } else { bytes.get(start..start + length_of_value as usize) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn check(entries: &[(Vec<u8>, Option<Vec<u8>>)]) {
        let mut bulk = Bulk::default();
        entries.iter().for_each(|(key, value)| bulk.push(key, value.as_deref()));
        bulk.sort();
        let sorted: Vec<_> = bulk.sorted().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
        let expected: BTreeMap<_, _> = entries.iter().cloned().collect();
        assert_eq!(sorted, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_last_entry_of_each_key_is_left_in_the_order_of_keys() {
        let text = |it: &str| it.as_bytes().to_vec();
        check(&[]);
        check(&[(text("b"), Some(text("1"))), (text("a"), Some(vec![])), (text("b"), None), (text(""), Some(text("2")))]);
        // Alike in all parts that are sorted by, or but for zeros at the end.
        let long = |end: &[u8]| [&[b'x'; 100][..], end].concat();
        let ends: [&[u8]; 9] = [b"", b"\0", b"b", b"\0\0", b"a", b"a\0", b"c", b"ab", b"a"];
        check(&ends.map(|it| (long(it), Some(it.to_vec()))));
        check(&ends.map(|it| (it.to_vec(), Some(it.to_vec()))));
    }

    #[test]
    fn many_keys_with_much_in_common_are_sorted() {
        let mut state = 7_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for letters in [2, 3, 200] {
            let mut key = || (0..draw(40)).map(|_| u8::try_from(draw(letters)).unwrap()).collect::<Vec<u8>>();
            let keys: Vec<Vec<u8>> = (0..3_000).map(|_| key()).collect();
            let entries: Vec<_> =
                keys.into_iter().enumerate().map(|(nth, key)| (key, (nth % 5 != 0).then(|| nth.to_string().into_bytes()))).collect();
            check(&entries);
        }
    }
}
