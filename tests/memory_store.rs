//! Stores in memory: what outlives the task that wrote it, and what is refused.

#![cfg(test)]

use goyt::adapters::memory::store::MemoryStores;
use goyt::engine::plan::{Decode, StoreKind, StorePlan, Subtopology};
use goyt::engine::record::TopicId;
use goyt::engine::value::Type;
use goyt::runtime::operations::access::{StateReader, StoreSize};
use goyt::runtime::ports::{Store, StoreError, Stores, TaskStores};
use goyt::runtime::restore::bulk::Bulk;

const TASK: &str = "sums.in_0";

#[test]
fn what_was_written_is_there_when_it_is_opened_again_until_a_fresh_start() {
    let mut stores = MemoryStores::new();
    let mut store = open(&mut stores, false);
    put(&mut *store, "a", Some("1"), 5);
    put(&mut *store, "b", Some("2"), 6);
    put(&mut *store, "a", None, 7);
    drop(store);
    let mut store = open(&mut stores, false);
    assert_eq!(store.positions().unwrap(), [Some(7)]);
    let mut value = b"left over".to_vec();
    assert!(!store.get(0, b"a", &mut value).unwrap() && value.is_empty());
    assert!(store.get(0, b"b", &mut value).unwrap() && value == b"2");
    assert_eq!(stores.entries(TASK, "sums").unwrap(), [(b"b".to_vec(), b"2".to_vec())]);
    drop(store);
    assert_eq!(open(&mut stores, true).positions().unwrap(), [None]);
}

#[test]
fn what_was_restored_is_there_with_its_position() {
    let mut store = open(&mut MemoryStores::new(), false);
    put(&mut *store, "a", Some("1"), 5);
    let mut bulk = Bulk::default();
    [("b", Some("2")), ("a", None), ("b", Some("3"))].iter().for_each(|(key, value)| bulk.push(key.as_bytes(), value.map(str::as_bytes)));
    assert!(store.restore(0, bulk, 5..8).unwrap().is_none() && store.restored().unwrap());
    assert_eq!(store.positions().unwrap(), [Some(8)]);
    let mut value = Vec::new();
    assert!(!store.get(0, b"a", &mut value).unwrap());
    assert!(store.get(0, b"b", &mut value).unwrap() && value == b"3");
}

#[test]
fn a_scan_goes_from_a_key_on_until_it_is_stopped() {
    let mut store = open(&mut MemoryStores::new(), false);
    for key in ["c", "a", "d", "b"] {
        put(&mut *store, key, Some("1"), 0);
    }
    let mut seen = Vec::new();
    store
        .scan(0, b"b", &mut |key, _| {
            seen.push(key.to_vec());
            seen.len() < 2
        })
        .unwrap();
    assert_eq!(seen, [b"b", b"c"]);
}

#[test]
fn a_batch_that_names_no_store_writes_nothing() {
    let mut store = open(&mut MemoryStores::new(), false);
    let mut batch = [(0, &b"a"[..], Some(&b"1"[..])), (9, b"a", Some(b"1"))].into_iter();
    assert!(store.write(&mut batch, &[(0, 5)]).is_err());
    assert!(!store.get(0, b"a", &mut Vec::new()).unwrap());
    assert_eq!(store.positions().unwrap(), [None]);
}

#[test]
fn stores_of_other_types_or_another_partition_count_or_open_ones_are_refused() {
    let mut stores = MemoryStores::new();
    let held = open(&mut stores, false);
    let mut other = plan();
    assert!(matches!(stores.open(&TaskStores { task: TASK, plan: &other, partitions: 6 }, true), Err(StoreError::Locked(_))));
    drop(held);
    assert!(matches!(stores.open(&TaskStores { task: TASK, plan: &other, partitions: 7 }, false), Err(StoreError::Foreign(_))));
    other.stores[0].key = vec![Type::String];
    assert!(matches!(stores.open(&TaskStores { task: TASK, plan: &other, partitions: 6 }, false), Err(StoreError::Foreign(_))));
    assert!(stores.open(&TaskStores { task: TASK, plan: &other, partitions: 6 }, true).is_ok(), "fresh");
}

fn open(stores: &mut MemoryStores, fresh: bool) -> Box<dyn Store> {
    stores.open(&TaskStores { task: TASK, plan: &plan(), partitions: 6 }, fresh).unwrap()
}

fn put(store: &mut dyn Store, key: &str, value: Option<&str>, position: i64) {
    store.write(&mut [(0, key.as_bytes(), value.map(str::as_bytes))].into_iter(), &[(0, position)]).unwrap();
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
            value: vec![("sum".to_owned(), Type::Decimal)],
            kind: StoreKind::Aggregate,
            each: None,
        }],
        steps: Vec::new(),
        fingerprint: "one".to_owned(),
    }
}

#[test]
fn open_tasks_are_read_beside_their_worker() {
    let mut stores = MemoryStores::new();
    let mut store = open(&mut stores, false);
    for n in 0..600 {
        put(&mut *store, &format!("{n:03}"), Some("1"), n);
    }
    let reader: &dyn StateReader = &stores.clone();
    assert_eq!(reader.tasks(), [TASK]);
    assert_eq!(reader.get(TASK, "sums", b"007").unwrap(), Some(b"1".to_vec()));
    assert_eq!(reader.get(TASK, "sums", b"700").unwrap(), None);
    let mut keys = Vec::new();
    reader
        .scan(TASK, "sums", b"100", &mut |key, _| {
            keys.push(String::from_utf8(key.to_vec()).unwrap());
            keys.len() < 400
        })
        .unwrap();
    assert_eq!(keys, (100..500).map(|n| format!("{n:03}")).collect::<Vec<_>>());
    assert_eq!(reader.size(TASK, "sums").unwrap(), StoreSize { entries: 600, bytes: 600 * 4 });
    assert!(reader.get(TASK, "totals", b"1").is_err());
    drop(store);
    assert!(reader.tasks().is_empty() && reader.get(TASK, "sums", b"007").is_err());
}
