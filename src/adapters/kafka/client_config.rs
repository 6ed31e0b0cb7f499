//! The settings of the clients: ours, those that pass through, and those that exactly-once depends on.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka_sys::types::RDKafkaRespErr;

use super::deliveries::Batches;
use super::errors;
use super::raw::Failure;
use crate::runtime::ports::LogError;

/// A fetched answer is held unpacked, beside the queue that `queued.max.messages.kbytes` bounds: small answers keep memory bounded.
/// With the client's defaults, 50 MiB and 1 MiB for a partition, 16 compressed partitions take 100 MB more.
const FETCH_MAX_BYTES: &str = "2097152";
const FETCH_PARTITION_MAX_BYTES: &str = "262144";

/// What the clients need to know. Any other client property passes through the three maps.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The group, and the prefix of transactional ids.
    pub application_id: String,
    /// Which instance this is: static membership and transactional ids hang on it.
    pub instance_id: String,
    /// After this long without a heartbeat a member is gone.
    pub session_timeout: Duration,
    /// How long the producer gathers records for a batch.
    pub linger: Duration,
    /// Properties of the consumers, such as `fetch.max.bytes`.
    pub consumer: BTreeMap<String, String>,
    /// Properties of the consumers that restore state, over those of all consumers.
    pub restore: BTreeMap<String, String>,
    /// Properties of the producer, such as `compression.type`.
    pub producer: BTreeMap<String, String>,
    /// Properties of the client that makes and describes topics.
    pub admin: BTreeMap<String, String>,
}

impl ClientSettings {
    /// The defaults, for a cluster and an instance.
    pub fn new(bootstrap: &str, application_id: &str, instance_id: &str) -> ClientSettings {
        ClientSettings {
            bootstrap: bootstrap.into(),
            application_id: application_id.into(),
            instance_id: instance_id.into(),
            session_timeout: Duration::from_secs(10),
            linger: Duration::from_millis(20),
            consumer: BTreeMap::new(),
            restore: BTreeMap::new(),
            producer: BTreeMap::new(),
            admin: BTreeMap::new(),
        }
    }
}

/// Which client a property is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Consumer,
    Producer,
    Admin,
}

/// Properties that can't be set, for which client, and why.
const REFUSED: &[(Role, &str, &str)] = &[
    (Role::Consumer, "enable.auto.commit", OFFSETS),
    (Role::Consumer, "auto.commit.interval.ms", OFFSETS),
    (Role::Consumer, "enable.auto.offset.store", OFFSETS),
    (Role::Consumer, "auto.offset.reset", "where to start is decided by the topology; a gap is never skipped silently"),
    (Role::Consumer, "isolation.level", "what a transaction may still take back is never read"),
    (Role::Consumer, "enable.partition.eof", "it is set as the runtime needs it"),
    (Role::Consumer, "group.id", "the group is the application.id: set that"),
    (Role::Consumer, "group.instance.id", "it is made of the instance.id: set that"),
    (Role::Consumer, "group.protocol", "the client's new protocol does not survive all errors"),
    (Role::Consumer, "group.remote.assignor", "partitions with equal numbers must go to one worker"),
    (Role::Consumer, "partition.assignment.strategy", "partitions with equal numbers must go to one worker"),
    (Role::Producer, "transactional.id", "it is made of the application.id and the instance.id: set those"),
    (Role::Producer, "enable.idempotence", ONCE),
    (Role::Producer, "enable.gapless.guarantee", ONCE),
    (Role::Producer, "acks", ONCE),
    (Role::Producer, "request.required.acks", ONCE),
    (Role::Producer, "delivery.report.only.error", "the state's positions come from acknowledgements"),
    (Role::Producer, "partitioner", "a key's partition must be the one that Java clients choose"),
];
const OFFSETS: &str = "offsets are committed with the transaction and in no other way";
const ONCE: &str = "exactly-once depends on it";

/// Set by settings of their own, so not as properties.
const OWN: &[(&str, &str)] = &[("bootstrap.servers", "bootstrap.servers"), ("metadata.broker.list", "bootstrap.servers")];

