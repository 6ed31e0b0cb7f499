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

/// A record that says in a header which one it is: what comes of it says so, too.
fn record(name: &str, value: Option<Vec<u8>>) -> Content {
    Content { key: Some(b"k".to_vec()), value, headers: vec![("class".to_owned(), Some(name.into()))], timestamp: NOW }
}

/// The good record that stands behind the one of this number.
fn next(number: usize) -> Content {
    record(&format!("behind {number}"), Some(records::numbered(records::good().as_bytes(), 1_000 + number)))
}

/// What became of records in one partition, by their names: each output and each dead letter.
fn outcomes(records: Vec<Content>) -> BTreeMap<String, Vec<String>> {
    let driver = TopologyDriver::new(targets::record::bad(), 1, NOW);
    let mut outcomes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for it in records {
        let name = header(&it, "class");
        if driver.cluster.append("in", Some(0), it).is_err() {
            outcomes.entry(name).or_default().push("refused by the broker".to_owned());
        }
    }
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    for it in driver.cluster.read_all("out").unwrap() {
        outcomes.entry(header(&it.content, "class")).or_default().push("out".to_owned());
    }
    for it in driver.cluster.read_all("in.dlq").unwrap() {
        let outcome = format!("{} {}", header(&it.content, "goyt.reason"), header(&it.content, "goyt.path"));
        outcomes.entry(header(&it.content, "class")).or_default().push(outcome);
    }
    outcomes
}

fn header(of: &Content, name: &str) -> String {
    let value = of.headers.iter().find(|it| it.0 == name).and_then(|it| it.1.clone());
    value.map(|it| String::from_utf8(it).unwrap()).unwrap_or_default()
}

#[test]
fn each_bad_record_is_one_dead_letter_or_its_outputs_and_the_next_ones_are_processed() {
    let classes = records::all();
    let numbered = |number: usize, it: &Class| record(&it.name, it.bytes.as_ref().map(|it| records::numbered(it, number)));
    let all = classes.iter().enumerate().flat_map(|(number, it)| [numbered(number, it), next(number)]).collect();
    let found = outcomes(all);
    let mut differences = Vec::new();
    for (number, it) in classes.iter().enumerate() {
        let became = found.get(&it.name).map(Vec::as_slice).unwrap_or_default().join(", ");
        let wanted = if it.becomes == "passed by" { "" } else { &it.becomes };
        if became != wanted {
            differences.push(format!("{}: {became}, not {wanted}", it.name));
        }
        let behind = &found[&format!("behind {number}")];
        if behind != &["out"] {
            differences.push(format!("the good record behind {}: {behind:?}", it.name));
        }
    }
    report(&differences);
}

/// A dead letter carries more than the record that it is of: what leaves no room for that goes without it.
#[test]
fn keys_and_headers_of_any_kind_hold_nothing_up() {
    let good = || Some(records::numbered(records::good().as_bytes(), 1));
    let bad = || Some(b"no event".to_vec());
    let most = records::RECORD_BYTES_MAX - 60;
    let with = |name: &str, value: Option<Vec<u8>>, change: &dyn Fn(&mut Content)| {
        let mut content = record(name, value);
        change(&mut content);
        content
    };
    let spoofed = |it: &mut Content| {
        it.headers.push(("goyt.path".to_owned(), Some(b"/spoofed".to_vec())));
        it.headers.push(("".to_owned(), None));
    };
    let records = vec![
        with("no key", bad(), &|it| it.key = None),
        with("an empty key", bad(), &|it| it.key = Some(Vec::new())),
        with("a key of invalid UTF-8", bad(), &|it| it.key = Some(vec![0xFF, 0])),
        with("a thousand headers", bad(), &|it| it.headers.extend((0..1_000).map(|n| (format!("h{n}"), None)))),
        with("headers of our own names", good(), &spoofed),
        with("a key of 1 MB", bad(), &|it| it.key = Some(vec![b'k'; most])),
        with("headers of 1 MB", bad(), &|it| it.headers.push(("h".to_owned(), Some(vec![b'h'; most])))),
        with("a timestamp before 1970", bad(), &|it| it.timestamp = -1),
        with("the greatest timestamp", bad(), &|it| it.timestamp = i64::MAX),
        next(0),
    ];
    let found = outcomes(records);
    for (name, wanted) in [
        ("no key", "NOT_JSON "),
        ("an empty key", "NOT_JSON "),
        ("a key of invalid UTF-8", "NOT_JSON "),
        ("a thousand headers", "NOT_JSON "),
        ("headers of our own names", "out"),
        // A key or headers of 1 MB: nothing of the record is left but where it stood.
        ("", "REFUSED_OUTPUT , REFUSED_OUTPUT "),
        ("a timestamp before 1970", "NOT_JSON "),
        ("the greatest timestamp", "NOT_JSON "),
        ("behind 0", "out"),
    ] {
        assert_eq!(found.get(name).map(|it| it.join(", ")).as_deref(), Some(wanted), "{name}: {found:?}");
    }
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
