//! One pass over an event's JSON: each known field is checked against its schema and, when a step names it, put into its slot.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Envelope;
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
    let mut filling = Filling { slots, failure: None, unread: None, event_id: None, timestamp: None, major: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let seed = ValueSeed { kind: None, schema: Some(schema), slot: None, place: Place::Root, path: Path(None, ""), filling: &mut filling };
    let read = seed.deserialize(&mut json).and_then(|()| json.end());
    if let Some(failure) = filling.failure {
        return Err(failure);
    }
    read.map_err(|it| unreadable(text, &it, filling.unread))?;
    match (filling.event_id, filling.timestamp, filling.major) {
        (Some(event_id), Some((timestamp, micros)), Some(major)) => {
            Ok(Filled { envelope: Envelope { event_id, timestamp, micros }, major })
        }
        // The schema has all of them as required, so this is not reached.
        _ => Err(Failure::at(code::MISSING_FIELD, "", "the envelope is not complete")),
    }
}

/// What is wrong with a text that could not be read to its end; `unread`: the field that could not, and whether it is to be a number.
/// JSON may have numbers of any size, and escapes of half a character: that is JSON, but not what a field can be.
pub(super) fn unreadable(text: &str, error: &serde_json::Error, unread: Option<(String, bool)>) -> Failure {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Failure::at(code::NOT_JSON, "", format!("the value is not JSON: {error}"));
    }
    if !text.trim_start().starts_with('{') {
        return not_an_object();
    }
    let (path, number) = unread.unwrap_or_default();
    let code = match (error.to_string().starts_with("number"), number) {
        (true, true) => code::OUT_OF_RANGE,
        (false, false) => code::WRONG_FORMAT,
        (true, false) | (false, true) => code::WRONG_TYPE,
    };
    Failure::at(code, path, format!("it is JSON, and can't be held: {error}"))
}

pub(super) fn not_an_object() -> Failure {
    Failure::at(code::NOT_AN_OBJECT, "", "the value is JSON, but no object")
}

/// The major number of `MAJOR.MINOR`.
pub(super) fn major(version: &str) -> Option<u32> {
    let (major, minor) = version.split_once('.')?;
    let digits = |it: &str| !it.is_empty() && it.len() < 9 && it.bytes().all(|b| b.is_ascii_digit());
    (digits(major) && digits(minor)).then(|| major.parse().ok()).flatten()
}

/// The least number that needs more than 64 bits: 2^63.
const WIDE: f64 = 9_223_372_036_854_775_808.0;

struct Filling<'s, 'r> {
    slots: &'s mut [Value<'r>],
    failure: Option<Failure>,
    /// Where reading ended without a failure of ours: see [`unreadable`].
    unread: Option<(String, bool)>,
    event_id: Option<u128>,
    timestamp: Option<(Cow<'r, str>, i64)>,
    major: Option<u32>,
}

/// Where in the event an object or field stands: the envelope's own fields are taken notice of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The event itself.
    Root,
    /// A field of the event.
    Field,
    /// A field of `metadata`.
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

struct ValueSeed<'s, 'p, 'f, 'r> {
    kind: Option<&'p Property>,
    schema: Option<&'p ObjectSchema>,
    slot: Option<u16>,
    place: Place,
    path: Path<'p>,
    filling: &'s mut Filling<'f, 'r>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.kind.map(|it| &it.kind) {
            Some(Kind::List | Kind::Any) => {
                let raw = <&RawValue as serde::Deserialize>::deserialize(json)?;
                self.list(raw.get())
            }
            _ => json.deserialize_any(self),
        }
    }
}

