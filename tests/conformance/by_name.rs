//! What reading and writing topics by name must do, beside the loop's own log.

use goyt::engine::partition::partition_of;
use goyt::engine::record::{Offset, TopicId};
use goyt::runtime::operations::access::{Ends, NewRecord, Place, Range, TopicReader, read_ranges};
use goyt::runtime::reaction::Reaction;

use super::steps::{WAIT, abort, arrived, commit, input, join, out, producer, send, settled, text, until};
use super::{Case, IN, OUT, PARTITIONS, World};

pub fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("by name: ranges end where they should, past control records and aborted ones", ranges),
        ("by name: a range may be left early, and read again", ranges_again),
        ("by name: an open transaction holds back the visible end alone", ends_of_open_transaction),
        ("by name: an end that grows is told again", end_again),
        ("by name: the first record that is not older than a time", at_time),
        ("by name: a group's committed offsets, without joining it", committed_of_group),
        ("by name: partition counts of the topics that exist", partition_counts),
        ("by name: a transaction writes all or nothing", all_or_nothing),
        ("by name: a second writer with the same id fences the first", second_writer),
        ("by name: what is written without transactions is acknowledged", plain_write),
        ("by name: a position before the log's start is an error, and others go on", before_the_start),
    ]
}

fn place(world: &dyn World, topic: TopicId, partition: i32) -> Place {
    Place { topic: world.name(topic).into(), partition }
}

fn new(world: &dyn World, topic: TopicId, partition: Option<i32>, key: &str, value: &str, timestamp: Option<i64>) -> NewRecord {
    let (key, value) = (Some(key.into()), Some(value.into()));
    NewRecord { topic: world.name(topic), partition, key, value, headers: vec![("h".to_owned(), Some(b"x".to_vec()))], timestamp }
}

/// The values in a range.
fn values(reader: &mut dyn TopicReader, place: &Place, from: Offset, until: Offset) -> Vec<String> {
    let mut values = Vec::new();
    let range = Range { place: place.clone(), from, until };
    read_ranges(reader, &[range], |it| {
        values.push(text(it.value));
        true
    })
    .unwrap();
    values
}

/// Committed, aborted, committed: record, marker, record, marker, record, marker.
fn three_transactions(world: &mut dyn World) {
    let mut log = producer(world, "a");
    send(&mut *log, out(0), "k", "1");
    commit(&mut *log, &[]).result.unwrap();
    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "aborted");
    arrived(&mut *log, out(0), 3);
    abort(&mut *log);
    arrived(&mut *log, out(0), 4);
    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "2");
    commit(&mut *log, &[]).result.unwrap();
    arrived(&mut *log, out(0), 6);
}

fn ranges(world: &mut dyn World) {
    three_transactions(world);
    let at = place(world, OUT, 0);
    let mut reader = world.access().reader("nobody").unwrap();
    let ends = until("all to be visible", || Some(reader.ends(std::slice::from_ref(&at)).unwrap()[0]).filter(|it| it.visible == 6));
    assert_eq!(ends, Ends { first: 0, visible: 6, high: 6 });
    let table: [(Offset, Offset, &[&str]); 6] =
        [(0, 6, &["1", "2"]), (0, 1, &["1"]), (1, 4, &[]), (1, 6, &["2"]), (5, 6, &[]), (6, 6, &[])];
    for (from, until, expected) in table {
        assert_eq!(values(&mut *reader, &at, from, until), expected, "{from}..{until}");
    }
}

fn ranges_again(world: &mut dyn World) {
    for value in ["1", "2", "3"] {
        world.append(input(0), "k", value);
        world.append(input(1), "k", value);
    }
    let ranges = [0, 1].map(|partition| Range { place: place(world, IN, partition), from: 0, until: 3 });
    let mut reader = world.access().reader("nobody").unwrap();
    let mut count = 0;
    read_ranges(&mut *reader, &ranges, |_| {
        count += 1;
        count < 2
    })
    .unwrap();
    assert_eq!(count, 2, "it was told to stop");
    let mut found = Vec::new();
    read_ranges(&mut *reader, &ranges, |it| {
        found.push((it.place.partition, it.offset, text(it.value)));
        true
    })
    .unwrap();
    found.sort();
    let expected: Vec<_> = [0, 1].into_iter().flat_map(|it| (0..3).map(move |at| (it, at, (at + 1).to_string()))).collect();
    assert_eq!(found, expected);
}

