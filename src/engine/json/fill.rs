//! One pass over an event's JSON: each known field is checked against its schema and, when a step names it, put into its slot.

use std::borrow::Cow;

use super::field::{Ended, Field, Path, Place, Read, Unread, not_an_object, unreadable};
use super::reader::{Reader, UUID, Unreadable};
use super::{Envelope, instant};
use crate::engine::bytes;
use crate::engine::decimal;
use crate::engine::failure::{Failure, code};
use crate::engine::schema::{Kind, ObjectSchema, Property};
use crate::engine::value::{Texts, Value};

/// An event that is what its schema says.
#[derive(Debug)]
pub(super) struct Filled<'r> {
    pub(super) envelope: Envelope<'r>,
    pub(super) major: u32,
}

/// Checks the text against the schema and fills slots.
pub(super) fn fill<'r>(text: &'r str, schema: &ObjectSchema, slots: &mut [Value<'r>], texts: &'r Texts) -> Result<Filled<'r>, Failure> {
    let mut filling = Filling { json: Reader::of(text), slots, texts, event_id: None, timestamp: None, major: None };
    if let Err(ended) = filling.root(schema) {
        return Err(match *ended {
            Ended::Failed(failure) => failure,
            Ended::Unread(unread) => unreadable(text, unread),
        });
    }
    match (filling.event_id, filling.timestamp, filling.major) {
        (Some(event_id), Some((timestamp, micros)), Some(major)) => {
            Ok(Filled { envelope: Envelope { event_id, timestamp: timestamp.into(), micros }, major })
        }
        // The schema has all of them as required, so this is not reached.
        _ => Err(Failure::at(code::MISSING_FIELD, "", "the envelope is not complete")),
    }
}

