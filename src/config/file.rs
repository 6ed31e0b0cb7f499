//! The settings file: one flat YAML mapping, read strictly, with the position of each entry.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScanError, Span};

use super::load::{FileText, Given, Mistake, Place};

/// Reads the entries; mistakes go to `mistakes`, and what is right beside them is returned.
pub(super) fn read(file: &FileText, mistakes: &mut Vec<Mistake>) -> Vec<Given> {
    let mut reader = Reader { path: &file.path, mistakes, entries: Vec::new(), lines: BTreeMap::new() };
    let mut parser = Parser::new_from_str(&file.text);
    if let Err(error) = reader.document(&mut parser) {
        let place = reader.place(error.marker().line(), error.marker().col());
        let hint = "one setting a line: `commit.interval.ms: 100`".to_owned();
        reader.mistakes.push(Mistake { place, reason: format!("not YAML: {}", error.info()), hint });
    }
    reader.entries
}

struct Reader<'a> {
    path: &'a str,
    mistakes: &'a mut Vec<Mistake>,
    entries: Vec<Given>,
    /// The line in which each name stands, to name it when it comes again.
    lines: BTreeMap<String, usize>,
}

type Events<'a> = dyn Iterator<Item = Result<(Event<'a>, Span), ScanError>> + 'a;

impl Reader<'_> {
    fn document<'a>(&mut self, events: &mut (impl Iterator<Item = Result<(Event<'a>, Span), ScanError>> + 'a)) -> Result<(), ScanError> {
        let mut documents = 0;
        while let Some((event, span)) = events.next().transpose()? {
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents == 2 {
                        self.mistake(span, "a second document", "keep one document in the file");
                    }
                }
                Event::MappingStart(..) => self.mapping(events)?,
                // An empty file, or one with nothing but comments.
                Event::Scalar(text, ..) if text.is_empty() || text == "~" => {}
                Event::Scalar(..) | Event::SequenceStart(..) | Event::Alias(_) => {
                    self.mistake(span, "the file is not a mapping", "one setting a line: `commit.interval.ms: 100`");
                    skip(events, depth_of(&event))?;
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::SequenceEnd | Event::MappingEnd => {}
            }
        }
        Ok(())
    }

    fn mapping(&mut self, events: &mut Events<'_>) -> Result<(), ScanError> {
        while let Some((key, span)) = events.next().transpose()? {
            let name = match key {
                Event::MappingEnd => return Ok(()),
                Event::Scalar(text, _, 0, None) => Some(text.into_owned()),
                other => {
                    self.mistake(span, "the name of a setting must be a plain word", "write `name: value`, without anchors and tags");
                    skip(events, depth_of(&other))?;
                    None
                }
            };
            let Some((value, _)) = events.next().transpose()? else { return Ok(()) };
            match (name, value) {
                (Some(name), Event::Scalar(text, _, 0, None)) => self.entry(name, text.into_owned(), span),
                (name, other) => {
                    let name = name.unwrap_or_else(|| "name".to_owned());
                    let hint = format!("settings are flat: `{name}.part: value`, without anchors and tags");
                    self.mistake(span, &format!("{name} has no single value"), &hint);
                    skip(events, depth_of(&other))?;
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: String, text: String, span: Span) {
        if let Some(line) = self.lines.insert(name.clone(), span.start.line()) {
            return self.mistake(span, &format!("{name} stands twice"), &format!("it was given in line {line} already; keep one of them"));
        }
        let place = self.place(span.start.line(), span.start.col());
        self.entries.push(Given { name, text, place });
    }

    fn mistake(&mut self, span: Span, reason: &str, hint: &str) {
        let place = self.place(span.start.line(), span.start.col());
        self.mistakes.push(Mistake { place, reason: reason.to_owned(), hint: hint.to_owned() });
    }

    fn place(&self, line: usize, column_before: usize) -> Place {
        Place::File { path: self.path.to_owned(), line, column: column_before + 1 }
    }
}

fn depth_of(event: &Event<'_>) -> usize {
    usize::from(matches!(event, Event::MappingStart(..) | Event::SequenceStart(..)))
}

/// Passes over what is inside an opened mapping or sequence.
fn skip(events: &mut Events<'_>, mut depth: usize) -> Result<(), ScanError> {
    while 0 < depth {
        match events.next().transpose()? {
            Some((Event::MappingStart(..) | Event::SequenceStart(..), _)) => depth += 1,
            Some((Event::MappingEnd | Event::SequenceEnd, _)) => depth -= 1,
            Some(_) => {}
            None => return Ok(()),
        }
    }
    Ok(())
}
