//! Effects: what records do, gathered until it can be sent: outputs and dead letters, in one arena, without an allocation each.

use std::convert::Infallible;

use crate::engine::pen::{Arena, Pen, Put as _};
use crate::engine::record::{Millis, Offset, TopicId, TopicPartition};

/// What was done and has not been sent.
#[derive(Debug, Default)]
pub struct Effects {
    bytes: Arena,
    outputs: Vec<Output>,
    headers: Vec<(Span, Option<Span>)>,
    /// Of `bytes` and `outputs`: how many there were lately.
    lately: (usize, usize),
}

/// Memory that is kept from one sending to the next, however few there were lately.
const KEPT_BYTES: usize = 2 << 20;
const KEPT_OUTPUTS: usize = 16 << 10;
/// What was needed once is forgotten by such a part with each sending. There are some in each commit, of which the first is the largest.
const FORGOTTEN_PART: usize = 64;

/// A range of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span(usize, usize);

#[derive(Debug)]
struct Output {
    topic: TopicId,
    partition: Option<i32>,
    bytes: KeyAndValue,
    timestamp: Millis,
    headers: (usize, usize),
    cause: (TopicPartition, Offset),
}

/// Where a key stands in the arena and, right behind it, a value; and which of them there are.
#[derive(Debug, Clone, Copy, Default)]
struct KeyAndValue {
    start: usize,
    key_end: usize,
    end: usize,
    has_key: bool,
    has_value: bool,
}

/// A point to which [`Effects`] can be taken back.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    bytes: usize,
    outputs: usize,
    headers: usize,
}

/// An output as it is sent.
#[derive(Debug, Clone, Copy)]
pub struct OutputRef<'e> {
    /// The topic.
    pub topic: TopicId,
    /// `None`: by the key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'e [u8]>,
    /// The value.
    pub value: Option<&'e [u8]>,
    /// The record timestamp.
    pub timestamp: Millis,
    /// The input record that caused it.
    pub cause: (TopicPartition, Offset),
}

/// Writes one output into the arena: key and value first, then its headers.
pub struct OutputWriter<'e> {
    effects: &'e mut Effects,
    bytes: KeyAndValue,
    first_header: usize,
}

impl Effects {
    /// Nothing done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.outputs.len() * size_of::<Output>()
    }

    /// Number of outputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Where it stands now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), outputs: self.outputs.len(), headers: self.headers.len() }
    }

    /// Takes back what was done since the mark.
    pub fn take_back(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.outputs.truncate(mark.outputs);
        self.headers.truncate(mark.headers);
    }

    /// Takes back everything; keeps as much memory as was needed lately.
    pub fn clear(&mut self) {
        let lately = |before: usize, now: usize| now.max(before - before / FORGOTTEN_PART);
        self.lately = (lately(self.lately.0, self.bytes.len()), lately(self.lately.1, self.outputs.len()));
        self.take_back(Mark { bytes: 0, outputs: 0, headers: 0 });
        self.bytes.give_back(self.lately.0.max(KEPT_BYTES));
        give_back(&mut self.outputs, self.lately.1.max(KEPT_OUTPUTS));
    }

    /// Begins an output.
    #[inline]
    pub fn output(&mut self) -> OutputWriter<'_> {
        let first_header = self.headers.len();
        OutputWriter { effects: self, bytes: KeyAndValue::default(), first_header }
    }

    /// Adds the output at an index of others once more; `anew`: with this timestamp and cause.
    pub fn repeat(&mut self, others: &Self, index: usize, anew: Option<(Millis, (TopicPartition, Offset))>) {
        let Some(it) = others.get(index) else { return };
        let mut output = self.output();
        output.copy(it.key, it.value);
        others.headers(index).for_each(|(name, value)| output.header(name, value));
        let (timestamp, cause) = anew.unwrap_or((it.timestamp, it.cause));
        output.send(it.topic, it.partition, timestamp, cause);
    }

    /// The output at an index goes to this partition.
    pub fn place(&mut self, index: usize, partition: i32) {
        self.outputs.iter_mut().skip(index).take(1).for_each(|it| it.partition = Some(partition));
    }

    /// The output at an index.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<OutputRef<'_>> {
        let it = self.outputs.get(index)?;
        Some(OutputRef {
            topic: it.topic,
            partition: it.partition,
            key: it.bytes.has_key.then(|| self.span(Span(it.bytes.start, it.bytes.key_end))),
            value: it.bytes.has_value.then(|| self.span(Span(it.bytes.key_end, it.bytes.end))),
            timestamp: it.timestamp,
            cause: it.cause,
        })
    }

    /// The headers of the output at an index, in order.
    #[inline]
    pub fn headers(&self, index: usize) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let (start, end) = self.outputs.get(index).map_or((0, 0), |it| it.headers);
        self.headers.get(start..end).unwrap_or_default().iter().map(|(name, value)| {
            // Names were written from text.
            (std::str::from_utf8(self.span(*name)).unwrap_or_default(), value.map(|it| self.span(it)))
        })
    }

    #[inline]
    fn span(&self, Span(start, end): Span) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }
}

