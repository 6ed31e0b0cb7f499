//! The form of topology files as a JSON Schema, so that editors complete and check them while they are written.
//!
//! Names and types are beyond it: those are the checker's.

use serde_json::{Map, Value, json};

use super::format::{self, Form, Shape};

/// The schema, as pretty JSON text.
#[must_use]
pub fn schema() -> String {
    let operators: Map<String, Value> = format::OPERATORS.iter().map(|(name, it)| ((*name).to_owned(), object(it))).collect();
    let mut schema = object(&format::TOPOLOGY);
    let definitions = json!({
        "expression": {
            "description": "An expression, when plain or in a block (`|`); a text, when quoted.",
            "type": ["string", "number", "boolean", "null"],
        },
        "names": { "type": "object", "minProperties": 1, "additionalProperties": reference("expression") },
        "value": { "type": "object", "additionalProperties": { "anyOf": [reference("expression"), reference("value")] } },
        "steps": { "type": "array", "minItems": 1, "items": reference("step") },
        "step": {
            "description": "One operator.",
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "properties": operators,
        },
    });
    if let Some(it) = schema.as_object_mut() {
        it.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        it.insert("title".to_owned(), json!("Goyt topology"));
        it.insert("$defs".to_owned(), definitions);
    }
    format!("{schema:#}\n")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn object(shape: &Shape) -> Value {
    let properties: Map<String, Value> = shape
        .keys
        .iter()
        .map(|it| {
            let mut of = form(it.form);
            if let Some(of) = of.as_object_mut() {
                of.insert("markdownDescription".to_owned(), json!(format!("`{}`", it.example)));
            }
            (it.name.to_owned(), of)
        })
        .collect();
    let required: Vec<&str> = shape.keys.iter().filter(|it| it.required).map(|it| it.name).collect();
    let others = if shape.names { reference("expression") } else { json!(false) };
    json!({
        "description": shape.about,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": others,
    })
}

fn form(of: Form) -> Value {
    let list = |of: Value| json!({ "type": "array", "minItems": 1, "items": of });
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match of {
        Form::Text => json!({ "type": "string" }),
        Form::TopologyName => text("^[a-z][a-z0-9-]*$"),
        Form::Id => text("^[A-Za-z][A-Za-z0-9_-]*$"),
        Form::Name => text("^[A-Za-z_][A-Za-z0-9_]*$"),
        Form::Topic => text("^[A-Za-z0-9._-]+$"),
        Form::Event => text("^[A-Za-z0-9._-]+@[0-9]+$"),
        Form::Events => list(form(Form::Event)),
        Form::Expression => json!({ "allOf": [reference("expression")] }),
        Form::Expressions => json!({ "anyOf": [reference("expression"), list(reference("expression"))] }),
        Form::Names => json!({ "allOf": [reference("names")] }),
        Form::Value => json!({ "allOf": [reference("value")] }),
        Form::Outcome => text("^(stop|reject\\([A-Z][A-Z0-9_]*\\))$"),
        Form::Window => text("^[1-9][0-9]*[dhms]$"),
        Form::Late => json!({ "const": "process" }),
        Form::Inputs => list(object(&format::INPUT)),
        Form::Dedup => object(&format::DEDUP),
        Form::Steps => json!({ "allOf": [reference("steps")] }),
        Form::Cases => list(object(&format::CASE)),
        Form::Legs => list(object(&format::LEG)),
        Form::Each => object(&format::EACH),
    }
}
