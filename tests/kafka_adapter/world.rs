//! A broker, and on it topics and a group of a case's own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use goyt::adapters::kafka::{ClientSettings, KafkaAdmin, KafkaLog, NewTopic};
use goyt::engine::record::{Offset, TopicId, TopicPartition};
use goyt::runtime::ports::Log;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, TopicPartitionList};

use crate::conformance::{CHANGELOG, IN, OUT, PARTITIONS, World};

const FLUSH_WAIT: Duration = Duration::from_secs(20);

/// Where the broker is.
pub fn bootstrap() -> String {
    std::env::var("KAFKA_BOOTSTRAP_SERVERS")
        .expect("these tests need a real Kafka: set KAFKA_BOOTSTRAP_SERVERS to one, or run `make test`, which starts one")
}

/// Topics `in`, `out` and `changelog`, and a group, with names of their own.
pub struct KafkaWorld {
    pub settings: ClientSettings,
    pub topics: Vec<String>,
    pub admin: KafkaAdmin,
    plain: BaseProducer,
}

impl KafkaWorld {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let settings = ClientSettings::new(&bootstrap(), &format!("app-{unique}"), "unused");
        let topics: Vec<String> = [(IN, "in"), (OUT, "out"), (CHANGELOG, "changelog")].map(|(_, name)| format!("{name}-{unique}")).into();
        let mut settings = settings;
        if let Ok(debug) = std::env::var("KDEBUG") {
            settings.consumer.insert("debug".into(), debug);
        }
        let admin = KafkaAdmin::new(&settings).unwrap();
        let configs = |topic: &String| match topic.starts_with("changelog") {
            true => BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
            false => BTreeMap::new(),
        };
        let new = |name: &String| NewTopic { name: name.clone(), partitions: PARTITIONS, replication: 1, configs: configs(name) };
        admin.create(&topics.iter().map(new).collect::<Vec<_>>()).unwrap();
        let plain = ClientConfig::new().set("bootstrap.servers", bootstrap()).set("linger.ms", "0").create().unwrap();
        Self { settings, topics, admin, plain }
    }

    pub fn settings(&self, instance: &str) -> ClientSettings {
        ClientSettings { instance_id: instance.to_owned(), ..self.settings.clone() }
    }

    /// A log with settings of its own.
    pub fn log_with(&self, settings: &ClientSettings) -> KafkaLog {
        KafkaLog::new(settings, self.topics.clone(), 0).unwrap()
    }

    pub fn topic(&self, topic: TopicId) -> &str {
        &self.topics[usize::from(topic.0)]
    }
}

impl Drop for KafkaWorld {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.admin.delete(&self.topics).unwrap();
        }
    }
}

impl World for KafkaWorld {
    fn log(&mut self, name: &str) -> Box<dyn Log> {
        Box::new(self.log_with(&self.settings(name)))
    }

    fn append(&mut self, to: TopicPartition, key: &str, value: &str) {
        let record = BaseRecord::to(self.topic(to.topic)).partition(to.partition).key(key).payload(value);
        self.plain.send(record).map_err(|(error, _)| error).unwrap();
        self.plain.flush(FLUSH_WAIT).unwrap();
    }

    /// Says to the coordinator that the member leaves, in its name.
    fn expel(&mut self, name: &str) -> bool {
        let members = self.admin.group().unwrap().members;
        let member = members.iter().find(|it| it.starts_with(&format!("{name}-0"))).unwrap();
        leave_group(&self.settings.application_id, member);
        true
    }

    fn compact(&mut self, _topic: TopicId) -> bool {
        false // The broker compacts when it likes to.
    }

    fn delete_records(&mut self, partition: TopicPartition, before: Offset) -> bool {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic(partition.topic), partition.partition, rdkafka::Offset::Offset(before)).unwrap();
        let client: rdkafka::admin::AdminClient<_> = ClientConfig::new().set("bootstrap.servers", bootstrap()).create().unwrap();
        let request = client.delete_records(&list, &rdkafka::admin::AdminOptions::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(request).unwrap();
        true
    }
}

/// LeaveGroup, version 0, on a connection of its own. (The coordinator of a cluster of one is the broker.)
fn leave_group(group: &str, member: &str) {
    let string = |it: &str| [&i16::try_from(it.len()).unwrap().to_be_bytes()[..], it.as_bytes()].concat();
    let header = [&13_i16.to_be_bytes()[..], &0_i16.to_be_bytes(), &1_i32.to_be_bytes(), &string("test")].concat();
    let request = [header, string(group), string(member)].concat();
    let mut broker = TcpStream::connect(bootstrap()).unwrap();
    broker.write_all(&i32::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
    broker.write_all(&request).unwrap();
    let mut answer = [0; 10]; // Length, correlation id, error.
    broker.read_exact(&mut answer).unwrap();
    assert_eq!(answer[8..], [0, 0], "LeaveGroup failed");
}
