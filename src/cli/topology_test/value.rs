//! Values in a test file: JSON written as YAML. What is quoted is a string; what is plain is a number, `true`, `false` or `null`.

use serde_json::Value as Parsed;

use super::tree::{Kind, Node, Reading};

/// The value of a record.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bytes(Vec<u8>),
    Json(Json),
}

/// JSON whose objects keep the order in which they were written, since dead letters are compared byte for byte.
#[derive(Debug, Clone)]
pub(super) enum Json {
    /// A string, number, `true`, `false` or `null`, as JSON text.
    Scalar(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Value {
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Null => None,
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Json(json) => Some(json.text().into_bytes()),
        }
    }
}

impl Json {
    /// As JSON text.
    fn text(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::text).collect::<Vec<_>>().join(",")),
            Self::Object(fields) => {
                let field = |(name, value): &(String, Self)| format!("{}:{}", quoted(name), value.text());
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// As a value to be compared.
    pub(super) fn parsed(&self) -> Parsed {
        serde_json::from_str(&self.text()).unwrap_or_default()
    }
}

fn quoted(text: &str) -> String {
    Parsed::from(text).to_string()
}

/// Reads a value; `null` alone is no value at all.
pub(super) fn read(node: Node, reading: &mut Reading<'_>) -> Option<Value> {
    if node.is_null() {
        return Some(Value::Null);
    }
    json(node, reading).map(Value::Json)
}

/// Reads JSON.
pub(super) fn json(node: Node, reading: &mut Reading<'_>) -> Option<Json> {
    match node.kind {
        Kind::Scalar { text, plain: false } => Some(Json::Scalar(quoted(&text))),
        Kind::Scalar { text, plain: true } => {
            let scalar = matches!(serde_json::from_str(&text), Ok(Parsed::Null | Parsed::Bool(_) | Parsed::Number(_)));
            if !scalar {
                reading.mistake(
                    node.span,
                    format!("{text} is no number, true, false or null"),
                    format!("a string stands in quotes: \"{text}\""),
                );
            }
            scalar.then_some(Json::Scalar(text))
        }
        Kind::List(items) => {
            let items: Vec<Option<Json>> = items.into_iter().map(|it| json(it, reading)).collect();
            items.into_iter().collect::<Option<_>>().map(Json::List)
        }
        Kind::Map(entries) => {
            let mut fields: Vec<(String, Json)> = Vec::new();
            for (key, value) in entries {
                let Some(name) = reading.word(&key, "name") else { continue };
                if fields.iter().any(|it| it.0 == name) {
                    reading.mistake(key.span, format!("{name} stands twice"), "keep one of them; for JSON with a field twice use `text:`");
                }
                fields.extend(json(value, reading).map(|it| (name, it)));
            }
            Some(Json::Object(fields))
        }
    }
}

/// Puts fields in the place of those of the same name, others at the end.
pub(super) fn with(value: &mut Option<Value>, with: Node, reading: &mut Reading<'_>) {
    let span = with.span;
    let (Some(Value::Json(Json::Object(fields))), Some(Json::Object(more))) = (value, json(with, reading)) else {
        return reading.mistake(span, "`with` needs an object, and a value that is one", "write `with: { field: value }` beside `like:`");
    };
    for (name, new) in more {
        match fields.iter_mut().find(|it| it.0 == name) {
            Some(field) => field.1 = new,
            None => fields.push((name, new)),
        }
    }
}

/// Takes a field away.
pub(super) fn without(value: &mut Option<Value>, name: &Node, reading: &mut Reading<'_>) {
    let before = if let Some(Value::Json(Json::Object(fields))) = value { fields.len() } else { 0 };
    if let (Some(Value::Json(Json::Object(fields))), Some(name)) = (&mut *value, name.text()) {
        fields.retain(|it| it.0 != name);
        if fields.len() < before {
            return;
        }
    }
    reading.mistake(name.span, "there is no such field to be left out", "name a field of the sample's value");
}

/// Bytes in hexadecimal digits; blanks between them are passed over.
pub(super) fn hex(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<u8>> {
    let digits: Vec<char> = reading.word(node, "hex")?.chars().filter(|it| !it.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok().filter(|_| pair.len() == 2);
    let bytes = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>();
    if bytes.is_none() {
        reading.mistake(node.span, "these are no bytes in hexadecimal digits", "write two digits a byte: `hex: \"7b ff 7d\"`");
    }
    bytes
}