impl ClientSettings {
    /// Each property that is unknown, wrong or refused, in words; empty when all is well.
    pub fn mistakes(&self) -> Vec<String> {
        let all = [
            (Role::Consumer, "consumer", &self.consumer),
            (Role::Consumer, "restore.consumer", &self.restore),
            (Role::Producer, "producer", &self.producer),
            (Role::Admin, "admin", &self.admin),
        ];
        let mut mistakes = Vec::new();
        for (role, prefix, properties) in all {
            for (name, value) in properties {
                if let Some(why) = mistake(role, name, value) {
                    mistakes.push(format!("{prefix}.{name}: {why}"));
                }
            }
        }
        mistakes
    }

    /// The member of the group that is the worker's consumer.
    pub(super) fn consumer(&self, worker: usize) -> Result<ClientConfig, LogError> {
        let session = millis(self.session_timeout);
        let ours = [
            ("group.id", self.application_id.clone()),
            ("group.instance.id", format!("{}-{worker}", self.instance_id)),
            ("group.protocol", "classic".into()),
            ("partition.assignment.strategy", "range".into()),
            ("auto.offset.reset", "error".into()),
            ("isolation.level", "read_committed".into()),
            ("enable.auto.commit", "false".into()),
            ("enable.auto.offset.store", "false".into()),
            ("enable.partition.eof", "true".into()),
        ];
        let defaults = [
            ("session.timeout.ms", session.to_string()),
            ("heartbeat.interval.ms", (session / 3).clamp(1, 500).to_string()), // A member learns of a rebalance by it.
            ("max.poll.interval.ms", session.max(300_000).to_string()),
            ("fetch.queue.backoff.ms", "5".into()), // The default, 1 s, is what a reader with a small queue waits.
            ("queued.min.messages", "10000".into()),
            ("queued.max.messages.kbytes", "8192".into()),
            ("fetch.max.bytes", FETCH_MAX_BYTES.into()),
            ("fetch.message.max.bytes", FETCH_PARTITION_MAX_BYTES.into()),
            ("client.id", format!("{}-{worker}-consumer", self.instance_id)),
        ];
        self.client(&self.consumer, &ours, &defaults)
    }

    /// A transactional producer; its `name`: of the worker, and which of its producers it is.
    pub(super) fn producer(&self, name: &str, batches: Batches) -> Result<ClientConfig, LogError> {
        let batch_count = self.producer.get("batch.num.messages").cloned().unwrap_or_else(|| "10000".into());
        let debug = self.producer.get("debug").map_or(String::new(), |it| format!("{it},"));
        let ours = [
            ("transactional.id", format!("{}-{}-{name}", self.application_id, self.instance_id)),
            ("enable.idempotence", "true".into()),
            ("acks", "all".into()),
            ("partitioner", "murmur2_random".into()),
            ("delivery.report.only.error", "false".into()),
            ("debug", format!("{debug}eos,broker")), // Tells of retries: see `late_requests`.
            ("batch.size", batches.size.to_string()),
            ("batch.num.messages", if batches.single { "1".into() } else { batch_count }),
        ];
        let defaults = [
            ("transaction.timeout.ms", "10000".into()),
            ("retry.backoff.ms", "5".into()), // Offsets that meet the last commit's markers are added so much later; doubled each time.
            ("topic.metadata.refresh.fast.interval.ms", "100".into()), // Else it follows that.
            ("linger.ms", millis(self.linger).to_string()),
            ("queue.buffering.max.messages", "400000".into()),
            ("queue.buffering.max.kbytes", "8192".into()), // Larger queues make commits slower: 27-41 ms with 8 MB, 66 with 16.
            ("message.max.bytes", "10000000".into()),      // The broker decides what is too large, topic by topic.
            ("compression.type", "none".into()),
            ("client.id", format!("{}-{name}-producer", self.instance_id)),
        ];
        self.client(&self.producer, &ours, &defaults)
    }

    /// Batches as the user wants them.
    pub(super) fn batches(&self) -> Batches {
        let size = self.producer.get("batch.size").and_then(|it| it.parse().ok()).unwrap_or(1_000_000);
        Batches { size, single: false }
    }