impl<'de> ValueSeed<'_, '_, '_, 'de> {
    fn fail<E: serde::de::Error>(&mut self, code: &'static str, message: String) -> E {
        let failure = match self.place {
            Place::Root => not_an_object(),
            _ => Failure::at(code, self.path.pointer(), message),
        };
        self.filling.failure.get_or_insert(failure);
        E::custom("the event is not what its schema says")
    }

    fn wrong_type<E: serde::de::Error>(&mut self, found: &str) -> E {
        let wanted = self.kind.map_or("an object", |it| described(&it.kind));
        self.fail(code::WRONG_TYPE, format!("{wanted} is expected, not {found}"))
    }

    fn put(&mut self, value: Value<'de>) {
        if let Some(slot) = self.slot.and_then(|it| self.filling.slots.get_mut(usize::from(it))) {
            *slot = value;
        }
    }

    fn list<E: serde::de::Error>(mut self, raw: &'de str) -> Result<(), E> {
        let property = self.kind;
        match raw.as_bytes().first() {
            Some(b'n') if property.is_some_and(|it| !it.nullable && it.kind == Kind::List) => {
                Err(self.fail(code::MISSING_FIELD, "null is not allowed here".to_owned()))
            }
            Some(b'n') => Ok(self.put(Value::Null)),
            Some(b'[') => Ok(self.put(Value::Json(Cow::Borrowed(raw)))),
            _ if property.is_some_and(|it| it.kind == Kind::Any) => Ok(self.put(Value::Json(Cow::Borrowed(raw)))),
            _ => Err(self.wrong_type("another value")),
        }
    }

    fn text<E: serde::de::Error>(mut self, text: Cow<'de, str>) -> Result<(), E> {
        let Some(property) = self.kind else { return Err(self.wrong_type("a string")) };
        let named = |name: &str| property.name == name;
        match &property.kind {
            Kind::String { min_length, max_length, one_of } => {
                if let Some(message) = string_fault(&text, *min_length, *max_length, one_of) {
                    return Err(self.fail(code::OUT_OF_RANGE, message));
                }
                if self.place == Place::Metadata && named("version") {
                    match major(&text) {
                        Some(it) => self.filling.major = Some(it),
                        None => return Err(self.fail(code::WRONG_FORMAT, format!("{text:?} is no version MAJOR.MINOR"))),
                    }
                }
                self.put(Value::Str(text));
            }
            Kind::Currency => {
                if text.len() != 3 || !text.bytes().all(|it| it.is_ascii_uppercase()) {
                    return Err(self.fail(code::WRONG_FORMAT, format!("{text:?} is no currency code of three letters")));
                }
                self.put(Value::Str(text));
            }
            Kind::Decimal => match decimal::parse(&text) {
                Some(it) => self.put(Value::Decimal(it)),
                None => return Err(self.fail(code::WRONG_FORMAT, format!("{text:?} is no decimal amount"))),
            },
            Kind::Uuid => match uuid::Uuid::try_parse(&text) {
                Ok(it) if text.len() == 36 => {
                    if self.place == Place::Field && named("eventId") {
                        self.filling.event_id = Some(it.as_u128());
                    }
                    self.put(Value::Uuid(it.as_u128()));
                }
                _ => return Err(self.fail(code::WRONG_FORMAT, format!("{text:?} is no UUID"))),
            },
            Kind::Time => match instant(&text) {
                Some(micros) => {
                    self.put(Value::Time(micros));
                    if self.place == Place::Field && named("timestamp") {
                        self.filling.timestamp = Some((text, micros));
                    }
                }
                None => return Err(self.fail(code::WRONG_FORMAT, format!("{text:?} is no instant of ISO 8601 in UTC"))),
            },
            Kind::Bool | Kind::Int { .. } | Kind::Object(_) | Kind::List | Kind::Any => return Err(self.wrong_type("a string")),
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, '_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of an event")
    }

    fn visit_bool<E: serde::de::Error>(mut self, it: bool) -> Result<(), E> {
        match self.kind.map(|it| &it.kind) {
            Some(Kind::Bool) => Ok(self.put(Value::Bool(it))),
            _ => Err(self.wrong_type("a boolean")),
        }
    }

    fn visit_i64<E: serde::de::Error>(mut self, it: i64) -> Result<(), E> {
        match self.kind.map(|it| &it.kind) {
            Some(Kind::Int { min, max }) if (*min..=*max).contains(&it) => Ok(self.put(Value::Int(it))),
            Some(Kind::Int { min, max }) => Err(self.fail(code::OUT_OF_RANGE, format!("{it} is not within {min} to {max}"))),
            _ => Err(self.wrong_type("a number")),
        }
    }

    fn visit_u64<E: serde::de::Error>(mut self, it: u64) -> Result<(), E> {
        match (i64::try_from(it), self.kind.map(|it| &it.kind)) {
            (Ok(small), _) => self.visit_i64(small),
            (Err(_), Some(Kind::Int { min, max })) => Err(self.fail(code::OUT_OF_RANGE, format!("{it} is not within {min} to {max}"))),
            (Err(_), _) => Err(self.wrong_type("a number")),
        }
    }

    fn visit_f64<E: serde::de::Error>(mut self, it: f64) -> Result<(), E> {
        // An integer of more than 64 bits comes as this, too.
        if let Some(Kind::Int { min, max }) = self.kind.map(|it| &it.kind)
            && WIDE <= it.abs()
        {
            return Err(self.fail(code::OUT_OF_RANGE, format!("{it:e} is not within {min} to {max}")));
        }
        Err(self.wrong_type("a number with a fraction or an exponent"))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, it: &'de str) -> Result<(), E> {
        self.text(Cow::Borrowed(it))
    }

    fn visit_str<E: serde::de::Error>(self, it: &str) -> Result<(), E> {
        self.text(Cow::Owned(it.to_owned()))
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        match self.kind {
            Some(property) if property.nullable => Ok(self.put(Value::Null)),
            _ => Err(self.fail(code::MISSING_FIELD, "null is not allowed here".to_owned())),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, _: A) -> Result<(), A::Error> {
        Err(self.wrong_type("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let schema = match (self.schema, self.kind.map(|it| &it.kind)) {
            (Some(root), _) => root,
            (None, Some(Kind::Object(object))) => object,
            _ => return Err(self.wrong_type("an object")),
        };
        let place = match (self.place, self.kind) {
            (Place::Root, _) => Place::Field,
            (Place::Field, Some(it)) if it.name == "metadata" => Place::Metadata,
            _ => Place::Inner,
        };
        let (mut seen, mut expected) = (0_u128, 0);
        loop {
            let key = match map.next_key_seed(KeySeed) {
                Ok(Some(key)) => key,
                Ok(None) => break,
                Err(error) => {
                    self.filling.unread.get_or_insert_with(|| (self.path.pointer(), false));
                    return Err(error);
                }
            };
            let Some(index) = find(&schema.properties, &key, expected) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let Some(property) = schema.properties.get(index) else { continue };
            expected = index + 1;
            let bit = 1_u128.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0);
            let path = Path(Some(&self.path), &property.name);
            if seen & bit != 0 {
                self.filling.failure = Some(Failure::at(code::DUPLICATE_FIELD, path.pointer(), "the field occurs twice"));
                return Err(A::Error::custom("a field occurs twice"));
            }
            seen |= bit;
            let seed = ValueSeed { kind: Some(property), schema: None, slot: property.slot, place, path, filling: &mut *self.filling };
            if let Err(error) = map.next_value_seed(seed) {
                let number = matches!(property.kind, Kind::Int { .. });
                self.filling.unread.get_or_insert_with(|| (path.pointer(), number));
                return Err(error);
            }
        }
        for (index, property) in schema.properties.iter().enumerate() {
            let bit = 1_u128.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0);
            if property.required && seen & bit == 0 {
                let path = Path(Some(&self.path), &property.name);
                self.filling.failure = Some(Failure::at(code::MISSING_FIELD, path.pointer(), "the field is missing"));
                return Err(A::Error::custom("a field is missing"));
            }
        }
        Ok(())
    }
}

