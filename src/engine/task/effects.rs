//! Effects: what records do, gathered until it can be sent: outputs and dead letters, in one arena, without an allocation each.

use crate::engine::record::{Millis, Offset, TopicId, TopicPartition};

/// What was done and has not been sent.
#[derive(Debug, Default)]
pub struct Effects {
    bytes: Vec<u8>,
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
    key: Option<Span>,
    value: Option<Span>,
    timestamp: Millis,
    headers: (usize, usize),
    cause: (TopicPartition, Offset),
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

/// Writes one output into the arena, part after part.
pub struct OutputWriter<'e> {
    effects: &'e mut Effects,
    key: Option<Span>,
    value: Option<Span>,
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
        give_back(&mut self.bytes, self.lately.0.max(KEPT_BYTES));
        give_back(&mut self.outputs, self.lately.1.max(KEPT_OUTPUTS));
    }

    /// Begins an output.
    pub fn output(&mut self) -> OutputWriter<'_> {
        let first_header = self.headers.len();
        OutputWriter { effects: self, key: None, value: None, first_header }
    }

    /// Adds the output at an index of others once more; `anew`: with this timestamp and cause.
    pub fn repeat(&mut self, others: &Self, index: usize, anew: Option<(Millis, (TopicPartition, Offset))>) {
        let Some(it) = others.get(index) else { return };
        let mut output = self.output();
        if let Some(key) = it.key {
            output.key(|bytes| bytes.extend_from_slice(key));
        }
        if let Some(value) = it.value {
            output.value(|bytes| bytes.extend_from_slice(value));
        }
        others.headers(index).for_each(|(name, value)| output.header(name, value));
        let (timestamp, cause) = anew.unwrap_or((it.timestamp, it.cause));
        output.send(it.topic, it.partition, timestamp, cause);
    }

    /// The output at an index goes to this partition.
    pub fn place(&mut self, index: usize, partition: i32) {
        self.outputs.iter_mut().skip(index).take(1).for_each(|it| it.partition = Some(partition));
    }

    /// The output at an index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<OutputRef<'_>> {
        let it = self.outputs.get(index)?;
        Some(OutputRef {
            topic: it.topic,
            partition: it.partition,
            key: it.key.map(|it| self.span(it)),
            value: it.value.map(|it| self.span(it)),
            timestamp: it.timestamp,
            cause: it.cause,
        })
    }

    /// The headers of the output at an index, in order.
    pub fn headers(&self, index: usize) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let (start, end) = self.outputs.get(index).map_or((0, 0), |it| it.headers);
        self.headers.get(start..end).unwrap_or_default().iter().map(|(name, value)| {
            // Names were written from text.
            (std::str::from_utf8(self.span(*name)).unwrap_or_default(), value.map(|it| self.span(it)))
        })
    }

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
    /// Writes the key.
    pub fn key(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.key = Some(self.part(write));
    }

    /// Writes the value.
    pub fn value(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.value = Some(self.part(write));
    }

    /// Adds a header.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) {
        let name = self.part(|it| it.extend_from_slice(name.as_bytes()));
        let value = value.map(|value| self.part(|it| it.extend_from_slice(value)));
        self.effects.headers.push((name, value));
    }

    /// Ends the output.
    pub fn send(self, topic: TopicId, partition: Option<i32>, timestamp: Millis, cause: (TopicPartition, Offset)) {
        let headers = (self.first_header, self.effects.headers.len());
        self.effects.outputs.push(Output { topic, partition, key: self.key, value: self.value, timestamp, headers, cause });
    }

    fn part(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.effects.bytes.len();
        write(&mut self.effects.bytes);
        Span(start, self.effects.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::record::{TopicId, TopicPartition};

    fn send(effects: &mut Effects, bytes: usize) {
        let mut output = effects.output();
        output.value(|it| it.resize(it.len() + bytes, 0));
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
