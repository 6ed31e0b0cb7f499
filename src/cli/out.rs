//! The one place that writes to stdout and stderr: data goes to stdout, all else to stderr.

use std::io::{self, IsTerminal as _, Write as _};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// JSON, for programs.
    Json,
}

/// Writes a line of data. A reader that has gone away, as in `| head`, is no error.
pub fn data(line: &str) {
    drop(writeln!(io::stdout().lock(), "{line}"));
}

/// Writes a line of data that more follow; whether anybody still reads.
pub fn stream(line: &str) -> bool {
    writeln!(io::stdout().lock(), "{line}").is_ok()
}

/// Writes data over what stood there; where stdout is no terminal, below it.
pub fn redraw(text: &str) {
    let clear = if io::stdout().is_terminal() { "\u{1b}[H\u{1b}[2J" } else { "" };
    drop(writeln!(io::stdout().lock(), "{clear}{text}"));
}

/// Writes a line to whoever is watching.
pub fn say(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Whether stderr takes colours.
#[must_use]
pub fn coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

/// Whether somebody watches stderr.
#[must_use]
pub fn watched() -> bool {
    io::stderr().is_terminal()
}

/// How a piece of data stands out on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A heading.
    Strong,
    /// Less important than the rest.
    Faint,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
}

/// A piece of data in a style, where stdout takes colours.
#[must_use]
pub fn styled(style: Style, text: &str) -> String {
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty()) {
        return text.to_owned();
    }
    let code = match style {
        Style::Strong => 1,
        Style::Faint => 2,
        Style::Good => 32,
        Style::Bad => 31,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Rows under a heading, in columns.
#[must_use]
pub fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let all = || std::iter::once(&heading).chain(rows);
    let mut widths = [0; N];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".into(), "1".into(), String::new()], ["longer".into(), "1000".into(), "end".into()]];
        insta::assert_snapshot!(table(["name", "n", "note"], &rows), @r"
        name    n     note
        a       1
        longer  1000  end
        ");
    }
}
