//! A dead letter as it is read: the failed record as it was, and what its headers say of the failure.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::engine::record::{HeaderRef, Millis, Offset};
use crate::runtime::operations::access::ReadRecord;
use crate::runtime::operations::dead_letters::marks::Mark;

/// How often a record was sent back already; stands among its own headers, so it survives the next failure.
pub const REDRIVE_COUNT: &str = "goyt.redrive.count";

/// The headers that describe a failure. They stand behind the record's own.
const FAILURE_HEADERS: [&str; 12] = [
    "__streams.errors.exception",
    "__streams.errors.message",
    "__streams.errors.stacktrace",
    "__streams.errors.topic",
    "__streams.errors.partition",
    "__streams.errors.offset",
    "goyt.reason",
    "goyt.path",
    "goyt.topology",
    "goyt.step",
    "goyt.value.sha1",
    "goyt.value.bytes",
];

/// Where a dead letter stands. Written as `<topic>/<partition>/<offset>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId {
    /// The dead letter topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: Offset,
}

/// A header: its name, and its value if it has one.
pub type Header = (String, Option<Vec<u8>>);

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where it stands.
    pub id: LetterId,
    /// The record timestamp: that of the failed record.
    pub timestamp: Option<Millis>,
    /// The key, byte for byte.
    pub key: Option<Vec<u8>>,
    /// The value, byte for byte.
    pub value: Option<Vec<u8>>,
    /// The record's own headers.
    pub headers: Vec<Header>,
    /// Where the failed record stood.
    pub origin: Option<Origin>,
    /// `goyt.reason`; of a dead letter that another program wrote the exception, or `?`.
    pub reason: String,
    /// In words.
    pub message: String,
    /// JSON pointer to the place in the value; empty for the whole.
    pub path: String,
    /// The topology that could not process it; empty when another program wrote the dead letter.
    pub topology: String,
    /// The step that failed; `decode` when it could not be read.
    pub step: String,
    /// How often it was sent back before it became this dead letter.
    pub redrives: u32,
    /// The value was too large for a dead letter and is not here.
    pub left_out: Option<LeftOut>,
    /// What was done about it.
    pub mark: Option<Mark>,
}

/// Where a failed record stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: Offset,
}

/// What is known of a value that is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its length.
    pub bytes: String,
    /// Its SHA-1, hexadecimal.
    pub sha1: String,
}

impl Letter {
    /// A record of a dead letter topic. One that has none of the headers is a dead letter of an unknown reason.
    #[must_use]
    pub fn read(record: &ReadRecord<'_>) -> Self {
        let (own, failure) = record.headers.split_at(own_headers(record.headers));
        let text = |name: &str| Some(String::from_utf8_lossy(failure.iter().find(|it| it.0 == name)?.1?).into_owned());
        let origin = || {
            Some(Origin {
                topic: text("__streams.errors.topic")?,
                partition: text("__streams.errors.partition")?.parse().ok()?,
                offset: text("__streams.errors.offset")?.parse().ok()?,
            })
        };
        let redrives = own.iter().rev().find(|it| it.0 == REDRIVE_COUNT).and_then(|it| std::str::from_utf8(it.1?).ok()?.parse().ok());
        Self {
            id: LetterId { topic: Arc::clone(&record.place.topic), partition: record.place.partition, offset: record.offset },
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: own.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect(),
            origin: origin(),
            reason: text("goyt.reason").or_else(|| text("__streams.errors.exception")).unwrap_or_else(|| "?".to_owned()),
            message: text("__streams.errors.message").unwrap_or_default(),
            path: text("goyt.path").unwrap_or_default(),
            topology: text("goyt.topology").unwrap_or_default(),
            step: text("goyt.step").unwrap_or_default(),
            redrives: redrives.unwrap_or(0),
            left_out: text("goyt.value.bytes").map(|bytes| LeftOut { bytes, sha1: text("goyt.value.sha1").unwrap_or_default() }),
            mark: None,
        }
    }

    /// The key as text, where it is text.
    #[must_use]
    pub fn key_text(&self) -> Option<&str> {
        std::str::from_utf8(self.key.as_deref()?).ok()
    }

    /// The headers with which it goes back: its own, and how often that has happened.
    #[must_use]
    pub fn headers_back(&self) -> Vec<Header> {
        let mut headers: Vec<Header> = self.headers.iter().filter(|it| it.0 != REDRIVE_COUNT).cloned().collect();
        headers.push((REDRIVE_COUNT.to_owned(), Some(self.redrives.saturating_add(1).to_string().into_bytes())));
        headers
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let length = |it: &Option<Vec<u8>>| it.as_ref().map_or(0, Vec::len);
        length(&self.key) + length(&self.value) + self.headers.iter().map(|(name, value)| name.len() + length(value)).sum::<usize>()
    }
}

