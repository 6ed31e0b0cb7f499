//! What a test file may say, which mistakes are named, and which differences are found.

use super::*;
use crate::cli::mistakes;
use crate::engine::topology::{self, Sources};

const FILE: &str = r#"
topologies: [shop]
samples:
  order:
    topic: orders
    key: "7"
    timestamp: 2026-03-01T12:00:00Z
    headers: { trace: "abc", empty: null }
    value: { id: "a", amount: "1.50", count: 2, meta: { version: "1.0" }, note: null }
tests:
  - name: an order is answered
    given:
      - like: order
      - { like: order, with: { id: "b", more: [1, "x", true] }, without: [note] }
      - { topic: orders, value: null }
      - { topic: orders, key: null, text: "{", timestamp: 2026-03-02T00:00:00Z }
      - { topic: orders, hex: "7b ff 7d" }
    then:
      - topic: receipts
        records:
          - { key: "7", value: { amount: "1.50", meta: { version: "1.0" } }, timestamp: 2026-03-01T12:00:00Z, headers: { trace: "abc" } }
      - topic: orders.dlq
        records: [{ given: 4, headers: { goyt.reason: NOT_JSON } }]
    stores:
      totals: [{ key: [7, "KES"], value: { sum: "1.50 KES" } }]
"#;

fn read(text: &str) -> TestFile {
    file::read("tests/shop.yaml", text).unwrap_or_else(|found| panic!("{found:#?}"))
}

fn outcome() -> Outcome {
    let record = |key: &str, value: &str, headers: &[(&str, &str)]| Record {
        topic: String::new(),
        key: Some(key.into()),
        value: Some(value.into()),
        timestamp: 1_772_366_400_000,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec()))).collect(),
    };
    let receipt = record("7", r#"{"id":"x","amount":"1.50","meta":{"version":"1.0","source":"shop"}}"#, &[("trace", "abc")]);
    let dead = Record { key: None, ..record("", "{", &[("goyt.reason", "NOT_JSON"), ("goyt.path", "")]) };
    let total = Entry { key: vec![7.into(), "KES".into()], value: serde_json::json!({ "sum": "1.50 KES" }) };
    Outcome {
        topics: BTreeMap::from([("receipts".into(), vec![receipt]), ("orders.dlq".into(), vec![dead]), ("mails".into(), vec![])]),
        facts: Facts { stores: BTreeMap::from([("shop.totals".into(), vec![total]), ("shop.dedup".into(), vec![])]), ..Facts::default() },
        stopped: None,
    }
}

/// What differs when the outcome is changed like this.
fn after(change: impl FnOnce(&mut Outcome)) -> String {
    let mut outcome = outcome();
    change(&mut outcome);
    compare::differences(&read(FILE).cases[0], &outcome).join("\n")
}

fn receipt(outcome: &mut Outcome) -> &mut Record {
    &mut outcome.topics.get_mut("receipts").unwrap()[0]
}

#[test]
fn given_records_are_what_is_written_byte_for_byte() {
    let case = &read(FILE).cases[0];
    let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|it| String::from_utf8_lossy(it).into_owned());
    let shown: Vec<_> = case.given.iter().map(|it| (text(&it.key), text(&it.value), it.timestamp)).collect();
    let (key, march, new_year) = (Some("7".to_owned()), 1_772_366_400_000, 1_767_225_600_000);
    let first = r#"{"id":"a","amount":"1.50","count":2,"meta":{"version":"1.0"},"note":null}"#;
    let second = r#"{"id":"b","amount":"1.50","count":2,"meta":{"version":"1.0"},"more":[1,"x",true]}"#;
    assert_eq!(shown[0], (key.clone(), Some(first.to_owned()), march));
    assert_eq!(shown[1], (key, Some(second.to_owned()), march));
    assert_eq!(shown[2], (None, None, new_year));
    assert_eq!(shown[3], (None, Some("{".to_owned()), 1_772_409_600_000));
    assert_eq!(case.given[4].value, Some(vec![0x7b, 0xff, 0x7d]));
    assert_eq!(case.given[0].headers, [("trace".to_owned(), Some(b"abc".to_vec())), ("empty".to_owned(), None)]);
}

#[test]
fn a_test_passes_when_all_that_it_names_is_so_and_nothing_else_was_written() {
    assert_eq!(after(|_| {}), "");
}

