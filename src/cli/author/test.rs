//! `goyt test`: runs the test files of topologies, in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::topology_test::report::{self, CaseResult};
use crate::cli::topology_test::run::run_case;
use crate::cli::topology_test::{Case, TestFile, compare, file, invariants};
use crate::cli::{Output, Paths, mistakes, out, sources, texts};
use crate::engine::plan::Plan;
use crate::engine::topology::{self, Sources};
use crate::sim::invariants::Invariant;

/// Run the tests of the topologies, in memory
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt test                                runs topologies/tests/*.yaml
  goyt test topologies/tests/shop.yaml     runs this file
  goyt test --only duplicate               runs the tests that have this in their name

How a test file is written: docs/topology-tests.md. Exit code 1 when a test fails, 78 with mistakes in a file.")]
pub struct Test {
    #[command(flatten)]
    paths: Paths,
    /// Run only tests with this in their name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// The folder of the test files, beside the topologies.
pub(super) const TESTS: &str = "tests";

/// The application's name in a test; it stands in no record that a test sees.
const APPLICATION: &str = "test";

impl Test {
    /// Runs the tests.
    ///
    /// # Errors
    /// Files that can't be read, and mistakes in them.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let default = vec![PathBuf::from(sources::DEFAULT_PATH)];
        let paths = if self.paths.paths.is_empty() { &default } else { &self.paths.paths };
        let mut files = Vec::new();
        for path in paths {
            files.extend(test_files(path)?);
        }
        let (mut passed, mut failed) = (0, 0);
        for path in &files {
            let results = self.run_file(path)?;
            failed += results.iter().filter(|it| !it.differences.is_empty()).count();
            passed += results.iter().filter(|it| it.differences.is_empty()).count();
            let shown = path.display().to_string();
            match self.output.output {
                out::Format::Text => report::lines(&shown, &results).iter().for_each(|it| out::data(it)),
                out::Format::Json => out::data(&report::to_json(&shown, &results).to_string()),
            }
        }
        match self.output.output {
            out::Format::Text => out::data(&format!("{passed} passed, {failed} failed")),
            out::Format::Json => out::data(&json!({ "passed": passed, "failed": failed }).to_string()),
        }
        if passed + failed == 0 {
            return Err(Failure::new(Exit::FAILED, "there was no test to run"));
        }
        Ok(if failed == 0 { Exit::OK } else { Exit::FAILED })
    }

    fn run_file(&self, path: &Path) -> Result<Vec<CaseResult>, Failure> {
        let (shown, text) = (path.display().to_string(), fs::read_to_string(path).map_err(|it| sources::unreadable(path, &it))?);
        let refused = |found: Vec<topology::Mistake>, texts: &[(String, String)]| {
            Failure::new(Exit::CONFIGURATION, mistakes::render(&found, texts, out::coloured()))
        };
        let test = file::read(&shown, &text).map_err(|it| refused(it, &[(shown.clone(), text.clone())]))?;
        let sources = sources_of(path, &test)?;
        let plan = Arc::new(topology::plan(APPLICATION, &sources).map_err(|it| refused(it, &texts(&sources)))?);
        let invariants = invariants::read(&shown, &text, &plan).map_err(|it| refused(it, &[(shown.clone(), text.clone())]))?;
        let chosen = test.cases.iter().filter(|case| self.only.as_ref().is_none_or(|it| case.name.contains(it)));
        Ok(chosen
            .map(|case| CaseResult { name: case.name.clone(), line: case.line, differences: differences(&plan, case, &invariants) })
            .collect())
    }
}

fn differences(plan: &Arc<Plan>, case: &Case, invariants: &[Invariant]) -> Vec<String> {
    match run_case(plan, case) {
        Ok(outcome) => {
            let mut found = compare::differences(case, &outcome);
            // A task that stopped has left its work half done, and that is told already.
            if outcome.stopped.is_none() {
                found.extend(invariants.iter().flat_map(|it| it.violations(&outcome.facts)));
            }
            found
        }
        Err(why) => vec![why],
    }
}

/// The test files of a path: of a folder those in its `tests`, of a topology the one of its name, of a test file itself.
pub(super) fn test_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_dir() {
        let tests = path.join(TESTS);
        let folder = if tests.is_dir() { tests } else { path.to_owned() };
        return sources::files(&folder, &["yaml", "yml"]);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let is_test = folder.file_name().is_some_and(|it| it == TESTS);
    let test = path.file_name().map(|it| folder.join(TESTS).join(it));
    Ok(vec![test.filter(|_| !is_test).unwrap_or_else(|| path.to_owned())])
}

/// The topologies that a test file names, from the folder above its own.
fn sources_of(path: &Path, test: &TestFile) -> Result<Sources, Failure> {
    let folder = path.parent().and_then(Path::parent).map_or_else(|| PathBuf::from(".."), Path::to_owned);
    let files: Vec<PathBuf> = test.topologies.iter().map(|it| folder.join(format!("{it}.yaml"))).collect();
    if files.is_empty() {
        return Err(Failure::new(
            Exit::CONFIGURATION,
            format!("{}: names no topology\n  hint: write `topologies: [name]`", path.display()),
        ));
    }
    sources::read(&files)
}
