//! Questions and answers, as tables.

use std::collections::BTreeMap;

use super::*;
use crate::engine::partition::partition_of;
use crate::engine::state::dedup_pages;
use crate::engine::topology::{self, Sources};
use crate::engine::value::{Currency, Money};

const TOPOLOGY: &str = r#"
topology: shop
description: What is sold.
inputs:
  - topic: orders
    events: [SOLD@1]
    dedup: { by: eventId, window: 1d }
steps:
  - let:
      id: price
      price: money(event.price, event.currency) else reject(PRICE)
  - unique: { id: numbers, by: event.number }
  - allot: { id: receipts, as: receipt }
  - key: { id: by-shop, by: [event.shop, event.city] }
  - aggregate:
      id: sales
      by: [event.city, price.currency, event.shop]
      init: { sum: zero(price.currency), last: receipt }
      update: { sum: state.sum + price else stop, last: receipt }
  - aggregate:
      id: kinds
      by: event.shop
      init: { count: 0 }
      update: { count: state.count + 1 }
      each: { by: [event.city, price.currency], init: { sum: zero(price.currency) }, update: { sum: state.sum + price else stop } }
  - aggregate:
      id: cities
      by: event.city
      init: { count: 0 }
      update: { count: state.count + 1 }
  - emit: { to: sums, event: SUM@1, key: event.city, value: { city: event.city } }
"#;

const EVENTS: [(&str, &str); 2] = [
    (
        "SOLD@1.json",
        r#"{ "type": "object", "required": ["shop", "city", "number", "price", "currency"], "properties": {
            "shop": { "type": "integer", "minimum": 0, "maximum": 1000000 }, "city": { "type": "string" },
            "number": { "type": "string", "format": "uuid" },
            "price": { "type": "string", "format": "decimal" }, "currency": { "type": "string", "format": "currency" } } }"#,
    ),
    ("SUM@1.json", r#"{ "type": "object", "required": ["city"], "properties": { "city": { "type": "string" } } }"#),
];

fn plan() -> Plan {
    let events = EVENTS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let sources = Sources { topologies: vec![("shop.yaml".into(), TOPOLOGY.to_owned())], events };
    topology::plan("app", &sources).unwrap_or_else(|found| panic!("{found:#?}"))
}

#[test]
fn stores_are_found_by_topology_and_name() {
    let plan = plan();
    let names: Vec<String> = stores(&plan).map(|it| it.name()).collect();
    assert_eq!(names, ["shop.dedup", "shop.numbers", "shop.receipts", "shop.sales", "shop.kinds", "shop.cities"]);
    let sales = find(&plan, "shop.sales").unwrap();
    assert_eq!(sales.task(3), "shop.by-shop_3");
    let among = ["shop.by-shop_3", "shop.orders_3", "shop.by-shop_x", "other.by-shop_3"].map(str::to_owned);
    assert_eq!(sales.tasks(&among), ["shop.by-shop_3"]);
    for (name, hint) in [
        ("sales", "did you mean `shop.sales`?"),
        ("shop.sale", "did you mean `shop.sales`?"),
        ("accounts", "the stores are: `shop.dedup`, `shop.numbers`, `shop.receipts`, `shop.sales`, `shop.kinds`, `shop.cities`"),
    ] {
        let mistake = find(&plan, name).unwrap_err();
        assert!(mistake.missing);
        assert_eq!(mistake.hint, hint);
    }
}

#[test]
fn keys_are_read_from_text_and_shown_as_the_same_text() {
    let plan = plan();
    for (store, text) in [
        ("shop.dedup", "00000000-0000-0000-0000-00000000002a"),
        ("shop.numbers", "00000000-0000-0000-0000-00000000002a"),
        ("shop.sales", "Nairobi/KES/789"),
        ("shop.sales", "a%2Fb%25/KES/-1"),
        ("shop.cities", "Saint-Denis/Réunion"),
        ("shop.cities", "100%25"),
    ] {
        let store = find(&plan, store).unwrap();
        let key = store.key(text).unwrap();
        let value = vec![0; 64];
        let entry = store.entry("t", &key, &value).unwrap().unwrap();
        assert_eq!(keys::text(&entry.key), text);
    }
    let cities = find(&plan, "shop.cities").unwrap();
    assert_eq!(cities.key("a%20b").unwrap(), cities.key("a b").unwrap(), "as a path of an address has it");
    assert_eq!(keys::in_path("a b%2F/ü"), "a%20b%2F/%C3%BC");
}

