//! A condition in the language of topologies over any record: `event.amount > 100.0 && key != null`.
//!
//! Fields of events that have a schema are of the schema's types. Of other JSON only what can't be mistaken is known: text, whole numbers,
//! true and false, null. Where a condition can't be asked of a record, it does not hold, and that is told, by event type.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::engine::expr::ast::{Ast, Problem};
use crate::engine::expr::scope::{Entry, Fields, Scope, Variable};
use crate::engine::expr::{Expr, Slot, check, eval, parse};
use crate::engine::json::decode::{Decoded, decode};
use crate::engine::plan::EventPlan;
use crate::engine::schema::{Kind, ObjectSchema};
use crate::engine::topology::Schemas;
use crate::engine::value::{Texts, Type, Value};
use crate::runtime::operations::access::ReadRecord;

/// Names beside `event`, with their types; the slots are in this order, and before those of the event.
fn record_names() -> [(&'static str, Type); 5] {
    [
        ("topic", Type::String),
        ("partition", Type::Int),
        ("offset", Type::Int),
        ("timestamp", Type::Optional(Box::new(Type::Time))),
        ("key", Type::Optional(Box::new(Type::String))),
    ]
}

/// A condition, ready to be asked.
#[derive(Debug)]
pub struct Condition {
    ast: Ast,
    /// By event type: its majors, and what the condition is for each.
    known: BTreeMap<String, Vec<Known>>,
    misfits: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Known {
    event: EventPlan,
    slots: usize,
    /// Or why it can't be asked.
    asked: Result<Expr, String>,
}

impl Condition {
    /// Reads it. `schemas` are those of the events that are known.
    ///
    /// # Errors
    /// What is wrong with its form; names and types show only with records.
    pub fn new(text: &str, schemas: &Schemas) -> Result<Self, Problem> {
        let ast = parse::parse(text)?.ast;
        let mut known: BTreeMap<String, Vec<Known>> = BTreeMap::new();
        for ((event_type, major), schema) in schemas {
            let (mut fields, mut next) = (schema.clone(), first_slot());
            let names = placed(&mut fields, false, &mut next);
            let event = EventPlan { event_type: event_type.clone(), major: *major, fields };
            let asked = checked(&ast, Entry::Fields(names));
            known.entry(event_type.clone()).or_default().push(Known { event, slots: usize::from(next), asked });
        }
        Ok(Self { ast, known, misfits: BTreeMap::new() })
    }

    /// Whether it holds of a record.
    pub fn holds(&mut self, record: &ReadRecord<'_>) -> bool {
        let value: Option<Json> = record.value.and_then(|it| serde_json::from_slice(it).ok());
        let event_type = value.as_ref().and_then(|it| it.get("eventType")).and_then(Json::as_str).unwrap_or_default();
        let asked = self.by_schema(event_type, record).unwrap_or_else(|| self.by_value(value.as_ref(), record));
        asked.unwrap_or_else(|why| {
            let name = if event_type.is_empty() { "records without an eventType" } else { event_type };
            self.misfits.entry(name.to_owned()).or_insert(why);
            false
        })
    }

    /// Why it could not be asked, by event type.
    #[must_use]
    pub fn misfits(&self) -> &BTreeMap<String, String> {
        &self.misfits
    }

    /// `None`: the record is no event that is known, or not what its schema says.
    fn by_schema(&self, event_type: &str, record: &ReadRecord<'_>) -> Option<Result<bool, String>> {
        self.known.get(event_type)?.iter().find_map(|known| {
            let texts = Texts::new();
            let mut slots = filled(record, known.slots, &texts);
            let decoded = decode(std::slice::from_ref(&known.event), record.value, &mut slots, &texts);
            let is_event = matches!(decoded, Ok(Decoded::Event(..)));
            is_event.then(|| known.asked.as_ref().map_err(String::clone).and_then(|expr| truth(expr, &slots, &texts)))
        })
    }

    fn by_value(&self, value: Option<&Json>, record: &ReadRecord<'_>) -> Result<bool, String> {
        let texts = Texts::new();
        let mut slots = filled(record, usize::from(first_slot()), &texts);
        let entry = match value {
            Some(Json::Object(fields)) => Entry::Fields(fields.iter().map(|(name, it)| (name.clone(), found(it, &mut slots))).collect()),
            _ => unusable("the value is no JSON object"),
        };
        let expr = checked(&self.ast, entry)?;
        truth(&expr, &slots, &texts)
    }
}

fn first_slot() -> Slot {
    Slot::try_from(record_names().len()).unwrap_or(Slot::MAX)
}

/// The slots of a record, of its event's fields not yet.
fn filled<'r>(record: &ReadRecord<'r>, count: usize, texts: &'r Texts) -> Vec<Value<'r>> {
    let mut slots = vec![
        Value::Str(texts.keep(record.place.topic.to_string())),
        Value::Int(i64::from(record.place.partition)),
        Value::Int(record.offset),
        record.timestamp.map_or(Value::Null, |it| Value::Time(it.saturating_mul(1_000))),
        record.key.map_or(Value::Null, |it| Value::Str(texts.keep(String::from_utf8_lossy(it).into_owned()))),
    ];
    slots.resize(count.max(slots.len()), Value::Null);
    slots
}

/// The names of an object's fields; each scalar gets a slot.
fn placed(object: &mut ObjectSchema, optional: bool, next: &mut Slot) -> Fields {
    let mut names = Fields::new();
    for property in &mut object.properties {
        let optional = optional || !property.required || property.nullable;
        let of = property.kind.value_type();
        let entry = match &mut property.kind {
            Kind::Object(inner) => Entry::Fields(placed(inner, optional, next)),
            Kind::Any => unusable("its schema says nothing of its type"),
            Kind::Bool | Kind::Int { .. } | Kind::Decimal | Kind::String { .. } | Kind::Currency | Kind::Uuid | Kind::Time | Kind::List => {
                property.slot = Some(*next);
                let slot = std::mem::replace(next, next.saturating_add(1));
                let of = if optional { Type::Optional(Box::new(of)) } else { of };
                Entry::Value(Variable { slot, of, one_of: Vec::new() })
            }
        };
        names.insert(property.name.clone(), entry);
    }
    names
}

/// A value of JSON without a schema, put into a slot.
fn found<'v>(value: &'v Json, slots: &mut Vec<Value<'v>>) -> Entry {
    let (of, value) = match value {
        Json::Object(fields) => return Entry::Fields(fields.iter().map(|(name, it)| (name.clone(), found(it, slots))).collect()),
        Json::Null => (Type::Optional(Box::new(Type::String)), Value::Null),
        Json::Bool(it) => (Type::Bool, Value::Bool(*it)),
        Json::String(it) => (Type::String, Value::Str(it)),
        Json::Number(it) => match it.as_i64() {
            Some(it) => (Type::Int, Value::Int(it)),
            None => return unusable("it is no whole number"),
        },
        Json::Array(_) => return unusable("it is a list"),
    };
    let slot = Slot::try_from(slots.len()).unwrap_or(Slot::MAX);
    slots.push(value);
    Entry::Value(Variable { slot, of, one_of: Vec::new() })
}

fn unusable(reason: &str) -> Entry {
    Entry::Unusable { reason: reason.to_owned(), hint: String::new() }
}

fn checked(ast: &Ast, event: Entry) -> Result<Expr, String> {
    let mut scope = Scope::default();
    scope.names.insert("event".to_owned(), event);
    for (slot, (name, of)) in (0..).zip(record_names()) {
        scope.names.insert(name.to_owned(), Entry::Value(Variable { slot, of, one_of: Vec::new() }));
    }
    match check::check(ast, &scope) {
        Ok(checked) if checked.of == Type::Bool => Ok(checked.expr),
        Ok(checked) => Err(format!("it is of type {}, not true or false", checked.of)),
        Err(problems) => Err(problems.first().map_or_else(String::new, |it| match it.hint.is_empty() {
            true => it.reason.clone(),
            false => format!("{}; {}", it.reason, it.hint),
        })),
    }
}

fn truth<'v>(expr: &'v Expr, slots: &[Value<'v>], texts: &'v Texts) -> Result<bool, String> {
    eval::truth(expr, slots, texts).map_err(|fault| format!("it fails: {fault:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::operations::access::Place;

    const SCHEMA: &str = r#"{"type":"object","properties":{"eventType":{"const":"PAID"},"eventId":{"type":"string","format":"uuid"},
        "amount":{"type":"string","format":"decimal"},"note":{"type":"string"},"timestamp":{"type":"string","format":"date-time"},
        "metadata":{"type":"object","properties":{"source":{"type":"string"},"version":{"type":"string"}},"required":["source","version"]}},
        "required":["eventType","eventId","amount","timestamp","metadata"]}"#;

    fn asked(condition: &str, value: &str) -> Result<bool, String> {
        let schemas = crate::engine::topology::schemas(&[("PAID@1.json".to_owned(), SCHEMA.to_owned())]).unwrap();
        let mut condition = Condition::new(condition, &schemas).map_err(|it| it.reason)?;
        let place = Place { topic: "payments".into(), partition: 3 };
        let (key, value) = (Some(&b"k"[..]), Some(value.as_bytes()));
        let holds =
            condition.holds(&ReadRecord { place: &place, offset: 41, timestamp: Some(1_700_000_000_000), key, value, headers: &[] });
        condition.misfits().values().next().map_or(Ok(holds), |why| Err(why.clone()))
    }

    #[test]
    fn a_condition_is_asked_of_any_record() {
        let paid = r#"{"eventType":"PAID","eventId":"00000000-0000-4000-8000-000000000001","amount":"12.50","timestamp":"2026-01-01T00:00:00Z","metadata":{"source":"t","version":"1.0"}}"#;
        let other = r#"{"eventType":"OTHER","count":7,"name":"x","open":true,"none":null,"inner":{"n":1},"rate":1.5}"#;
        #[rustfmt::skip]
        let table = [
            ("event.amount > 12.0",                                paid,  Ok(true)),
            ("event.amount > 12.5",                                paid,  Ok(false)),
            ("event.note == null",                                 paid,  Ok(true)),
            ("event.eventType == \"PAID\"",                        paid,  Ok(true)),
            ("topic == \"payments\" && partition == 3",            paid,  Ok(true)),
            ("offset >= 41 && key == \"k\"",                       paid,  Ok(true)),
            ("event.count > 6 && event.name == \"x\"",             other, Ok(true)),
            ("event.open && event.none == null",                   other, Ok(true)),
            ("event.inner.n == 2",                                 other, Ok(false)),
            ("offset > 40",                                        "[1]", Ok(true)),
        ];
        for (condition, value, expected) in table {
            assert_eq!(asked(condition, value), expected, "{condition}");
        }
        for (condition, value, why) in [
            ("event.count > 6", paid, "count"),
            ("event.rate > 1", other, "whole number"),
            ("event.count > 6", "not JSON", "JSON object"),
            ("offset", paid, "of type int"),
            ("offset >", paid, ""),
        ] {
            let error = asked(condition, value).unwrap_err();
            assert!(error.contains(why), "{condition}: {error}");
        }
    }
}
