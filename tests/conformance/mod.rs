//! What every log must do, as cases written against the ports alone: the same ones run on the log in memory and on a broker.
//!
//! A case waits for conditions, never for time; and it proves that something is *not* visible by an end that was reached without it.

mod by_name;
pub mod steps;

use goyt::engine::partition::partition_of;
use goyt::engine::record::{Offset, TopicId, TopicPartition};
use goyt::runtime::operations::access::Access;
use goyt::runtime::ports::{Cause, GroupEvent, Log, OutRecord, SendError};
use goyt::runtime::reaction::Reaction;
use steps::{
    LEAVE, WAIT, abort, arrived, both, commit, committed, event, input, join, out, pair, places, producer, read, read_records, read_to,
    read_to_end, read_to_told_end, record, send, start, text, until,
};

/// Topic with [`PARTITIONS`] partitions.
pub const IN: TopicId = TopicId(0);
/// Topic with [`PARTITIONS`] partitions.
pub const OUT: TopicId = TopicId(1);
/// Compacted topic with [`PARTITIONS`] partitions.
pub const CHANGELOG: TopicId = TopicId(2);
pub const PARTITIONS: i32 = 6;

/// An empty cluster with the three topics.
pub trait World {
    /// A client: its member's name and its transactional id follow from `name`.
    fn log(&mut self, name: &str) -> Box<dyn Log>;
    /// Access by name; [`World::name`] says the topics' names.
    fn access(&mut self) -> Box<dyn Access>;
    /// The name of a topic.
    fn name(&self, topic: TopicId) -> String;
    /// The group that the clients are of.
    fn group(&self) -> String;
    /// Appends a record outside any transaction.
    fn append(&mut self, to: TopicPartition, key: &str, value: &str);
    /// Expels a client from the group; whether this world can.
    fn expel(&mut self, name: &str) -> bool;
    /// Compacts a topic; whether this world can.
    fn compact(&mut self, topic: TopicId) -> bool;
    /// Removes the records before an offset; whether this world can.
    fn delete_records(&mut self, partition: TopicPartition, before: Offset) -> bool;
}

type Case = fn(&mut dyn World);

/// All cases, by what they show.
pub fn cases() -> Vec<(&'static str, Case)> {
    let on_the_log: Vec<(&'static str, Case)> = vec![
        ("a commit makes all its records visible at once", commit_is_atomic),
        ("records of an aborted transaction are never seen", abort_is_invisible),
        ("an open transaction holds back later records", open_transaction_holds_back),
        ("an end lies past control records", end_is_past_markers),
        ("the ends of watched partitions are those of acknowledged records", watched_ends),
        ("where records are handed over, the offset is where those of the transaction end", handed_over),
        ("the group's consumer tells an end, past control records, after all records before it", ends_are_told_after_records),
        ("outputs and consumed offsets are committed together", offsets_with_outputs),
        ("a producer that is initialised fences its predecessor and aborts what it left open", init_fences),
        ("a member that was expelled can't commit", stale_generation),
        ("two members share the partitions of all topics alike", two_members),
        ("a member that leaves gives its partitions to the others", leaving_gives_away),
        ("a member that comes back has its partitions, and the others notice nothing", coming_back),
        ("assigning again reads again", rewind),
        ("what is held when it is assigned hands out nothing until it is resumed", held),
        ("a paused partition hands out nothing until it is resumed", pause),
        ("a pause at an end that was told leaves nothing out", pause_at_the_end),
        ("a key goes to the partition that Java clients choose", keys_as_java),
        ("a record that is too large is refused by its cause, and others go on", too_large),
        ("key, value, headers, timestamp and nulls arrive as they were sent", contents_arrive),
        ("compaction keeps the last record of each key", compaction),
        ("a position before the log's start is an error of that partition alone", out_of_range),
    ];
    on_the_log.into_iter().chain(by_name::cases()).collect()
}

fn commit_is_atomic(world: &mut dyn World) {
    let mut log = producer(world, "a");
    send(&mut *log, out(0), "k", "1");
    send(&mut *log, out(1), "k", "2");
    assert_eq!(read_to_end(world, &[out(0), out(1)]), [], "while it is open");
    commit(&mut *log, &[]).result.unwrap();
    assert_eq!(read_to_end(world, &[out(0), out(1)]), [(out(0), "1".into()), (out(1), "2".into())]);
}

