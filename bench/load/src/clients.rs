//! Kafka clients, as every command needs them.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::producer::BaseProducer;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long one request may take.
pub const REQUEST: Duration = Duration::from_secs(30);

const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Properties to begin with.
pub fn client() -> ClientConfig {
    let bootstrap = std::env::var("KAFKA_BOOTSTRAP_SERVERS").expect("KAFKA_BOOTSTRAP_SERVERS is set");
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("log_level", "3");
    config
}

/// A writer of load: in order, partitioned by key as Java clients do.
pub fn producer(linger_ms: &str) -> BaseProducer {
    client()
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .set("linger.ms", linger_ms)
        .set("batch.num.messages", "10000")
        .set("queue.buffering.max.messages", "400000")
        .set("delivery.report.only.error", "true")
        .create()
        .expect("a producer")
}

/// A reader of committed records, outside any group.
pub fn consumer() -> BaseConsumer {
    client()
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("fetch.queue.backoff.ms", "1")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.message.max.bytes", "4194304")
        .set("queued.max.messages.kbytes", "65536")
        .set("queued.min.messages", "400000")
        .create()
        .expect("a consumer")
}

/// The partitions of a topic; none when it does not exist.
pub fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = retried(|| consumer.fetch_metadata(Some(topic), REQUEST));
    let found = metadata.topics().iter().filter(|it| it.name() == topic && it.error().is_none());
    found.flat_map(|it| it.partitions().iter().map(rdkafka::metadata::MetadataPartition::id)).collect()
}

/// The first offset and the last stable one.
pub fn bounds(consumer: &BaseConsumer, topic: &str, partition: i32) -> (i64, i64) {
    retried(|| consumer.fetch_watermarks(topic, partition, REQUEST))
}

/// Asks again for a while: a topic that was made just now has no leader yet.
fn retried<T>(ask: impl Fn() -> KafkaResult<T>) -> T {
    let until = Instant::now() + REQUEST;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        std::thread::sleep(RETRY_PAUSE);
    }
}

/// Begins to read each of the partitions from an offset.
pub fn assign(consumer: &BaseConsumer, starts: &[(String, i32, Offset)]) {
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset) in starts {
        list.add_partition_offset(topic, *partition, *offset).expect("a position");
    }
    consumer.assign(&list).expect("an assignment");
}