#[test]
fn what_is_no_key_is_refused_with_what_one_is() {
    let plan = plan();
    for (store, text, reason, hint) in [
        ("shop.sales", "Nairobi/KES/abc", "\"abc\" is no int", "a key is written string/string/int"),
        ("shop.sales", "Nairobi/KES", "a key of shop.sales has 3 parts, not 2", "a key is written string/string/int"),
        ("shop.sales", "Nairobi/KES/1/2", "a key of shop.sales has 3 parts, not 4", "a key is written string/string/int"),
        ("shop.kinds", "1/Nairobi", "a key of shop.kinds has 3 parts, not 2", "a key is written int/string/string"),
        ("shop.numbers", "7", "\"7\" is no uuid", "a key is written uuid"),
        ("shop.receipts", "1", "shop.receipts counts, and has no keys", "scan it: it has one entry in each task"),
    ] {
        let mistake = find(&plan, store).unwrap().key(text).unwrap_err();
        assert_eq!((mistake.reason.as_str(), mistake.hint.as_str()), (reason, hint));
    }
}

#[test]
fn a_partition_is_known_where_the_repartition_key_is_part_of_the_stores_key() {
    let plan = plan();
    for (store, key, repartition_key) in [
        ("shop.sales", "Nairobi/KES/789", Some("789|Nairobi")),
        // The key of an entry's part does not tell.
        ("shop.kinds", "789/Nairobi/KES", None),
        // Of a city there may be several shops, in any partition.
        ("shop.cities", "Nairobi", None),
        // Who writes the input chooses its partition.
        ("shop.numbers", "00000000-0000-0000-0000-00000000002a", None),
        ("shop.dedup", "00000000-0000-0000-0000-00000000002a", None),
    ] {
        let expected = repartition_key.map(|it| partition_of(it.as_bytes(), 12));
        assert_eq!(find(&plan, store).unwrap().partition(key, 12), Ok(expected), "{store}");
    }
}

