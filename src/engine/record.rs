//! What flows: records, the topics and partitions they stand in, and their headers.

/// Index of a topic in [`crate::engine::plan::Plan::topics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u16);

/// One partition of one topic of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicId,
    /// The partition's number, 0-based.
    pub partition: i32,
}

/// A record's place in its partition; as a position: the next record to read.
pub type Offset = i64;

/// Milliseconds since 1970-01-01T00:00:00Z, as Kafka stamps records.
pub type Millis = i64;

/// A header: its name, and its value if it has one.
pub type HeaderRef<'a> = (&'a str, Option<&'a [u8]>);

/// A record as it was read, borrowed from the client's buffer.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    /// Where it stands.
    pub source: TopicPartition,
    /// Its offset there.
    pub offset: Offset,
    /// The record timestamp; `None` when the log has none.
    pub timestamp: Option<Millis>,
    /// The key; `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a null value.
    pub value: Option<&'a [u8]>,
    /// The headers, in their order.
    pub headers: &'a [HeaderRef<'a>],
}
