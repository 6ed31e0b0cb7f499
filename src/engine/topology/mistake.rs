//! Mistakes in files: each with its place, what is wrong and what to do, gathered so that all are told at once.

use std::fmt;
use std::ops::Range;

/// Bytes of a file's text.
pub type Span = Range<usize>;

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
    pub span: Span,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}\n  hint: {}", self.file, self.line, self.column, self.reason, self.hint)
    }
}

/// Most mistakes of a file that are told: more help no one.
const MISTAKES_MAX: usize = 100;

/// The mistakes of one file, while it is read and checked.
#[derive(Debug)]
pub struct Mistakes<'s> {
    file: &'s str,
    text: &'s str,
    found: Vec<Mistake>,
}

impl<'s> Mistakes<'s> {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// None yet, of this file.
    #[must_use]
    pub fn of(file: &'s str, text: &'s str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// The file's path.
    #[must_use]
    pub fn file(&self) -> &'s str {
        self.file
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> &'s str {
        self.text
    }

    /// Notes a mistake. The same place is blamed once: what follows from a mistake is seldom worth telling.
    pub fn add(&mut self, span: Span, reason: impl Into<String>, hint: impl Into<String>) {
        if MISTAKES_MAX <= self.found.len() || self.found.iter().any(|it| it.span == span) {
            return;
        }
        let (line, column) = line_and_column(self.text, span.start);
        self.found.push(Mistake { file: self.file.to_owned(), line, column, span, reason: reason.into(), hint: hint.into() });
    }

    /// All of them, in the order of their places.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Mistake> {
        self.found.sort_by_key(|it| (it.span.start, it.span.end));
        self.found
    }
}

/// Line and column, from 1, of a byte of a text.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |it| it + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}
