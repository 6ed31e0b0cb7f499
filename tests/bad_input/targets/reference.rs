//! What an event must be, told once more from serde_json's tree: the decoder is held against it.

use std::fmt;

use goyt::engine::plan::EventPlan;
use goyt::engine::schema::{Kind, ObjectSchema, Property};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Which event a value is; `Some(None)`: one that nobody reads, with a good envelope. `None`: it is refused.
pub fn accepts(events: &[EventPlan], value: &Value) -> Option<Option<usize>> {
    value.as_object()?;
    let event_type = value["eventType"].as_str()?;
    let (major, minor) = value["metadata"]["version"].as_str()?.split_once('.')?;
    let number = |it: &str| (1..9).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit());
    let known = value["metadata"]["source"].is_string() && number(major) && number(minor);
    let envelope = known && is_uuid(value["eventId"].as_str()?) && is_instant(value["timestamp"].as_str()?);
    if !events.iter().any(|it| it.event_type == event_type) {
        return envelope.then_some(None);
    }
    let major: u32 = major.parse().ok()?;
    let event = events.iter().position(|it| it.event_type == event_type && it.major == major)?;
    (envelope && object(&events[event].fields, value)).then_some(Some(event))
}

/// Whether a name occurs twice anywhere: the tree has the last one's value alone.
pub fn repeats_a_name(text: &str, tree: &Value) -> bool {
    serde_json::from_str::<Names>(text).is_ok_and(|it| it.0 != names(tree))
}

fn names(tree: &Value) -> usize {
    match tree {
        Value::Object(fields) => fields.values().map(|it| 1 + names(it)).sum(),
        Value::Array(items) => items.iter().map(names).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many names a text has.
struct Names(usize);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Names, E> {
        Ok(Names(0))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Names, E> {
        Ok(Names(0))
    }
    fn visit_u64<E>(self, _: u64) -> Result<Names, E> {
        Ok(Names(0))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Names, E> {
        Ok(Names(0))
    }
    fn visit_str<E>(self, _: &str) -> Result<Names, E> {
        Ok(Names(0))
    }
    fn visit_unit<E>(self) -> Result<Names, E> {
        Ok(Names(0))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
        let mut sum = 0;
        while let Some(Names(it)) = items.next_element()? {
            sum += it;
        }
        Ok(Names(sum))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Names, A::Error> {
        let mut sum = 0;
        while let Some((IgnoredAny, Names(it))) = fields.next_entry()? {
            sum += 1 + it;
        }
        Ok(Names(sum))
    }
}

fn object(schema: &ObjectSchema, value: &Value) -> bool {
    value.is_object() && schema.properties.iter().all(|it| property(it, value.get(&it.name)))
}

fn property(of: &Property, value: Option<&Value>) -> bool {
    let Some(value) = value else { return !of.required };
    if value.is_null() {
        return of.nullable;
    }
    let text = |is: fn(&str) -> bool| value.as_str().is_some_and(is);
    match &of.kind {
        Kind::Bool => value.is_boolean(),
        Kind::Int { min, max } => value.as_i64().is_some_and(|it| *min <= it && it <= *max),
        Kind::String { min_length, max_length, one_of } => value.as_str().is_some_and(|it| {
            (*min_length..=*max_length).contains(&it.chars().count()) && (one_of.is_empty() || one_of.iter().any(|one| one == it))
        }),
        Kind::Decimal => text(is_decimal),
        Kind::Currency => text(|it| it.len() == 3 && it.bytes().all(|it| it.is_ascii_uppercase())),
        Kind::Uuid => text(is_uuid),
        Kind::Time => text(is_instant),
        Kind::Object(inner) => object(inner, value),
        Kind::List => value.is_array(),
        Kind::Any => true,
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = |it: &str, most: usize| (1..=most).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole, 18) && digits(fraction, 8),
        None => digits(unsigned, 18),
    }
}

fn is_uuid(text: &str) -> bool {
    let hyphen = |at: usize| [8, 13, 18, 23].contains(&at);
    text.len() == 36 && text.bytes().enumerate().all(|(at, it)| if hyphen(at) { it == b'-' } else { it.is_ascii_hexdigit() })
}

fn is_instant(text: &str) -> bool {
    (text.ends_with('Z') || text.ends_with("+00:00")) && text.parse::<jiff::Timestamp>().is_ok()
}
