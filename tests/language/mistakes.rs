//! What is said of files that can't be read or don't fit together.

use goyt::engine::topology::{Sources, plan};

use crate::{files, listed, mistakes, shipped_events, with_steps};

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let topology = r#"topolgy: broken
topology: Broken Name
inputs:
  - topic: transaction events
    events: [TRANSACTION_COMPLETE@1]
    dedup: { by: eventid, window: 7 days }
steps:
  - filter: { id: known, that: event.amount > 0 }
  - let: { amount: money(event.amount, event.currency) }
  - lookup: { id: owners, by: event.fromWalletId }
  - aggregat: { id: sums, by: event.fromWalletId }
  - filter: { id: known, that: "event.amount > 0" }
  - emit: { to: out, event: OUT, value: { a: 1 }, value: { b: 2 } }
"#;
    insta::assert_snapshot!(mistakes(topology));
}

#[test]
fn what_yaml_stumbles_over_is_explained() {
    let mut text = String::new();
    for steps in [
        "  - filter: { id: a, that: !event.x }\n",
        "  - filter:\n      id: a\n      that: !event.x\n",
        "  - filter:\n      id: a\n      that: *x\n",
        "  - filter:\n      id: a\n      that: &x 1\n",
        "  - filter:\n      id: a\n      that: event.status == \"a: b\"\n",
        "  - filter:\n      id: a\n      that: event.fromWalletId == null ? true : false\n",
        "  - filter:\n      id: a\n      that: event.status == \"a #1\"\n",
        "  - filter:\n      id: a\n      that: \"DEPOSIT\" == event.transactionType\n",
        "  - let: { id: a, amount: money(event.amount, event.currency) else stop }\n",
        "  - let: { id: a, from: event.fromWalletId == null ? 0 : event.fromWalletId }\n",
        "  - filter:\n\tid: a\n",
        "  - filter:\n      id: a\n     that: true\n",
        "  - filter: { id: a, that: true\n",
        "  - filter:\n      id: a\n      that: - 1\n",
        "  - filter:\n      id: a\n      that: @x\n",
        "  - filter:\n      id: a\n      that: \"event.amount > 0\n",
        "  - filter:\n      id: a\n      that:\n",
        "  - ? [a]\n    : b\n",
        "  - filter: { id: a, that: true }\n---\nsteps: []\n",
    ] {
        text.push_str(&format!("{steps}{}\n", mistakes(&with_steps(steps))));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn event_schemas_say_only_what_is_enforced() {
    let events = [
        ("ORDER.json", "{}"),
        ("A@1.json", "{\"type\": \"object\",\n  \"properties\": {\"a\": {\"type\": \"string\" \"format\": \"uuid\"}}}"),
        ("B@1.json", r#"{"type": "object", "additionalProperties": false, "patternProperties": {}, "properties": {}}"#),
        (
            "C@1.json",
            r#"{
  "title": "C", "$id": "urn:c", "type": "object",
  "properties": {
    "price": {"type": "number"},
    "id": {"type": "string", "format": "uid"},
    "code": {"type": "string", "pattern": "[A-Z]+"},
    "count": {"type": "integer", "minimum": 0.5},
    "name": {"type": ["string", "integer"]},
    "note": {"typ": "string"},
    "eventId": {"type": "integer"},
    "id": {"type": "string"}
  },
  "required": ["nam"]
}"#,
        ),
        ("D@1.json", r#"[]"#),
        ("E@1.json", r#"{"type": "array"}"#),
    ];
    let events = events.map(|(name, text)| (format!("events/{name}"), text.to_owned())).to_vec();
    let found = plan("goyt", &Sources { topologies: Vec::new(), events }).unwrap_err();
    insta::assert_snapshot!(listed(&found));
}

#[test]
fn files_of_one_application_fit_together() {
    let emitting = |name: &str, from: &str, steps: &str| {
        (format!("{name}.yaml"), format!("topology: {name}\ninputs: [{{ topic: {from}, events: [USER_LOGIN@1] }}]\nsteps:\n{steps}"))
    };
    let to = |topic: &str| format!("  - emit: {{ to: {topic}, event: OUT@1, value: {{ a: 1 }} }}\n");
    let sources = Sources {
        topologies: vec![
            emitting("one", "a", &to("b")),
            emitting("two", "b", &to("a")),
            ("again.yaml".into(), emitting("one", "c", &to("d")).1),
            emitting("x-y", "a", "  - unique: { id: z, by: event.userId }\n"),
            emitting("x", "a", "  - unique: { id: y-z, by: event.userId }\n"),
            emitting("dead", "a", &to("b.dlq")),
        ],
        events: shipped_events(),
    };
    insta::assert_snapshot!(listed(&plan("goyt", &sources).unwrap_err()));
}

#[test]
fn no_slip_of_the_pen_brings_it_down() {
    let mut events = shipped_events();
    events.retain(|(name, _)| name.contains("TRANSACTION_COMPLETED") || name.contains("BALANCE_UPDATED"));
    let (_, text) = files("topologies", "yaml").into_iter().find(|(name, _)| name.ends_with("transaction-balance.yaml")).unwrap();
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(3).collect();
    for at in places {
        let (before, rest) = text.split_at(at);
        let mut behind = rest.chars();
        behind.next();
        for slip in [
            format!("{before}{}", behind.as_str()),
            before.to_owned(),
            format!("{before}: {rest}"),
            format!("{before}\"{rest}"),
            format!("{before}é({rest}"),
        ] {
            let sources = Sources { topologies: vec![("t.yaml".to_owned(), slip.clone())], events: events.clone() };
            if let Err(found) = plan("goyt", &sources) {
                assert!(!found.is_empty());
                assert!(found.iter().all(|it| slip.get(it.span.clone()).is_some()), "{found:?}");
            }
        }
    }
}
