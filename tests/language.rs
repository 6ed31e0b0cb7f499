//! The topology language from the outside: what files become, and what is said of their mistakes.

use std::fs;
use std::path::Path;

use goyt::engine::plan::Plan;
use goyt::engine::topology::{Mistake, Sources, describe, plan};

/// The files of a folder with an extension, as (name, text), sorted.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut paths: Vec<_> =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap().map(|it| it.unwrap().path()).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == extension));
    paths.sort();
    paths.iter().map(|it| (format!("{folder}/{}", it.file_name().unwrap().to_str().unwrap()), fs::read_to_string(it).unwrap())).collect()
}

fn shipped_events() -> Vec<(String, String)> {
    files("topologies/events", "json")
}

fn shipped() -> Result<Plan, Vec<Mistake>> {
    plan("goyt", &Sources { topologies: files("topologies", "yaml"), events: shipped_events() })
}

fn listed(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|it| format!("{it}\n")).collect()
}

#[test]
fn the_shipped_topologies_are_what_they_look_like() {
    let plan = shipped().map_err(|it| listed(&it)).unwrap();
    insta::assert_snapshot!(describe::describe(&plan));
}

/// The mistakes of one topology that reads the shipped events.
fn mistakes(topology: &str) -> String {
    let sources = Sources { topologies: vec![("t.yaml".to_owned(), topology.to_owned())], events: shipped_events() };
    plan("goyt", &sources).map_or_else(|it| listed(&it), |_| "none\n".to_owned())
}

/// A topology of these steps, which begin in line 4.
fn with_steps(steps: &str) -> String {
    format!("topology: t\ninputs: [{{ topic: transaction-events, events: [TRANSACTION_COMPLETED@1] }}]\nsteps:\n{steps}")
}

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

/// What an expression is, in a `let` before a `key` step: its type, or its mistakes with the letters that they mean.
fn typed(expression: &str) -> String {
    use goyt::engine::expr::scope::{Entry, Fields, Scope, Variable};
    use goyt::engine::expr::{check, parse};
    use goyt::engine::value::Type;
    let optional = |it: Type| Type::Optional(Box::new(it));
    let mut slot = 0;
    let mut variable = |of: Type| {
        slot += 1;
        Entry::Value(Variable { slot, of, one_of: Vec::new() })
    };
    let mut fields = Fields::new();
    for (name, of) in [
        ("bool", Type::Bool),
        ("int", Type::Int),
        ("int2", Type::Int),
        ("decimal", Type::Decimal),
        ("decimal2", Type::Decimal),
        ("money", Type::Money),
        ("money2", Type::Money),
        ("string", Type::String),
        ("time", Type::Time),
        ("uuid", Type::Uuid),
        ("list", Type::List),
    ] {
        fields.insert(name.to_owned(), variable(of.clone()));
        fields.insert(format!("maybe_{name}"), variable(optional(of)));
    }
    fields.insert("kind".into(), Entry::Value(Variable { slot: 99, of: Type::String, one_of: vec!["RED".into(), "GREEN".into()] }));
    fields.insert(
        "event".into(),
        Entry::Fields(Fields::from([("a".to_owned(), variable(Type::Int)), ("name".to_owned(), variable(Type::String))])),
    );
    let problem = |it: goyt::engine::expr::ast::Problem| format!("`{}`: {} ({})", expression.get(it.span).unwrap(), it.reason, it.hint);
    let parsed = match parse::parse(expression) {
        Ok(it) => it,
        Err(it) => return problem(it),
    };
    match check::check(&parsed.ast, &Scope { names: fields, facts: Default::default() }) {
        Ok(it) => match it.fallible {
            None => it.of.to_string(),
            Some((span, how)) => format!("{}; `{}` can fail: {how}", it.of, expression.get(span).unwrap()),
        },
        Err(problems) => problems.into_iter().map(problem).collect::<Vec<_>>().join("\n    "),
    }
}

