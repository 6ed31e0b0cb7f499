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