fn abort_is_invisible(world: &mut dyn World) {
    let mut log = producer(world, "a");
    send(&mut *log, out(0), "k", "aborted");
    abort(&mut *log);
    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "committed");
    commit(&mut *log, &[]).result.unwrap();
    assert_eq!(read_to_end(world, &[out(0)]), [(out(0), "committed".into())]);
}

fn open_transaction_holds_back(world: &mut dyn World) {
    let mut early = producer(world, "a");
    let mut late = producer(world, "b");
    send(&mut *early, out(0), "k", "early");
    arrived(&mut *early, out(0), 1);
    send(&mut *late, out(0), "k", "late");
    commit(&mut *late, &[]).result.unwrap();
    assert_eq!(read_to(world, out(0), 0), [""; 0], "up to the last stable offset there is nothing");
    commit(&mut *early, &[]).result.unwrap();
    assert_eq!(read_to_end(world, &[out(0)]), [(out(0), "early".into()), (out(0), "late".into())]);
}

fn end_is_past_markers(world: &mut dyn World) {
    let mut log = producer(world, "a");
    send(&mut *log, out(0), "k", "1");
    commit(&mut *log, &[]).result.unwrap();
    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "2");
    arrived(&mut *log, out(0), 3);
    abort(&mut *log);
    // Record, marker, record, marker.
    let mut reader = world.log("reader");
    until("the end", || (reader.parts().changelogs.bounds(&[out(0)]).unwrap() == [(0, 4)]).then_some(()));
    assert_eq!(read_to(world, out(0), 4), ["1"]);
}

fn ends_are_told_after_records(world: &mut dyn World) {
    let mut log = producer(world, "a");
    join(&mut *log, &[IN]);
    let mut other = producer(world, "b");
    send(&mut *other, input(0), "k", "1");
    commit(&mut *other, &[]).result.unwrap();
    other.parts().producer.begin().unwrap();
    send(&mut *other, input(0), "k", "2");
    arrived(&mut *other, input(0), 3);
    // Record, marker, an open record.
    assert_eq!(read_to_told_end(&mut *log, input(0), 2), ["1"], "at most the last stable offset");
    abort(&mut *other);
    assert_eq!(read_to_told_end(&mut *log, input(0), 4), [""; 0], "past the aborted record and its marker");

    let parts = log.parts();
    parts.consumer.assign(&[(input(0), 0)], &[]).unwrap();
    assert_eq!(parts.consumer.ends(), [], "before a poll, of what was assigned anew");
    assert_eq!(read_to_told_end(&mut *log, input(0), 4), ["1"], "told again when it is read again");
}

fn watched_ends(world: &mut dyn World) {
    let mut log = producer(world, "a");
    let store = TopicPartition { topic: CHANGELOG, partition: 2 };
    for value in ["1", "2"] {
        let record = OutRecord { cause: Cause::Store(store), watched: true, ..record(store, "k", value) };
        log.parts().producer.send(&record).unwrap();
    }
    send(&mut *log, out(0), "k", "no store's");
    let committed = commit(&mut *log, &[]);
    committed.result.unwrap();
    assert_eq!(committed.ends, [(store, 2)]);
}

fn handed_over(world: &mut dyn World) {
    world.append(input(0), "k", "read");
    let mut log = producer(world, "a");
    join(&mut *log, &[IN]);
    assert_eq!(read(&mut *log, 1), ["read"]);
    let mut end = 0;
    for another_writes in [false, false, true] {
        if another_writes {
            world.append(input(1), "k", "another's");
        }
        for value in ["1", "2"] {
            log.parts().producer.send(&OutRecord { watched: true, ..record(input(1), "k", value) }).unwrap();
        }
        let parts = log.parts();
        parts.producer.commit(&[(input(0), 1)], &[input(1)], parts.consumer).unwrap();
        let committed = until("the end of a commit", || log.parts().producer.committed(WAIT));
        committed.result.unwrap();
        let [(at, now)] = committed.ends[..] else { panic!("{:?}", committed.ends) };
        // The marker of the transaction before may stand in front of its records, among them, or behind them.
        let records = 2 + i64::from(another_writes);
        let markers = i64::from(end != 0);
        assert!(at == input(1) && (end + records..=end + records + markers).contains(&now), "{now} after {end}");
        assert_eq!(log.parts().consumer.committed(&[input(0), input(1)]).unwrap(), [Some(1), Some(now)]);
        end = now;
        log.parts().producer.begin().unwrap();
    }
    abort(&mut *log);
    // Seven records, and a marker for each of the three transactions.
    let all = until("all markers", || Some(log.parts().consumer.stable_ends(&[input(1)]).unwrap()[0]).filter(|it| end < *it));
    assert_eq!(all, 10);
    assert_eq!(read_to(world, input(1), all), ["1", "2", "1", "2", "another's", "1", "2"]);
}

