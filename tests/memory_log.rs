//! The log in memory does what a broker does.

mod conformance;

use std::panic::{AssertUnwindSafe, catch_unwind};

use conformance::{CHANGELOG, IN, OUT, PARTITIONS, World, cases};
use goyt::adapters::memory::cluster::Cluster;
use goyt::adapters::memory::partition::{Content, Tombstones};
use goyt::adapters::memory::{Identity, MemoryLog};
use goyt::engine::record::{Offset, TopicId, TopicPartition};
use goyt::runtime::ports::Log;

#[test]
fn the_log_in_memory_conforms() {
    let run = |case: fn(&mut dyn World)| catch_unwind(AssertUnwindSafe(|| case(&mut MemoryWorld::new())));
    let failed: Vec<&str> = cases().into_iter().filter(|(_, case)| run(*case).is_err()).map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "see above: {failed:#?}");
}

struct MemoryWorld(Cluster);

const TOPICS: [(TopicId, &str); 3] = [(IN, "in"), (OUT, "out"), (CHANGELOG, "changelog")];

impl MemoryWorld {
    fn new() -> Self {
        let cluster = Cluster::new();
        for (_, name) in TOPICS {
            cluster.create_topic(name, PARTITIONS);
        }
        Self(cluster)
    }
}

fn name(topic: TopicId) -> &'static str {
    TOPICS[usize::from(topic.0)].1
}

impl World for MemoryWorld {
    fn log(&mut self, client: &str) -> Box<dyn Log> {
        let identity = Identity { group: "app".to_owned(), member: client.to_owned(), transactional_id: format!("app-{client}") };
        Box::new(MemoryLog::new(&self.0, identity, TOPICS.map(|(_, name)| name.to_owned())))
    }

    fn append(&mut self, to: TopicPartition, key: &str, value: &str) {
        let content = Content { key: Some(key.into()), value: Some(value.into()), ..Content::default() };
        self.0.append(name(to.topic), Some(to.partition), content).unwrap();
    }

    fn expel(&mut self, client: &str) -> bool {
        self.0.expel("app", client);
        true
    }

    fn compact(&mut self, topic: TopicId) -> bool {
        self.0.compact(name(topic), Tombstones::Keep).unwrap();
        true
    }

    fn delete_records(&mut self, partition: TopicPartition, before: Offset) -> bool {
        self.0.delete_records(name(partition.topic), partition.partition, before).unwrap();
        true
    }
}
