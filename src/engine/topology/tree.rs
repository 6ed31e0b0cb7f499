//! YAML text as a tree that knows where everything stands and how it was quoted.
//!
//! A strict part of YAML: one document, no anchors, aliases or tags, no repeated keys, keys that are words. Scalars carry no types:
//! what a plain scalar means is decided where it is used.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::mistake::{Mistakes, Span};
use super::syntax;

/// Deepest nesting, so that a file can't exhaust the stack.
const DEPTH_MAX: usize = 64;
/// Largest file, so that a wrong path is told instead of read for minutes.
const BYTES_MAX: usize = 1 << 20;

/// A value of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its bytes in the file.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Text.
    Scalar(Scalar),
    /// `- a` or `[a, b]`.
    List(Vec<Node>),
    /// `key: value`, in the order of the file.
    Map(Vec<(Key, Node)>),
    /// Something whose mistake was told already: nothing more is said of it.
    Broken,
}

/// Text, without quotes, indentation or escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// How it was written.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// In quotes of either kind.
    Quoted,
    /// Behind `|` or `>`.
    Block,
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Its bytes in the file.
    pub span: Span,
}

impl Node {
    /// What it is, in words.
    #[must_use]
    pub fn described(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(it) if it.text.is_empty() && it.style == Style::Plain => "nothing",
            Kind::Scalar(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
            Kind::Broken => "what it is",
        }
    }

    /// Where a part of a scalar's text stands in the file. Text of plain and block scalars stands there letter for letter, but for
    /// indentation and line ends, so the letters are counted off.
    #[must_use]
    pub fn place(&self, file: &str, part: Span) -> Span {
        let Kind::Scalar(scalar) = &self.kind else { return self.span.clone() };
        let (Some(source), true) = (file.get(self.span.clone()), scalar.style != Style::Quoted) else { return self.span.clone() };
        let header = if scalar.style == Style::Block && source.starts_with(['|', '>']) { source.find('\n').unwrap_or(0) } else { 0 };
        let mut letters = source.char_indices().skip_while(|(at, _)| *at < header).filter(|(_, it)| !it.is_whitespace());
        let (mut start, mut end) = (None, self.span.end);
        for (at, _) in scalar.text.char_indices().filter(|(_, it)| !it.is_whitespace()) {
            let Some((place, letter)) = letters.next() else { break };
            if part.start <= at && start.is_none() {
                start = Some(self.span.start + place);
                end = self.span.start + place + letter.len_utf8();
            }
            if part.start <= at && at < part.end {
                end = self.span.start + place + letter.len_utf8();
            }
        }
        // Behind the last letter: what is missing at the end.
        let last = self.span.start + source.trim_end().len();
        start.map_or(last..last, |it| it..end)
    }
}

/// Reads a file. `None` when it could not be read at all; mistakes that leave the rest readable are noted, and the rest is returned.
pub fn read(mistakes: &mut Mistakes<'_>) -> Option<Node> {
    let text = mistakes.text();
    if BYTES_MAX < text.len() {
        mistakes.add(
            0..0,
            format!("the file is larger than {BYTES_MAX} bytes"),
            "a topology is a page or two of text: is this the right file?",
        );
        return None;
    }
    let offsets = Offsets::of(text);
    let mut reading = Reading { events: Parser::new_from_str(text), offsets, mistakes, failed: false };
    let document = reading.document();
    if document.is_none() && !reading.failed {
        mistakes.add(0..0, "the file is empty", "write a topology: `topology: <name>`, `inputs:` and `steps:`");
    }
    document
}

/// From the parser's characters to bytes.
struct Offsets {
    /// `None`: all ASCII.
    bytes: Option<Vec<usize>>,
    end: usize,
}

impl Offsets {
    fn of(text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self { bytes, end: text.len() }
    }

    fn byte(&self, marker: Marker) -> usize {
        match &self.bytes {
            None => marker.index().min(self.end),
            Some(bytes) => bytes.get(marker.index()).copied().unwrap_or(self.end),
        }
    }
}

struct Reading<'t, 'm, 's> {
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
    offsets: Offsets,
    mistakes: &'m mut Mistakes<'s>,
    failed: bool,
}

