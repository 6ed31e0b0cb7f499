//! The results of topology tests as text and as JSON.

use serde_json::json;

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// The test's name.
    pub name: String,
    /// The line in which it begins.
    pub line: usize,
    /// What differed; none: it has passed.
    pub differences: Vec<String>,
}

/// The results of a file for people: a line a test, and below those that failed what differed.
#[must_use]
pub fn lines(file: &str, results: &[CaseResult]) -> Vec<String> {
    let mut lines = vec![file.to_owned()];
    for result in results {
        if result.differences.is_empty() {
            lines.push(format!("  ok      {}", result.name));
        } else {
            lines.push(format!("  FAILED  {} (line {})", result.name, result.line));
            lines.extend(result.differences.iter().map(|it| format!("            {it}")));
        }
    }
    lines
}

/// The results of a file for programs.
#[must_use]
pub fn to_json(file: &str, results: &[CaseResult]) -> serde_json::Value {
    let one = |it: &CaseResult| json!({ "name": it.name, "line": it.line, "ok": it.differences.is_empty(), "differences": it.differences });
    json!({ "file": file, "tests": results.iter().map(one).collect::<Vec<_>>() })
}
