//! `goyt demo`: what it shows, and that it fails when figures differ.

use std::fs;
use std::path::Path;
use std::process::Output;

use super::{copy_of_topologies, goyt, root, shown};

/// The shipped scenario, played in a folder with 2,000 events.
fn play(folder: &Path) -> Output {
    goyt(folder, &["demo", "--events", "2000", "--set", "http.address=127.0.0.1:0"], &[])
}

/// The shipped topologies, and their scenario with a change.
fn scenario_with(from: &str, to: &str) -> tempfile::TempDir {
    let folder = copy_of_topologies();
    let path = folder.path().join("topologies/demo/wallet-platform.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    folder
}

#[test]
fn the_demo_shows_what_came_of_its_scenario_and_that_its_figures_are_equal() {
    let output = play(root());
    let text = shown(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        "the first 5 of 100",
        "TOO_OLD          3  timestamp: ",
        "WRONG_TYPE       3  amount: 12.5",
        "=  balances: last balance on balance-events: all 299 equal",
        "=  balances: balance in store transaction-balance.balances: all 299 equal",
        "=  dead letters: number by topic and reason: all 12 equal",
        "All 1,210 figures are equal.",
        "make demo-kafka",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains('\x1b'), "no colours where nobody watches: {text}");
}

#[test]
fn the_demo_fails_and_says_where_when_figures_differ() {
    let missing = scenario_with("      - { records: transfer, key: [fromWalletId, currency], subtract: amount }\n", "");
    let text = shown(&play(missing.path()));
    assert!(text.starts_with("exit 1\n"), "{text}");
    for part in
        ["≠  balances: last balance on balance-events: ", "(topologies/demo/wallet-platform.yaml:161)", "expected ", "comparisons differ."]
    {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let other_reason = scenario_with("reason: MISSING_FIELD", "reason: WRONG_FORMAT");
    let text = shown(&play(other_reason.path()));
    assert!(text.contains("user-events MISSING_FIELD: expected nothing, found 3"), "{text}");
    assert!(text.contains("user-events WRONG_FORMAT: expected 3, found nothing"), "{text}");
}

#[test]
fn the_same_seed_makes_the_same_figures() {
    let moved = |seed: &str| {
        let output = goyt(root(), &["demo", "--events", "500", "--seed", seed, "--set", "http.address=127.0.0.1:0"], &[]);
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = text.lines().skip_while(|it| !it.starts_with("What moved")).skip(1).take_while(|it| !it.is_empty());
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(moved("7"), moved("7"));
    assert_ne!(moved("7"), moved("8"));
}

#[test]
fn mistakes_in_a_scenario_are_shown_in_its_text_with_what_to_do() {
    let folder = copy_of_topologies();
    let text = "\
scenario: told
events: many
stages:
  - stage: one
    records:
      - name: registration
        topic: user-event
        key: userid
        value: { userId: { text: \"user-{cuont}\" }, at: yesterday, age: { integer: [9, 1] } }
        broken:
          - { name: nothing, reason: NOT_JSON }
tallies:
  - tally: customers
    made-of: [{ records: registrations, count: 1 }]
    compare: [{ store: user-customer.user, value: n }, { topic: customer-events }]
";
    fs::write(folder.path().join("told.yaml"), text).unwrap();
    insta::assert_snapshot!(shown(&goyt(folder.path(), &["demo", "--scenario", "told.yaml"], &[])));
    let several = goyt(folder.path(), &["demo", "told"], &[]);
    assert_eq!(several.status.code(), Some(78), "{}", shown(&several));
}