impl<'t> Reading<'t, '_, '_> {
    /// The next event and its bytes; `None` after a syntax error, which ends the file.
    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        if self.failed {
            return None;
        }
        match self.events.next_event()? {
            Ok((event, span)) => {
                let start = self.offsets.byte(span.start);
                Some((event, start..self.offsets.byte(span.end).max(start)))
            }
            Err(error) => {
                self.failed = true;
                self.syntax_error(&error);
                None
            }
        }
    }

    fn syntax_error(&mut self, error: &ScanError) {
        let at = self.offsets.byte(*error.marker());
        let (span, reason, hint) = syntax::explain(self.mistakes.text(), at, error.info());
        self.mistakes.add(span, reason, hint);
    }

    fn document(&mut self) -> Option<Node> {
        let mut document = None;
        while let Some((event, span)) = self.next() {
            match event {
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
                event => {
                    let node = self.node(event, span.clone(), 0)?;
                    if document.is_some() {
                        self.mistakes.add(span, "a second document begins here", "one file is one topology: move it to a file of its own");
                        return document;
                    }
                    document = Some(node);
                }
            }
        }
        if self.failed { None } else { document }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Option<Node> {
        if DEPTH_MAX < depth {
            self.failed = true;
            self.mistakes.add(span, format!("nested more than {DEPTH_MAX} deep"), "take a level or two out");
            return None;
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = scalar(text.into_owned(), style, span);
                Some(self.without_extras(node, anchor, tag.map(|it| it.to_string())))
            }
            Event::SequenceStart(anchor, tag) => {
                let node = self.list(span, depth)?;
                Some(self.without_extras(node, anchor, tag.map(|it| it.to_string())))
            }
            Event::MappingStart(anchor, tag) => {
                let node = self.map(span, depth)?;
                Some(self.without_extras(node, anchor, tag.map(|it| it.to_string())))
            }
            Event::Alias(_) => {
                self.mistakes.add(span.clone(), "aliases (`*name`) are not part of the language", syntax::BLOCK);
                Some(Node { span, kind: Kind::Broken })
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => None,
        }
    }

    /// Anchors and tags are no part of the language.
    fn without_extras(&mut self, node: Node, anchor: usize, tag: Option<String>) -> Node {
        let reason = match (anchor, tag) {
            (0, None) => return node,
            (0, Some(tag)) => format!("`{tag}` is read as a YAML tag, and tags are not part of the language"),
            _ => "anchors (`&name`) are not part of the language".to_owned(),
        };
        // The tag or anchor stands before the value, in the same line.
        let line = self.mistakes.text().get(..node.span.start).and_then(|it| it.rfind('\n')).map_or(0, |it| it + 1);
        let before = self.mistakes.text().get(line..node.span.start).unwrap_or_default();
        let start = before.rfind(['!', '&']).map_or(node.span.start, |it| line + it);
        self.mistakes.add(start..node.span.end, reason, syntax::BLOCK);
        Node { span: node.span, kind: Kind::Broken }
    }

    fn list(&mut self, mut span: Span, depth: usize) -> Option<Node> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::SequenceEnd {
                span.end = span.end.max(at.end);
                return Some(Node { span, kind: Kind::List(items) });
            }
            items.push(self.node(event, at, depth + 1)?);
        }
    }

    fn map(&mut self, mut span: Span, depth: usize) -> Option<Node> {
        let mut fields: Vec<(Key, Node)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut broken = false;
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                span.end = span.end.max(at.end);
                return Some(Node { span, kind: if broken { Kind::Broken } else { Kind::Map(fields) } });
            }
            let key = self.node(event, at, depth + 1)?;
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            let Kind::Scalar(scalar) = key.kind else {
                if key.kind != Kind::Broken {
                    self.mistakes.add(key.span, "a key must be a word", "write `key: value`");
                }
                broken = true;
                continue;
            };
            if self.cut_by_comma(&key.span, &value, fields.last_mut()) {
                continue;
            }
            if let Some(first) = places.get(&scalar.text) {
                let line = self.mistakes.text().get(..*first).unwrap_or_default().matches('\n').count() + 1;
                let hint = format!("it stands in line {line} already: remove one of them");
                self.mistakes.add(key.span, format!("`{}` is repeated", scalar.text), hint);
                continue;
            }
            places.insert(scalar.text.clone(), key.span.start);
            fields.push((Key { text: scalar.text, span: key.span }, value));
        }
    }

    /// Inside `{ … }` a comma ends a value, even between brackets: `{ x: f(a, b) }` has the keys `x` and `b)`. The two are one mistake.
    fn cut_by_comma(&mut self, key: &Span, value: &Node, before: Option<&mut (Key, Node)>) -> bool {
        let Some((_, cut)) = before else { return false };
        let colon = self.mistakes.text().get(key.end..value.span.end).is_some_and(|it| it.contains(':'));
        let empty = matches!(&value.kind, Kind::Scalar(it) if it.text.is_empty() && it.style == Style::Plain);
        let open = match &cut.kind {
            Kind::Scalar(it) => it.style == Style::Plain && it.text.matches(')').count() < it.text.matches('(').count(),
            Kind::Broken => true,
            Kind::List(_) | Kind::Map(_) => false,
        };
        if colon || !empty || !open {
            return false;
        }
        if cut.kind != Kind::Broken {
            self.mistakes.add(cut.span.start..key.end, "inside `{ … }` a comma ends the value, even between brackets", syntax::BLOCK);
            cut.kind = Kind::Broken;
        }
        true
    }
}

fn scalar(text: String, style: ScalarStyle, span: Span) -> Node {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    };
    Node { span, kind: Kind::Scalar(Scalar { text, style }) }
}
