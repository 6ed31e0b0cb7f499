//! A YAML file as a tree with positions, and the strict reading of its mappings: every mistake is noted, none stops the reading.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use crate::engine::topology::Mistake;

/// A part of the file.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

/// What a part is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Text; `plain` when it stands without quotes and so may be a number, a word or null.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        if let Kind::Scalar { text, .. } = &self.kind { Some(text) } else { None }
    }

    /// Whether this is `null`, or nothing at all.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if matches!(text.as_str(), "null" | "~" | ""))
    }

    /// The line in which it begins.
    pub(super) fn line(&self) -> usize {
        self.span.start.line()
    }
}

/// A file that is being read, and the mistakes found so far.
pub(super) struct Reading<'a> {
    file: &'a str,
    text: &'a str,
    pub(super) mistakes: Vec<Mistake>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, mistakes: Vec::new() }
    }

    /// Notes a mistake.
    pub(super) fn mistake(&mut self, span: Span, reason: impl Into<String>, hint: impl Into<String>) {
        let bytes = |chars: usize| self.text.char_indices().nth(chars).map_or(self.text.len(), |it| it.0);
        self.mistakes.push(Mistake {
            file: self.file.to_owned(),
            line: span.start.line(),
            column: span.start.col() + 1,
            span: bytes(span.start.index())..bytes(span.end.index()),
            reason: reason.into(),
            hint: hint.into(),
        });
    }

    /// The tree of the file; `None` when it is no YAML.
    pub(super) fn tree(&mut self) -> Option<Node> {
        let mut parser = Parser::new_from_str(self.text);
        match self.document(&mut parser) {
            Ok(node) => node,
            Err(error) => {
                self.mistake(
                    Span::empty(*error.marker()),
                    format!("not YAML: {}", error.info()),
                    "look at the indentation, brackets and quotes before it",
                );
                None
            }
        }
    }

    fn document<'y>(&mut self, events: &mut Events<'_, 'y>) -> Result<Option<Node>, ScanError> {
        while let Some((event, span)) = events.next().transpose()? {
            if matches!(event, Event::StreamStart | Event::DocumentStart(_)) {
                continue;
            }
            return if event == Event::StreamEnd { Ok(None) } else { self.node(event, span, events).map(Some) };
        }
        Ok(None)
    }

    fn node<'y>(&mut self, event: Event<'y>, span: Span, events: &mut Events<'_, 'y>) -> Result<Node, ScanError> {
        let kind = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(anchor != 0 || tag.is_some(), span);
                Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(anchor != 0 || tag.is_some(), span);
                let mut items = Vec::new();
                while let Some((event, span)) = events.next().transpose()?.filter(|it| it.0 != Event::SequenceEnd) {
                    items.push(self.node(event, span, events)?);
                }
                Kind::List(items)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(anchor != 0 || tag.is_some(), span);
                let mut entries = Vec::new();
                while let Some((event, span)) = events.next().transpose()?.filter(|it| it.0 != Event::MappingEnd) {
                    let key = self.node(event, span, events)?;
                    let Some((event, span)) = events.next().transpose()? else { break };
                    entries.push((key, self.node(event, span, events)?));
                }
                Kind::Map(entries)
            }
            _ => {
                self.refuse(true, span);
                Kind::List(Vec::new())
            }
        };
        Ok(Node { span, kind })
    }

    fn refuse(&mut self, unwanted: bool, span: Span) {
        if unwanted {
            self.mistake(span, "anchors, aliases and tags are not read here", "write it out; `samples` and `like` avoid repetition");
        }
    }

    /// The items of a list.
    pub(super) fn list(&mut self, node: Node, what: &str) -> Vec<Node> {
        match node.kind {
            Kind::List(items) => items,
            _ => {
                self.mistake(
                    node.span,
                    format!("{what} is no list"),
                    format!("write `{what}: [ … ]`, or its items below it, each after `- `"),
                );
                Vec::new()
            }
        }
    }

    /// The text of a scalar.
    pub(super) fn word(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = node.text().map(str::to_owned);
        if text.is_none() {
            self.mistake(node.span, format!("{what} is no text"), format!("write `{what}: text`"));
        }
        text
    }

    /// The fields of a mapping, which may have these names and no others, each once.
    pub(super) fn fields(&mut self, node: Node, what: &str, known: &[&str]) -> Fields {
        let span = node.span;
        let Kind::Map(entries) = node.kind else {
            self.mistake(span, format!("{what} is no mapping"), format!("it may have {}", known.join(", ")));
            return Fields { span, entries: Vec::new() };
        };
        let mut fields: Vec<(String, Node)> = Vec::new();
        for (key, value) in entries {
            let Some(name) = self.word(&key, "name") else { continue };
            if !known.contains(&name.as_str()) {
                let near = known.iter().map(|it| (strsim::damerau_levenshtein(&name, it), it)).min().filter(|it| it.0 <= 2);
                let hint = near.map_or_else(|| format!("it may have {}", known.join(", ")), |(_, near)| format!("did you mean {near}?"));
                self.mistake(key.span, format!("{what} has no {name:?}"), hint);
            } else if fields.iter().any(|it| it.0 == name) {
                self.mistake(key.span, format!("{name} stands twice"), "keep one of them");
            } else {
                fields.push((name, value));
            }
        }
        Fields { span, entries: fields }
    }
}

type Events<'e, 'y> = dyn Iterator<Item = Result<(Event<'y>, Span), ScanError>> + 'e;

/// The fields of a mapping that have not been taken yet.
pub(super) struct Fields {
    pub(super) span: Span,
    entries: Vec<(String, Node)>,
}

impl Fields {
    /// Takes a field out.
    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let index = self.entries.iter().position(|it| it.0 == name)?;
        Some(self.entries.remove(index).1)
    }

    /// Takes a field out that must be there.
    pub(super) fn require(&mut self, name: &str, what: &str, reading: &mut Reading<'_>) -> Option<Node> {
        let field = self.take(name);
        if field.is_none() {
            reading.mistake(self.span, format!("{what} has no {name}"), format!("add `{name}:`"));
        }
        field
    }
}
