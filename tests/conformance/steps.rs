//! The steps that the cases are written in.

use std::collections::BTreeMap;
use std::time::Duration;

use goyt::engine::record::{Offset, RecordRef, TopicId, TopicPartition};
use goyt::runtime::ports::{AfterAbort, Cause, Committed, GroupEvent, Log, LogError, OutRecord};
use goyt::runtime::reaction::Reaction;

use super::{IN, OUT, World};

/// How long one call waits, and how many calls a condition is given: a minute on a broker, nothing in memory.
pub const WAIT: Duration = Duration::from_millis(100);
const CALLS_MAX: usize = 600;
/// How long leaving may take.
pub const LEAVE: Duration = Duration::from_secs(10);

pub fn input(partition: i32) -> TopicPartition {
    TopicPartition { topic: IN, partition }
}

pub fn out(partition: i32) -> TopicPartition {
    TopicPartition { topic: OUT, partition }
}

pub fn places(topics: &[TopicId], partitions: std::ops::Range<i32>) -> Vec<TopicPartition> {
    let of_topic = |topic: &TopicId| {
        let topic = *topic;
        partitions.clone().map(move |partition| TopicPartition { topic, partition })
    };
    topics.iter().flat_map(of_topic).collect()
}

/// A client whose producer is in a transaction.
pub fn producer(world: &mut dyn World, name: &str) -> Box<dyn Log> {
    let mut log = world.log(name);
    log.parts().producer.init().unwrap();
    log.parts().producer.begin().unwrap();
    log
}

pub fn record<'a>(to: TopicPartition, key: &'a str, value: &'a str) -> OutRecord<'a> {
    OutRecord {
        topic: to.topic,
        partition: Some(to.partition),
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        timestamp: 1_700_000_000_000,
        headers: &[],
        cause: Cause::Input(input(0), 0),
        watched: false,
    }
}

pub fn send(log: &mut dyn Log, to: TopicPartition, key: &str, value: &str) {
    log.parts().producer.send(&record(to, key, value)).unwrap();
}

/// Waits until the log goes up to `end`, open transactions included.
pub fn arrived(log: &mut dyn Log, partition: TopicPartition, end: Offset) {
    until("an end", || {
        log.parts().producer.serve(WAIT);
        (log.parts().changelogs.bounds(&[partition]).unwrap()[0].1 >= end).then_some(())
    });
}

pub fn commit(log: &mut dyn Log, offsets: &[(TopicPartition, Offset)]) -> Committed {
    let parts = log.parts();
    parts.producer.commit(offsets, &[], parts.consumer).unwrap();
    until("the end of a commit", || parts.producer.committed(WAIT))
}

pub fn abort(log: &mut dyn Log) {
    if log.parts().producer.abort().unwrap() == AfterAbort::Recycle {
        log.parts().producer.init().unwrap();
    }
}

/// Subscribes, waits for the assignment, and reads all of it from the committed positions on, else from the first.
pub fn join(log: &mut dyn Log, topics: &[TopicId]) -> Vec<TopicPartition> {
    log.parts().consumer.subscribe(topics).unwrap();
    match event(log) {
        GroupEvent::Assigned(partitions) => {
            start(log, &partitions);
            partitions
        }
        other => panic!("{other:?}"),
    }
}

pub fn start(log: &mut dyn Log, partitions: &[TopicPartition]) {
    let parts = log.parts();
    let committed = until("committed offsets", || settled(parts.consumer.committed(partitions)));
    let positions: Vec<_> = partitions.iter().zip(committed).map(|(it, at)| (*it, at.unwrap_or(0))).collect();
    parts.consumer.assign(&positions, &[]).unwrap();
}

pub fn committed(log: &mut dyn Log, partition: TopicPartition) -> Option<Offset> {
    until("committed offsets", || settled(log.parts().consumer.committed(&[partition])))[0]
}

/// The next event of the group. Records on the way are none of the case's business.
pub fn event(log: &mut dyn Log) -> GroupEvent {
    sorted(until("an event of the group", || log.parts().consumer.poll(WAIT, 10, &mut |_| 1).unwrap()))
}

/// The next event of two members that wait for each other.
pub fn both(a: &mut dyn Log, b: &mut dyn Log) -> (GroupEvent, GroupEvent) {
    let poll = |log: &mut dyn Log| log.parts().consumer.poll(WAIT, 10, &mut |_| 1).unwrap().map(sorted);
    let (mut of_a, mut of_b) = (None, None);
    until("events of both members", || {
        of_a = of_a.take().or_else(|| poll(a));
        of_b = of_b.take().or_else(|| poll(b));
        of_a.clone().zip(of_b.clone())
    })
}

