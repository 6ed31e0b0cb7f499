//! Writes bytes into memory that is there already: what is short is written as one word, and what is too much of it is written over by what
//! follows.

use std::ops::Deref;

use super::bytes;

/// Writes from one end of some memory to the other. Without room it goes on all the same, and writes nothing: where it stands in the end tells
/// how much is needed.
#[derive(Debug)]
pub struct Pen<'m> {
    room: &'m mut [u8],
    /// A word has room for what is added to it, so that each write needs one comparison: no record of Kafka has so many bytes.
    at: u32,
}

/// The most bytes that are written at once, so many of which may be too much.
const WIDEST: usize = 64;

/// What can be written to.
pub trait Put {
    /// Writes the first `count` of N bytes.
    fn put<const N: usize>(&mut self, bytes: [u8; N], count: usize);

    /// Writes bytes.
    fn append(&mut self, bytes: &[u8]);

    /// Writes a byte.
    #[inline]
    fn push(&mut self, byte: u8) {
        self.put([byte], 1);
    }

    /// Writes the first bytes of a word.
    #[inline]
    fn put_word(&mut self, word: u64, count: usize) {
        self.put(word.to_le_bytes(), count);
    }
}

impl Pen<'_> {
    /// How much it has written.
    #[inline]
    #[must_use]
    pub fn position(&self) -> usize {
        self.at as usize
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.at = self.at.wrapping_add(count as u32);
    }

    /// Writes N to twice N bytes: the first N, and over their end the last N.
    #[inline]
    fn ends<const N: usize>(&mut self, bytes: &[u8]) {
        if let Some(place) = self.room.get_mut(self.position()..self.position() + bytes.len())
            && let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>())
        {
            place.first_chunk_mut().into_iter().for_each(|it| *it = *first);
            place.last_chunk_mut().into_iter().for_each(|it| *it = *last);
        }
        self.advance(bytes.len());
    }

    #[inline(never)]
    fn long(&mut self, bytes: &[u8]) {
        if let Some(place) = self.room.get_mut(self.position()..self.position() + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.advance(bytes.len());
    }
}

impl Put for Pen<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N], count: usize) {
        const { assert!(N <= WIDEST) };
        if let Some(place) = self.room.get_mut(self.position()..self.position() + N).and_then(<[u8]>::first_chunk_mut) {
            *place = bytes;
        }
        self.advance(count);
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        match bytes.len() {
            0..=8 => self.put_word(bytes::word(bytes), bytes.len()),
            9..=16 => self.ends::<8>(bytes),
            17..=32 => self.ends::<16>(bytes),
            _ => self.long(bytes),
        }
    }
}

impl Put for Vec<u8> {
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N], count: usize) {
        let end = self.len() + count;
        self.extend_from_slice(&bytes);
        self.truncate(end);
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        bytes::append(bytes, self);
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        Vec::push(self, byte);
    }
}

/// Bytes that were written one after another, and memory behind them for more.
#[derive(Debug, Default)]
pub struct Arena {
    memory: Vec<u8>,
    end: usize,
}

impl Arena {
    /// Appends what `write` writes; it is called again when there is too little room for it.
    #[inline]
    pub fn write(&mut self, mut write: impl FnMut(&mut Pen<'_>)) {
        loop {
            let mut pen = Pen { room: self.memory.get_mut(self.end..).unwrap_or_default(), at: 0 };
            write(&mut pen);
            let needed = pen.position() + WIDEST;
            if needed <= pen.room.len() {
                self.end += pen.position();
                return;
            }
            self.grow(needed);
        }
    }

    #[cold]
    fn grow(&mut self, by: usize) {
        self.memory.resize((self.end + by).max(2 * self.memory.len()), 0);
    }

    /// Bytes that were written.
    #[inline]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a slice has it")]
    pub fn len(&self) -> usize {
        self.end
    }

    /// Takes back what stands behind the first `end` bytes.
    pub fn truncate(&mut self, end: usize) {
        self.end = self.end.min(end);
    }

    /// Takes back everything.
    pub fn clear(&mut self) {
        self.end = 0;
    }

    /// Bytes of memory that it has.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Gives memory back that is more than twice this.
    pub fn give_back(&mut self, wanted: usize) {
        if 2 * wanted < self.memory.len() {
            self.memory.truncate(wanted.max(self.end));
            self.memory.shrink_to_fit();
        }
    }
}

impl Deref for Arena {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.memory.get(..self.end).unwrap_or_default()
    }
}

/// Text that is written again and again: most have N bytes at most, and are written whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal<const N: usize> {
    first: [u8; N],
    length: usize,
    /// Behind the first N bytes.
    more: Vec<u8>,
}

impl<const N: usize> Literal<N> {
    /// Writes it.
    #[inline]
    pub fn write(&self, into: &mut Pen<'_>) {
        into.put(self.first, self.length);
        if !self.more.is_empty() {
            into.long(&self.more);
        }
    }
}

impl<const N: usize> From<&[u8]> for Literal<N> {
    fn from(bytes: &[u8]) -> Self {
        let (first, more) = bytes.split_at(bytes.len().min(N));
        let mut whole = [0; N];
        whole.iter_mut().zip(first).for_each(|(place, it)| *place = *it);
        Self { first: whole, length: first.len(), more: more.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_stands_there_however_much_room_there_was(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..70), 0..4), 0..20),
        ) {
            let (mut arena, mut expected) = (Arena::default(), Vec::new());
            for (bytes, how) in &parts {
                let (literal, first) = (Literal::<32>::from(&bytes[..]), bytes.first_chunk::<8>());
                arena.write(|pen| match (how, first) {
                    (0, _) => literal.write(pen),
                    (1, Some(first)) => pen.put(*first, 5),
                    (2, _) => bytes.iter().for_each(|it| pen.push(*it)),
                    _ => pen.append(bytes),
                });
                let count = if *how == 1 && first.is_some() { 5 } else { bytes.len() };
                expected.extend_from_slice(&bytes[..count]);
                prop_assert_eq!(&arena[..], &expected);
            }
        }
    }

    #[test]
    fn what_was_taken_back_is_written_over() {
        let mut arena = Arena::default();
        arena.write(|pen| pen.append(b"one two"));
        arena.truncate(4);
        arena.write(|pen| pen.append(b"three"));
        assert_eq!(&arena[..], b"one three");
        arena.clear();
        assert_eq!(&arena[..], b"");
    }

    #[test]
    fn memory_is_given_back_but_for_what_is_written() {
        let mut arena = Arena::default();
        arena.write(|pen| pen.append(&[7; 1000]));
        arena.give_back(10);
        assert_eq!((&arena[..], arena.capacity()), (&[7; 1000][..], 1000));
        arena.clear();
        arena.give_back(10);
        assert_eq!(arena.capacity(), 10);
    }
}
