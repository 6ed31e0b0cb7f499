//! What the disk of a simulated process keeps, loses and refuses.

use super::*;
use crate::engine::plan::{Decode, StoreKind, StorePlan, Subtopology};
use crate::engine::record::TopicId;
use crate::engine::value::Type;

const TASK: &str = "sums.in_0";
const SEEDS: u64 = 200;

#[test]
fn what_is_left_after_each_fault() {
    type Fault = fn(&SimStores);
    let table: [(&str, Fault, &str); 6] = [
        ("closed cleanly", |_| {}, "abc"),
        ("killed", SimStores::crash, "abc"),
        ("full for a while", |it| [true, false].into_iter().for_each(|full| it.fill(full)), "abc"),
        ("another disk", SimStores::wipe, ""),
        ("too old", SimStores::age, "Stale"),
        ("damaged", |it| drop(it.damage(&mut header(it))), "Damaged"),
    ];
    for (name, fault, left) in table {
        let mut stores = SimStores::new();
        let mut store = open(&mut stores, false).unwrap();
        for (key, position) in [("a", 1), ("b", 2), ("c", 3)] {
            put(&mut *store, key, position).unwrap();
        }
        fault(&stores);
        drop(store);
        assert_eq!(outcome(&mut stores), left, "{name}");
        assert!(open(&mut stores, true).unwrap().positions().unwrap() == [None], "{name}: fresh");
    }
}

#[test]
fn power_loss_takes_a_suffix_of_what_was_not_synced_with_its_positions() {
    let (mut lengths, mut damaged) = ([0; 5], 0);
    for seed in 0..SEEDS {
        let mut stores = SimStores::new();
        let mut store = open(&mut stores, false).unwrap();
        put(&mut *store, "a", 1).unwrap();
        put(&mut *store, "b", 2).unwrap();
        store.flush().unwrap();
        put(&mut *store, "c", 3).unwrap();
        store.write(&mut [(0, &b"a"[..], None)].into_iter(), &[(0, 4)]).unwrap();
        stores.power_loss(&mut Random::new(seed));
        assert!(store.positions().is_err(), "seed {seed}: the process is dead");
        let left = text(&stores);
        assert!(["ab", "abc", "bc"].contains(&left.as_str()), "seed {seed}: {left}");
        let position = match left.as_str() {
            "ab" => 2,
            "abc" => 3,
            _ => 4,
        };
        assert_eq!(stores.positions(TASK), Some(vec![Some(position)]), "seed {seed}");
        lengths[usize::try_from(position).unwrap()] += 1;
        damaged += u32::from(outcome(&mut stores) == "Damaged");
        // What a power loss has left is on the disk.
        stores.power_loss(&mut Random::new(seed));
        assert_eq!(text(&stores), left, "seed {seed}");
    }
    assert!(lengths[2..].iter().all(|it| 40 < *it) && (5..40).contains(&damaged), "{lengths:?}, {damaged} damaged");
}

#[test]
fn a_full_disk_refuses_writes_and_openings_and_changes_nothing() {
    let mut stores = SimStores::new();
    let mut store = open(&mut stores, false).unwrap();
    put(&mut *store, "a", 1).unwrap();
    stores.fill(true);
    assert!(matches!(put(&mut *store, "b", 2), Err(StoreError::Full(_))));
    assert!(matches!(store.flush(), Err(StoreError::Full(_))));
    assert!(store.get(0, b"a", &mut Vec::new()).unwrap(), "it can be read");
    drop(store);
    for fresh in [true, false] {
        assert!(matches!(open(&mut stores, fresh).err(), Some(StoreError::Full(_))), "fresh: {fresh}");
    }
    stores.fill(false);
    assert_eq!((outcome(&mut stores), stores.positions(TASK)), ("a".to_owned(), Some(vec![Some(1)])));
}