    /// The reader of changelogs. The client needs a group; it never exists.
    pub(super) fn changelogs(&self, worker: usize) -> Result<ClientConfig, LogError> {
        let mut properties = self.consumer.clone();
        properties.extend(self.restore.clone());
        self.outside(properties, &format!("{}-restore", self.application_id), &format!("{worker}-restore"))
    }

    /// A reader of topics by name, which asks for the offsets of this group.
    pub(super) fn topic_reader(&self, group: &str) -> Result<ClientConfig, LogError> {
        let mut properties = self.consumer.clone();
        // The end of a topic that is followed may be told a little later; asking for it all the time costs the broker.
        properties.entry("fetch.wait.max.ms".to_owned()).or_insert_with(|| "100".to_owned());
        self.outside(properties, group, "reader")
    }

    /// The same, for a single record here and there: one fetch for each partition, of little more than a batch.
    pub(super) fn topic_peeker(&self, group: &str) -> Result<ClientConfig, LogError> {
        let little = [("queued.min.messages", "1"), ("queued.max.messages.kbytes", "1024"), ("fetch.message.max.bytes", "65536")];
        let mut properties = self.consumer.clone();
        properties.extend(little.map(|(name, value)| (name.to_owned(), value.to_owned())));
        self.outside(properties, group, "peeker")
    }

    /// A reader that is no member of its group, and commits nothing.
    fn outside(&self, mut properties: BTreeMap<String, String>, group: &str, role: &str) -> Result<ClientConfig, LogError> {
        let ours = [
            ("group.id", group.to_owned()),
            ("group.protocol", "classic".into()),
            ("auto.offset.reset", "error".into()),
            ("isolation.level", "read_committed".into()),
            ("enable.auto.commit", "false".into()),
            ("enable.auto.offset.store", "false".into()),
            ("enable.partition.eof", "true".into()),
        ];
        let defaults = [
            ("fetch.queue.backoff.ms", "5".into()),
            ("queued.min.messages", "10000".into()),
            ("queued.max.messages.kbytes", "8192".into()),
            ("fetch.max.bytes", FETCH_MAX_BYTES.into()),
            ("fetch.message.max.bytes", FETCH_PARTITION_MAX_BYTES.into()),
            ("client.id", format!("{}-{role}", self.instance_id)),
            // A tail is short: the end of one partition must not wait long for records of another.
            ("fetch.wait.max.ms", "20".into()),
        ];
        for name in ["session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms", "client.id"] {
            properties.remove(name); // Of members only.
        }
        self.client(&properties, &ours, &defaults)
    }

    /// A writer to topics by name, with this transactional id or without transactions.
    pub(super) fn topic_writer(&self, transactional_id: Option<&str>) -> Result<ClientConfig, LogError> {
        let mut ours = vec![("enable.idempotence", "true".to_owned()), ("acks", "all".into()), ("partitioner", "murmur2_random".into())];
        if let Some(id) = transactional_id {
            let debug = self.producer.get("debug").map_or(String::new(), |it| format!("{it},"));
            ours.push(("transactional.id", id.to_owned()));
            ours.push(("debug", format!("{debug}eos,broker"))); // Tells of retries: see `late_requests`.
        }
        let defaults = [
            ("transaction.timeout.ms", "10000".into()),
            ("linger.ms", "0".into()),
            ("message.max.bytes", "10000000".into()), // The broker decides what is too large, topic by topic.
            ("client.id", format!("{}-writer", self.instance_id)),
        ];
        self.client(&self.producer, &ours, &defaults)
    }

    /// The client that makes and describes topics.
    pub(super) fn admin(&self) -> Result<ClientConfig, LogError> {
        self.client(&self.admin, &[], &[("client.id", format!("{}-admin", self.instance_id))])
    }

    /// A consumer of the group that never joins: only to ask for its offsets.
    pub(super) fn group_reader(&self) -> Result<ClientConfig, LogError> {
        let ours = [
            ("group.id", self.application_id.clone()),
            ("enable.auto.commit", "false".into()),
            ("isolation.level", "read_committed".into()),
        ];
        self.client(&self.admin, &ours, &[])
    }

