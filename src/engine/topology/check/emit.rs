//! The `emit` step: a derived event, checked against its schema when there is one.

use super::{Checking, Way};
use crate::engine::expr::Expr;
use crate::engine::expr::checked::Checked;
use crate::engine::expr::names::known_names;
use crate::engine::plan::{Emit, Operator, Written};
use crate::engine::schema::{Kind, ObjectSchema, Property};
use crate::engine::topology::reading::Reading;
use crate::engine::topology::steps::EmitSpec;
use crate::engine::topology::tree::{self, Node};
use crate::engine::value::{Type, Value};

/// Name space of the name spaces of steps: a UUID of version 4, drawn once.
const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x5c8f_6f0e_3d0b_4a57_9a5e_2b1d_7c64_e1f3);

/// Fields that the engine writes.
const ENVELOPE: [&str; 4] = ["eventType", "eventId", "timestamp", "metadata"];

impl Checking<'_, '_> {
    pub(super) fn emit(&mut self, id: &str, emit: &EmitSpec<'_>, way: &Way) -> Option<Operator> {
        let key = emit.key.map(|it| match &it.kind {
            tree::Kind::List(_) => {
                self.mistake(&it.span, "the key of an event has one part", "make one text of them, or take the one that matters")
            }
            _ => self.key_part(it, &way.scope, way),
        });
        let schemas = self.schemas;
        let schema = emit.event.as_ref().and_then(|it| schemas.get(&(it.event_type.clone(), it.major)));
        let value = emit.value.and_then(|it| self.object(it, schema, way, true));
        let (to, event) = (emit.to?, emit.event.as_ref()?);
        let topic = self.output(to.text, &to.node.span);
        let name = format!("{}/{id}", self.out.name);
        let namespace = uuid::Uuid::new_v5(&NAMESPACE, name.as_bytes()).as_u128();
        let key = match key {
            None => None,
            Some(key) => Some(key?.expr),
        };
        let metadata = (self.out.name.as_str(), &*format!("{}.0", event.major));
        Some(Operator::Emit(Emit::new(topic, &event.event_type, metadata, key, value?, namespace)))
    }

    /// The fields of an object.
    fn object(&mut self, node: &Node, schema: Option<&ObjectSchema>, way: &Way, root: bool) -> Option<Vec<(String, Written)>> {
        let fields = Reading { mistakes: self.mistakes }.map(node, "the value")?;
        let mut outputs = Vec::new();
        for (key, node) in fields.entries {
            if root && ENVELOPE.contains(&key.text.as_str()) {
                self.mistakes.add(key.span.clone(), format!("`{}` is written by the engine", key.text), "remove it");
                continue;
            }
            let property = schema.and_then(|it| it.properties.iter().find(|it| it.name == key.text));
            if let (Some(schema), None) = (schema, property) {
                let known = schema.properties.iter().map(|it| it.name.as_str()).filter(|it| !(root && ENVELOPE.contains(it)));
                let hint = format!("add it to the schema, or correct it: {}", known_names(&key.text, "fields", known));
                self.mistakes.add(key.span.clone(), format!("the event's schema has no field `{}`", key.text), hint);
            }
            outputs.extend(self.field(node, property, way).map(|value| (key.text.clone(), value)));
        }
        for property in schema.iter().flat_map(|it| &it.properties) {
            let written = root && ENVELOPE.contains(&property.name.as_str());
            if property.required && !written && fields.get(&property.name).is_none() {
                let end = fields.entries.first().map_or(node.span.end, |(it, _)| it.span.end);
                let hint = format!("add `{}: …`", property.name);
                self.mistakes.add(node.span.start..end, format!("the event's schema requires `{}`", property.name), hint);
            }
        }
        Some(outputs)
    }

