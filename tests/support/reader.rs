//! An independent reader of committed records: what any consumer of the outputs would see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{broker, wait};

const REQUEST: Duration = Duration::from_secs(10);

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(|it| it.iter());
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec))).collect(),
        }
    }

    /// A header's value as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(it, _)| it == name)?;
        value.as_ref().map(|it| String::from_utf8_lossy(it).into_owned())
    }
}

/// All committed records of a topic, in the order of partitions and offsets. Waits until no transaction is open on it.
/// A topic that does not exist has none.
pub fn read_all(topic: &str) -> Vec<Record> {
    let partitions = partitions(topic);
    if partitions.is_empty() {
        return Vec::new();
    }
    wait::until(&format!("open transactions on {topic} to end"), || {
        (ends(topic, "read_committed") == ends(topic, "read_uncommitted")).then_some(())
    });
    let consumer = consumer("read_committed");
    assign(&consumer, topic, &partitions);
    let (mut open, mut records): (BTreeSet<i32>, Vec<Record>) = (partitions.into_iter().collect(), Vec::new());
    while !open.is_empty() {
        match wait::until(&format!("records or the end of {topic}"), || consumer.poll(REQUEST)) {
            Ok(message) => records.push(Record::of(&message)),
            Err(KafkaError::PartitionEOF(partition)) => drop(open.remove(&partition)),
            Err(error) => panic!("read {topic}: {error}"),
        }
    }
    records.sort_by_key(|it| (it.partition, it.offset));
    records
}

/// Counts the committed records of topics as they come.
pub struct Counter {
    consumer: BaseConsumer,
    counts: BTreeMap<String, usize>,
}

impl Counter {
    /// Waits until the topics exist, then counts them from their beginning.
    pub fn new<'a>(topics: impl IntoIterator<Item = &'a String>) -> Self {
        let (consumer, mut list) = (consumer("read_committed"), TopicPartitionList::new());
        for topic in topics {
            for partition in wait::until(&format!("the topic {topic}"), || Some(partitions(topic)).filter(|it| !it.is_empty())) {
                list.add_partition_offset(topic, partition, Offset::Beginning).expect("a position");
            }
        }
        consumer.assign(&list).expect("an assignment");
        Self { consumer, counts: BTreeMap::new() }
    }

    /// Waits until each of these topics has at least so many committed records.
    pub fn wait_for(&mut self, wanted: &BTreeMap<String, usize>) {
        wait::until_ok(|| {
            self.take();
            let short = wanted.iter().filter(|(topic, count)| self.count(topic) < **count);
            let missing: String = short.map(|(topic, count)| format!("{} of {count} records on {topic}; ", self.count(topic))).collect();
            if missing.is_empty() { Ok(()) } else { Err(missing) }
        });
    }

    fn count(&self, topic: &str) -> usize {
        self.counts.get(topic).copied().unwrap_or_default()
    }

    /// Counts what has come.
    fn take(&mut self) {
        while let Some(message) = self.consumer.poll(Duration::from_millis(50)) {
            match message {
                Ok(message) => *self.counts.entry(message.topic().to_owned()).or_default() += 1,
                Err(KafkaError::PartitionEOF(_)) => {}
                Err(error) => panic!("count records: {error}"),
            }
        }
    }
}

/// The end of each partition of a topic, as readers of this isolation see it.
pub fn ends(topic: &str, isolation: &str) -> Vec<i64> {
    // A partition that has just been made has no leader for a moment.
    let asked =
        |partition| looker(isolation).fetch_watermarks(topic, partition, REQUEST).map_err(|error| format!("the end of {topic}: {error}"));
    let end = |partition| wait::until_ok(|| asked(partition)).1;
    partitions(topic).into_iter().map(end).collect()
}

/// All topics of the broker, by name.
pub fn topics() -> Vec<String> {
    try_topics().expect("metadata")
}

/// As [`topics`], of a broker that may be away.
pub fn try_topics() -> Result<Vec<String>, String> {
    let metadata = looker("read_committed").fetch_metadata(None, REQUEST).map_err(|error| format!("the broker to answer: {error}"))?;
    let mut names: Vec<String> = metadata.topics().iter().map(|it| it.name().to_owned()).collect();
    names.sort();
    Ok(names)
}

/// The partitions of a topic; none when it does not exist.
pub fn partitions(topic: &str) -> Vec<i32> {
    let metadata = looker("read_committed").fetch_metadata(Some(topic), REQUEST).expect("metadata");
    let found = metadata.topics().iter().filter(|it| it.name() == topic && it.error().is_none());
    found.flat_map(|it| it.partitions().iter().map(rdkafka::metadata::MetadataPartition::id)).collect()
}

/// For each partition of an application's topics its end for both isolations, and what the application has committed of it. For a test
/// that has failed already: what goes wrong is told, not thrown.
pub fn places(application: &str) -> Result<String, String> {
    let group: BaseConsumer = broker::client().set("group.id", application).create().map_err(|error| error.to_string())?;
    let metadata = group.fetch_metadata(None, REQUEST).map_err(|error| error.to_string())?;
    let mut list = TopicPartitionList::new();
    for topic in metadata.topics().iter().filter(|it| it.name().starts_with(application)) {
        for partition in topic.partitions() {
            list.add_partition(topic.name(), partition.id());
        }
    }
    let committed = group.committed_offsets(list, REQUEST).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for it in committed.elements() {
        let end = |isolation| {
            let bounds = looker(isolation).fetch_watermarks(it.topic(), it.partition(), REQUEST);
            bounds.map_or_else(|error| error.to_string(), |(_, end)| end.to_string())
        };
        let (stable, end) = (end("read_committed"), end("read_uncommitted"));
        lines.push(format!("{} {}: committed {:?}, stable end {stable}, end {end}", it.topic(), it.partition(), it.offset()));
    }
    Ok(lines.join("\n"))
}

/// A consumer that only looks at topics: one for all tests, since a client takes long to come and go.
fn looker(isolation: &str) -> &'static BaseConsumer {
    static COMMITTED: LazyLock<BaseConsumer> = LazyLock::new(|| consumer("read_committed"));
    static UNCOMMITTED: LazyLock<BaseConsumer> = LazyLock::new(|| consumer("read_uncommitted"));
    if isolation == "read_committed" { &COMMITTED } else { &UNCOMMITTED }
}

fn consumer(isolation: &str) -> BaseConsumer {
    broker::client()
        .set("group.id", "tests")
        .set("enable.auto.commit", "false")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.wait.max.ms", "10")
        .create()
        .expect("a consumer")
}

fn assign(consumer: &BaseConsumer, topic: &str, partitions: &[i32]) {
    // Else the client learns of the topic at its next tick, a second later.
    consumer.fetch_metadata(Some(topic), REQUEST).expect("metadata");
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, *partition, Offset::Beginning).expect("a position");
    }
    consumer.assign(&list).expect("an assignment");
}
