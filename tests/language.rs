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
