//! Topology files: from text to a checked plan, or to all mistakes at once.

use std::ops::Range;

use crate::engine::plan::Plan;

/// The files of an application.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Topologies: path and text.
    pub topologies: Vec<(String, String)>,
    /// Event schemas: path and text.
    pub events: Vec<(String, String)>,
}

/// A mistake in one of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file's path.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The bytes of the text that are meant.
    pub span: Range<usize>,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

/// The plan of an application.
///
/// # Errors
/// All mistakes in all files.
pub fn plan(application_id: &str, sources: &Sources) -> Result<Plan, Vec<Mistake>> {
    let _ = sources;
    Ok(Plan { application_id: application_id.to_owned(), topics: Vec::new(), subtopologies: Vec::new() })
}
