//! What holds, and how it is told when it does not.

use serde_json::json;

use super::*;
use crate::sim::entries::Entry;
use crate::sim::facts::Fact;

/// Two orders of one buyer, one of them delivered twice; a third that became a dead letter; receipts with the sum so far.
fn facts() -> Facts {
    let order = |id: &str, amount: &str| json!({ "eventId": id, "kind": "BUY", "buyer": 7, "price": { "amount": amount } });
    let receipt = |sequence: i64, sum: &str| json!({ "buyer": 7, "sequence": sequence, "sum": sum });
    let records = |values: Vec<Json>| {
        let record = |(offset, value): (i64, Json)| Fact { partition: 0, offset, value: Some(value), dead: false };
        (0..).zip(values).map(record).collect::<Vec<_>>()
    };
    let mut orders = records(vec![order("a", "1.50"), order("b", "0.25"), order("a", "1.50"), order("c", "-9")]);
    orders[3].dead = true;
    orders.push(Fact { partition: 0, offset: 4, value: None, dead: true });
    let total = Entry { key: vec![7.into(), "KES".into()], value: json!({ "sum": "1.75 KES" }) };
    Facts {
        topics: BTreeMap::from([
            ("orders".to_owned(), orders),
            ("receipts".to_owned(), records(vec![receipt(1, "1.50"), receipt(2, "1.75")])),
        ]),
        stores: BTreeMap::from([("shop.totals".to_owned(), vec![total])]),
    }
}

fn path(text: &str) -> Path {
    text.split('.').map(str::to_owned).collect()
}

fn topic(name: &str, key: &[&str]) -> Rows {
    let key = Some(key.iter().map(|it| path(it)).collect());
    Rows { place: Place::Topic(name.to_owned()), conditions: Vec::new(), once: Vec::new(), key }
}

fn store(key: Option<&[&str]>) -> Rows {
    Rows { place: Place::Store("shop.totals".to_owned()), key: key.map(|it| it.iter().map(|it| path(it)).collect()), ..topic("", &[]) }
}

fn orders() -> Figure {
    Figure { of: Rows { once: vec![path("eventId")], ..topic("orders", &["buyer"]) }, by: By::Sum(path("price.amount")) }
}

fn sums(made_of: Figure, compare: Figure) -> Rule {
    Rule::Equal { made_of: vec![made_of], compare: vec![compare] }
}

fn violations(rule: Rule, change: impl FnOnce(&mut Facts)) -> String {
    let mut facts = facts();
    change(&mut facts);
    Invariant { name: "it holds".to_owned(), line: 3, rule }.violations(&facts).join("\n")
}