fn ends_of_open_transaction(world: &mut dyn World) {
    let mut log = producer(world, "a");
    send(&mut *log, out(0), "k", "1");
    commit(&mut *log, &[]).result.unwrap();
    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "open");
    arrived(&mut *log, out(0), 3);
    let at = [place(world, OUT, 0), place(world, OUT, 1)];
    let mut reader = world.access().reader("nobody").unwrap();
    assert_eq!(reader.ends(&at).unwrap(), [Ends { first: 0, visible: 2, high: 3 }, Ends { first: 0, visible: 0, high: 0 }]);
    assert_eq!(values(&mut *reader, &at[0], 0, 2), ["1"]);
    assert_eq!(reader.ends(&[]).unwrap(), []);
}

fn end_again(world: &mut dyn World) {
    let at = place(world, IN, 0);
    let mut reader = world.access().reader("nobody").unwrap();
    reader.start(&at, 0).unwrap();
    let next = |reader: &mut dyn TopicReader| until("an end", || reader.poll(WAIT, 10, &mut |_| {}).unwrap().pop());
    assert_eq!(next(&mut *reader), (at.clone(), 0));
    world.append(input(0), "k", "1");
    assert_eq!(next(&mut *reader), (at, 1));
}

fn at_time(world: &mut dyn World) {
    let mut writer = world.access().writer(None).unwrap();
    for (value, time) in [("1", 1_700_000_001_000), ("2", 1_700_000_002_000), ("3", 1_700_000_003_000)] {
        writer.write(&[new(world, IN, Some(0), "k", value, Some(time))]).unwrap();
    }
    let at = [place(world, IN, 0), place(world, IN, 1)];
    let mut reader = world.access().reader("nobody").unwrap();
    let table =
        [(0, Some(0)), (1_700_000_001_000, Some(0)), (1_700_000_001_001, Some(1)), (1_700_000_003_000, Some(2)), (1_700_000_003_001, None)];
    for (time, expected) in table {
        assert_eq!(reader.at(&at, time).unwrap(), [expected, None], "{time}");
    }
}

fn committed_of_group(world: &mut dyn World) {
    world.append(input(0), "k", "1");
    world.append(input(0), "k", "2");
    let group = world.group();
    let at = [place(world, IN, 0), place(world, IN, 1)];
    let mut log = producer(world, "a");
    join(&mut *log, &[IN]);
    commit(&mut *log, &[(input(0), 2)]).result.unwrap();
    let mut reader = world.access().reader(&group).unwrap();
    assert_eq!(until("committed offsets", || settled(reader.committed(&at))), [Some(2), None]);
    assert_eq!(values(&mut *reader, &at[0], 0, 2), ["1", "2"], "it reads where it likes");
    // Nobody noticed: the member commits on, and the reader sees it.
    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "v");
    commit(&mut *log, &[(input(0), 1)]).result.unwrap();
    assert_eq!(until("committed offsets", || settled(reader.committed(&at))), [Some(1), None]);
    let mut other = world.access().reader("no-such-group").unwrap();
    assert_eq!(other.committed(&at).unwrap(), [None, None]);
}

fn partition_counts(world: &mut dyn World) {
    let name = world.name(IN);
    let mut reader = world.access().reader("nobody").unwrap();
    let found = reader.partitions(&[&name, "there-is-no-such-topic"]).unwrap();
    assert_eq!(found, [(name, PARTITIONS)].into());
}

