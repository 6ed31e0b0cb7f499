//! The topology language from the outside: what files become, and what is said of their mistakes.

#![expect(clippy::unwrap_used, reason = "in a test, what can't be is a failure")]

mod docs;
mod expressions;
mod mistakes;
mod plans;
mod rules;

use std::fs;
use std::path::Path;

use goyt::engine::plan::Plan;
use goyt::engine::topology::{Mistake, Sources, plan};

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

/// The mistakes of one topology that reads the shipped events.
fn mistakes(topology: &str) -> String {
    let sources = Sources { topologies: vec![("t.yaml".to_owned(), topology.to_owned())], events: shipped_events() };
    plan("goyt", &sources).map_or_else(|it| listed(&it), |_| "none\n".to_owned())
}

/// A topology of these steps, which begin in line 4.
fn with_steps(steps: &str) -> String {
    format!("topology: t\ninputs: [{{ topic: transaction-events, events: [TRANSACTION_COMPLETED@1] }}]\nsteps:\n{steps}")
}
