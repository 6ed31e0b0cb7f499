//! Each class becomes what its table says; bad records go through the product's own worker, with good ones behind them.

use std::collections::BTreeMap;

use goyt::adapters::memory::driver::TopologyDriver;
use goyt::adapters::memory::partition::Content;
use goyt::engine::expr::{check, parse};
use goyt::engine::topology::{Sources, plan};

use crate::classes::{Class, others, records};
use crate::targets::{self, NOW};

fn report(differences: &[String]) {
    assert!(differences.is_empty(), "\n{}\n", differences.join("\n"));
}

fn content(value: Option<Vec<u8>>) -> Content {
    Content { key: Some(b"k".to_vec()), value, headers: Vec::new(), timestamp: NOW }
}

/// The corpus in one partition, a good record behind each class: by offset, the outcome of each record.
fn through_a_worker(classes: &[Class]) -> (Vec<String>, BTreeMap<i64, Vec<String>>) {
    let driver = TopologyDriver::new(targets::record::bad(), 1, NOW);
    let append = |value: Option<Vec<u8>>| driver.cluster.append("in", Some(0), content(value)).is_ok();
    let mut taken = Vec::new();
    for (number, it) in classes.iter().enumerate() {
        let value = it.bytes.as_ref().map(|it| records::numbered(it, number));
        taken.push(if append(value) { "taken" } else { "refused by the broker" }.to_owned());
        assert!(append(Some(records::numbered(records::good().as_bytes(), 1_000 + number))));
    }
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    let mut outcomes: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for letter in driver.cluster.read_all("in.dlq").unwrap() {
        let header = |name: &str| {
            let value = letter.content.headers.iter().find(|it| it.0 == name).and_then(|it| it.1.clone());
            value.map(|it| String::from_utf8(it).unwrap()).unwrap_or_default()
        };
        let outcome = format!("{} {}", header("goyt.reason"), header("goyt.path"));
        outcomes.entry(header("__streams.errors.offset").parse().unwrap()).or_default().push(outcome);
    }
    (taken, outcomes)
}

#[test]
fn each_bad_record_is_one_dead_letter_or_its_outputs_and_the_next_ones_are_processed() {
    let classes = records::all();
    let (taken, letters) = through_a_worker(&classes);
    let mut differences = Vec::new();
    let mut offset = 0;
    for (it, taken) in classes.iter().zip(&taken) {
        let found = match (taken.as_str(), letters.get(&offset).map(Vec::as_slice)) {
            ("taken", Some([one])) => one.clone(),
            ("taken", Some(many)) => format!("{} dead letters", many.len()),
            ("taken", None) => "no dead letter".to_owned(),
            (refused, _) => refused.to_owned(),
        };
        let wanted = if ["out", "passed by"].contains(&it.becomes.as_str()) { "no dead letter" } else { &it.becomes };
        if found != wanted {
            differences.push(format!("{}: {found}, not {}", it.name, it.becomes));
        }
        offset += i64::from(taken == "taken");
        assert_eq!(letters.get(&offset), None, "the good record behind {}", it.name);
        offset += 1;
    }
    report(&differences);
}

#[test]
fn the_targets_hold_for_all_classes() {
    let bytes = |it: Class| it.bytes;
    records::all().into_iter().filter_map(bytes).for_each(|it| targets::record::run(&it));
    others::topologies().into_iter().filter_map(bytes).for_each(|it| targets::topology::run(&it));
    others::expressions().into_iter().filter_map(bytes).for_each(|it| targets::expression::run(&it));
    others::stored().into_iter().filter_map(bytes).for_each(|it| targets::codec::run(&it));
    others::requests().into_iter().filter_map(bytes).for_each(|it| targets::http::run(&it));
}

#[test]
fn bad_files_are_told_with_their_place() {
    let mut differences = Vec::new();
    for it in others::topologies() {
        let text = String::from_utf8(it.bytes.unwrap()).unwrap();
        let events = vec![("E@1.json".to_owned(), targets::record::SCHEMA.to_owned())];
        let sources = Sources { topologies: vec![("t.yaml".to_owned(), text)], events };
        let found = match plan("app", &sources) {
            Ok(_) => "plan".to_owned(),
            Err(mistakes) => format!("{}:{} {}", mistakes[0].line, mistakes[0].column, mistakes[0].reason),
        };
        if found != it.becomes {
            differences.push(format!("{}: {}", it.name, found.chars().take(200).collect::<String>()));
        }
    }
    report(&differences);
}

#[test]
fn bad_expressions_are_told() {
    let mut differences = Vec::new();
    for it in others::expressions() {
        let text = String::from_utf8(it.bytes.unwrap()).unwrap();
        let found = match parse::parse(&text).map_err(|it| vec![it]).and_then(|it| check::check(&it.ast, &targets::expression::scope())) {
            Ok(checked) => checked.of.to_string(),
            Err(problems) => problems[0].reason.clone(),
        };
        if found != it.becomes {
            differences.push(format!("{}: {}", it.name, found.chars().take(200).collect::<String>()));
        }
    }
    report(&differences);
}

#[test]
fn bad_requests_are_answered() {
    let mut differences = Vec::new();
    for it in others::requests().into_iter().filter(|it| !it.becomes.is_empty()) {
        let answer = targets::http::ask(&it.bytes.unwrap());
        let found = answer.map_or_else(|| "closed".to_owned(), |it| format!("{} {}", it.status, String::from_utf8_lossy(&it.body)));
        if found.split(' ').next() != Some(it.becomes.as_str()) {
            differences.push(format!("{}: {found}, not {}", it.name, it.becomes));
        }
    }
    report(&differences);
}

#[test]
fn the_corpus_has_at_least_24_classes_with_names_of_their_own() {
    for classes in [records::all(), others::topologies(), others::expressions(), others::stored(), others::requests()] {
        let mut names: Vec<&str> = classes.iter().map(|it| it.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), classes.len());
        assert!(24 <= names.len(), "{}", names.len());
    }
}