fn offsets_with_outputs(world: &mut dyn World) {
    world.append(input(0), "k", "1");
    world.append(input(0), "k", "2");
    let mut log = producer(world, "a");
    join(&mut *log, &[IN]);
    assert_eq!(read(&mut *log, 2), ["1", "2"]);

    send(&mut *log, out(0), "k", "dropped");
    abort(&mut *log);
    assert_eq!(committed(&mut *log, input(0)), None);

    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "sum");
    commit(&mut *log, &[(input(0), 2)]).result.unwrap();
    assert_eq!(committed(&mut *log, input(0)), Some(2));
    assert_eq!(committed(&mut *log, input(1)), None);
    assert_eq!(read_to_end(world, &[out(0)]), [(out(0), "sum".into())]);
}

fn init_fences(world: &mut dyn World) {
    let mut zombie = producer(world, "a");
    send(&mut *zombie, out(0), "k", "zombie");
    arrived(&mut *zombie, out(0), 1);
    let mut successor = producer(world, "a");
    let error = commit(&mut *zombie, &[]).result.unwrap_err();
    assert!(matches!(error.reaction, Reaction::Recycle | Reaction::Stop | Reaction::AbortAndRewind), "{error:?}");
    send(&mut *successor, out(0), "k", "successor");
    commit(&mut *successor, &[]).result.unwrap();
    assert_eq!(read_to_end(world, &[out(0)]), [(out(0), "successor".into())]);
}

fn stale_generation(world: &mut dyn World) {
    world.append(input(0), "k", "1");
    let mut log = producer(world, "a");
    join(&mut *log, &[IN]);
    read(&mut *log, 1);
    if !world.expel("a") {
        return;
    }
    send(&mut *log, out(0), "k", "stale");
    let error = commit(&mut *log, &[(input(0), 1)]).result.unwrap_err();
    assert!(matches!(error.reaction, Reaction::LeaveTask | Reaction::AbortAndRewind), "{error:?}");
    abort(&mut *log);
    assert_eq!(read_to_end(world, &[out(0)]), []);

    let lost = event(&mut *log);
    assert!(matches!(&lost, GroupEvent::Lost(partitions) if partitions.len() == 6), "{lost:?}");
    log.parts().consumer.unassign().unwrap();
    let again = event(&mut *log);
    assert!(matches!(&again, GroupEvent::Assigned(partitions) if partitions.len() == 6), "{again:?}");
    assert_eq!(committed(&mut *log, input(0)), None);
}

fn two_members(world: &mut dyn World) {
    let mut a = producer(world, "a");
    assert_eq!(join(&mut *a, &[IN, OUT]), places(&[IN, OUT], 0..6));
    let mut b = producer(world, "b");
    b.parts().consumer.subscribe(&[IN, OUT]).unwrap();
    // Whoever holds partitions gives them up first.
    assert_eq!(event(&mut *a), GroupEvent::Revoked(places(&[IN, OUT], 0..6)));
    a.parts().consumer.unassign().unwrap();
    let (of_a, of_b) = both(&mut *a, &mut *b);
    assert_eq!(of_a, GroupEvent::Assigned(places(&[IN, OUT], 0..3)));
    assert_eq!(of_b, GroupEvent::Assigned(places(&[IN, OUT], 3..6)));
}

