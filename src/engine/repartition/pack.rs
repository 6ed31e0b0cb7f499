//! Packs: several repartition records in one record of the log, whose client and broker do work for each.
//!
//! A record of a repartition topic that has no key is a pack; one that has a key stands for itself. The value of a pack: format (1 byte), then
//! its records one after another: timestamp (varint, the difference to the one before), key, value, number of headers, and of each its name,
//! and 0, or 1 and its value. Texts and bytes stand behind their lengths.

use crate::engine::codec::{read_bytes, read_int, read_text, take, write_bytes, write_int};
use crate::engine::record::{HeaderRef, Millis};

const FORMAT: u8 = 1;

/// A pack that is being filled; used again and again, it allocates nothing.
#[derive(Debug, Default)]
pub struct Pack {
    bytes: Vec<u8>,
    records: usize,
    first: Millis,
    last: Millis,
}

/// A pack that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pack of repartition records is damaged, or was written by a newer version")]
pub struct Damaged;

impl Pack {
    /// Appends a record.
    pub fn push(&mut self, key: &[u8], value: &[u8], timestamp: Millis, headers: &[HeaderRef<'_>]) {
        if self.records == 0 {
            self.bytes.push(FORMAT);
            (self.first, self.last) = (timestamp, 0);
        }
        let into = &mut self.bytes;
        write_int(timestamp.wrapping_sub(self.last), into);
        write_bytes(key, into);
        write_bytes(value, into);
        write_int(i64::try_from(headers.len()).unwrap_or(0), into);
        for (name, value) in headers {
            write_bytes(name.as_bytes(), into);
            into.push(u8::from(value.is_some()));
            if let Some(value) = value {
                write_bytes(value, into);
            }
        }
        self.last = timestamp;
        self.records += 1;
    }

    /// Its value as a record of the log.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many records it has.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records
    }

    /// The timestamp of its first record.
    #[must_use]
    pub fn timestamp(&self) -> Millis {
        self.first
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records = 0;
    }
}

/// A record of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed<'p> {
    /// The key.
    pub key: &'p [u8],
    /// The value.
    pub value: &'p [u8],
    /// The record timestamp.
    pub timestamp: Millis,
    /// The headers.
    pub headers: &'p [HeaderRef<'p>],
}

/// Whether a record of a repartition topic with this key is a pack.
#[must_use]
pub fn is_pack(key: Option<&[u8]>) -> bool {
    key.is_none()
}

/// Hands out the records of a pack in their order, given its value, until `record` fails.
///
/// # Errors
/// That of `record`, or [`Damaged`], behind the records that could be read.
pub fn unpack<E: From<Damaged>>(pack: Option<&[u8]>, mut record: impl FnMut(Packed<'_>) -> Result<(), E>) -> Result<(), E> {
    let (format, mut bytes) = pack.and_then(<[u8]>::split_first).ok_or(Damaged)?;
    if *format != FORMAT {
        return Err(Damaged.into());
    }
    let (mut timestamp, mut headers) = (0, Vec::new());
    while !bytes.is_empty() {
        headers.clear();
        let (since, key, value) = next(&mut bytes, &mut headers).ok_or(Damaged)?;
        timestamp = since.wrapping_add(timestamp);
        record(Packed { key, value, timestamp, headers: &headers })?;
    }
    Ok(())
}

type Next<'b> = (Millis, &'b [u8], &'b [u8]);

fn next<'b>(bytes: &mut &'b [u8], headers: &mut Vec<HeaderRef<'b>>) -> Option<Next<'b>> {
    let it = (read_int(bytes)?, read_bytes(bytes)?, read_bytes(bytes)?);
    for _ in 0..read_int(bytes)? {
        let name = read_text(bytes)?;
        let value = match take(bytes, 1)? {
            [0] => None,
            [1] => Some(read_bytes(bytes)?),
            _ => return None,
        };
        headers.push((name, value));
    }
    Some(it)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (Vec<u8>, Vec<u8>, Millis, Vec<(String, Option<Vec<u8>>)>);

    fn read(value: Option<&[u8]>) -> (Vec<Row>, bool) {
        let mut rows = Vec::new();
        let done = unpack(value, |it| {
            let headers = it.headers.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect();
            rows.push((it.key.to_vec(), it.value.to_vec(), it.timestamp, headers));
            Ok::<(), Damaged>(())
        });
        (rows, done.is_ok())
    }

    fn three() -> Vec<Row> {
        vec![
            (b"a".to_vec(), b"one".to_vec(), 1_700_000_000_000, vec![]),
            (vec![], vec![7; 300], 1_700_000_000_000, vec![("t".into(), Some(b"x".to_vec())), ("none".into(), None)]),
            (b"b".to_vec(), vec![], -1, vec![]),
        ]
    }

    fn packed(rows: &[Row]) -> Pack {
        let mut pack = Pack::default();
        for (key, value, timestamp, headers) in rows {
            let headers: Vec<HeaderRef<'_>> = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            pack.push(key, value, *timestamp, &headers);
        }
        pack
    }

    #[test]
    fn what_went_in_comes_out_in_order() {
        let mut pack = packed(&three());
        assert_eq!((pack.records(), pack.timestamp()), (3, 1_700_000_000_000));
        assert_eq!(read(Some(pack.bytes())), (three(), true));
        pack.clear();
        assert_eq!((pack.records(), pack.bytes()), (0, &[][..]));
        pack.push(b"k", b"v", 9, &[]);
        assert_eq!(read(Some(pack.bytes())), (vec![(b"k".to_vec(), b"v".to_vec(), 9, vec![])], true));
    }

    #[test]
    fn what_is_cut_off_is_damaged_behind_whole_records() {
        let pack = packed(&three());
        let whole = [packed(&three()[..1]).bytes().len(), packed(&three()[..2]).bytes().len()];
        for length in 0..pack.bytes().len() {
            let (rows, complete) = read(pack.bytes().get(..length));
            assert_eq!(rows, three()[..rows.len()], "cut at {length}");
            assert_eq!(complete, length == 1 || whole.contains(&length), "cut at {length}");
        }
        assert!(!read(None).1);
        assert!(!read(Some(&[9, 0, 0])).1, "another format");
    }

    #[test]
    fn it_ends_with_the_first_that_fails() {
        let pack = packed(&three());
        let mut seen = 0;
        let done = unpack(Some(pack.bytes()), |_| {
            seen += 1;
            if seen == 2 { Err(Damaged) } else { Ok(()) }
        });
        assert_eq!((done, seen), (Err(Damaged), 2));
    }
}
