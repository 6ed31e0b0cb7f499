//! One pass over an event's JSON: each known field is checked against its schema and, when a step names it, put into its slot.

use std::borrow::Cow;
use std::fmt;

use serde::de::IgnoredAny;

use super::reader::{Reader, Unreadable};
use super::{Envelope, instant};
use crate::engine::decimal;
use crate::engine::failure::{Failure, code};
use crate::engine::schema::{Kind, ObjectSchema, Property};
use crate::engine::value::Value;

/// An event that is what its schema says.
#[derive(Debug)]
pub(super) struct Filled<'r> {
    pub(super) envelope: Envelope<'r>,
    pub(super) major: u32,
}

/// Checks the text against the schema and fills slots.
pub(super) fn fill<'r>(text: &'r str, schema: &ObjectSchema, slots: &mut [Value<'r>]) -> Result<Filled<'r>, Failure> {
    let mut filling = Filling { json: Reader::of(text), slots, event_id: None, timestamp: None, major: None };
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

/// What is wrong with a text that could not be read to its end. JSON may have numbers of any size, and escapes of half a character: that is
/// JSON, but not what a field can be.
pub(super) fn unreadable(text: &str, unread: Unread) -> Failure {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Failure::at(code::NOT_JSON, "", format!("the value is not JSON: {error}"));
    }
    if !text.trim_start().starts_with('{') {
        return not_an_object();
    }
    let (code, message) = match (unread.why, unread.number) {
        (Unreadable::Number(it), true) => (code::OUT_OF_RANGE, it),
        (Unreadable::Other(it), false) => (code::WRONG_FORMAT, it),
        (Unreadable::Number(it), false) | (Unreadable::Other(it), true) => (code::WRONG_TYPE, it),
        // What is JSON has no fault in its syntax, so this is not reached.
        (Unreadable::Syntax, _) => (code::NOT_JSON, "its syntax".to_owned()),
    };
    Failure::at(code, unread.path, format!("it is JSON, and can't be held: {message}"))
}

pub(super) fn not_an_object() -> Failure {
    Failure::at(code::NOT_AN_OBJECT, "", "the value is JSON, but no object")
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
    event_id: Option<u128>,
    timestamp: Option<(Cow<'r, str>, i64)>,
    major: Option<u32>,
}

/// What was read, or why not: that is rare and large, and would be room and work in each result.
type Read<T> = Result<T, Box<Ended>>;

/// Why the event was not read to its end.
enum Ended {
    /// It is not what its schema says.
    Failed(Failure),
    /// It is no JSON, or has a value that can't be held.
    Unread(Unread),
}

/// What could not be read: the field, and whether it is to be a number.
pub(super) struct Unread {
    why: Unreadable,
    path: String,
    number: bool,
}

impl From<&serde_json::Error> for Unread {
    fn from(error: &serde_json::Error) -> Self {
        Self { why: error.into(), path: String::new(), number: false }
    }
}

/// Where in the event a field stands: those of the envelope are taken notice of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the event itself.
    Event,
    /// In `metadata`.
    Metadata,
    /// Deeper.
    Inner,
}

/// The way to a field, linked from the inside out: written down only when something is wrong.
#[derive(Clone, Copy)]
struct Path<'p>(Option<&'p Path<'p>>, &'p str);

impl Path<'_> {
    fn pointer(&self) -> String {
        match self.0 {
            None => String::new(),
            Some(outer) => format!("{}/{}", outer.pointer(), self.1.replace('~', "~0").replace('/', "~1")),
        }
    }
}

/// A field on its way: what it must be, and where it stands.
#[derive(Clone, Copy)]
struct Field<'p> {
    property: &'p Property,
    place: Place,
    outer: &'p Path<'p>,
}

