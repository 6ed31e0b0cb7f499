//! From a record's value to slots: which event it is, whether it is what its schema says, and the fields that steps name.
//!
//! Only the fields that the topology names become values; of the others just the type is checked, and unknown ones are skipped.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Envelope;
use super::field;
use super::fill::{self, Filled};
use super::reader::plain;
use crate::engine::failure::{Failure, code};
use crate::engine::plan::EventPlan;
use crate::engine::schema::{Kind, ObjectSchema, Property};
use crate::engine::value::{Texts, Value};

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded<'r> {
    /// An event that is read: index into the plan's events. Its slots are filled.
    Event(usize, Envelope<'r>),
    /// An event that no step reads; only its envelope was checked.
    PassedBy(Envelope<'r>),
}

/// Decodes a value and fills the slots of its event; a text that is written with escapes is kept in `texts`.
///
/// # Errors
/// The failure that its dead letter will name.
pub fn decode<'r>(
    events: &[EventPlan],
    value: Option<&'r [u8]>,
    slots: &mut [Value<'r>],
    texts: &'r Texts,
) -> Result<Decoded<'r>, Failure> {
    let bytes = value.ok_or_else(|| Failure::at(code::NO_VALUE, "", "the record has no value"))?;
    let text = std::str::from_utf8(bytes)
        .map_err(|it| Failure::at(code::INVALID_UTF8, "", format!("the value is not UTF-8: at byte {}", it.valid_up_to())))?;
    let event_type = match leading_event_type(text) {
        Some(it) => Cow::Borrowed(it),
        None => match scan(text)?.event_type {
            Some(it) => it,
            // Let the envelope say what is wrong with it.
            None => Cow::Borrowed(""),
        },
    };
    let mut of_type = events.iter().enumerate().filter(|(_, it)| it.event_type == event_type);
    let Some((first, event)) = of_type.next() else {
        return envelope(text, texts).map(|it| Decoded::PassedBy(it.envelope));
    };
    let (index, event) = if of_type.next().is_some() {
        let major = scan(text)?.major;
        let chosen = events.iter().enumerate().find(|(_, it)| it.event_type == event_type && Some(it.major) == major);
        match (chosen, major) {
            (Some(it), _) => it,
            (None, Some(major)) => return Err(unknown_version(&event_type, major)),
            (None, None) => (first, event),
        }
    } else {
        (first, event)
    };
    match fill::fill(text, &event.fields, slots, texts) {
        Ok(Filled { envelope, major }) if major == event.major => Ok(Decoded::Event(index, envelope)),
        Ok(Filled { major, .. }) => Err(unknown_version(&event_type, major)),
        // Of another major version other fields are expected: that is what should be said then.
        Err(failure) => match scan(text).map(|it| it.major) {
            Ok(Some(major)) if major != event.major => Err(unknown_version(&event_type, major)),
            _ => Err(failure),
        },
    }
}

fn unknown_version(event_type: &str, major: u32) -> Failure {
    Failure::at(code::UNKNOWN_VERSION, "/metadata/version", format!("major version {major} of {event_type} is not read here"))
}

fn envelope<'r>(text: &'r str, texts: &'r Texts) -> Result<Filled<'r>, Failure> {
    let string = |name: &str| Property::new(name, Kind::String { min_length: 0, max_length: usize::MAX, one_of: Vec::new() });
    let schema = ObjectSchema {
        properties: vec![
            string("eventType"),
            Property::new("eventId", Kind::Uuid),
            Property::new("timestamp", Kind::Time),
            Property::new("metadata", Kind::Object(ObjectSchema { properties: vec![string("source"), string("version")] })),
        ],
    };
    fill::fill(text, &schema, &mut [], texts)
}

/// The event type, when it stands first and has no escapes, as producers commonly write it.
fn leading_event_type(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("{\"eventType\":\"")?;
    let (event_type, rest) = rest.split_at_checked(plain(rest.as_bytes()))?;
    rest.starts_with('"').then_some(event_type)
}

/// What can be told of an event without its schema.
#[derive(Debug, Default)]
struct Scanned<'r> {
    event_type: Option<Cow<'r, str>>,
    major: Option<u32>,
}

fn scan(text: &str) -> Result<Scanned<'_>, Failure> {
    let mut json = serde_json::Deserializer::from_str(text);
    let scanned = json.deserialize_any(ScanVisitor).and_then(|it| json.end().map(|()| it));
    match scanned {
        Ok(Some(it)) => Ok(it),
        Ok(None) => Err(field::not_an_object()),
        Err(error) => Err(field::unreadable(text, (&error).into())),
    }
}

#[derive(Deserialize)]
struct Metadata<'r> {
    #[serde(borrow)]
    version: &'r RawValue,
}

fn read<'r, T: Deserialize<'r>>(json: &'r RawValue) -> Option<T> {
    serde_json::from_str(json.get()).ok()
}

struct ScanVisitor;

impl<'de> Visitor<'de> for ScanVisitor {
    type Value = Option<Scanned<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut scanned = Scanned::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                // What is wrong with them is told when the event is read by its schema.
                "eventType" => scanned.event_type = read(map.next_value()?).map(Cow::Owned),
                "metadata" => {
                    let version = read(map.next_value()?).and_then(|it: Metadata<'_>| read::<String>(it.version));
                    scanned.major = version.and_then(|it| fill::major(&it));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(scanned))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