/// The index of a property; producers write fields in one order, so the one after the last is looked at first.
fn find(properties: &[Property], name: &str, expected: usize) -> Option<usize> {
    match properties.get(expected) {
        Some(it) if it.name == name => Some(expected),
        _ => properties.iter().position(|it| it.name == name),
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cow<'de, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }
    fn visit_borrowed_str<E>(self, it: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(it))
    }
    fn visit_str<E>(self, it: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(it.to_owned()))
    }
}

fn string_fault(text: &str, min_length: usize, max_length: usize, one_of: &[String]) -> Option<String> {
    if !one_of.is_empty() && !one_of.iter().any(|it| it == text) {
        return Some(format!("{text:?} is none of {}", one_of.join(", ")));
    }
    // Bytes are at least as many as characters: count those only when it matters.
    if text.len() < min_length || max_length < text.len() || min_length != 0 && text.chars().count() < min_length {
        let length = text.chars().count();
        if length < min_length || max_length < length {
            return Some(format!("{length} characters are not within {min_length} to {max_length}"));
        }
    }
    None
}

/// Microseconds since 1970 of an instant of ISO 8601 in UTC.
fn instant(text: &str) -> Option<i64> {
    let utc = text.ends_with('Z') || text.ends_with("+00:00");
    utc.then(|| text.parse::<jiff::Timestamp>().ok()).flatten().map(jiff::Timestamp::as_microsecond)
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
