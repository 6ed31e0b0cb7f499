//! Values in a test file: JSON written as YAML. What is quoted is a string; what is plain is a number, `true`, `false` or `null`.

use serde_json::Value as Parsed;

use crate::engine::topology::reading::Reading;
use crate::engine::topology::tree::{Kind, Node, Style};

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

/// Whether this is `null`, or nothing at all.
pub(super) fn is_null(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(it) if it.style == Style::Plain && matches!(it.text.as_str(), "null" | "~" | ""))
}

/// Reads a value; `null` alone is no value at all.
pub(super) fn read(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Value> {
    if is_null(node) {
        return Some(Value::Null);
    }
    json(node, reading).map(Value::Json)
}

/// Reads JSON.
pub(super) fn json(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Json> {
    match &node.kind {
        Kind::Scalar(it) if it.style != Style::Plain => Some(Json::Scalar(quoted(&it.text))),
        Kind::Scalar(it) => match serde_json::from_str(&it.text) {
            Ok(Parsed::Null | Parsed::Bool(_) | Parsed::Number(_)) => Some(Json::Scalar(it.text.clone())),
            _ => {
                let hint = format!("a string stands in quotes: \"{}\"", it.text);
                reading.mistake(&node.span, format!("{} is no number, true, false or null", it.text), hint)
            }
        },
        Kind::Broken => None, // Told when the tree was read.
        Kind::List(items) => {
            let items: Vec<Option<Json>> = items.iter().map(|it| json(it, reading)).collect();
            items.into_iter().collect::<Option<_>>().map(Json::List)
        }
        Kind::Map(entries) => {
            let fields: Vec<Option<(String, Json)>> =
                entries.iter().map(|(key, value)| Some((key.text.clone(), json(value, reading)?))).collect();
            fields.into_iter().collect::<Option<_>>().map(Json::Object)
        }
    }
}

/// Puts fields in the place of those of the same name, others at the end.
pub(super) fn with(value: &mut Option<Value>, with: &Node, reading: &mut Reading<'_, '_>) -> Option<()> {
    let (Some(Value::Json(Json::Object(fields))), Json::Object(more)) = (value, json(with, reading)?) else {
        let hint = "write `with: { field: value }` beside `like:`";
        return reading.mistake(&with.span, "`with` needs a mapping, and a value that is one", hint);
    };
    for (name, new) in more {
        match fields.iter_mut().find(|it| it.0 == name) {
            Some(field) => field.1 = new,
            None => fields.push((name, new)),
        }
    }
    Some(())
}

/// Takes a field away.
pub(super) fn without(value: &mut Option<Value>, field: &Node, reading: &mut Reading<'_, '_>) -> Option<()> {
    let name = reading.text(field)?;
    if let Some(Value::Json(Json::Object(fields))) = value
        && let Some(index) = fields.iter().position(|it| it.0 == name)
    {
        fields.remove(index);
        return Some(());
    }
    reading.mistake(&field.span, "there is no such field to be left out", "name a field of the sample's value")
}

/// Bytes in hexadecimal digits; blanks between them are passed over.
pub(super) fn hex(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Vec<u8>> {
    let digits: Vec<char> = reading.text(node)?.chars().filter(|it| !it.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok().filter(|_| pair.len() == 2);
    match digits.chunks(2).map(byte).collect() {
        Some(bytes) => Some(bytes),
        None => reading.mistake(&node.span, "these are no bytes in hexadecimal digits", "write two digits a byte: `hex: \"7b ff 7d\"`"),
    }
}