fn leaving_gives_away(world: &mut dyn World) {
    let (mut a, mut b) = pair(world);
    b.parts().consumer.leave(false, LEAVE).unwrap();
    assert_eq!(event(&mut *a), GroupEvent::Revoked(places(&[IN], 0..3)));
    a.parts().consumer.unassign().unwrap();
    assert_eq!(event(&mut *a), GroupEvent::Assigned(places(&[IN], 0..6)));
}

fn coming_back(world: &mut dyn World) {
    let (mut a, mut b) = pair(world);
    b.parts().consumer.leave(true, LEAVE).unwrap();
    drop(b);
    let mut b = producer(world, "b");
    assert_eq!(join(&mut *b, &[IN]), places(&[IN], 3..6));
    world.append(input(0), "k", "goes on");
    start(&mut *a, &places(&[IN], 0..3));
    assert_eq!(read(&mut *a, 1), ["goes on"]);
}

fn rewind(world: &mut dyn World) {
    for value in ["1", "2", "3"] {
        world.append(input(0), "k", value);
    }
    let mut log = producer(world, "a");
    join(&mut *log, &[IN]);
    assert_eq!(read(&mut *log, 3), ["1", "2", "3"]);
    log.parts().consumer.assign(&[(input(0), 1)], &[]).unwrap();
    assert_eq!(read(&mut *log, 2), ["2", "3"]);
}

fn held(world: &mut dyn World) {
    let mut log = producer(world, "a");
    join(&mut *log, &[IN]);
    log.parts().consumer.assign(&[(input(0), 1), (input(1), 0)], &[input(0)]).unwrap();
    for value in ["before", "held"] {
        world.append(input(0), "k", value);
    }
    world.append(input(1), "k", "other");
    assert_eq!(read(&mut *log, 1), ["other"]);
    log.parts().consumer.resume(&[input(0), input(1)]).unwrap();
    assert_eq!(read(&mut *log, 1), ["held"], "from where it was assigned");
}

fn pause(world: &mut dyn World) {
    let mut log = producer(world, "a");
    join(&mut *log, &[IN]);
    log.parts().consumer.pause(&[input(0)]).unwrap();
    world.append(input(0), "k", "paused");
    world.append(input(1), "k", "other");
    assert_eq!(read(&mut *log, 1), ["other"]);
    log.parts().consumer.resume(&[input(0)]).unwrap();
    assert_eq!(read(&mut *log, 1), ["paused"]);
}

fn pause_at_the_end(world: &mut dyn World) {
    let mut log = producer(world, "a");
    let partitions = join(&mut *log, &[IN]);
    // Ends are told in any order, several of them at once.
    let mut told: Vec<(TopicPartition, Offset)> = Vec::new();
    for round in 0..5 {
        until("the ends of all partitions", || {
            let consumer = log.parts().consumer;
            consumer.poll(WAIT, 100, &mut |it| panic!("{it:?}")).unwrap();
            told.extend(consumer.ends());
            partitions.iter().all(|it| told.contains(&(*it, round))).then_some(())
        });
        log.parts().consumer.pause(&partitions).unwrap();
        log.parts().consumer.resume(&partitions).unwrap();
        for partition in &partitions {
            world.append(*partition, "k", "next");
        }
        let mut found = Vec::new();
        until("a record of each partition", || {
            let consumer = log.parts().consumer;
            consumer
                .poll(WAIT, 100, &mut |it| {
                    found.push((it.source, it.offset));
                    1
                })
                .unwrap();
            told.extend(consumer.ends());
            (partitions.len() <= found.len()).then_some(())
        });
        found.sort();
        assert_eq!(found, partitions.iter().map(|it| (*it, round)).collect::<Vec<_>>());
    }
}

