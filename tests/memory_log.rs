//! The log in memory does what a broker does.

#![cfg(test)]

mod conformance;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use conformance::steps::{commit, input, join, out, producer, send};
use conformance::{CHANGELOG, IN, OUT, PARTITIONS, World, cases};
use goyt::adapters::memory::access::MemoryAccess;
use goyt::adapters::memory::clock::VirtualClock;
use goyt::adapters::memory::cluster::Cluster;
use goyt::adapters::memory::network::{Fate, Network, Request};
use goyt::adapters::memory::partition::{Content, Tombstones};
use goyt::adapters::memory::{Identity, MemoryLog};
use goyt::engine::record::{Offset, TopicId, TopicPartition};
use goyt::runtime::operations::access::Access;
use goyt::runtime::operations::admin::{Admin, AdminError, NewTopic};
use goyt::runtime::ports::{Clock, Log};
use goyt::runtime::reaction::Reaction;

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
        Self::on(Cluster::new())
    }

    fn on(cluster: Cluster) -> Self {
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

    fn access(&mut self) -> Box<dyn Access> {
        Box::new(MemoryAccess::new(&self.0))
    }

    fn name(&self, topic: TopicId) -> String {
        name(topic).to_owned()
    }

    fn group(&self) -> String {
        "app".to_owned()
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

#[test]
fn a_poll_that_finds_nothing_moves_a_virtual_clock_on() {
    let clock = VirtualClock::at(1_000);
    let cluster = Cluster::under(clock.clone());
    cluster.create_topic("in", 1);
    let mut log = client(&cluster);
    log.parts().consumer.poll(Duration::from_millis(100), 1, &mut |_| 1).unwrap();
    assert_eq!(clock.now(), 1_100);
    log.parts().changelogs.poll(Duration::from_millis(20), 1, &mut |_| {}).unwrap();
    assert_eq!(clock.now(), 1_120);
}

#[test]
fn a_poll_on_a_cluster_that_waits_is_woken_by_a_record() {
    let long = Duration::from_secs(60);
    let cluster = Cluster::that_waits();
    cluster.create_topic("in", 1);
    let mut log = client(&cluster);
    let source = TopicPartition { topic: IN, partition: 0 };
    log.parts().consumer.assign(&[(source, 0)], &[]).unwrap();
    let started = Instant::now();
    let writer = std::thread::spawn(move || cluster.append("in", None, content(Some("k"), Some("v"))).unwrap());
    let mut read = 0;
    while read == 0 {
        log.parts()
            .consumer
            .poll(long, 1, &mut |_| {
                read += 1;
                1
            })
            .unwrap();
    }
    assert!(started.elapsed() < long);
    assert_eq!(writer.join().unwrap(), (0, 0));
}

#[test]
fn records_without_a_key_go_to_each_partition_in_turn() {
    let cluster = Cluster::new();
    cluster.create_topic("in", 3);
    let partitions: Vec<i32> = (0..4).map(|_| cluster.append("in", None, content(None, Some("v"))).unwrap().0).collect();
    assert_eq!(partitions, [0, 1, 2, 0]);
}

#[test]
fn a_compacted_topic_takes_no_record_without_a_key() {
    let cluster = Cluster::new();
    cluster.create_topic_with("state", 1, [("cleanup.policy".to_owned(), "compact".to_owned())].into());
    let error = cluster.append("state", None, content(None, Some("v"))).unwrap_err();
    assert_eq!((error.code, error.reaction), ("INVALID_RECORD", Reaction::RefuseRecord));
}

#[test]
fn compaction_removes_tombstones_when_it_is_told_to() {
    let cluster = Cluster::new();
    cluster.create_topic("state", 1);
    for (key, value) in [("a", Some("1")), ("b", Some("2")), ("a", None)] {
        cluster.append("state", None, content(Some(key), value)).unwrap();
    }
    let offsets = || cluster.read_all("state").unwrap().iter().map(|it| it.offset).collect::<Vec<_>>();
    cluster.compact("state", Tombstones::Keep).unwrap();
    assert_eq!(offsets(), [1, 2]);
    cluster.compact("state", Tombstones::Remove).unwrap();
    assert_eq!(offsets(), [1]);
    assert_eq!(cluster.bounds("state", 0).unwrap(), (0, 3, 3), "offsets stay");
}

#[test]
fn calls_out_of_order_are_errors() {
    let cluster = Cluster::new();
    cluster.create_topic("in", 1);
    let mut log = client(&cluster);
    let parts = log.parts();
    assert_eq!(parts.producer.begin().unwrap_err().code, "_STATE", "not initialised");
    parts.producer.init().unwrap();
    assert_eq!(parts.producer.commit(&[], &[], parts.consumer).unwrap_err().code, "_STATE", "nothing is open");
    parts.producer.begin().unwrap();
    assert_eq!(parts.producer.begin().unwrap_err().code, "_STATE", "open already");
    parts.producer.commit(&[], &[], parts.consumer).unwrap();
    assert_eq!(parts.producer.begin().unwrap_err().code, "_STATE", "nobody asked how the commit ended");
    assert!(parts.producer.committed(Duration::ZERO).unwrap().result.is_ok());
    assert!(parts.producer.committed(Duration::ZERO).is_none(), "told once");
    parts.producer.begin().unwrap();
    assert_eq!(parts.consumer.subscribe(&[TopicId(1)]).unwrap_err().code, "UNKNOWN_TOPIC_OR_PART");
}

#[test]
fn an_administrator_sees_topics_and_groups() {
    let mut cluster = Cluster::new();
    let new = |name: &str, partitions| NewTopic {
        name: name.to_owned(),
        partitions,
        replication: -1,
        config: [("retention.ms".to_owned(), "1".to_owned())].into(),
    };
    let failed = cluster.create(&[new("in", 2), new("in", 9), new("none", 0)]).unwrap();
    assert_eq!(failed.keys().collect::<Vec<_>>(), ["none"]);
    let found = cluster.describe(&["in", "none"]).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["in"]);
    assert_eq!((found["in"].partitions, &*found["in"].config["retention.ms"], &*found["in"].config["cleanup.policy"]), (2, "1", "delete"));

    assert_eq!(cluster.group("app").unwrap(), None);
    let mut log = client(&cluster);
    log.parts().consumer.subscribe(&[IN]).unwrap();
    let group = cluster.group("app").unwrap().unwrap();
    assert_eq!((&*group.state, &*group.members[0].id), ("Stable", "a"));
    assert!(matches!(cluster.delete_group("app"), Err(AdminError::Refused { code, .. }) if code == "NON_EMPTY_GROUP"));
    log.parts().consumer.leave(false, Duration::ZERO).unwrap();
    cluster.delete_group("app").unwrap();
    assert_eq!(cluster.group("app").unwrap(), None);
    cluster.delete_topics(&["in"]).unwrap();
    assert_eq!(cluster.topics(), [].into());
}

/// Requests and markers take so many milliseconds, one after the other, and then none.
#[derive(Debug)]
struct Delays(VecDeque<u64>);

impl Network for Delays {
    fn fate(&mut self, _: &str, _: Request) -> Fate {
        Fate::Done
    }

    fn delay(&mut self) -> Duration {
        Duration::from_millis(self.0.pop_front().unwrap_or_default())
    }
}

#[test]
fn a_transaction_does_not_wait_for_the_markers_of_the_one_before_and_its_offsets_count() {
    let clock = VirtualClock::at(0);
    // Of each commit: the request for the offsets, that for the end, and the markers of partition and group.
    let delays = [[0, 0, 900, 900], [0, 0, 100, 100]].concat().into();
    let cluster = Cluster::behind(Box::new(Delays(delays)), clock.clone());
    let mut world = MemoryWorld::on(cluster.clone());
    let mut log = producer(&mut world, "a");
    join(&mut *log, &[IN]);
    send(&mut *log, out(0), "k", "1");
    commit(&mut *log, &[(input(0), 1)]).result.unwrap();
    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "2");
    assert_eq!(cluster.bounds("out", 0).unwrap(), (0, 0, 2), "no marker stands between them, and none is visible");
    commit(&mut *log, &[(input(0), 2)]).result.unwrap();
    clock.advance(Duration::from_millis(500));
    assert_eq!(cluster.bounds("out", 0).unwrap(), (0, 0, 3), "the second is decided, and waits for the first");
    clock.advance(Duration::from_millis(500));
    assert_eq!(cluster.bounds("out", 0).unwrap(), (0, 4, 4));
    assert_eq!(cluster.committed("app"), [(("in".to_owned(), 0), 2)].into(), "what was added later stays");
}

fn client(cluster: &Cluster) -> MemoryLog {
    let identity = Identity { group: "app".to_owned(), member: "a".to_owned(), transactional_id: "app-a".to_owned() };
    MemoryLog::new(cluster, identity, TOPICS.map(|(_, name)| name.to_owned()))
}

fn content(key: Option<&str>, value: Option<&str>) -> Content {
    Content { key: key.map(Into::into), value: value.map(Into::into), ..Content::default() }
}