fn all_or_nothing(world: &mut dyn World) {
    let access = world.access();
    let mut writer = access.writer(Some(&format!("{}-writer", world.group()))).unwrap();
    let (small, large) = (new(world, OUT, Some(0), "k", "v", None), new(world, OUT, Some(1), "k", &"x".repeat(2_000_000), None));
    assert_eq!(writer.transact(std::slice::from_ref(&small)).unwrap_err().reaction, Reaction::Recycle, "not initialised");
    writer.init().unwrap();
    let error = writer.transact(&[small.clone(), large]).unwrap_err();
    assert_eq!((error.code, error.reaction), ("MSG_SIZE_TOO_LARGE", Reaction::RefuseRecord));
    writer.init().unwrap();
    writer.transact(&[small, new(world, OUT, None, "21", "by key", Some(1_700_000_000_000))]).unwrap();

    let partition = partition_of(b"21", PARTITIONS);
    let mut reader = access.reader("nobody").unwrap();
    let mut found = Vec::new();
    for partition in 0..PARTITIONS {
        let at = place(world, OUT, partition);
        let ends =
            until("all to be visible", || Some(reader.ends(std::slice::from_ref(&at)).unwrap()[0]).filter(|it| it.visible == it.high));
        read_ranges(&mut *reader, &[Range { place: at, from: ends.first, until: ends.visible }], |it| {
            assert_eq!(it.headers, [("h", Some(&b"x"[..]))]);
            let now = 1_750_000_000_000 < it.timestamp.unwrap();
            found.push((it.place.partition, text(it.value), now));
            true
        })
        .unwrap();
    }
    found.sort();
    let mut expected = vec![(0, "v".to_owned(), true), (partition, "by key".to_owned(), false)];
    expected.sort();
    assert_eq!(found, expected);
}

fn second_writer(world: &mut dyn World) {
    let access = world.access();
    let id = format!("{}-writer", world.group());
    let (mut first, mut second) = (access.writer(Some(&id)).unwrap(), access.writer(Some(&id)).unwrap());
    first.init().unwrap();
    first.transact(&[new(world, OUT, Some(0), "k", "1", None)]).unwrap();
    second.init().unwrap();
    let error = first.transact(&[new(world, OUT, Some(0), "k", "fenced", None)]).unwrap_err();
    assert_eq!(error.reaction, Reaction::Recycle, "{error:?}");
    second.transact(&[new(world, OUT, Some(0), "k", "2", None)]).unwrap();
    first.init().unwrap();
    first.transact(&[new(world, OUT, Some(0), "k", "3", None)]).unwrap();
    let at = place(world, OUT, 0);
    let mut reader = access.reader("nobody").unwrap();
    let end = until("all to be visible", || {
        let ends = reader.ends(std::slice::from_ref(&at)).unwrap()[0];
        (ends.visible == ends.high && 6 <= ends.high).then_some(ends.high)
    });
    assert_eq!(values(&mut *reader, &at, 0, end), ["1", "2", "3"]);
}

fn plain_write(world: &mut dyn World) {
    let mut writer = world.access().writer(None).unwrap();
    let records: Vec<_> = (0..100).map(|it| new(world, IN, Some(it % 2), "k", &it.to_string(), None)).collect();
    writer.write(&records).unwrap();
    writer.write(&[]).unwrap();
    let mut reader = world.access().reader("nobody").unwrap();
    for partition in [0, 1] {
        let expected: Vec<_> = (0..50).map(|it| (2 * it + partition).to_string()).collect();
        assert_eq!(values(&mut *reader, &place(world, IN, partition), 0, 50), expected);
    }
    assert!(writer.transact(&records).is_err(), "it has no transactions");
}

fn before_the_start(world: &mut dyn World) {
    for _ in 0..3 {
        world.append(input(0), "k", "gone");
    }
    if !world.delete_records(input(0), 2) {
        return;
    }
    let (gone, other) = (place(world, IN, 0), place(world, IN, 1));
    let mut reader = world.access().reader("nobody").unwrap();
    assert_eq!(reader.ends(std::slice::from_ref(&gone)).unwrap(), [Ends { first: 2, visible: 3, high: 3 }]);
    reader.start(&gone, 0).unwrap();
    let error = until("an error", || reader.poll(WAIT, 10, &mut |_| panic!("a record")).err());
    assert_eq!((error.code, error.reaction), ("OFFSET_OUT_OF_RANGE", Reaction::Stop));
    reader.stop(&gone);
    world.append(input(1), "k", "others go on");
    assert_eq!(values(&mut *reader, &other, 0, 1), ["others go on"]);
}