/// Two members with three partitions of IN each, which they have not begun to read.
pub fn pair(world: &mut dyn World) -> (Box<dyn Log>, Box<dyn Log>) {
    let (mut a, mut b) = (producer(world, "a"), producer(world, "b"));
    join(&mut *a, &[IN]);
    b.parts().consumer.subscribe(&[IN]).unwrap();
    assert!(matches!(event(&mut *a), GroupEvent::Revoked(_)));
    a.parts().consumer.unassign().unwrap();
    both(&mut *a, &mut *b);
    let at_first = |partitions| places(&[IN], partitions).into_iter().map(|it| (it, 0)).collect::<Vec<_>>();
    a.parts().consumer.assign(&at_first(0..3), &places(&[IN], 0..3)).unwrap();
    b.parts().consumer.assign(&at_first(3..6), &places(&[IN], 3..6)).unwrap();
    (a, b)
}

/// The values of the next `count` records, and no more than these.
pub fn read(log: &mut dyn Log, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    until("records", || {
        let event = log
            .parts()
            .consumer
            .poll(WAIT, count - values.len(), &mut |it| {
                values.push(text(it.value));
                1
            })
            .unwrap();
        assert_eq!(event, None);
        (values.len() >= count).then_some(())
    });
    values
}

/// The values that the group's consumer hands out until it tells that it has reached `end` of the partition; it tells none beyond.
pub fn read_to_told_end(log: &mut dyn Log, partition: TopicPartition, end: Offset) -> Vec<String> {
    let mut values = Vec::new();
    until("an end that is told", || {
        let consumer = log.parts().consumer;
        consumer
            .poll(WAIT, 1, &mut |it| {
                values.push(text(it.value));
                1
            })
            .unwrap();
        let told = consumer.ends().iter().filter(|it| it.0 == partition).map(|it| it.1).max()?;
        assert!(told <= end, "{told} of {end}");
        (told == end).then_some(())
    });
    values
}

/// The committed values of these partitions, as far as there are any now.
pub fn read_to_end(world: &mut dyn World, partitions: &[TopicPartition]) -> Vec<(TopicPartition, String)> {
    let mut values = Vec::new();
    let partitions: Vec<_> = partitions.iter().map(|it| (*it, None)).collect();
    read_records(world, &partitions, &mut |it| values.push((it.source, text(it.value))));
    values.sort_by_key(|(source, _)| *source);
    values
}

/// The committed values of a partition up to an end that is reached.
pub fn read_to(world: &mut dyn World, partition: TopicPartition, end: Offset) -> Vec<String> {
    let mut values = Vec::new();
    read_records(world, &[(partition, Some(end))], &mut |it| values.push(text(it.value)));
    values
}

/// Reads partitions outside the group, each until it has reached this end, or the one that it has now if none is given.
/// An open transaction's first offset is an end.
pub fn read_records(world: &mut dyn World, partitions: &[(TopicPartition, Option<Offset>)], record: &mut dyn FnMut(RecordRef<'_>)) {
    let mut log = world.log("reader");
    let changelogs = log.parts().changelogs;
    let mut reached: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
    for (partition, _) in partitions {
        let (first, _) = changelogs.bounds(&[*partition]).unwrap()[0];
        changelogs.start(*partition, first).unwrap();
    }
    until("the ends", || {
        reached.extend(changelogs.poll(WAIT, 3, record).unwrap());
        let is_there =
            |(partition, end): &(TopicPartition, Option<Offset>)| reached.get(partition).is_some_and(|at| end.is_none_or(|end| *at >= end));
        partitions.iter().all(is_there).then_some(())
    });
    for (partition, end) in partitions {
        assert!(end.is_none_or(|end| reached[partition] == end), "{partition:?} ends at {}", reached[partition]);
        changelogs.stop(*partition);
    }
}

/// Calls until there is something, within a bound.
pub fn until<T>(what: &str, mut call: impl FnMut() -> Option<T>) -> T {
    (0..CALLS_MAX).find_map(|_| call()).unwrap_or_else(|| panic!("{what} did not come"))
}

/// An answer, unless it is one to ask again.
pub fn settled<T>(result: Result<T, LogError>) -> Option<T> {
    match result {
        Err(error) if error.reaction == Reaction::Retry => None,
        result => Some(result.unwrap()),
    }
}

pub fn sorted(event: GroupEvent) -> GroupEvent {
    let in_order = |mut partitions: Vec<TopicPartition>| {
        partitions.sort();
        partitions
    };
    match event {
        GroupEvent::Assigned(it) => GroupEvent::Assigned(in_order(it)),
        GroupEvent::Revoked(it) => GroupEvent::Revoked(in_order(it)),
        GroupEvent::Lost(it) => GroupEvent::Lost(in_order(it)),
    }
}

pub fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8(bytes.unwrap_or(b"null").to_vec()).unwrap()
}
