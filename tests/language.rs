//! The topology language from the outside: what files become, and what is said of their mistakes.

use std::fs;
use std::path::Path;

use goyt::engine::plan::Plan;
use goyt::engine::topology::{Mistake, Sources, describe, plan};

/// The files of a folder with an extension, as (name, text), sorted.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut paths: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap().map(|it| it.unwrap().path()).collect();
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