    fn field(&mut self, node: &Node, property: Option<&Property>, way: &Way) -> Option<Written> {
        match &node.kind {
            tree::Kind::Map(_) => {
                let schema = match property.map(|it| &it.kind) {
                    Some(Kind::Object(schema)) => Some(schema),
                    Some(Kind::Any) | None => None,
                    Some(other) => {
                        return self.mistake(
                            &node.span,
                            format!("the event's schema wants {}, not an object", described(other)),
                            "write an expression",
                        );
                    }
                };
                self.object(node, schema, way, false).map(Written::Object)
            }
            tree::Kind::Broken => None,
            tree::Kind::List(_) => {
                self.mistake(&node.span, "lists can't be written", "pass a list of the event on, or write several fields")
            }
            tree::Kind::Scalar(_) => {
                let checked = self.sure(node, &way.scope, way)?;
                if *checked.of.required() == Type::Money {
                    let hint = "write its `.amount` and its `.currency` as two fields";
                    return self.mistake(&node.span, "money is two fields of an event", hint);
                }
                match property {
                    None => Some(Written::Value(checked.expr)),
                    Some(property) => self.fitting(node, checked, property).map(Written::Value),
                }
            }
        }
    }

    /// A value as the schema wants it.
    fn fitting(&mut self, node: &Node, checked: Checked, property: &Property) -> Option<Expr> {
        let nullable = matches!(checked.of, Type::Optional(_) | Type::Null);
        if nullable && !property.nullable {
            let hint = "test it before, or give another value: `coalesce(…, other)`; or let the schema allow null";
            return self.mistake(
                &node.span,
                format!("this can be null, and the event's schema does not allow null for `{}`", property.name),
                hint,
            );
        }
        let wanted = match &property.kind {
            Kind::Any => return Some(checked.expr),
            kind => kind.value_type(),
        };
        if let Some(fault) = literal_fault(&checked, &property.kind) {
            return self.mistake(
                &node.span,
                format!("the event's schema does not allow this for `{}`: {fault}", property.name),
                "correct the value, or the schema",
            );
        }
        // A literal stands for a decimal, a uuid or a time as it is written.
        if checked.literal_text().is_some() && matches!(property.kind, Kind::Decimal | Kind::Uuid | Kind::Time) {
            return Some(checked.expr);
        }
        let wanted = if nullable { Type::Optional(Box::new(wanted)) } else { wanted };
        match checked.adapted(&wanted) {
            Ok(it) => Some(it.expr),
            Err(it) => {
                let hint = match (&property.kind, it.of.required()) {
                    (Kind::String { .. }, _) => "make it a text: `string(x)`",
                    (Kind::Decimal, Type::Int) => "make it a decimal: `decimal(x)`",
                    _ => "correct the expression, or the schema",
                };
                self.mistake(
                    &node.span,
                    format!(
                        "the event's schema wants {} for `{}`, and this is of type {}",
                        described(&property.kind),
                        property.name,
                        it.of
                    ),
                    hint,
                )
            }
        }
    }
}

/// Why a literal is not what the schema allows.
fn literal_fault(checked: &Checked, kind: &Kind) -> Option<String> {
    match (&checked.expr, kind) {
        (Expr::Const(Value::Int(it)), Kind::Int { min, max }) if !(*min..=*max).contains(it) => {
            Some(format!("it is not within {min} to {max}"))
        }
        (Expr::Text(text), Kind::String { min_length, max_length, one_of }) => {
            let length = text.chars().count();
            if !one_of.is_empty() && !one_of.iter().any(|it| it == text) {
                return Some(known_names(text, "values", one_of.iter().map(String::as_str)));
            }
            (length < *min_length || *max_length < length)
                .then(|| format!("{length} characters are not within {min_length} to {max_length}"))
        }
        (Expr::Text(text), Kind::Decimal) if crate::engine::decimal::parse(text).is_none() => Some("it is no decimal".to_owned()),
        (Expr::Text(text), Kind::Uuid) if uuid::Uuid::try_parse(text).is_err() => Some("it is no UUID".to_owned()),
        (Expr::Text(text), Kind::Time) if text.parse::<jiff::Timestamp>().is_err() => Some("it is no instant".to_owned()),
        (Expr::Text(text), Kind::Currency) if crate::engine::value::Currency::of(text).is_none() => {
            Some("it is no currency of ISO 4217".to_owned())
        }
        _ => None,
    }
}

fn described(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "a bool",
        Kind::Int { .. } => "an int",
        Kind::Decimal => "a decimal",
        Kind::String { .. } => "a string",
        Kind::Currency => "a currency",
        Kind::Uuid => "a uuid",
        Kind::Time => "a time",
        Kind::Object(_) => "an object",
        Kind::List => "a list",
        Kind::Any => "anything",
    }
}