#[test]
fn an_event_adds_once_and_a_dead_letter_nothing() {
    let last = || Figure { of: topic("receipts", &["buyer"]), by: By::Last(path("sum")) };
    let total = || Figure { of: store(Some(&["1"])), by: By::Sum(path("sum")) };
    assert_eq!(violations(sums(orders(), last()), |_| {}), "");
    assert_eq!(violations(sums(orders(), total()), |_| {}), "");
    let twice = violations(sums(Figure { of: topic("orders", &["buyer"]), by: By::Sum(path("price.amount")) }, total()), |_| {});
    assert_eq!(twice, r#"invariant "it holds" (line 3): 7: 3.25 by what it is made of, 1.75 in store shop.totals"#);
    let alive = violations(sums(orders(), total()), |it| it.topics.get_mut("orders").unwrap()[3].dead = false);
    assert_eq!(alive, r#"invariant "it holds" (line 3): 7: -7.25 by what it is made of, 1.75 in store shop.totals"#);
}

#[test]
fn conditions_choose_rows_and_signs_are_kept() {
    let of = |condition: Condition| Rows { conditions: vec![condition], ..orders().of };
    let is = |field: &str, one_of: Vec<Json>, not: bool| Condition { field: path(field), one_of, not };
    let count = |condition| Figure { of: of(condition), by: By::Count(1) };
    let two = || Figure { of: topic("receipts", &["buyer"]), by: By::Count(1) };
    for (condition, holds) in [
        (is("kind", vec!["BUY".into(), "SELL".into()], false), true),
        (is("kind", vec!["SELL".into()], false), false),
        (is("kind", vec![Json::Null], true), true),
        (is("gift", vec![Json::Null], false), true),
        (is("price.amount", vec!["0.25".into()], true), false),
    ] {
        assert_eq!(violations(sums(count(condition.clone()), two()), |_| {}).is_empty(), holds, "{condition:?}");
    }
    let back = Figure { by: By::Subtract(path("price.amount")), ..orders() };
    let both = Rule::Equal { made_of: vec![orders(), back.clone()], compare: vec![Figure { of: topic("nothing", &[]), by: By::Count(1) }] };
    assert_eq!(violations(both, |it| drop(it.topics.insert("nothing".to_owned(), Vec::new()))), "", "what is nowhere adds nothing");
    assert!(violations(sums(back, two()), |_| {}).contains("7: -1.75 by what it is made of, 2 in topic receipts"));
}

#[test]
fn money_has_an_amount_and_a_currency_and_a_store_its_whole_key() {
    let last = Figure { of: topic("receipts", &[]), by: By::Last(path("sum")) };
    for (key, shown) in [(None, "7 KES"), (Some(&["sum.currency"][..]), "KES"), (Some(&["2", "1"][..]), "KES 7")] {
        let total = Figure { of: store(key), by: By::Sum(path("sum.amount")) };
        assert!(
            violations(sums(last.clone(), total), |_| {}).contains(&format!("{shown}: 0 by what it is made of, 1.75 in store")),
            "{shown}"
        );
    }
}

#[test]
fn a_gap_is_told_once_with_its_place() {
    let rule = || Rule::Consecutive { of: topic("receipts", &["buyer"]), field: path("sequence"), from: 1 };
    assert_eq!(violations(rule(), |_| {}), "");
    let receipts = |it: &mut Facts| it.topics.get_mut("receipts").unwrap().clone();
    let lost = violations(rule(), |it| drop(it.topics.get_mut("receipts").unwrap().remove(0)));
    assert_eq!(lost, r#"invariant "it holds" (line 3): 7: sequence = 2 where 1 comes next, in receipts[0]@1"#);
    let doubled = violations(rule(), |it| {
        let twice = receipts(it);
        it.topics.get_mut("receipts").unwrap().extend(twice);
    });
    assert_eq!(doubled, r#"invariant "it holds" (line 3): 7: sequence = 1 where 3 comes next, in receipts[0]@0"#);
}

#[test]
fn what_is_there_twice_is_told_with_both_places() {
    assert_eq!(violations(Rule::Once(topic("receipts", &["buyer", "sequence"])), |_| {}), "");
    let twice = violations(Rule::Once(topic("receipts", &["buyer"])), |_| {});
    assert_eq!(twice, r#"invariant "it holds" (line 3): 7: twice, in receipts[0]@0 and in receipts[0]@1"#);
}

#[test]
fn what_is_no_number_or_missing_is_a_violation_and_few_of_many_are_told() {
    let by = |field: &str| Figure { of: topic("orders", &["buyer"]), by: By::Sum(path(field)) };
    let said = violations(sums(by("kind"), orders()), |_| {});
    assert_eq!(said, r#"invariant "it holds" (line 3): orders[0]@0: kind is BUY, which is no number"#);
    let said = violations(Rule::Once(topic("orders", &["seller"])), |_| {});
    assert_eq!(said, r#"invariant "it holds" (line 3): orders[0]@0 has no field seller"#);
    let many = |it: &mut Facts| {
        let one = it.topics["receipts"][0].clone();
        it.topics.get_mut("receipts").unwrap().extend(vec![one; 20]);
    };
    let said = violations(Rule::Once(topic("receipts", &["buyer"])), many);
    assert_eq!((said.lines().count(), said.lines().last().unwrap()), (6, r#"invariant "it holds" (line 3): and 16 more"#));
}
