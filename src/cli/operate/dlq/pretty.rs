//! A record's value for people: JSON in lines, as it was written, with an arrow at the place that failed; all else escaped.

use serde::de::IgnoredAny;

/// The lines of a value; `path` is the JSON pointer of the failure, empty for none.
pub(super) fn value(bytes: &[u8], path: &str, reason: &str) -> Vec<String> {
    let json = std::str::from_utf8(bytes).ok().filter(|it| serde_json::from_str::<IgnoredAny>(it).is_ok());
    let Some(json) = json else { return vec![escaped(bytes)] };
    let mut printer = Printer { rest: json, lines: Vec::new(), line: String::new(), wanted: path, marked: None };
    printer.value("", 0);
    printer.end_line();
    let Printer { mut lines, marked, .. } = printer;
    if let (false, Some((found, index))) = (path.is_empty(), marked)
        && let Some(line) = lines.get_mut(index)
    {
        // A missing field is shown at the object that lacks it.
        let what = if found == path.len() { reason.to_owned() } else { format!("{reason} {path}") };
        line.push_str(&format!("    ◀── {what}"));
    }
    lines
}

/// Bytes as text; what is no text or would disturb a terminal as `\xff`.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for it in chunk.valid().chars() {
            match it.is_control() {
                true => text.extend(it.escape_default()),
                false => text.push(it),
            }
        }
        chunk.invalid().iter().for_each(|it| text.push_str(&format!("\\x{it:02x}")));
    }
    text
}

/// Prints valid JSON; tokens stay as they were written.
struct Printer<'a> {
    rest: &'a str,
    lines: Vec<String>,
    line: String,
    wanted: &'a str,
    /// The longest pointer found on the way to the wanted one, by its length, and the line in which its value begins.
    marked: Option<(usize, usize)>,
}

impl Printer<'_> {
    fn value(&mut self, pointer: &str, depth: usize) {
        let on_the_way = self.wanted.strip_prefix(pointer).is_some_and(|it| it.is_empty() || it.starts_with('/'));
        if on_the_way && self.marked.is_none_or(|(length, _)| length < pointer.len()) {
            self.marked = Some((pointer.len(), self.lines.len()));
        }
        match self.peek() {
            Some('{') => self.items('}', depth, |printer, _| {
                let name = printer.string();
                printer.line.push_str(": ");
                printer.take(':');
                let name = serde_json::from_str::<String>(&name).unwrap_or(name);
                printer.value(&format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), depth + 1);
            }),
            Some('[') => self.items(']', depth, |printer, index| printer.value(&format!("{pointer}/{index}"), depth + 1)),
            Some('"') => drop(self.string()),
            _ => {
                let end = self.rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(self.rest.len());
                let (token, rest) = self.rest.split_at(end);
                self.line.push_str(token);
                self.rest = rest;
            }
        }
    }

    fn items(&mut self, close: char, depth: usize, mut item: impl FnMut(&mut Self, usize)) {
        if let Some(open) = self.peek() {
            self.take(open);
            self.line.push(open);
        }
        let mut index = 0;
        while self.peek().is_some_and(|it| it != close) {
            self.end_line();
            self.line = "  ".repeat(depth + 1);
            item(self, index);
            index += 1;
            if self.peek() == Some(',') {
                self.take(',');
                self.line.push(',');
            }
        }
        self.take(close);
        if 0 < index {
            self.end_line();
            self.line = "  ".repeat(depth);
        }
        self.line.push(close);
    }

    /// Prints a string, and returns it as it was written.
    fn string(&mut self) -> String {
        self.peek();
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find_map(|(at, it)| {
            let ends = it == '"' && !escaped;
            escaped = it == '\\' && !escaped;
            ends.then_some(at + 1)
        });
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.line.push_str(token);
        self.rest = rest;
        token.to_owned()
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, what: char) {
        if self.peek() == Some(what) {
            self.rest = self.rest.get(what.len_utf8()..).unwrap_or_default();
        }
    }

    fn end_line(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str, path: &str) -> String {
        value(json.as_bytes(), path, "WRONG_TYPE").join("\n")
    }

    #[test]
    fn json_stands_in_lines_as_it_was_written_with_an_arrow_at_what_failed() {
        insta::assert_snapshot!(shown(r#"{"n":1.00,"s":"a\"}\u00e9","list":[1,{"a/b":null}],"e":{},"f":[ ]}"#, "/list/1/a~1b"), @r#"
        {
          "n": 1.00,
          "s": "a\"}\u00e9",
          "list": [
            1,
            {
              "a/b": null    ◀── WRONG_TYPE
            }
          ],
          "e": {},
          "f": []
        }
        "#);
    }

    #[test]
    fn a_missing_field_is_shown_at_the_object_that_lacks_it() {
        insta::assert_snapshot!(shown(r#"{"a":1,"metadata":{"version":"1.0"}}"#, "/metadata/source"), @r#"
        {
          "a": 1,
          "metadata": {    ◀── WRONG_TYPE /metadata/source
            "version": "1.0"
          }
        }
        "#);
        insta::assert_snapshot!(shown("{}", "/n"), @"{}    ◀── WRONG_TYPE /n");
    }

    #[test]
    fn what_is_no_json_is_shown_as_bytes() {
        for (bytes, text) in [(&b"no json"[..], "no json"), (b"{\"a\":", "{\"a\":"), (b"a\xff\x1b[1m", "a\\xff\\u{1b}[1m")] {
            assert_eq!(value(bytes, "/a", "NOT_JSON"), [text]);
        }
    }
}