    fn client(
        &self,
        properties: &BTreeMap<String, String>,
        ours: &[(&str, String)],
        defaults: &[(&str, String)],
    ) -> Result<ClientConfig, LogError> {
        let mistakes = self.mistakes();
        if !mistakes.is_empty() {
            return Err(invalid(mistakes.join("; ")));
        }
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config.set("allow.auto.create.topics", "false");
        // Half of it is also the pause between the first address and the broker that is found there: 50 ms of each start with the default.
        config.set("reconnect.backoff.ms", "20");
        for (name, value) in defaults {
            config.set(*name, value);
        }
        for (name, value) in properties {
            config.set(name, value);
        }
        for (name, value) in ours {
            config.set(*name, value);
        }
        Ok(config)
    }
}

/// What is wrong with a property.
fn mistake(role: Role, name: &str, value: &str) -> Option<String> {
    if let Some((_, why)) =
        REFUSED.iter().filter(|(of, ..)| *of == role).map(|(_, name, why)| (*name, *why)).find(|(refused, _)| *refused == name)
    {
        return Some(format!("can't be set: {why}"));
    }
    if let Some((_, setting)) = OWN.iter().find(|(own, _)| *own == name) {
        return Some(format!("set {setting} instead"));
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => None,
        Err(KafkaError::ClientConfig(_, reason, ..)) => Some(reason),
        Err(other) => Some(other.to_string()),
    }
}

fn invalid(reason: String) -> LogError {
    let code = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_CONFIG as i32;
    errors::log_error(&Failure { code, text: reason, fatal: false, abortable: false, retriable: false }, "read the client's settings")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ClientSettings {
        ClientSettings::new("localhost:9092", "app", "i1")
    }

    #[test]
    fn a_property_of_the_user_wins_over_a_default() {
        let mut settings = settings();
        settings.consumer.insert("queued.max.messages.kbytes".into(), "64".into());
        settings.producer.insert("compression.type".into(), "lz4".into());
        assert_eq!(settings.consumer(0).unwrap().get("queued.max.messages.kbytes"), Some("64"));
        assert_eq!(settings.changelogs(0).unwrap().get("queued.max.messages.kbytes"), Some("64"));
        assert_eq!(settings.producer("0", settings.batches()).unwrap().get("compression.type"), Some("lz4"));
    }

    #[test]
    fn the_ids_name_the_application_the_instance_and_the_worker() {
        assert_eq!(settings().consumer(2).unwrap().get("group.instance.id"), Some("i1-2"));
        assert_eq!(settings().producer("2", settings().batches()).unwrap().get("transactional.id"), Some("app-i1-2"));
    }

    #[test]
    fn a_debug_setting_of_the_user_is_added_to() {
        let mut settings = settings();
        settings.producer.insert("debug".into(), "msg".into());
        assert_eq!(settings.producer("0", settings.batches()).unwrap().get("debug"), Some("msg,eos,broker"));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mut settings = settings();
        settings.consumer.insert("auto.offset.reset".into(), "latest".into());
        settings.consumer.insert("fetch.max.bytez".into(), "1".into());
        settings.producer.insert("linger.ms".into(), "soon".into());
        settings.producer.insert("transactional.id".into(), "mine".into());
        settings.admin.insert("bootstrap.servers".into(), "elsewhere".into());
        assert_eq!(
            settings.mistakes(),
            [
                "consumer.auto.offset.reset: can't be set: where to start is decided by the topology; a gap is never skipped silently",
                "consumer.fetch.max.bytez: No such configuration property: \"fetch.max.bytez\"",
                "producer.linger.ms: Invalid value for configuration property \"queue.buffering.max.ms\"",
                "producer.transactional.id: can't be set: it is made of the application.id and the instance.id: set those",
                "admin.bootstrap.servers: set bootstrap.servers instead",
            ]
        );
        let error = settings.consumer(0).unwrap_err();
        assert_eq!((error.code, error.reaction), ("INVALID_CONFIG", crate::runtime::reaction::Reaction::Stop));
    }
}
