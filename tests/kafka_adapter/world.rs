//! A broker, and on it topics and a group of a case's own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use goyt::adapters::kafka::{ClientSettings, KafkaAccess, KafkaAdmin, KafkaLog, NewTopic};
use goyt::engine::record::{Offset, TopicId, TopicPartition};
use goyt::runtime::operations::access::Access;
use goyt::runtime::ports::Log;
use rdkafka::TopicPartitionList;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::conformance::{PARTITIONS, World};
use crate::support::{broker, wait};

/// Topics `in`, `out` and `changelog`, and a group, with names of their own.
pub struct KafkaWorld {
    settings: ClientSettings,
    topics: Vec<String>,
    pub admin: KafkaAdmin,
    plain: BaseProducer,
}

impl KafkaWorld {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With these settings of the topic `out`.
    pub fn with(of_out: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let settings = ClientSettings::new(&broker::bootstrap(), &format!("app-{unique}"), "nobody");
        let admin = KafkaAdmin::new(&settings).unwrap();
        let kinds: [(&str, &[(&str, &str)]); 3] = [("in", &[]), ("out", of_out), ("changelog", &[("cleanup.policy", "compact")])];
        let topics = kinds.map(|(kind, configs)| NewTopic {
            name: format!("{kind}-{unique}"),
            partitions: PARTITIONS,
            replication: 1,
            configs: configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
        });
        admin.create(&topics).unwrap();
        let plain = broker::client().set("linger.ms", "0").create().unwrap();
        Self { settings, topics: topics.map(|it| it.name).into(), admin, plain }
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

    /// Appends many records outside any transaction.
    pub fn append_all(&self, to: TopicPartition, values: impl Iterator<Item = String>) {
        for value in values {
            wait::until("room in the queue", || {
                let record = BaseRecord::to(self.topic(to.topic)).partition(to.partition).key("k").payload(&value);
                self.plain.poll(std::time::Duration::ZERO);
                self.plain.send(record).ok()
            });
        }
        self.plain.flush(wait::LONG).unwrap();
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

    fn access(&mut self) -> Box<dyn Access> {
        Box::new(KafkaAccess::new(&self.settings))
    }

    fn name(&self, topic: TopicId) -> String {
        self.topic(topic).to_owned()
    }

    fn group(&self) -> String {
        self.settings.application_id.clone()
    }

    fn append(&mut self, to: TopicPartition, key: &str, value: &str) {
        let record = BaseRecord::to(self.topic(to.topic)).partition(to.partition).key(key).payload(value);
        self.plain.send(record).map_err(|(error, _)| error).unwrap();
        self.plain.flush(wait::LONG).unwrap();
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
        broker::block_on(broker::admin().delete_records(&list, &broker::admin_options())).unwrap();
        true
    }
}

/// LeaveGroup, version 0, on a connection of its own. (The coordinator of a cluster of one is the broker.)
fn leave_group(group: &str, member: &str) {
    let string = |it: &str| [&i16::try_from(it.len()).unwrap().to_be_bytes()[..], it.as_bytes()].concat();
    let header = [&13_i16.to_be_bytes()[..], &0_i16.to_be_bytes(), &1_i32.to_be_bytes(), &string("test")].concat();
    let request = [header, string(group), string(member)].concat();
    let mut connection = TcpStream::connect(broker::bootstrap()).unwrap();
    connection.write_all(&i32::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
    connection.write_all(&request).unwrap();
    let mut answer = [0; 10]; // Length, correlation id, error.
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(answer[8..], [0, 0], "LeaveGroup failed");
}