/// The major number of `MAJOR.MINOR`.
pub(super) fn major(version: &str) -> Option<u32> {
    let (major, minor) = version.split_at_checked(version.bytes().position(|it| it == b'.')?)?;
    let number = |it: &[u8]| {
        let digits = !it.is_empty() && it.len() < 9 && it.iter().all(u8::is_ascii_digit);
        digits.then(|| it.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    };
    number(minor.as_bytes().get(1..)?).and(number(major.as_bytes()))
}

/// The least number that needs more than 64 bits: 2^63.
const WIDE: f64 = 9_223_372_036_854_775_808.0;

struct Filling<'s, 'r> {
    json: Reader<'r>,
    slots: &'s mut [Value<'r>],
    texts: &'r Texts,
    event_id: Option<u128>,
    timestamp: Option<(&'r str, i64)>,
    major: Option<u32>,
}

/// What comes next in an object.
enum Key<'s> {
    /// A field that is known, and its index.
    Known(usize, &'s Property),
    /// One that is not.
    Unknown,
    /// The object's end.
    End,
}

impl<'r> Filling<'_, 'r> {
    fn root(&mut self, schema: &ObjectSchema) -> Read<()> {
        if self.json.peek() != Some(b'{') {
            return Err(Box::new(Ended::Failed(not_an_object())));
        }
        self.object(schema, Place::Event, Path(None, ""))?;
        if self.json.is_at_end() {
            Ok(())
        } else {
            Err(Box::new(Ended::Unread(Unread { why: Unreadable::Syntax, path: String::new(), number: false })))
        }
    }

    /// The fields of an object, from its opening brace on.
    fn object(&mut self, schema: &ObjectSchema, place: Place, path: Path<'_>) -> Read<()> {
        let (mut seen, mut count, mut expected, mut before) = ([false; TOLD_APART], 0, 0, b'{');
        loop {
            // Producers write fields in one order: the one that is expected is looked for as it is commonly written.
            let (index, property) = match schema.properties.get(expected) {
                Some(it) if self.json.lead(before, &it.lead) => (expected, it),
                None if self.json.closes() => break,
                _ => match self.key(schema, before, &path)? {
                    Key::Known(index, it) => (index, it),
                    Key::Unknown => {
                        before = b',';
                        continue;
                    }
                    Key::End => break,
                },
            };
            before = b',';
            expected = index + 1;
            let field = Field { property, place, outer: &path };
            if let Some(seen) = seen.get_mut(index) {
                if std::mem::replace(seen, true) {
                    return Err(field.twice());
                }
                count += 1;
            }
            self.field(&field)?;
        }
        if count == schema.properties.len() {
            return Ok(());
        }
        for (index, property) in schema.properties.iter().enumerate() {
            if property.required && seen.get(index) != Some(&true) {
                return Err(Field { property, place, outer: &path }.missing("the field is missing"));
            }
        }
        Ok(())
    }

    /// The next key, whichever it is; the value of one that is not known is passed over.
    #[inline(never)]
    fn key<'s>(&mut self, schema: &'s ObjectSchema, before: u8, path: &Path<'_>) -> Read<Key<'s>> {
        let unread = |why| Box::new(Ended::Unread(Unread { why, path: path.pointer(), number: false }));
        let read;
        let key = match self.json.plain_key(before) {
            Some(it) => it,
            None => {
                let Some(it) = self.json.key(before).map_err(unread)? else { return Ok(Key::End) };
                read = it;
                &*read
            }
        };
        match schema.properties.iter().enumerate().find(|(_, it)| it.name == key) {
            Some((index, it)) => Ok(Key::Known(index, it)),
            None => self.json.skip().map_err(unread).map(|()| Key::Unknown),
        }
    }

    /// A field's value. What nearly all are is read right here: strings without escapes and integers, right behind the colon.
    fn field(&mut self, field: &Field<'_>) -> Read<()> {
        match &field.property.kind {
            Kind::Int { min, max } => match self.json.short_integer() {
                Some(it) if (*min..=*max).contains(&it) => return self.put(field, Value::Int(it)),
                Some(it) => return Err(field.out_of_range(&it, *min, *max)),
                None => {}
            },
            Kind::String { .. } | Kind::Currency => {
                if let Some(it) = self.json.plain_string() {
                    return self.text(field, it);
                }
            }
            Kind::Decimal => {
                if let Some(it) = self.json.decimal() {
                    return self.put(field, Value::Decimal(it));
                }
            }
            Kind::Uuid => {
                if let Some(it) = self.json.uuid() {
                    return self.uuid(field, it);
                }
            }
            Kind::Time => {
                if let Some((text, micros)) = self.json.instant() {
                    return self.time(field, text, micros);
                }
            }
            Kind::Bool | Kind::Object(_) | Kind::List | Kind::Any => {}
        }
        self.uncommon(field)
    }

    fn uuid(&mut self, field: &Field<'_>, id: u128) -> Read<()> {
        if field.place == Place::Event && field.property.name == "eventId" {
            self.event_id = Some(id);
        }
        self.put(field, Value::Uuid(id))
    }

    fn time(&mut self, field: &Field<'_>, text: &'r str, micros: i64) -> Read<()> {
        if field.place == Place::Event && field.property.name == "timestamp" {
            self.timestamp = Some((text, micros));
        }
        self.put(field, Value::Time(micros))
    }

    #[inline]
    fn put(&mut self, field: &Field<'_>, value: Value<'r>) -> Read<()> {
        if let Some(slot) = field.property.slot.and_then(|it| self.slots.get_mut(usize::from(it))) {
            *slot = value;
        }
        Ok(())
    }

    /// A field of any kind, whatever its value is.
    fn uncommon(&mut self, field: &Field<'_>) -> Read<()> {
        let value = match (&field.property.kind, self.json.peek()) {
            (Kind::List | Kind::Any, _) => self.list(field)?,
            (Kind::Object(schema), Some(b'{')) => {
                let place = if field.place == Place::Event && field.property.name == "metadata" { Place::Metadata } else { Place::Inner };
                return self.object(schema, place, field.path());
            }
            (_, Some(b'"')) => {
                return match self.json.string().map_err(|it| field.unread(it))? {
                    Cow::Borrowed(it) => self.text(field, it),
                    Cow::Owned(it) => self.text(field, self.texts.keep(it)),
                };
            }
            (_, Some(b'-' | b'0'..=b'9')) => self.number(field)?,
            (_, Some(b'n')) => {
                self.json.word("null").map_err(|it| field.unread(it))?;
                field.null()?;
                Value::Null
            }
            (_, Some(first @ (b't' | b'f'))) => {
                self.json.word(if first == b't' { "true" } else { "false" }).map_err(|it| field.unread(it))?;
                match field.property.kind {
                    Kind::Bool => Value::Bool(first == b't'),
                    _ => return Err(field.wrong_type("a boolean")),
                }
            }
            (_, Some(b'[')) => return Err(field.wrong_type("a list")),
            (_, Some(b'{')) => return Err(field.wrong_type("an object")),
            (_, _) => return Err(field.unread(Unreadable::Syntax)),
        };
        self.put(field, value)
    }

    fn list(&mut self, field: &Field<'_>) -> Read<Value<'r>> {
        let raw = self.json.raw().map_err(|it| field.unread(it))?;
        match (raw.as_bytes().first(), &field.property.kind) {
            (Some(b'n'), Kind::List) => field.null().map(|()| Value::Null),
            (Some(b'n'), _) => Ok(Value::Null),
            (Some(b'['), _) | (_, Kind::Any) => Ok(Value::Json(raw)),
            _ => Err(field.wrong_type("another value")),
        }
    }

    fn number(&mut self, field: &Field<'_>) -> Read<Value<'r>> {
        let fraction = "a number with a fraction or an exponent";
        let Kind::Int { min, max } = field.property.kind else {
            let number = self.json.number().map_err(|it| field.unread(it))?;
            return Err(field.wrong_type(if number.is_f64() { fraction } else { "a number" }));
        };
        let number = self.json.number().map_err(|it| field.unread(it))?;
        match (number.as_i64(), number.as_f64()) {
            (Some(it), _) if (min..=max).contains(&it) => Ok(Value::Int(it)),
            (Some(it), _) => Err(field.out_of_range(&it, min, max)),
            (None, _) if number.is_u64() => Err(field.out_of_range(&number, min, max)),
            // An integer of more than 64 bits comes as this, too.
            (None, Some(it)) if WIDE <= it.abs() => Err(field.out_of_range(&format_args!("{it:e}"), min, max)),
            (None, _) => Err(field.wrong_type(fraction)),
        }
    }

    #[inline]
    fn text(&mut self, field: &Field<'_>, text: &'r str) -> Read<()> {
        match &field.property.kind {
            Kind::String { min_length, max_length, one_of } => {
                if !fits(text, *min_length, *max_length, one_of) {
                    return Err(field.misfit(text));
                }
                if field.place == Place::Metadata && field.property.name == "version" {
                    match major(text) {
                        Some(it) => self.major = Some(it),
                        None => return Err(field.wrong_format(text, "is no version MAJOR.MINOR")),
                    }
                }
                self.put(field, Value::Str(text))
            }
            Kind::Currency => {
                if text.len() != 3 || !text.bytes().all(|it| it.is_ascii_uppercase()) {
                    return Err(field.wrong_format(text, "is no currency code of three letters"));
                }
                self.put(field, Value::Str(text))
            }
            Kind::Decimal => match decimal::parse(text) {
                Some(it) => self.put(field, Value::Decimal(it)),
                None => Err(field.wrong_format(text, "is no decimal amount")),
            },
            Kind::Uuid => match uuid::Uuid::try_parse(text) {
                Ok(it) if text.len() == UUID => self.uuid(field, it.as_u128()),
                _ => Err(field.wrong_format(text, "is no UUID")),
            },
            Kind::Time => match instant::parse(text) {
                Some(micros) => self.time(field, text, micros),
                None => Err(field.wrong_format(text, "is no instant of ISO 8601 in UTC")),
            },
            Kind::Bool | Kind::Int { .. } | Kind::Object(_) | Kind::List | Kind::Any => Err(field.wrong_type("a string")),
        }
    }
}

/// Fields of an object that are told apart: those that a schema may have at most, and the envelope's.
const TOLD_APART: usize = 132;

#[inline]
fn fits(text: &str, min_length: usize, max_length: usize, one_of: &[String]) -> bool {
    // Bytes are at least as many as characters: those are counted only when it matters.
    let characters = || text.chars().count();
    (min_length == 0 || min_length <= characters())
        && (text.len() <= max_length || characters() <= max_length)
        && (one_of.is_empty() || one_of.iter().any(|it| bytes::equal(it.as_bytes(), text.as_bytes())))
}