#[test]
fn every_difference_is_named_with_its_place() {
    let set = |text: &'static str| move |it: &mut Outcome| receipt(it).value = Some(text.into());
    insta::assert_snapshot!([
        after(|it| receipt(it).key = Some("8".into())),
        after(set(r#"{"amount":"1.51","meta":{}}"#)),
        after(set("oops")),
        after(|it| receipt(it).value = None),
        after(|it| receipt(it).timestamp += 1),
        after(|it| receipt(it).headers.clear()),
        after(|it| it.topics.get_mut("orders.dlq").unwrap()[0].value = Some(vec![0xff])),
        after(|it| it.topics.get_mut("receipts").unwrap().clear()),
        after(|it| { let again = receipt(it).clone(); it.topics.get_mut("receipts").unwrap().push(again) }),
        after(|it| { let mail = receipt(it).clone(); it.topics.get_mut("mails").unwrap().push(mail) }),
        after(|it| drop(it.topics.remove("receipts"))),
        after(|it| it.facts.stores.get_mut("shop.totals").unwrap()[0].value["sum"] = "2.00 KES".into()),
        after(|it| it.facts.stores.get_mut("shop.totals").unwrap()[0].key[0] = 8.into()),
        after(|it| drop(it.facts.stores.remove("shop.totals"))),
        after(|it| drop(it.facts.stores.insert("mail.totals".into(), Vec::new()))) ,
        after(|it| it.stopped = Some("shop.by-buyer_0: overflow".into())),
    ].join("\n"), @r#"
    receipts: record 1 (line 21): key: expected `7`, found `8`
    receipts: record 1 (line 21): /amount: expected "1.50", found "1.51"
    receipts: record 1 (line 21): /meta/version: expected "1.0", but there is no such field
    receipts: record 1 (line 21): expected JSON, found `oops`
    receipts: record 1 (line 21): expected JSON, found null
    receipts: record 1 (line 21): record timestamp: expected 2026-03-01T12:00:00Z, found 2026-03-01T12:00:00.001Z
    receipts: record 1 (line 21): header trace: expected `abc`, but there is none
    orders.dlq: record 1 (line 23): value: expected `{`, found bytes ff
    receipts: record 1 (line 21) is missing
    receipts: one record too many: key `7`, value `{"id":"x","amount":"1.50","meta":{"version":"1.0","source":"shop"}}`
    mails: nothing was expected here: key `7`, value `{"id":"x","amount":"1.50","meta":{"version":"1.0","source":"shop"}}`
    receipts: no topology of this test writes to it
    store totals: [7,"KES"]: /sum: expected "1.50 KES", found "2.00 KES"
    store totals: [7,"KES"] is missing
    store totals: [8,"KES"] was not expected: {"sum":"1.50 KES"}
    store totals: there is no such store; there are shop.dedup
    store totals: there is more than one: mail.totals, shop.totals
    a task stopped: shop.by-buyer_0: overflow
    "#);
}

#[test]
fn all_mistakes_of_a_file_are_shown_at_once() {
    let text = r#"
topologies: shop
sample: {}
tests:
  - name: first
    given:
      - { like: order, topic: orders }
      - { topic: orders, value: { a: plain, b: &x 1 } }
      - { topic: orders, value: null, text: "" }
      - { topic: orders }
      - { topic: orders, hex: "f" }
      - { topic: orders, value: null, timestamp: yesterday, with: { a: 1 } }
    then:
      - topic: receipts
        records: [{ given: 9 }]
        records: []
  - given: []
    than: []
"#;
    let found = file::read("tests/shop.yaml", text).unwrap_err();
    insta::assert_snapshot!(found.iter().map(|it| format!("{}:{}:{}: {} / {}\n", it.file, it.line, it.column, it.reason, it.hint)).collect::<String>(), @r#"
    tests/shop.yaml:3:1: a test file has no key `sample` / did you mean `samples`?
    tests/shop.yaml:7:17: there is no sample `order` / write `samples:` before `tests:`
    tests/shop.yaml:8:38: plain is no number, true, false or null / a string stands in quotes: "plain"
    tests/shop.yaml:8:48: anchors (`&name`) are not part of the language / if it is an expression, put it into a block: `|` behind its key, and the expression, indented, in the next line; inside `{ … }` there are no blocks: write one key a line there
    tests/shop.yaml:9:39: the record has a value already, by `value` / keep one of `value`, `text` and `hex`
    tests/shop.yaml:10:9: the record has no value / add `value:` (`value: null` for none), `text:` or `hex:`
    tests/shop.yaml:11:31: these are no bytes in hexadecimal digits / write two digits a byte: `hex: "7b ff 7d"`
    tests/shop.yaml:12:50: `yesterday` is no instant / write it like 2026-01-31T12:00:00Z
    tests/shop.yaml:12:67: `with` needs a mapping, and a value that is one / write `with: { field: value }` beside `like:`
    tests/shop.yaml:15:28: there is no such given record / they are counted from 1 to 6
    tests/shop.yaml:16:9: `records` is repeated / it stands in line 15 already: remove one of them
    tests/shop.yaml:17:5: a test needs `name` / write `name: what it shows`
    tests/shop.yaml:18:5: a test has no key `than` / did you mean `then`?
    "#);
    let shown = mistakes::render(&found[..1], &[("tests/shop.yaml".into(), text.into())], false);
    insta::assert_snapshot!(shown, @r"
      × a test file has no key `sample`
       ╭─[tests/shop.yaml:3:1]
     2 │ topologies: shop
     3 │ sample: {}
       · ──────
     4 │ tests:
       ╰────
      help: did you mean `samples`?

    1 mistake in 1 file
    ");
}

#[test]
fn all_mistakes_of_invariants_are_shown_at_once() {
    let event = r#"{ "type": "object", "properties": { "buyer": { "type": "integer" } }, "required": ["buyer"] }"#;
    let shop = "topology: shop\ninputs: [{ topic: orders, events: [E@1] }]\nsteps: [{ unique: { id: buyers, by: event.buyer } }]\n";
    let sources = Sources { topologies: vec![("shop.yaml".into(), shop.into())], events: vec![("E@1.json".into(), event.into())] };
    let plan = topology::plan("app", &sources).unwrap();
    let text = r#"
topologies: shop
invariants:
  - name: first
    made-of: [{ topic: order, add: amount }, { topic: orders, where: { buyr: { not: null } }, sum: buyer }]
    compare: [{ store: buyers, count: 1 }, { store: shop.buyers, key: [2], count: one }]
  - consecutive: { topic: orders, key: [seller], field: buyer, from: x }
  - name: third
    once: { topic: orders, where: { eventType: E } }
  - name: fourth
    made-of: []
  - name: fifth
    twice: { topic: orders }
"#;
    let found = invariants::read("tests/shop.yaml", text, &plan).unwrap_err();
    insta::assert_snapshot!(found.iter().map(|it| format!("{}:{}: {} / {}\n", it.line, it.column, it.reason, it.hint)).collect::<String>(), @"
    5:24: the topologies have no such topic `order` here / did you mean `orders`?
    5:46: a part of `made-of` needs one of `count: 1`, `add: field`, `subtract: field`, `last: field` / keep one of them
    5:72: topic orders has no field `buyr` / did you mean `buyer`?
    5:95: a part of `made-of` has no key `sum` / the keys are: `topic`, `store`, `where`, `once`, `key`, `count`, `add`, `subtract`, `last`
    6:24: the topologies have no store `buyers` / the only one of the stores is `shop.buyers`
    6:72: store shop.buyers has no field `2` / the only one of the fields is `1`
    6:83: `count` is a whole number / write `count: 1`
    7:5: an invariant needs `name` / write `name: what must hold`
    7:41: topic orders has no field `seller` / the fields are: `buyer`, `eventId`, `eventType`, `metadata`, `timestamp`
    7:70: `from` is a whole number / write `from: 1`
    9:11: what is there once needs `key` / write `key: [field]`
    10:5: an invariant needs `compare` / write `compare:`
    12:5: an invariant needs one of `made-of:` with `compare:`, `consecutive:` and `once:` / keep one of them
    13:5: an invariant has no key `twice` / the keys are: `name`, `made-of`, `compare`, `consecutive`, `once`
    ");
    let right = "invariants: [{ name: a, once: { topic: orders, key: buyer } }]";
    assert_eq!(invariants::read("tests/shop.yaml", right, &plan).unwrap().len(), 1);
    assert!(file::read("tests/shop.yaml", &format!("topologies: shop\n{right}")).unwrap().cases.is_empty(), "invariants may stand alone");
}

#[test]
fn what_is_no_yaml_is_named_with_its_place() {
    let found = file::read("tests/shop.yaml", "tests: [\n").unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].line, found[0].column), (2, 1));
    assert!(found[0].reason.contains("not YAML"), "{found:?}");
}

#[test]
fn the_test_files_beside_the_shipped_topologies_can_be_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/tests");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (name, text) = (path.display().to_string(), std::fs::read_to_string(&path).unwrap());
        match file::read(&name, &text) {
            Ok(file) => count += file.cases.len(),
            Err(found) => panic!("{}", mistakes::render(&found, &[(name, text)], false)),
        }
    }
    assert!(30 < count, "only {count} tests were read");
}