impl Field<'_> {
    fn path(&self) -> Path<'_> {
        Path(Some(self.outer), &self.property.name)
    }

    #[cold]
    fn fail(&self, code: &'static str, message: String) -> Box<Ended> {
        Box::new(Ended::Failed(Failure::at(code, self.path().pointer(), message)))
    }

    #[cold]
    fn wrong_type(&self, found: &str) -> Box<Ended> {
        self.fail(code::WRONG_TYPE, format!("{} is expected, not {found}", described(&self.property.kind)))
    }

    #[cold]
    fn out_of_range(&self, it: &dyn fmt::Display, min: i64, max: i64) -> Box<Ended> {
        self.fail(code::OUT_OF_RANGE, format!("{it} is not within {min} to {max}"))
    }

    #[cold]
    fn unread(&self, why: Unreadable) -> Box<Ended> {
        Box::new(Ended::Unread(Unread { why, path: self.path().pointer(), number: matches!(self.property.kind, Kind::Int { .. }) }))
    }

    fn null(&self) -> Read<()> {
        if self.property.nullable { Ok(()) } else { Err(self.fail(code::MISSING_FIELD, "null is not allowed here".to_owned())) }
    }
}

impl<'r> Filling<'_, 'r> {
    fn root(&mut self, schema: &ObjectSchema) -> Read<()> {
        if !self.json.take(b'{') {
            return Err(Box::new(Ended::Failed(not_an_object())));
        }
        self.object(schema, Place::Event, Path(None, ""))?;
        if self.json.is_at_end() {
            Ok(())
        } else {
            Err(Box::new(Ended::Unread(Unread { why: Unreadable::Syntax, path: String::new(), number: false })))
        }
    }

    /// The fields of an object, behind its opening brace.
    fn object(&mut self, schema: &ObjectSchema, place: Place, path: Path<'_>) -> Read<()> {
        let unread = |why| Box::new(Ended::Unread(Unread { why, path: path.pointer(), number: false }));
        let (mut seen, mut count, mut expected, mut first) = ([false; TOLD_APART], 0, 0, true);
        loop {
            // Producers write fields in one order: the one that is expected is looked for as it is commonly written.
            let property = schema.properties.get(expected).filter(|it| self.json.lead(first, &it.lead));
            let (index, property) = match property {
                Some(it) => (expected, it),
                None => {
                    let Some(key) = self.json.key(first).map_err(unread)? else { break };
                    let known = schema.properties.iter().enumerate().find(|(_, it)| it.name == key);
                    let Some(known) = known else {
                        first = false;
                        self.json.skip().map_err(unread)?;
                        continue;
                    };
                    known
                }
            };
            first = false;
            expected = index + 1;
            let field = Field { property, place, outer: &path };
            if let Some(seen) = seen.get_mut(index) {
                if std::mem::replace(seen, true) {
                    return Err(field.fail(code::DUPLICATE_FIELD, "the field occurs twice".to_owned()));
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
                let path = Path(Some(&path), &property.name);
                return Err(Box::new(Ended::Failed(Failure::at(code::MISSING_FIELD, path.pointer(), "the field is missing"))));
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field<'_>) -> Read<()> {
        // What nearly all values are: strings without escapes and integers right behind the colon.
        match &field.property.kind {
            Kind::String { .. } | Kind::Currency | Kind::Decimal | Kind::Uuid | Kind::Time => match self.json.plain_string() {
                Some(it) => self.text(field, it),
                None => self.uncommon(field),
            },
            Kind::Int { min, max } => match self.json.short_integer() {
                Some(it) if (*min..=*max).contains(&it) => self.put(field, Value::Int(it)),
                Some(it) => Err(field.out_of_range(&it, *min, *max)),
                None => self.uncommon(field),
            },
            Kind::Bool | Kind::Object(_) | Kind::List | Kind::Any => self.uncommon(field),
        }
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
                self.json.take(b'{');
                let place = if field.place == Place::Event && field.property.name == "metadata" { Place::Metadata } else { Place::Inner };
                return self.object(schema, place, field.path());
            }
            (_, Some(b'"')) => {
                let text = self.json.string().map_err(|it| field.unread(it))?;
                return self.text(field, text);
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
            (Some(b'['), _) | (_, Kind::Any) => Ok(Value::Json(Cow::Borrowed(raw))),
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

    fn text(&mut self, field: &Field<'_>, text: impl Into<Cow<'r, str>> + AsRef<str> + fmt::Debug) -> Read<()> {
        let named = |name: &str| field.property.name == name;
        match &field.property.kind {
            Kind::String { min_length, max_length, one_of } => {
                if !fits(text.as_ref(), *min_length, *max_length, one_of) {
                    return Err(field.fail(code::OUT_OF_RANGE, misfit(text.as_ref(), *min_length, *max_length, one_of)));
                }
                if field.place == Place::Metadata && named("version") {
                    match major(text.as_ref()) {
                        Some(it) => self.major = Some(it),
                        None => return Err(field.fail(code::WRONG_FORMAT, format!("{text:?} is no version MAJOR.MINOR"))),
                    }
                }
                self.put(field, Value::Str(text.into()))
            }
            Kind::Currency => {
                if text.as_ref().len() != 3 || !text.as_ref().bytes().all(|it| it.is_ascii_uppercase()) {
                    return Err(field.fail(code::WRONG_FORMAT, format!("{text:?} is no currency code of three letters")));
                }
                self.put(field, Value::Str(text.into()))
            }
            Kind::Decimal => match decimal::parse(text.as_ref()) {
                Some(it) => self.put(field, Value::Decimal(it)),
                None => Err(field.fail(code::WRONG_FORMAT, format!("{text:?} is no decimal amount"))),
            },
            Kind::Uuid => match uuid::Uuid::try_parse(text.as_ref()) {
                Ok(it) if text.as_ref().len() == 36 => {
                    if field.place == Place::Event && named("eventId") {
                        self.event_id = Some(it.as_u128());
                    }
                    self.put(field, Value::Uuid(it.as_u128()))
                }
                _ => Err(field.fail(code::WRONG_FORMAT, format!("{text:?} is no UUID"))),
            },
            Kind::Time => match instant::parse(text.as_ref()) {
                Some(micros) => {
                    if field.place == Place::Event && named("timestamp") {
                        self.timestamp = Some((text.into(), micros));
                    }
                    self.put(field, Value::Time(micros))
                }
                None => Err(field.fail(code::WRONG_FORMAT, format!("{text:?} is no instant of ISO 8601 in UTC"))),
            },
            Kind::Bool | Kind::Int { .. } | Kind::Object(_) | Kind::List | Kind::Any => Err(field.wrong_type("a string")),
        }
    }
}

/// Fields of an object that are told apart: those that a schema may have at most, and the envelope's.
const TOLD_APART: usize = 132;

fn fits(text: &str, min_length: usize, max_length: usize, one_of: &[String]) -> bool {
    // Bytes are at least as many as characters: those are counted only when it matters.
    let characters = || text.chars().count();
    (min_length == 0 || min_length <= characters())
        && (text.len() <= max_length || characters() <= max_length)
        && (one_of.is_empty() || one_of.iter().any(|it| it == text))
}

#[cold]
fn misfit(text: &str, min_length: usize, max_length: usize, one_of: &[String]) -> String {
    if !one_of.is_empty() && !one_of.iter().any(|it| it == text) {
        return format!("{text:?} is none of {}", one_of.join(", "));
    }
    format!("{} characters are not within {min_length} to {max_length}", text.chars().count())
}

fn described(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "a boolean",
        Kind::Int { .. } => "an integer",
        Kind::Decimal => "a decimal in a string",
        Kind::String { .. } => "a string",
        Kind::Currency => "a currency code",
        Kind::Uuid => "a UUID in a string",
        Kind::Time => "an instant in a string",
        Kind::Object(_) => "an object",
        Kind::List => "a list",
        Kind::Any => "anything",
    }
}
