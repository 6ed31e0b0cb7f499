//! `goyt run --null`: the same reads, writes and transactions without the logic; the limit to measure against.
//!
//! A task takes its first records through its steps and notes what each writes. From then on it writes that again, one sample after
//! another, whatever it reads: no field is looked at, no state is kept, and nothing goes to a changelog.

use super::effects::Effects;
use crate::engine::record::{Millis, RecordRef};

/// The records that a task learns from.
const SAMPLES: usize = 2_000;

/// What a task without logic writes.
#[derive(Debug, Default)]
pub struct Null {
    /// What the samples wrote, in order.
    written: Effects,
    /// Where the outputs of each sample end.
    ends: Vec<usize>,
    /// The sample whose turn it is.
    next: usize,
}

impl Null {
    /// Whether the logic is not needed any more.
    #[must_use]
    pub fn has_learned(&self) -> bool {
        SAMPLES <= self.ends.len()
    }

    /// Notes what a record wrote: all behind the first `before` outputs.
    pub fn learn(&mut self, effects: &Effects, before: usize) {
        for index in before..effects.len() {
            self.written.repeat(effects, index, None);
        }
        self.ends.push(self.written.len());
    }

    /// Writes what the next sample wrote, as if this record had caused it.
    pub fn write(&mut self, record: &RecordRef<'_>, timestamp: Millis, effects: &mut Effects) {
        let start = self.next.checked_sub(1).and_then(|it| self.ends.get(it)).copied().unwrap_or(0);
        let end = self.ends.get(self.next).copied().unwrap_or(start);
        for index in start..end {
            effects.repeat(&self.written, index, Some((timestamp, (record.source, record.offset))));
        }
        self.next = (self.next + 1) % self.ends.len().max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::record::{TopicId, TopicPartition};

    const SOURCE: TopicPartition = TopicPartition { topic: TopicId(0), partition: 3 };

    fn write_one(effects: &mut Effects, key: &str) {
        let mut output = effects.output();
        output.copy(Some(key.as_bytes()), Some(b"value"));
        output.header("trace", Some(b"abc"));
        output.send(TopicId(1), Some(2), 1, (SOURCE, 0));
    }

    #[test]
    fn what_the_samples_wrote_is_written_again_one_after_another() {
        let (mut null, mut effects) = (Null::default(), Effects::default());
        // Each third record writes nothing, each second of the others two records.
        let keys = |nth: usize| (0..nth % 3).map(|it| format!("{nth}-{it}")).collect::<Vec<_>>();
        for nth in 0..SAMPLES {
            assert!(!null.has_learned());
            let before = effects.len();
            keys(nth).iter().for_each(|it| write_one(&mut effects, it));
            null.learn(&effects, before);
        }
        assert!(null.has_learned());
        effects.clear();
        let record = RecordRef { source: SOURCE, offset: 70, timestamp: Some(5), key: None, value: None, headers: &[] };
        for nth in (0..SAMPLES).chain(0..5) {
            let before = effects.len();
            null.write(&record, 9, &mut effects);
            let written: Vec<_> = (before..effects.len()).filter_map(|it| effects.get(it)).collect();
            let found: Vec<_> = written.iter().map(|it| String::from_utf8(it.key.unwrap().to_vec()).unwrap()).collect();
            assert_eq!(found, keys(nth));
            for (index, it) in (before..).zip(&written) {
                assert_eq!((it.topic, it.partition, it.value), (TopicId(1), Some(2), Some(&b"value"[..])));
                assert_eq!((it.timestamp, it.cause), (9, (SOURCE, 70)));
                assert_eq!(effects.headers(index).collect::<Vec<_>>(), [("trace", Some(&b"abc"[..]))]);
            }
        }
    }
}
