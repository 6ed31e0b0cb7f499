//! Mistakes in files as text: the place, the lines around it, what is wrong and what to do.

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};
use serde_json::json;

use crate::engine::topology::Mistake;

/// The mistakes for people, with the lines of the files that they are in, and their number at the end.
#[must_use]
pub fn render(mistakes: &[Mistake], texts: &[(String, String)], coloured: bool) -> String {
    let theme = if coloured { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    // A fixed width: the text is the same in a terminal, in a file and in a test.
    let handler = GraphicalReportHandler::new_themed(theme).with_width(120).with_links(false);
    let mut text = String::new();
    for mistake in mistakes {
        let source = texts.iter().find(|(file, _)| *file == mistake.file).map_or("", |(_, text)| text.as_str());
        let shown = handler.render_report(&mut text, report(mistake, source).as_ref());
        // A place outside of the text can't be shown, but the mistake still is.
        if shown.is_err() || source.is_empty() {
            text.push_str(&format!("{}:{}:{}: {}\n  help: {}\n", mistake.file, mistake.line, mistake.column, mistake.reason, mistake.hint));
        }
        text.push('\n');
    }
    let files = mistakes.iter().map(|it| it.file.as_str()).collect::<std::collections::BTreeSet<_>>().len();
    text + &format!("{} in {}", count(mistakes.len(), "mistake"), count(files, "file"))
}

/// The mistakes for programs.
#[must_use]
pub fn to_json(mistakes: &[Mistake]) -> serde_json::Value {
    let one = |it: &Mistake| json!({ "file": it.file, "line": it.line, "column": it.column, "reason": it.reason, "hint": it.hint });
    mistakes.iter().map(one).collect()
}

fn report(mistake: &Mistake, source: &str) -> Report {
    let span = miette::SourceSpan::from(mistake.span.clone());
    let diagnostic = MietteDiagnostic::new(&mistake.reason).with_help(mistake.hint.clone()).with_label(LabeledSpan::underline(span));
    Report::new(diagnostic).with_source_code(NamedSource::new(&mistake.file, source.to_owned()))
}

/// `1 file`, `2 files`.
#[must_use]
pub fn count(n: usize, of: &str) -> String {
    // "topology" → "topologies"; all others take an s.
    match (n, of.strip_suffix('y')) {
        (1, _) => format!("1 {of}"),
        (n, Some(stem)) => format!("{n} {stem}ies"),
        (n, None) => format!("{n} {of}s"),
    }
}
