//! Explains YAML's syntax errors: nearly always an expression stands where YAML stumbles over its signs.

use super::mistake::Span;

/// What to do with an expression that YAML can't read as it stands.
pub const BLOCK: &str = "if it is an expression, put it into a block: `|` behind its key, and the expression, indented, in the next line; \
                         inside `{ … }` there are no blocks: write one key a line there";

/// The place, the reason and the hint for a syntax error at a byte of the text.
#[must_use]
pub fn explain(text: &str, at: usize, info: &str) -> (Span, String, String) {
    let start = text.get(..at).and_then(|it| it.rfind('\n')).map_or(0, |it| it + 1);
    let line = text.get(start..).and_then(|it| it.lines().next()).unwrap_or_default();
    let end = (start + line.len()).max(at);
    let value = line.split_once(": ").map_or(line, |(_, value)| value).trim();
    let hint = if line.trim_start_matches(' ').starts_with('\t') {
        "indent with spaces: YAML does not allow tabs".to_owned()
    } else if line.contains(" ? ") {
        format!("`? :` is not read as text by YAML; {BLOCK}")
    } else if info.contains("end of stream") {
        "close the quote that begins here".to_owned()
    } else if info.contains("flow mapping") || info.contains("flow sequence") {
        "close each `{` and `[`, and separate what stands between them by commas".to_owned()
    } else if value.contains(": ") {
        format!("`: ` inside a value begins another key in YAML; {BLOCK}")
    } else if value.starts_with(['!', '&', '*', '%', '@', '`', '-', '"', '\'']) {
        format!("a value that begins with `{}` is not read as text by YAML; {BLOCK}", value.chars().next().unwrap_or(' '))
    } else if info.contains("mapping") || info.contains("simple key") || info.contains("expected ':'") {
        "check the indentation of this line and the one before; each key is followed by `: `".to_owned()
    } else {
        format!("check brackets, quotes and indentation here; {BLOCK}")
    };
    (at.min(end)..end, format!("this is not YAML: {info}"), hint)
}