fn keys_as_java(world: &mut dyn World) {
    let mut log = producer(world, "a");
    let keys = ["21", "foobar", "abc", "789", "456"];
    for key in keys {
        let record = OutRecord { partition: None, ..record(out(0), key, key) };
        log.parts().producer.send(&record).unwrap();
    }
    commit(&mut *log, &[]).result.unwrap();
    let mut expected: Vec<_> = keys.iter().map(|key| (out(partition_of(key.as_bytes(), PARTITIONS)), (*key).to_owned())).collect();
    let mut found = read_to_end(world, &(0..PARTITIONS).map(out).collect::<Vec<_>>());
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

fn too_large(world: &mut dyn World) {
    let mut log = producer(world, "a");
    let large = "x".repeat(2_000_000);
    let sent = OutRecord { cause: Cause::Input(input(3), 7), ..record(out(0), "k", &large) };
    let error = match log.parts().producer.send(&sent) {
        Err(SendError::Refused(error)) => error,
        // A broker says so when the record comes to it. Which one it was is known by its cause.
        Ok(()) => {
            let mut committed = commit(&mut *log, &[]);
            committed.result.unwrap_err();
            let (cause, error) = committed.refused.remove(0);
            assert_eq!((cause, committed.refused), (sent.cause, vec![]));
            abort(&mut *log);
            log.parts().producer.begin().unwrap();
            error
        }
        other => panic!("{other:?}"),
    };
    assert_eq!((error.code, error.reaction), ("MSG_SIZE_TOO_LARGE", Reaction::RefuseRecord));
    send(&mut *log, out(0), "k", "small");
    commit(&mut *log, &[]).result.unwrap();
    assert_eq!(read_to_end(world, &[out(0)]), [(out(0), "small".into())]);
}

fn contents_arrive(world: &mut dyn World) {
    let mut log = producer(world, "a");
    let headers: [(&str, Option<&[u8]>); 2] = [("cause", Some(b"x")), ("none", None)];
    let full = OutRecord { timestamp: 1_700_000_000_123, headers: &headers, ..record(out(0), "key", "value") };
    log.parts().producer.send(&full).unwrap();
    log.parts().producer.send(&OutRecord { key: None, value: None, headers: &[], ..full }).unwrap();
    commit(&mut *log, &[]).result.unwrap();

    let mut found = Vec::new();
    read_records(world, &[(out(0), None)], &mut |it| {
        found.push(format!("{} {:?} {:?} {:?} {:?}", it.offset, it.timestamp, it.key, it.value, it.headers));
    });
    assert_eq!(
        found,
        [
            format!("0 Some(1700000000123) {:?} {:?} {headers:?}", Some(b"key"), Some(b"value")),
            "1 Some(1700000000123) None None []".to_owned()
        ]
    );
}

fn compaction(world: &mut dyn World) {
    let mut log = producer(world, "a");
    let changelog = TopicPartition { topic: CHANGELOG, partition: 0 };
    for (key, value) in [("a", "1"), ("b", "1"), ("a", "2"), ("a", "3"), ("b", "2")] {
        send(&mut *log, changelog, key, value);
    }
    commit(&mut *log, &[]).result.unwrap();
    log.parts().producer.begin().unwrap();
    send(&mut *log, changelog, "a", "aborted");
    abort(&mut *log);
    if !world.compact(CHANGELOG) {
        return;
    }
    let mut found = Vec::new();
    read_records(world, &[(changelog, None)], &mut |it| {
        found.push((it.offset, text(it.key), text(it.value)));
    });
    assert_eq!(found, [(3, "a".into(), "3".into()), (4, "b".into(), "2".into())]);
}

fn out_of_range(world: &mut dyn World) {
    for _ in 0..3 {
        world.append(input(0), "k", "gone");
    }
    if !world.delete_records(input(0), 2) {
        return;
    }
    let mut log = producer(world, "a");
    join(&mut *log, &[IN]);
    let error = until("an error", || log.parts().consumer.poll(WAIT, 10, &mut |_| panic!("a record")).err());
    assert_eq!((error.code, error.reaction, error.partition), ("OFFSET_OUT_OF_RANGE", Reaction::Stop, Some(input(0))));
    world.append(input(1), "k", "others go on");
    let mut values = Vec::new();
    until("a record", || {
        // Told once: room for more than there is, so that no partition is left out.
        log.parts()
            .consumer
            .poll(WAIT, 10, &mut |it| {
                values.push(text(it.value));
                1
            })
            .unwrap();
        (!values.is_empty()).then_some(())
    });
    assert_eq!(values, ["others go on"]);
    assert_eq!(log.parts().consumer.bounds(&[input(0)]).unwrap(), [(2, 3)]);
}