/// How many of the headers are the record's own. A record may have been a dead letter of another program before it was read: only the
/// last description, each name once, is of this failure.
fn own_headers(headers: &[HeaderRef<'_>]) -> usize {
    let mut seen = Vec::new();
    let behind = headers.iter().rev().take_while(|(name, _)| {
        let of_failure = FAILURE_HEADERS.contains(name) && !seen.contains(name);
        seen.push(*name);
        of_failure
    });
    headers.len() - behind.count()
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || {
            let mut parts = text.rsplitn(3, '/');
            let (offset, partition, topic) = (parts.next()?, parts.next()?, parts.next()?);
            let (offset, partition) = (offset.parse().ok()?, partition.parse().ok()?);
            (0 <= offset && 0 <= partition && !topic.is_empty()).then(|| Self { topic: topic.into(), partition, offset })
        };
        parts().ok_or_else(|| format!("`{text}` is no dead letter: write TOPIC/PARTITION/OFFSET, as `goyt dlq ls` shows it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::operations::access::Place;

    fn read(headers: &[HeaderRef<'_>]) -> Letter {
        let place = Place { topic: "orders.dlq".into(), partition: 3 };
        Letter::read(&ReadRecord { place: &place, offset: 17, timestamp: Some(5), key: Some(b"k"), value: Some(b"{}"), headers })
    }

    const FAILURE: [HeaderRef<'_>; 10] = [
        ("__streams.errors.exception", Some(b"WRONG_TYPE")),
        ("__streams.errors.message", Some(b"expected an integer")),
        ("__streams.errors.stacktrace", Some(b"at step decode of topology shop")),
        ("__streams.errors.topic", Some(b"orders")),
        ("__streams.errors.partition", Some(b"3")),
        ("__streams.errors.offset", Some(b"90")),
        ("goyt.reason", Some(b"WRONG_TYPE")),
        ("goyt.path", Some(b"/n")),
        ("goyt.topology", Some(b"shop")),
        ("goyt.step", Some(b"decode")),
    ];

    #[test]
    fn a_letter_says_what_failed_where_and_why() {
        let letter = read(&FAILURE);
        assert_eq!(letter.id.to_string(), "orders.dlq/3/17");
        assert_eq!(letter.origin, Some(Origin { topic: "orders".into(), partition: 3, offset: 90 }));
        let Letter { reason, message, path, topology, step, headers, .. } = letter;
        assert_eq!([reason, message, path, topology, step], ["WRONG_TYPE", "expected an integer", "/n", "shop", "decode"]);
        assert!(headers.is_empty());
    }

    #[test]
    fn the_records_own_headers_go_back_in_their_order_with_the_count_behind() {
        let foreign: HeaderRef<'_> = ("goyt.reason", Some(b"OF_ANOTHER_PROGRAM"));
        let own = [("trace", Some(&[0xff, 0x00][..])), ("empty", None), ("trace", Some(b"2")), (REDRIVE_COUNT, Some(b"2")), foreign];
        let headers: Vec<HeaderRef<'_>> = own.into_iter().chain(FAILURE).collect();
        let letter = read(&headers);
        assert_eq!((letter.reason.as_str(), letter.redrives), ("WRONG_TYPE", 2));
        let back = letter.headers_back();
        let back: Vec<HeaderRef<'_>> = back.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(back, [own[0], own[1], own[2], own[4], (REDRIVE_COUNT, Some(b"3"))]);
    }

    #[test]
    fn a_letter_of_another_program_is_one_all_the_same() {
        assert_eq!((read(&[]).reason.as_str(), read(&[]).origin), ("?", None));
        let streams = read(&FAILURE[..6]);
        assert_eq!((streams.reason.as_str(), streams.topology.as_str()), ("WRONG_TYPE", ""));
        assert!(streams.origin.is_some());
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for text in ["orders.dlq/0/0", "a/b.dlq/12/9000000000"] {
            assert_eq!(text.parse::<LetterId>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "orders.dlq", "orders.dlq/1", "orders.dlq/x/1", "orders.dlq/1/-1", "/1/1", "orders.dlq/-1/1"] {
            assert!(text.parse::<LetterId>().is_err(), "{text}");
        }
    }
}