/// Shrinks what has far more room than is wanted: each page that is given back has to be asked for again.
fn give_back<T>(from: &mut Vec<T>, wanted: usize) {
    if 2 * wanted < from.capacity() {
        from.shrink_to(wanted);
    }
}

impl OutputWriter<'_> {
    /// Writes the key, and the value behind it; `write` gives where the key ends, `None` when there is none.
    ///
    /// # Errors
    /// Those of `write`. Then the output is not to be sent, and the record that caused it is taken back as a whole.
    #[inline]
    pub fn write<E>(&mut self, mut write: impl FnMut(&mut Pen<'_>) -> Result<Option<usize>, E>) -> Result<(), E> {
        let (start, mut key) = (self.effects.bytes.len(), Ok(None));
        self.effects.bytes.write(|it| key = write(it));
        let key = key?;
        let key_end = start + key.unwrap_or(0);
        self.bytes = KeyAndValue { start, key_end, end: self.effects.bytes.len(), has_key: key.is_some(), has_value: true };
        Ok(())
    }

    /// Copies key and value.
    pub fn copy(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let Ok(()) = self.write(|it| {
            it.append(key.unwrap_or_default());
            let key_end = it.position();
            it.append(value.unwrap_or_default());
            Ok::<_, Infallible>(key.map(|_| key_end))
        });
        self.bytes.has_value = value.is_some();
    }

    /// Adds a header.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) {
        let name = self.part(|it| it.append(name.as_bytes()));
        let value = value.map(|value| self.part(|it| it.append(value)));
        self.effects.headers.push((name, value));
    }

    /// Ends the output.
    #[inline]
    pub fn send(self, topic: TopicId, partition: Option<i32>, timestamp: Millis, cause: (TopicPartition, Offset)) {
        let headers = (self.first_header, self.effects.headers.len());
        self.effects.outputs.push(Output { topic, partition, bytes: self.bytes, timestamp, headers, cause });
    }

    fn part(&mut self, write: impl FnMut(&mut Pen<'_>)) -> Span {
        let start = self.effects.bytes.len();
        self.effects.bytes.write(write);
        Span(start, self.effects.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::record::{TopicId, TopicPartition};

    fn send(effects: &mut Effects, bytes: usize) {
        let mut output = effects.output();
        output.copy(None, Some(&vec![0; bytes]));
        output.send(TopicId(0), None, 0, (TopicPartition { topic: TopicId(1), partition: 0 }, 0));
    }

    #[test]
    fn memory_stays_for_the_next_large_commit_and_goes_when_none_comes() {
        let mut effects = Effects::default();
        send(&mut effects, 8 * KEPT_BYTES);
        let large = effects.bytes.capacity();
        for _ in 0..10 {
            effects.clear();
            send(&mut effects, 10);
        }
        assert_eq!(effects.bytes.capacity(), large, "a commit is not far away");
        for _ in 0..10 * FORGOTTEN_PART {
            effects.clear();
            send(&mut effects, 10);
        }
        assert!(effects.bytes.capacity() <= 2 * KEPT_BYTES, "{} bytes are kept", effects.bytes.capacity());
    }
}
