//! What the shipped topologies become, and what of a plan must stay the same.

use goyt::engine::plan::{Decode, Emit, Operator, Plan, Step, Subtopology};
use goyt::engine::record::TopicId;
use goyt::engine::topology::{Sources, describe, plan};
use goyt::engine::value::Type;

use crate::{files, listed, shipped, shipped_events, with_steps};

#[test]
fn the_shipped_topologies_are_what_they_look_like() {
    let plan = shipped().map_err(|it| listed(&it)).unwrap();
    insta::assert_snapshot!(describe::describe(&plan));
}

#[test]
fn the_plan_does_not_depend_on_the_order_of_the_files() {
    let (mut topologies, mut events) = (files("topologies", "yaml"), shipped_events());
    topologies.reverse();
    events.reverse();
    assert_eq!(plan("goyt", &Sources { topologies, events }).unwrap(), shipped().unwrap());
}

#[test]
fn topics_are_what_they_are_for() {
    let plan = shipped().unwrap();
    let name = |it: Option<TopicId>| it.map_or("-", |it| &plan.topics[usize::from(it.0)].name);
    let topics: String = plan.topics.iter().map(|it| format!("{}: {:?}, like {}\n", it.name, it.role, name(it.like))).collect();
    insta::assert_snapshot!(topics);
}

/// The subtopology of a plan by its name.
fn part<'p>(plan: &'p Plan, name: &str) -> &'p Subtopology {
    plan.subtopologies.iter().find(|it| it.name == name).unwrap()
}

#[test]
fn only_what_is_used_behind_a_key_crosses_it() {
    let plan = shipped().unwrap();
    let Decode::Repartition(layout) = &part(&plan, "by-wallet").decode else { panic!("events") };
    // The transaction's id, the amount, and the leg's wallet and delta: neither its kind nor its parties.
    let types: Vec<&Type> = layout.fields.iter().map(|(_, _, of)| of).collect();
    assert_eq!(types, [&Type::Int, &Type::Money, &Type::Int, &Type::Money]);
    let behind: Vec<u16> = layout.fields.iter().map(|(_, there, _)| *there).collect();
    assert_eq!(behind, [0, 1, 2, 3]);
}

#[test]
fn only_fields_that_are_used_are_decoded() {
    let plan = shipped().unwrap();
    let Decode::Events(events) = &part(&plan, "kyc-events").decode else { panic!("no events") };
    let used = |index: usize| -> Vec<(&str, u16)> {
        events[index].fields.properties.iter().filter_map(|it| Some((it.name.as_str(), it.slot?))).collect()
    };
    assert_eq!(used(0), [("eventId", 1), ("customerId", 0), ("kycCheckId", 2)]);
    assert_eq!(used(1), [("eventId", 1), ("customerId", 0), ("kycCheckId", 2), ("reason", 3)]);
}

#[test]
fn what_stays_the_same_while_state_is_kept_is_told_by_the_fingerprint() {
    let fingerprint = |steps: &str| {
        let topologies = vec![("t.yaml".to_owned(), with_steps(steps))];
        let plan = plan("goyt", &Sources { topologies, events: shipped_events() }).map_err(|it| listed(&it)).unwrap();
        plan.subtopologies[0].fingerprint.clone()
    };
    let sums = |id: &str, by: &str, init: &str, add: &str| {
        fingerprint(&format!(
            "  - aggregate: {{ id: {id}, by: {by}, init: {{ n: {init} }}, update: {{ n: state.n + {add} else stop }} }}\n"
        ))
    };
    let first = sums("sums", "event.transactionId", "0.0", "event.amount");
    assert_eq!(first, sums("sums", "event.transactionId", "1.0", "2.0"), "expressions may change");
    assert_ne!(first, sums("totals", "event.transactionId", "0.0", "event.amount"), "ids may not");
    assert_ne!(first, sums("sums", "event.currency", "0.0", "event.amount"), "key types may not");
}