#[test]
fn what_a_restore_brought_is_never_behind_its_position_whatever_happens() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let mut stores = SimStores::new();
        let mut store = open(&mut stores, false).unwrap();
        put(&mut *store, "b", 1).unwrap();
        store.flush().unwrap();
        // Not synced, and in part to be overwritten.
        put(&mut *store, "b", 2).unwrap();
        put(&mut *store, "a", 3).unwrap();
        let end = 5 + i64::from(random.chance(500));
        assert!(store.restore(0, bulk(&["b", "c"]), 3..end).unwrap().is_none());
        let looks = random.index(3);
        if looks != 0 {
            assert!(store.restore(0, bulk(&["d"]), end..9).unwrap().is_some(), "given back");
        }
        if looks == 2 {
            assert!(store.restored().unwrap());
        }
        if random.chance(500) {
            stores.crash();
        } else {
            stores.power_loss(&mut random);
        }
        let (left, position) = (text(&stores), stores.positions(TASK).unwrap()[0].unwrap());
        assert!(position < 3 || left.contains('a'), "seed {seed}: {left} at {position}");
        assert!(position < end || left == "abc", "seed {seed}: {left} at {position}");
        assert!(looks == 0 || left == "abc" && 3 <= position, "seed {seed}: {left} at {position}: files are durable, and what was before");
        seen.insert((left, position));
    }
    for (left, position) in [("b", 1), ("ab", 3), ("abc", 3), ("abc", 5), ("abc", 6)] {
        assert!(seen.contains(&(left.to_owned(), position)), "{left} at {position}: {seen:?}");
    }
}

#[test]
fn a_disk_that_is_full_while_a_restore_is_written_loses_what_it_brought() {
    let mut stores = SimStores::new();
    let mut store = open(&mut stores, false).unwrap();
    put(&mut *store, "a", 1).unwrap();
    assert!(store.restore(0, bulk(&["b"]), 1..2).unwrap().is_none());
    stores.fill(true);
    assert!(matches!(store.restored(), Err(StoreError::Full(_))));
    assert_eq!(store.positions().unwrap(), [Some(1)]);
    stores.fill(false);
    assert!(store.restored().unwrap());
    assert!(store.restore(0, bulk(&["b"]), 1..2).unwrap().is_none());
    drop(store);
    assert_eq!((outcome(&mut stores), stores.positions(TASK)), ("ab".to_owned(), Some(vec![Some(2)])));
}

#[test]
fn damage_is_told_where_it_is_read_and_from_then_on_and_no_value_is_wrong() {
    let (mut by_get, mut by_scan, mut by_open) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut stores = SimStores::new();
        let mut store = open(&mut stores, false).unwrap();
        let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
        keys.iter().for_each(|it| put(&mut *store, it, 1).unwrap());
        assert_eq!(stores.damage(&mut Random::new(seed)), Some(TASK.to_owned()));
        let mut met = 0;
        for key in keys {
            let mut value = Vec::new();
            match store.get(0, key.as_bytes(), &mut value) {
                Ok(found) => assert!(found && value == key.as_bytes(), "seed {seed}: {key}"),
                Err(StoreError::Damaged(_)) => met += 1,
                Err(other) => panic!("seed {seed}: {other}"),
            }
        }
        let scanned = store.scan(0, b"", &mut |key, value| key == value);
        assert_eq!(matches!(scanned, Err(StoreError::Damaged(_))), met != 0, "seed {seed}");
        drop(store);
        assert_eq!(outcome(&mut stores), "Damaged", "seed {seed}");
        by_get += met;
        by_scan += u32::from(scanned.is_err());
        by_open += u32::from(met == 0);
    }
    assert!(by_scan < by_get && 0 < by_open, "{by_get} {by_scan} {by_open}");
    assert_eq!(SimStores::new().damage(&mut Random::new(1)), None);
}