#[test]
fn expressions_have_the_types_of_this_table() {
    let expressions = r#"
true
42
-42
1.50
"a \"quoted\" text"
'single'
null
int + 1
int + 1 * 2 - int2
decimal + 1
2 * decimal
int + decimal
money + money2
money - 1
money * 2
money * decimal
money * money2
money + decimal
-money
-string
string + "x"
time + 1
money > 0
0 <= money
money > 0.0
money > 100
money == 0
money != money2
money < money2
decimal >= 1
decimal == int
string < "b"
bool < true
uuid == "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
uuid == "no uuid"
time < "2025-12-28T10:00:00Z"
list == list
kind == "RED"
kind == "GREN"
"BLUE" != kind
int == null
maybe_int == null
maybe_int + 1
maybe_int != null && maybe_int > 0
maybe_int == null || maybe_int > 0
maybe_int != null || maybe_int > 0
!(maybe_int == null) && maybe_int > 0
!(maybe_int == null || bool) && maybe_int > 0
(maybe_int != null || bool) && maybe_int > 0
maybe_int != null ? maybe_int : 0
maybe_int == null ? maybe_int : 0
maybe_int == 3 && maybe_int > 0
maybe_int == maybe_int2 && maybe_int > 0
bool ? 1 : null
bool ? 1 : 1.5
bool ? 1.5 : 1
bool ? 1 : "a"
int ? 1 : 2
null == null
coalesce(maybe_int, 0)
coalesce(maybe_decimal, 0)
coalesce(maybe_int, maybe_int2)
coalesce(int, 0)
coalesce(maybe_int, "a")
money(decimal, string)
money(decimal, "EUR")
money(decimal, "EURO")
money(1.5, money.currency)
money(1, "EUR")
money("1.5", "EUR")
money(int, "EUR")
zero(string)
zero(money.currency)
zero(maybe_money.currency)
money.amount
money.amonut
int.amount
decimal(string)
decimal("1.50")
decimal("1,5")
decimal(int)
string(int)
string(money)
lower(string)
string.upper()
size(string) > 3
string.startsWith("a") && string.endsWith("b") || string.contains("c")
string.startsWith()
abs(-money)
abs(string)
now()
lowr(string)
unknown
event.nam
event
a
name
event.a.b
int = 1
int & 1
int / 2
int +
(int
int)
int int2
string and bool
1e5
1.
99999999999999999999
1 < 2 < 3
"open
"bad \q"
f(
!int
[1]
int else reject(amount)
int else
int else reject()
decimal(string) else stop
(decimal(string) else stop) + 1
"#;
    let table: String = expressions.trim().lines().map(|it| format!("{it}\n    {}\n", typed(it))).collect();
    insta::assert_snapshot!(table);
}

/// Steps, one case after a line of `# what it shows`, and what is said of each.
fn told(cases: &str) -> String {
    let mut text = String::new();
    for case in cases.split("\n# ").filter(|it| !it.trim().is_empty()) {
        let (what, steps) = case.trim_start_matches(['#', ' ', '\n']).split_once('\n').unwrap();
        text.push_str(&format!("# {what}\n{}\n", mistakes(&with_steps(&format!("{steps}\n")))));
    }
    text
}

#[test]
fn what_was_tested_against_null_can_be_used() {
    insta::assert_snapshot!(told(
        r#"
# by a require
  - require: { id: r, that: event.fromWalletId != null, else: stop }
  - unique: { id: u, by: event.fromWalletId }
# by a filter, as part of a conjunction
  - filter:
      id: f
      that: |
        event.status == "x" && (event.fromWalletId != null && event.toWalletId != null)
  - unique: { id: u, by: [event.fromWalletId, event.toWalletId] }
# not by one side of an `||`
  - filter:
      id: f
      that: event.fromWalletId != null || event.toWalletId != null
  - unique: { id: u, by: event.fromWalletId }
# by both sides of an `||`
  - filter:
      id: f
      that: |
        event.fromWalletId != null && event.status == "x" || event.fromWalletId == 7
  - unique: { id: u, by: event.fromWalletId }
# by a leg's `when`, in that leg only
  - split:
      id: s
      as: leg
      into:
        - { when: event.fromWalletId != null, wallet: event.fromWalletId }
        - { when: event.toWalletId != null, wallet: event.toWalletId }
  - unique: { id: u, by: leg.wallet }
  - unique: { id: v, by: event.fromWalletId }
# by a case, and by the cases before it
  - branch:
      id: b
      cases:
        - when: event.fromWalletId == null
          steps: [{ unique: { id: u1, by: event.fromWalletId } }]
        - otherwise: [{ unique: { id: u2, by: event.fromWalletId } }]
# behind a `key` too
  - require: { id: r, that: event.fromWalletId != null, else: stop }
  - key: { id: k, by: event.fromWalletId }
  - unique: { id: u, by: event.fromWalletId }
# by `? :` and coalesce
  - let:
      id: l
      a: |
        event.fromWalletId == null ? 0 : event.fromWalletId
      b: |
        coalesce(event.toWalletId, 0)
  - unique: { id: u, by: [a, b] }
"#
    ));
}

#[test]
fn what_can_fail_says_what_becomes_of_the_record() {
    insta::assert_snapshot!(told(
        r#"
# a `let` must
  - let:
      id: l
      amount: |
        money(event.amount, event.currency)
# what can't fail must not
  - let: { id: l, next: event.transactionId + 1 else reject(NUMBER) }
# a `require` says it once
  - let: { id: l, twice: event.amount * 2 else reject(AMOUNT) }
  - require: { id: r, that: twice * 2 > 10.0, else: reject(AMOUNT) }
  - require: { id: q, that: twice > 10.0 else stop, else: reject(AMOUNT) }
# elsewhere it can't be
  - filter: { id: f, that: event.amount * 2 > 10.0 }
  - key: { id: k, by: string(event.amount * 2) else stop }
  - emit: { to: out, event: OUT@1, value: { a: event.amount + 1 } }
# behind a `key` nothing is rejected
  - key: { id: k, by: event.transactionId }
  - let: { id: l, a: event.amount * 2 else reject(AMOUNT), b: event.amount * 2, c: event.amount * 3 else stop }
  - require: { id: r, that: a > 0, else: reject(AMOUNT) }
  - require: { id: q, that: a > 0, else: stop }
  - dedup: { id: d, by: event.eventId, window: 1h }
  - dedup: { id: e, by: event.eventId, window: 1h, late: process }
# codes are codes
  - require: { id: r, that: event.amount > 0, else: reject(amount) }
  - require: { id: q, that: event.amount > 0, else: ignore }
  - require: { id: s, that: event.amount > 0 }
"#
    ));
}

#[test]
fn steps_fit_together() {
    insta::assert_snapshot!(told(
        r#"
# operators that are planned
  - window: { id: a }
  - lookup: { id: b }
  - saga: { id: c }
  - timer: { id: d }
  - journal: { id: e }
  - join: { id: f }
# nothing follows a branch
  - branch: { id: b, cases: [{ when: event.amount > 0, steps: [{ filter: { id: f, that: true } }] }] }
  - filter: { id: g, that: true }
# something follows a key
  - key: { id: k, by: event.transactionId }
# keys are of types that have one text
  - key: { id: k, by: event.amount }
  - unique: { id: u, by: event.fromWalletId }
# ids and names mean one thing
  - let: { id: l, total: event.transactionId, event: event.transactionId }
  - allot: { id: l, as: total }
  - split: { id: s, as: total, into: [{ a: 1 }] }
  - aggregate: { id: total, by: event.transactionId, init: { n: 0 }, update: { n: state.n + 1 } }
  - aggregate: { id: by-id, by: event.transactionId, init: { n: 0 }, update: { n: state.n + 1 } }
# legs are alike
  - split:
      id: s
      as: leg
      into:
        - { a: 1, b: event.fromWalletId, c: event.amount }
        - { a: "x", b: 7, c: 1 }
        - { a: 2, b: null, d: 3 }
  - unique: { id: u, by: leg.b }
# the state's types are those of `init`
  - aggregate: { id: sums, by: event.transactionId, init: { n: 0, sum: 0.0, last: null }, update: { n: state.sum, sum: state.sum + event.amount else stop, lst: 1 } }
  - unique: { id: u, by: sums.m }
# state is known in `update` only
  - aggregate: { id: sums, by: event.transactionId, init: { n: state.n }, update: { n: sums.n } }
# cases by event
  - branch:
      id: b
      cases:
        - { event: TRANSACTION_COMPLETED@1, steps: [{ filter: { id: f, that: true } }] }
        - { event: TRANSACTION_COMPLETED@1, steps: [{ filter: { id: g, that: true } }] }
        - { event: TRANSACTION_FAILED@1, steps: [{ filter: { id: h, that: true } }] }
        - otherwise: [{ filter: { id: i, that: true } }]
        - { when: true, steps: [{ filter: { id: j, that: true } }] }
# four splits
  - split: { id: s1, as: a, into: [{ x: 1 }] }
  - split: { id: s2, as: b, into: [{ x: 1 }] }
  - split: { id: s3, as: c, into: [{ x: 1 }] }
  - split: { id: s4, as: d, into: [{ x: 1 }] }
# keys of steps
  - filter: { id: f, tat: true }
  - filter: [1]
  - filter:
  - emit: { id: e, to: out, event: OUT@1, valeu: { a: 1 } }
  - { filter: { id: g, that: true }, emit: { to: out } }
  - {}
  - text
"#
    ));
}

#[test]
fn emitted_events_are_what_their_schema_says() {
    insta::assert_snapshot!(told(
        r#"
# fields
  - let:
      id: l
      amount: |
        money(event.amount, "EUR")
  - emit:
      to: balance-events
      event: BALANCE_UPDATED@1
      key: [event.transactionId, event.eventId]
      value:
        eventId: event.eventId
        walletId: event.fromWalletId
        transactionID: event.transactionId
        delta: amount
        balance: event.transactionId
        currency: "euro"
        sequence: 0
# objects
  - emit:
      to: wallet-events
      event: WALLET_CREATED@1
      value:
        walletId: 1
        customerId: "1"
        userId: event.transactionId
        currency: "EUR"
        status: "SLEEPING"
        limits: { daily: "1,5", monthly: { a: 1 }, yearly: 1 }
  - emit: { id: e, to: wallet-events, event: WALLET_CREATED@1, value: { limits: "none", status: [1] } }
# without a schema anything goes but money and lists
  - let:
      id: l
      amount: |
        money(event.amount, "EUR")
  - emit: { to: out, event: OUT@1, value: { a: event.fromWalletId, b: null, c: { d: "x" }, e: amount, f: [1] } }
# two steps that emit to one topic
  - emit: { to: out, event: OUT@1, value: { a: 1 } }
  - emit: { to: out, event: OUT@1, value: { a: 1 } }
# topics of the engine's own, and circles
  - emit: { id: a, to: transaction-events.dlq, event: OUT@1, value: { a: 1 } }
  - emit: { id: b, to: transaction-events, event: OUT@1, value: { a: 1 } }
  - emit: { id: c, to: a/b, event: OUT@1, value: { a: 1 } }
"#
    ));
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
fn the_plan_does_not_depend_on_the_order_of_the_files() {
    let (mut topologies, mut events) = (files("topologies", "yaml"), shipped_events());
    topologies.reverse();
    events.reverse();
    assert_eq!(plan("goyt", &Sources { topologies, events }).unwrap(), shipped().unwrap());
}

#[test]
fn topics_are_what_they_are_for() {
    let plan = shipped().unwrap();
    let name = |it: Option<goyt::engine::record::TopicId>| it.map_or("-", |it| &plan.topics[usize::from(it.0)].name);
    let topics: String = plan.topics.iter().map(|it| format!("{}: {:?}, like {}\n", it.name, it.role, name(it.like))).collect();
    insta::assert_snapshot!(topics);
}

/// The subtopology of a plan by its name.
fn part<'p>(plan: &'p Plan, name: &str) -> &'p goyt::engine::plan::Subtopology {
    plan.subtopologies.iter().find(|it| it.name == name).unwrap()
}

#[test]
fn only_what_is_used_behind_a_key_crosses_it() {
    use goyt::engine::plan::Decode;
    use goyt::engine::value::Type;
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
    use goyt::engine::plan::Decode;
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
fn ids_of_derived_events_are_of_the_topology_and_the_step() {
    use goyt::engine::plan::Operator;
    let plan = shipped().unwrap();
    let mut spaces = Vec::new();
    for part in &plan.subtopologies {
        for step in &part.steps {
            if let Operator::Emit(emit) = &step.operator {
                spaces.push(format!("{}/{} {:032x}", part.topology, step.id, emit.namespace));
            }
        }
    }
    // These must never change: a replay would yield other ids.
    insta::assert_snapshot!(spaces.join("\n"));
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
