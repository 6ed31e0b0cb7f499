//! Properties of the Kafka clients, which are passed through: which names are passed on to whom, and which are not.

use std::collections::BTreeMap;

/// Client properties (or topic configuration) by name.
pub type Properties = BTreeMap<String, String>;

/// What the settings say beyond the declared ones, by receiver.
#[derive(Debug, Default)]
pub(super) struct PassedThrough {
    pub(super) consumer: Properties,
    pub(super) restore_consumer: Properties,
    pub(super) producer: Properties,
    pub(super) admin: Properties,
    pub(super) topic: Properties,
}

/// The prefixes, and what each is for: part of the reference.
pub(super) const PREFIXES: [(&str, &str); 5] = [
    ("consumer.", "all consumers"),
    ("restore.consumer.", "the consumers that restore state, over `consumer.*`"),
    ("producer.", "the producers"),
    ("admin.", "the clients that look at topics and groups, create and delete them"),
    ("topic.", "the configuration of repartition and changelog topics when they are created"),
];

/// Properties that are the same for all clients and so have no prefix.
pub(super) const COMMON: [&str; 3] = ["security.", "sasl.", "ssl."];

/// Properties on which the promises rest; each with the setting that may be used instead, or why there is none.
const OWNED: [(&str, &str); 17] = [
    ("bootstrap.servers", "use `bootstrap.servers`"),
    ("metadata.broker.list", "use `bootstrap.servers`"),
    ("group.id", "use `application.id`"),
    ("group.instance.id", "use `instance.id`"),
    ("group.protocol", "it is always `classic`"),
    ("partition.assignment.strategy", "it is always `range`: equal partitions of all topics go to one worker"),
    ("session.timeout.ms", "use `session.timeout.ms`"),
    ("max.poll.interval.ms", "use `max.poll.interval.ms`"),
    ("auto.offset.reset", "use `auto.offset.reset`"),
    ("enable.auto.commit", "offsets are committed with the results"),
    ("enable.auto.offset.store", "offsets are committed with the results"),
    ("isolation.level", "it is always `read_committed`"),
    ("transactional.id", "it is made of `application.id` and `instance.id`"),
    ("transaction.timeout.ms", "use `transaction.timeout.ms`"),
    ("enable.idempotence", "it is always on"),
    ("acks", "it is always `all`"),
    ("partitioner", "it is always `murmur2_random`, as the Java clients do"),
];

/// Topic configuration that follows from what the topic is for.
const OWNED_TOPIC: [(&str, &str); 3] = [
    ("cleanup.policy", "changelogs are compacted, repartition topics are not"),
    ("retention.ms", "a repartition topic keeps its records as long as its source topic does"),
    ("retention.bytes", "a repartition topic keeps its records as long as its source topic does"),
];

/// Whether a name is passed through to a client or a topic.
pub(super) fn is_passed_through(name: &str) -> bool {
    COMMON.iter().any(|it| name.starts_with(it)) || split(name).is_some()
}

/// Why a name that would be passed through may not be set, and what to do instead.
pub(super) fn owned(name: &str) -> Option<&'static str> {
    let (prefix, property) = split(name)?;
    let table: &[_] = if prefix == "topic." { &OWNED_TOPIC } else { &OWNED };
    table.iter().find(|(owned, _)| *owned == property).map(|(_, instead)| *instead)
}

/// Takes the pairs apart by receiver. What has a prefix wins over what all clients share.
pub(super) fn sort<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> PassedThrough {
    let mut sorted = PassedThrough::default();
    let mut restore = Properties::new();
    let mut common = Properties::new();
    for (name, value) in pairs {
        let (receiver, property) = match split(name) {
            Some(("consumer.", property)) => (&mut sorted.consumer, property),
            Some(("restore.consumer.", property)) => (&mut restore, property),
            Some(("producer.", property)) => (&mut sorted.producer, property),
            Some(("admin.", property)) => (&mut sorted.admin, property),
            Some(("topic.", property)) => (&mut sorted.topic, property),
            _ => (&mut common, name),
        };
        receiver.insert(property.to_owned(), value.to_owned());
    }
    for receiver in [&mut sorted.consumer, &mut sorted.producer, &mut sorted.admin] {
        for (name, value) in &common {
            receiver.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    sorted.restore_consumer.clone_from(&sorted.consumer);
    sorted.restore_consumer.extend(restore);
    sorted
}

/// The name of a setting that an environment variable gives, where it is one that is passed through:
/// `GOYT_CONSUMER_FETCH_MIN_BYTES` is `consumer.fetch.min.bytes`, `KAFKA_SASL_USERNAME` is `sasl.username`.
pub(super) fn from_environment(variable: &str) -> Option<String> {
    let dotted = |it: &str| it.to_lowercase().replace('_', ".");
    let common = |it: &String| COMMON.iter().any(|prefix| it.starts_with(prefix));
    if let Some(rest) = variable.strip_prefix("KAFKA_") {
        return Some(dotted(rest)).filter(common);
    }
    variable.strip_prefix("GOYT_").map(dotted).filter(|it| split(it).is_some())
}

fn split(name: &str) -> Option<(&'static str, &str)> {
    PREFIXES.iter().find_map(|(prefix, _)| name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(|rest| (*prefix, rest)))
}
