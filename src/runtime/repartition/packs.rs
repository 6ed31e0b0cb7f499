//! Repartition records on their way into the log: those of one partition go there many at a time, since client and broker do work for each.
//!
//! Who reads them sees nothing before the commit, so packs are kept open until then, or until they are full.

use crate::engine::record::{Offset, TopicId, TopicPartition};
use crate::engine::repartition::pack::Pack;
use crate::runtime::ports::{Cause, OutRecord};

/// A pack of several records has no more bytes, some hundred records: what a commit holds back is bounded, and so is what a reader must take
/// in one piece.
const PACK_BYTES: usize = 16 << 10;
/// Packs held open hold no more than this together; beyond, all are sent.
const OPEN_BYTES: usize = 2 << 20;

/// The packs of the open transaction.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Packs {
    /// By topic, and by partition.
    open: Vec<(TopicId, Vec<Filling>)>,
    bytes: usize,
    /// One of several records was sent in this transaction.
    several: bool,
    /// Each record goes alone.
    alone: bool,
}

#[derive(Debug, Default)]
struct Filling {
    pack: Pack,
    /// What caused its first record.
    cause: Option<(TopicPartition, Offset)>,
}

impl Packs {
    /// Adds a record that goes to this partition; `send` is given what is to be sent for that.
    ///
    /// # Errors
    /// Those of `send`.
    pub(in crate::runtime) fn add<E>(
        &mut self,
        at: TopicPartition,
        record: &OutRecord<'_>,
        send: &mut dyn FnMut(&OutRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (Some(key), Some(value), Cause::Input(source, offset)) = (record.key, record.value, record.cause) else { return send(record) };
        if self.alone {
            return send(record);
        }
        let topic = match self.open.iter().position(|(topic, _)| *topic == at.topic) {
            Some(it) => it,
            None => {
                self.open.push((at.topic, Vec::new()));
                self.open.len() - 1
            }
        };
        let partition = usize::try_from(at.partition).unwrap_or(0);
        let Some((_, partitions)) = self.open.get_mut(topic) else { return send(record) };
        if partitions.len() <= partition {
            partitions.resize_with(partition + 1, Filling::default);
        }
        let Some(filling) = partitions.get_mut(partition) else { return send(record) };
        let size = key.len() + value.len();
        if PACK_BYTES < filling.pack.bytes().len() + size {
            self.bytes -= filling.pack.bytes().len();
            self.several |= filling.has_several();
            filling.send(at, send)?;
            if PACK_BYTES < size {
                return send(record);
            }
        }
        let before = filling.pack.bytes().len();
        filling.cause.get_or_insert((source, offset));
        filling.pack.push(key, value, record.timestamp, record.headers);
        self.bytes += filling.pack.bytes().len() - before;
        if OPEN_BYTES < self.bytes { self.send(send) } else { Ok(()) }
    }

    /// Sends all that is held open.
    ///
    /// # Errors
    /// Those of `send`.
    pub(in crate::runtime) fn send<E>(&mut self, send: &mut dyn FnMut(&OutRecord<'_>) -> Result<(), E>) -> Result<(), E> {
        for (topic, partitions) in &mut self.open {
            for (partition, filling) in (0..).zip(partitions) {
                self.several |= filling.has_several();
                filling.send(TopicPartition { topic: *topic, partition }, send)?;
            }
        }
        self.bytes = 0;
        Ok(())
    }

    /// The broker refused a record of the transaction; whether that may be one of several that went as one. Until a transaction is committed
    /// each goes alone, so that it shows which one it is.
    pub(in crate::runtime) fn refused(&mut self) -> bool {
        self.alone |= self.several;
        self.several
    }

    /// The transaction was given up.
    pub(in crate::runtime) fn forget(&mut self) {
        self.open.iter_mut().flat_map(|(_, it)| it).for_each(|it| (it.cause, _) = (None, it.pack.clear()));
        (self.bytes, self.several) = (0, false);
    }

    /// The transaction was committed.
    pub(in crate::runtime) fn committed(&mut self) {
        (self.several, self.alone) = (false, false);
    }
}

impl Filling {
    fn has_several(&self) -> bool {
        1 < self.pack.records()
    }

    /// Sends it, if it holds anything, and empties it.
    fn send<E>(&mut self, at: TopicPartition, send: &mut dyn FnMut(&OutRecord<'_>) -> Result<(), E>) -> Result<(), E> {
        let Some((source, offset)) = self.cause.take() else { return Ok(()) };
        let sent = send(&OutRecord {
            topic: at.topic,
            partition: Some(at.partition),
            key: None,
            value: Some(self.pack.bytes()),
            timestamp: self.pack.timestamp(),
            headers: &[],
            cause: Cause::Input(source, offset),
            watched: true,
        });
        self.pack.clear();
        sent
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::engine::repartition::pack;

    const INPUT: TopicPartition = TopicPartition { topic: TopicId(0), partition: 0 };

    /// Partition, cause, values; of a record that goes by itself its key as well.
    type Row = (i32, Offset, Vec<Vec<u8>>, Option<Vec<u8>>);

    /// What was sent.
    #[derive(Debug, Default)]
    struct Sent(Vec<Row>);

    impl Sent {
        fn take(&mut self, it: &OutRecord<'_>) -> Result<(), Infallible> {
            let Cause::Input(_, cause) = it.cause else { panic!("of a store") };
            let mut values = Vec::new();
            if pack::is_pack(it.key) {
                let unpacked = pack::unpack(it.value, |it| {
                    values.push(it.value.to_vec());
                    Ok::<(), pack::Damaged>(())
                });
                assert_eq!(unpacked, Ok(()));
            } else {
                values.push(it.value.unwrap().to_vec());
            }
            self.0.push((it.partition.unwrap(), cause, values, it.key.map(<[u8]>::to_vec)));
            Ok(())
        }
    }

    fn add(packs: &mut Packs, partition: i32, cause: Offset, value: &[u8], sent: &mut Sent) {
        let at = TopicPartition { topic: TopicId(2), partition };
        let record = OutRecord {
            topic: at.topic,
            partition: Some(partition),
            key: Some(b"k"),
            value: Some(value),
            timestamp: 5,
            headers: &[],
            cause: Cause::Input(INPUT, cause),
            watched: true,
        };
        let Ok(()) = packs.add(at, &record, &mut |it| sent.take(it));
    }

    fn rest(packs: &mut Packs, sent: &mut Sent) {
        let Ok(()) = packs.send(&mut |it| sent.take(it));
    }

    #[test]
    fn those_of_a_partition_go_together_in_order() {
        let (mut packs, mut sent) = (Packs::default(), Sent::default());
        for (partition, cause) in [(1, 10), (0, 10), (1, 11), (1, 12)] {
            add(&mut packs, partition, cause, format!("{partition}/{cause}").as_bytes(), &mut sent);
        }
        assert!(sent.0.is_empty(), "they wait for more");
        rest(&mut packs, &mut sent);
        let values = |of: &[&str]| of.iter().map(|it| it.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(sent.0, [(0, 10, values(&["0/10"]), None), (1, 10, values(&["1/10", "1/11", "1/12"]), None)]);
        sent.0.clear();
        rest(&mut packs, &mut sent);
        assert!(sent.0.is_empty(), "once");
    }

    #[test]
    fn what_is_held_open_is_bounded() {
        let (mut packs, mut sent) = (Packs::default(), Sent::default());
        let value = vec![7; PACK_BYTES / 4];
        (0..5).for_each(|cause| add(&mut packs, 0, cause, &value, &mut sent));
        assert_eq!(sent.0.iter().map(|it| (it.1, it.2.len())).collect::<Vec<_>>(), [(0, 3)], "a full one is sent");
        sent.0.clear();
        add(&mut packs, 0, 5, &vec![7; 3 * PACK_BYTES], &mut sent);
        add(&mut packs, 0, 6, &value, &mut sent);
        let sent_then: Vec<_> = sent.0.iter().map(|it| (it.1, it.2.len(), it.3.is_some())).collect();
        assert_eq!(sent_then, [(3, 2, false), (5, 1, true)], "a larger one goes by itself");
        for partition in 0..1000 {
            add(&mut packs, partition, 7, &value, &mut sent);
            assert!(packs.bytes <= OPEN_BYTES + value.len());
        }
    }

    #[test]
    fn behind_a_refusal_each_goes_alone_until_a_commit() {
        let (mut packs, mut sent) = (Packs::default(), Sent::default());
        let two = |packs: &mut Packs, sent: &mut Sent| {
            (0..2).for_each(|cause| add(packs, 0, cause, b"v", sent));
            rest(packs, sent);
        };
        add(&mut packs, 0, 0, b"v", &mut sent);
        rest(&mut packs, &mut sent);
        assert!(!packs.refused(), "it stood alone");
        two(&mut packs, &mut sent);
        assert!(packs.refused(), "which of the two?");
        packs.forget();
        sent.0.clear();
        two(&mut packs, &mut sent);
        assert_eq!(sent.0.iter().map(|it| (it.1, it.3.is_some())).collect::<Vec<_>>(), [(0, true), (1, true)]);
        assert!(!packs.refused(), "now it is known");
        packs.committed();
        sent.0.clear();
        two(&mut packs, &mut sent);
        assert_eq!(sent.0.len(), 1);
    }
}