#[test]
fn stores_that_are_open_or_of_something_else_are_refused() {
    let mut stores = SimStores::new();
    let held = open(&mut stores, false).unwrap();
    assert!(matches!(open(&mut stores.clone(), true).err(), Some(StoreError::Locked(_))));
    drop(held);
    let mut others = [(plan(), 7), (plan(), 6), (plan(), 6)];
    others[1].0.stores[0].key = vec![Type::String];
    others[2].0.fingerprint = "other".to_owned();
    for (plan, partitions) in others {
        let task = TaskStores { task: TASK, plan: &plan, partitions };
        assert!(matches!(stores.open(&task, false), Err(StoreError::Foreign(_))));
    }
    assert!(open(&mut stores, false).is_ok());
}

#[test]
fn a_handle_of_a_killed_process_harms_nobody() {
    let mut stores = SimStores::new();
    let mut dead = open(&mut stores, false).unwrap();
    stores.crash();
    let mut store = open(&mut stores, false).unwrap();
    assert!(matches!(put(&mut *dead, "a", 1), Err(StoreError::Io(_))));
    drop(dead);
    assert_eq!(stores.open_tasks(), [TASK]);
    put(&mut *store, "b", 1).unwrap();
    assert_eq!(StateReader::get(&stores, TASK, "sums", b"b").unwrap(), Some(b"b".to_vec()));
    drop(store);
    assert!(StateReader::tasks(&stores).is_empty());
    assert!(matches!(StateReader::get(&stores, TASK, "sums", b"b"), Err(StoreError::Io(_))));
}

#[test]
fn a_batch_that_names_no_store_writes_nothing() {
    let mut store = open(&mut SimStores::new(), false).unwrap();
    let mut batch = [(0, &b"a"[..], Some(&b"1"[..])), (9, b"a", Some(b"1"))].into_iter();
    assert!(store.write(&mut batch, &[(0, 5)]).is_err());
    assert!(!store.get(0, b"a", &mut Vec::new()).unwrap());
    assert_eq!(store.positions().unwrap(), [None]);
}

/// Draws that flip a byte of what is read at the opening.
fn header(stores: &SimStores) -> Random {
    let spoils_header = |seed: &u64| {
        let mut random = Random::new(*seed);
        random.index(stores.tasks().len());
        random.chance(200)
    };
    Random::new((0..).find(spoils_header).unwrap())
}

/// Opens the stores: the keys that are there, or what is wrong.
fn outcome(stores: &mut SimStores) -> String {
    match open(stores, false) {
        Ok(_) => text(stores),
        Err(StoreError::Stale(_)) => "Stale".to_owned(),
        Err(StoreError::Damaged(_)) => "Damaged".to_owned(),
        Err(other) => other.to_string(),
    }
}

fn text(stores: &SimStores) -> String {
    stores.entries(TASK, "sums").unwrap().into_iter().map(|it| String::from_utf8(it.0).unwrap()).collect()
}

fn open(stores: &mut SimStores, fresh: bool) -> Result<Box<dyn Store>, StoreError> {
    stores.open(&TaskStores { task: TASK, plan: &plan(), partitions: 6 }, fresh)
}

fn put(store: &mut dyn Store, key: &str, position: Offset) -> Result<(), StoreError> {
    store.write(&mut [(0, key.as_bytes(), Some(key.as_bytes()))].into_iter(), &[(0, position)])
}

fn bulk(keys: &[&str]) -> Bulk {
    let mut bulk = Bulk::default();
    keys.iter().for_each(|it| bulk.push(it.as_bytes(), Some(it.as_bytes())));
    bulk
}

fn plan() -> Subtopology {
    Subtopology {
        topology: "sums".to_owned(),
        name: "in".to_owned(),
        source: TopicId(0),
        decode: Decode::Events(Vec::new()),
        dead_letters: None,
        slots: 0,
        stores: vec![StorePlan {
            id: "sums".to_owned(),
            changelog: TopicId(1),
            key: vec![Type::Int],
            value: vec![("sum".to_owned(), Type::Int)],
            kind: StoreKind::Aggregate,
            each: None,
        }],
        steps: Vec::new(),
        fingerprint: "1".to_owned(),
    }
}