#[test]
fn what_stands_in_topics_and_state_never_changes() {
    let plan = shipped().unwrap();
    let mut text = String::new();
    for part in &plan.subtopologies {
        text.push_str(&format!("{}.{}: state {}", part.topology, part.name, part.fingerprint));
        if let Decode::Repartition(layout) = &part.decode {
            text.push_str(&format!(", layout {:08x}", layout.fingerprint));
        }
        text.push('\n');
        emits(&part.steps, &mut |id, emit| text.push_str(&format!("  {id}: name space {:032x}\n", emit.namespace)));
    }
    // A change here means: ids of derived events change on a replay, state is refused, records between two parts can't be read.
    insta::assert_snapshot!(text);
}

fn emits(steps: &[Step], each: &mut dyn FnMut(&str, &Emit)) {
    for step in steps {
        match &step.operator {
            Operator::Emit(emit) => each(&step.id, emit),
            Operator::Branch(cases) => cases.iter().for_each(|it| emits(&it.steps, each)),
            _ => {}
        }
    }
}

const SHOP: &str = r#"topology: shop
inputs:
  - topic: orders
    events: [PLACED@1, CANCELLED@1]
    dedup: { by: eventId, window: 1h }
steps:
  - let:
      id: names
      city: |
        coalesce(event.where.city, "nowhere")
      kind: event.eventType
      money: |
        money(event.price, "EUR")
  - branch:
      id: what
      cases:
        - event: PLACED@1
          steps:
            - key: { id: by_a, by: event.a }
            - aggregate:
                id: sums
                by: event.a
                init: { n: 0, sum: zero("EUR"), tags: event.tags, last: event.b }
                update:
                  n: state.n + 1
                  sum: state.sum + money else stop
                  tags: event.tags
                  last: |
                    event.b != null ? event.b + state.n : null
            - key: { id: by_city, by: [city, sums.n] }
            - allot: { id: numbers, as: number }
            - emit:
                to: out
                event: OUT@1
                key: city
                value:
                  n: sums.n
                  sum: sums.sum.amount
                  eur: sums.sum.currency
                  tags: event.tags
                  last: sums.last
                  zip: event.where.zip
                  at: event.timestamp
                  id: event.eventId
                  kind: kind
                  even: sums.n == 2 || sums.last == null
                  upper: |
                    upper(city).startsWith("NO")
                  nested: { a: { b: event.c } }
        - otherwise:
            - key: { id: by_c, by: event.c }
            - emit: { to: cancelled, event: GONE@1, key: event.c, value: { c: event.c } }
"#;

const PLACED: &str = r#"{"type": "object", "properties": {
 "a": {"type": "integer"}, "b": {"type": ["integer", "null"]}, "c": {"type": "string"},
 "tags": {"type": "array"}, "where": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}, "required": ["city"]}, "price": {"type": "string", "format": "decimal"}},
 "required": ["a", "b", "c", "price"]}
"#;

#[test]
fn each_way_through_branches_and_keys_is_cut_where_it_turns() {
    let events = ["PLACED@1.json", "CANCELLED@1.json"].map(|it| (it.to_owned(), PLACED.to_owned())).to_vec();
    let sources = Sources { topologies: vec![("shop.yaml".to_owned(), SHOP.to_owned())], events };
    let plan = plan("goyt", &sources).map_err(|it| listed(&it)).unwrap();
    let mut text = describe::describe(&plan);
    for part in &plan.subtopologies {
        if let Decode::Repartition(layout) = &part.decode {
            let crossing: Vec<String> = layout.fields.iter().map(|(from, to, of)| format!("{from} to {to}: {of}")).collect();
            text.push_str(&format!("into {}: {}\n", part.name, crossing.join(", ")));
        }
        let stores = part.stores.iter().map(|it| format!("{}: {:?} by {:?}, {:?}\n", it.id, it.kind, it.key, it.value));
        stores.for_each(|it| text.push_str(&it));
    }
    insta::assert_snapshot!(text);
}