#[test]
fn entries_are_shown_by_their_types() {
    let plan = plan();
    let money = |text: &str| Value::Money(Money { amount: crate::engine::decimal::parse(text).unwrap(), currency: Currency(*b"KES") });
    let value = |values: &[(Value<'_>, Type)]| {
        let mut bytes = Vec::new();
        values.iter().for_each(|(it, of)| codec::write_value(it, of, &mut bytes));
        bytes
    };
    let id = "00000000-0000-0000-0000-00000000002a";
    for (store, key, value, shown) in [
        (
            "shop.sales",
            "Nairobi/KES/789",
            value(&[(money("-12.5"), Type::Money), (Value::Int(8193), Type::Int)]),
            r#"{"key":["Nairobi","KES",789],"value":{"last":8193,"sum":{"amount":"-12.50","currency":"KES"}},"task":"t"}"#,
        ),
        (
            "shop.dedup",
            id,
            value(&[(Value::Int(1_767_261_600_000), Type::Int)]),
            r#"{"key":["00000000-0000-0000-0000-00000000002a"],"value":{"seen":"2026-01-01T10:00:00Z"},"task":"t"}"#,
        ),
        (
            "shop.numbers",
            id,
            value(&[(Value::Uuid(1), Type::Uuid)]),
            r#"{"key":["00000000-0000-0000-0000-00000000002a"],"value":{"by":"00000000-0000-0000-0000-000000000001"},"task":"t"}"#,
        ),
    ] {
        let store = find(&plan, store).unwrap();
        let entry = store.entry("t", &store.key(key).unwrap(), &value).unwrap().unwrap();
        assert_eq!(serde_json::to_string(&entry).unwrap(), shown);
    }
    let counter = find(&plan, "shop.receipts").unwrap().entry("t", b"n", &value(&[(Value::Int(3), Type::Int)])).unwrap().unwrap();
    assert_eq!(serde_json::to_string(&counter).unwrap(), r#"{"key":[],"value":{"last":3},"task":"t"}"#);
    assert!(find(&plan, "shop.sales").unwrap().entry("t", b"\xFF", b"").is_err());
}

#[test]
fn what_a_dedup_keeps_beside_its_ids_is_not_shown() {
    let plan = plan();
    let dedup = find(&plan, "shop.dedup").unwrap();
    let id = dedup.key("00000000-0000-0000-0000-00000000002a").unwrap();
    let mut time = Vec::new();
    dedup_keys::write_time(5, &mut time);
    let page = dedup_pages::pack([(&id[..], Some(&time[..]))].into_iter(), 1_000, 0).remove(0);
    let reader = Entries::of(
        "shop.orders_0",
        "dedup",
        [(dedup_keys::STREAM_TIME.to_vec(), time.clone()), (id, time), (page.name.key(), page.value)],
    );
    let (entries, more) = dedup.scan(&reader, "shop.orders_0", &Page { prefix: Vec::new(), after: None, limit: 10 }).unwrap();
    assert_eq!((entries.len(), more), (1, false));
}

#[test]
fn ids_that_stand_in_pages_alone_are_shown_as_others_are() {
    let plan = plan();
    let (dedup, task) = (find(&plan, "shop.dedup").unwrap(), "shop.orders_0");
    let id = |it: u32| dedup.key(&format!("00000000-0000-0000-0000-0000000000{it:02x}")).unwrap();
    let value = |time: i64| {
        let mut value = Vec::new();
        dedup_keys::write_time(time, &mut value);
        value
    };
    let page = |ids: &[u32], time: i64, position: i64| {
        let entries: Vec<_> = ids.iter().map(|it| (id(*it), value(time))).collect();
        dedup_pages::pack(entries.iter().map(|(key, value)| (&key[..], Some(&value[..]))), 1_000, position).remove(0)
    };
    // 3 was seen once more when it had expired.
    let (with_entries, alone, later) = (page(&[1, 3, 5], 1_000, 1), page(&[2, 3, 6], 9_000, 2), page(&[4], 9_500, 3));
    let mut all: Vec<_> = [1, 3, 5].map(|it| (id(it), value(1_000))).into();
    all.push((dedup_keys::STREAM_TIME.to_vec(), value(9_500)));
    all.push((with_entries.name.key(), with_entries.value));
    all.extend([alone, later].map(|it| (it.name.indexed_key(), it.value)));
    let reader = Entries::of(task, "dedup", all);
    let text =
        |it: &Entry| (super::keys::text(&it.key).split_off(34), it.value.values().next().unwrap().as_str().unwrap()[14..19].to_owned());
    for (after, limit, found, more) in [
        (None, 10, &[("01", "00:01"), ("02", "00:09"), ("03", "00:09"), ("04", "00:09"), ("05", "00:01"), ("06", "00:09")][..], false),
        (None, 2, &[("01", "00:01"), ("02", "00:09")], true),
        (Some(2), 2, &[("03", "00:09"), ("04", "00:09")], true),
        (Some(4), 2, &[("05", "00:01"), ("06", "00:09")], false),
        (Some(5), 2, &[("06", "00:09")], false),
        (Some(6), 2, &[], false),
    ] {
        let page = Page { prefix: Vec::new(), after: after.map(id), limit };
        let (entries, has_more) = dedup.scan(&reader, task, &page).unwrap();
        let texts: Vec<_> = entries.iter().map(text).collect();
        let texts: Vec<_> = texts.iter().map(|(id, time)| (id.as_str(), time.as_str())).collect();
        assert_eq!((&texts[..], has_more), (found, more), "{after:?} {limit}");
    }
    let page = Page { prefix: id(4), after: None, limit: 10 };
    assert_eq!(dedup.scan(&reader, task, &page).unwrap().0.len(), 1);
    for (key, time) in [(1, Some("00:01")), (2, Some("00:09")), (3, Some("00:09")), (7, None)] {
        let found = dedup.get(&reader, task, &id(key)).unwrap();
        assert_eq!(found.as_ref().map(text).map(|it| it.1).as_deref(), time, "{key}");
    }
    // A page counts for one entry by itself.
    assert_eq!(dedup.not_counted(&reader, task).unwrap(), 4 - 2);
}

#[test]
fn a_scan_is_read_page_by_page_and_within_its_prefix() {
    let plan = plan();
    let sales = find(&plan, "shop.sales").unwrap();
    let value = vec![0; 64];
    let keys = ["A/KES/1", "B/KES/1", "B/KES/2", "B/USD/1", "BB/KES/1", "C/KES/1"];
    let task = "shop.by-shop_0";
    let reader = Entries::of(task, "sales", keys.map(|it| (sales.key(it).unwrap(), value.clone())));
    for (prefix, after, limit, found, more) in [
        ("", None, 10, &keys[..], false),
        ("", None, 2, &keys[..2], true),
        ("", Some("B/KES/1"), 2, &keys[2..4], true),
        ("", Some("BB/KES/1"), 2, &keys[5..], false),
        ("B", None, 3, &keys[1..4], false),
        ("B/KES", None, 1, &keys[1..2], true),
        ("B/KES", Some("B/KES/1"), 5, &keys[2..3], false),
        ("B", Some("A/KES/1"), 1, &keys[1..2], true),
        ("Z", None, 5, &[], false),
    ] {
        let page = Page { prefix: sales.prefix(prefix).unwrap(), after: after.map(|it| sales.key(it).unwrap()), limit };
        let (entries, has_more) = sales.scan(&reader, task, &page).unwrap();
        let texts: Vec<String> = entries.iter().map(|it| super::keys::text(&it.key)).collect();
        assert_eq!(
            (texts.iter().map(String::as_str).collect::<Vec<_>>(), has_more),
            (found.to_vec(), more),
            "{prefix:?} {after:?} {limit}"
        );
    }
}

#[test]
fn an_entry_with_parts_is_shown_as_an_entry_for_each() {
    let plan = plan();
    let kinds = find(&plan, "shop.kinds").unwrap();
    let task = "shop.by-shop_0";
    let reader = Entries::of(task, "kinds", [("1", &["A/KES", "A/USD", "B/KES"][..]), ("2", &["A/KES"])].map(|it| divided(&kinds, it)));
    let all = ["1/A/KES", "1/A/USD", "1/B/KES", "2/A/KES"];
    for (prefix, after, limit, found, more) in [
        ("", None, 10, &all[..], false),
        ("", None, 2, &all[..2], true),
        ("", Some("1/A/KES"), 2, &all[1..3], true),
        ("", Some("1/B/KES"), 2, &all[3..], false),
        ("1", None, 3, &all[..3], false),
        ("1/A", None, 1, &all[..1], true),
        ("1/A", Some("1/A/KES"), 5, &all[1..2], false),
        ("2", Some("1/A/USD"), 5, &all[3..], false),
        ("1/C", None, 5, &[], false),
    ] {
        let page = Page { prefix: kinds.prefix(prefix).unwrap(), after: after.map(|it| kinds.key(it).unwrap()), limit };
        let (entries, has_more) = kinds.scan(&reader, task, &page).unwrap();
        let texts: Vec<String> = entries.iter().map(|it| super::keys::text(&it.key)).collect();
        assert_eq!((texts, has_more), (found.iter().map(|it| (*it).to_owned()).collect(), more), "{prefix:?} {after:?} {limit}");
    }
    let entry = kinds.get(&reader, task, &kinds.key("1/A/USD").unwrap()).unwrap().unwrap();
    let shown = r#"{"key":[1,"A","USD"],"value":{"count":7,"sum":{"amount":"1.00","currency":"USD"}},"task":"shop.by-shop_0"}"#;
    assert_eq!(serde_json::to_string(&entry).unwrap(), shown);
    assert_eq!(kinds.get(&reader, task, &kinds.key("1/A/TZS").unwrap()).unwrap(), None);
}

/// An entry of `kinds`: its key, and the keys of its parts, which have 0, 1, 2, … of their currency.
fn divided(kinds: &Store<'_>, (key, parts): (&str, &[&str])) -> (Vec<u8>, Vec<u8>) {
    let mut value = Vec::new();
    codec::write_int(7, &mut value);
    for (nth, part) in parts.iter().enumerate() {
        let whole = kinds.key(&format!("{key}/{part}")).unwrap();
        let mut part_bytes = whole[kinds.prefix(key).unwrap().len()..].to_vec();
        let amount = crate::engine::decimal::parse(&nth.to_string()).unwrap();
        let currency = Currency(part.as_bytes()[part.len() - 3..].try_into().unwrap());
        codec::write_value(&Value::Money(Money { amount, currency }), &Type::Money, &mut part_bytes);
        codec::write_bytes(&part_bytes, &mut value);
    }
    (kinds.prefix(key).unwrap(), value)
}

/// Entries of one store of one task.
struct Entries {
    task: String,
    store: String,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Entries {
    fn of(task: &str, store: &str, entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        Self { task: task.to_owned(), store: store.to_owned(), entries: entries.into_iter().collect() }
    }
}

impl StateReader for Entries {
    fn tasks(&self) -> Vec<String> {
        vec![self.task.clone()]
    }

    fn get(&self, task: &str, store: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        assert_eq!((task, store), (self.task.as_str(), self.store.as_str()));
        Ok(self.entries.get(key).cloned())
    }

    fn scan(&self, task: &str, store: &str, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        assert_eq!((task, store), (self.task.as_str(), self.store.as_str()));
        self.entries.range(from.to_vec()..).all(|(key, value)| entry(key, value));
        Ok(())
    }

    fn size(&self, _task: &str, _store: &str) -> Result<crate::runtime::operations::access::StoreSize, StoreError> {
        let entries = u64::try_from(self.entries.len()).unwrap();
        Ok(crate::runtime::operations::access::StoreSize { entries, bytes: 0 })
    }
}
