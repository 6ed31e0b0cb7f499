//! Event schemas: the closed part of JSON Schema that describes events, compiled.
//!
//! A file is named after its event: `<TYPE>@<MAJOR>.json`. What it may say is listed in [`KEYWORDS`]; anything else is a mistake, since a
//! rule that is not enforced would be worse than none. `"format": "decimal"` is ours: an exact decimal in a string. The envelope's
//! fields are part of every event, whether its schema names them or not.

use std::collections::BTreeMap;

use super::mistake::{Mistake, Mistakes, Span};
use super::reading::{Fields, Reading};
use super::tree::{self, Key, Node, Style};
use crate::engine::expr::names::known_names;
use crate::engine::schema::{Kind, ObjectSchema, Property};

/// What a schema may say. The second ones are for people and tools, and mean nothing here.
const KEYWORDS: [&str; 12] = [
    "type",
    "properties",
    "required",
    "enum",
    "const",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "additionalProperties",
    "items",
];
const NOTES: [&str; 8] = ["$schema", "$id", "title", "description", "examples", "$comment", "default", "deprecated"];

/// Most properties of an object: the decoder keeps a bit for each.
const PROPERTIES_MAX: usize = 128;

/// The schemas by event type and major version.
pub type Schemas = BTreeMap<(String, u32), ObjectSchema>;

/// Reads all schemas; the mistakes of all files go to `mistakes`.
#[must_use]
pub fn read(files: &[(String, String)], mistakes: &mut Vec<Mistake>) -> Schemas {
    let mut schemas = Schemas::new();
    for (file, text) in files {
        let mut found = Mistakes::of(file, text);
        let stem = file.rsplit(['/', '\\']).next().unwrap_or(file);
        let event = parse_event(stem.strip_suffix(".json").unwrap_or(stem));
        let schema = read_one(&mut found);
        match (event, schema) {
            (None, _) => {
                found.add(
                    0..0,
                    format!("`{stem}` is no name of an event schema"),
                    "name the file `<TYPE>@<MAJOR>.json`, such as ORDER_PLACED@1.json",
                );
            }
            (Some(event), Some(schema)) => {
                if schemas.get(&event).is_some_and(|it| *it != schema) {
                    found.add(0..0, format!("there is another schema named `{stem}`, which differs"), "remove one of them");
                }
                schemas.insert(event, schema);
            }
            (Some(_), None) => {}
        }
        mistakes.extend(found.into_sorted());
    }
    schemas
}

/// `TYPE@MAJOR`.
#[must_use]
pub fn parse_event(text: &str) -> Option<(String, u32)> {
    let (name, major) = text.split_once('@')?;
    let named = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it));
    let digits = !major.is_empty() && major.len() < 9 && major.bytes().all(|it| it.is_ascii_digit());
    if named && digits { Some((name.to_owned(), major.parse().ok()?)) } else { None }
}

fn read_one(mistakes: &mut Mistakes<'_>) -> Option<ObjectSchema> {
    let text = mistakes.text();
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        // Columns are counted in bytes, and may point into a letter.
        let at = text.floor_char_boundary(start + error.column().saturating_sub(1));
        let words = error.to_string();
        let reason = words.split(" at line").next().unwrap_or_default();
        mistakes.add(at..at, format!("this is not JSON: {reason}"), "check commas, quotes and brackets here");
        return None;
    }
    // JSON is YAML too: read as such, everything has its place.
    let root = tree::read(mistakes)?;
    let mut reading = Reading { mistakes };
    let mut schema = SchemaReading { reading: &mut reading }.object_schema(&root, true)?;
    complete(&mut schema);
    Some(schema)
}

/// Adds what every event has and the schema did not name.
fn complete(schema: &mut ObjectSchema) {
    let string = || Kind::String { min_length: 0, max_length: usize::MAX, one_of: Vec::new() };
    let property = Property::new;
    let metadata = || ObjectSchema { properties: vec![property("source", string()), property("version", string())] };
    let envelope = [
        property("eventType", string()),
        property("eventId", Kind::Uuid),
        property("timestamp", Kind::Time),
        property("metadata", Kind::Object(metadata())),
    ];
    for of in envelope {
        match schema.properties.iter_mut().find(|it| it.name == of.name) {
            None => schema.properties.push(of),
            Some(named) => {
                named.required = true;
                named.nullable = false;
                if let Kind::Object(object) = &mut named.kind {
                    for of in metadata().properties {
                        if !object.properties.iter().any(|it| it.name == of.name) {
                            object.properties.push(of);
                        }
                    }
                }
            }
        }
    }
}

struct SchemaReading<'r, 'm, 's> {
    reading: &'r mut Reading<'m, 's>,
}

impl SchemaReading<'_, '_, '_> {
    fn mistake<T>(&mut self, span: &Span, reason: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        self.reading.mistakes.add(span.clone(), reason, hint);
        None
    }

    /// The keywords of a schema, unknown ones told.
    fn keywords<'t>(&mut self, node: &'t Node) -> Option<Fields<'t>> {
        let fields = self.reading.map(node, "a schema")?;
        let known = || KEYWORDS.into_iter().chain(NOTES);
        for (key, _) in fields.entries {
            if !known().any(|it| it == key.text) {
                let hint = format!("the decoder would not enforce it; {}", known_names(&key.text, "keywords", KEYWORDS));
                self.reading.mistakes.add(
                    key.span.clone(),
                    format!("`{}` is not among the keywords that event schemas may use", key.text),
                    hint,
                );
            }
        }
        Some(fields)
    }

    fn object_schema(&mut self, node: &Node, root: bool) -> Option<ObjectSchema> {
        let fields = self.keywords(node)?;
        self.object(node, &fields, root)
    }

    fn object(&mut self, node: &Node, fields: &Fields<'_>, root: bool) -> Option<ObjectSchema> {
        if root && fields.get("type").and_then(|it| self.reading.text(it)) != Some("object") {
            let at = fields.get("type").map_or(node.span.start..node.span.start + 1, |it| it.span.clone());
            return self.mistake(&at, "an event is an object", "write `\"type\": \"object\"`");
        }
        if let Some(it) = fields.get("additionalProperties")
            && self.reading.text(it) != Some("true")
        {
            let hint = "remove it: producers may add fields at any time, and unknown fields are never an error";
            return self.mistake(&it.span, "unknown fields can't be forbidden", hint);
        }
        let required = self.names(fields.get("required"));
        let Some(listed) = fields.get("properties") else { return Some(ObjectSchema::default()) };
        let listed = self.reading.map(listed, "the properties")?;
        let mut properties = Vec::new();
        for (key, of) in listed.entries {
            let is_required = required.iter().any(|(it, _)| *it == key.text);
            if let Some(it) = self.property(key, of, is_required, root) {
                properties.push(it);
            }
        }
        if PROPERTIES_MAX < listed.entries.len() {
            return self.mistake(
                &node.span,
                format!("more than {PROPERTIES_MAX} properties"),
                "name those that topologies need: others may stand in the event",
            );
        }
        for (name, span) in &required {
            if !listed.entries.iter().any(|(it, _)| it.text == *name) {
                let hint = known_names(name, "properties", listed.entries.iter().map(|(it, _)| it.text.as_str()));
                self.reading.mistakes.add(span.clone(), format!("`{name}` is required, but not among the properties"), hint);
            }
        }
        Some(ObjectSchema { properties })
    }

    fn names<'t>(&mut self, node: Option<&'t Node>) -> Vec<(&'t str, Span)> {
        let Some(node) = node else { return Vec::new() };
        let Some(items) = self.reading.list(node, "`required`") else { return Vec::new() };
        items.iter().filter_map(|it| self.reading.text(it).map(|text| (text, it.span.clone()))).collect()
    }

    fn property(&mut self, key: &Key, node: &Node, required: bool, root: bool) -> Option<Property> {
        let fields = self.keywords(node)?;
        let (name, nullable) = self.type_of(node, &fields)?;
        let kind = self.kind(name, node, &fields)?;
        let wanted = match key.text.as_str() {
            "eventId" => Some((kind == Kind::Uuid, "a string of format uuid")),
            "timestamp" => Some((kind == Kind::Time, "a string of format date-time")),
            "eventType" => Some((matches!(kind, Kind::String { .. }), "a string")),
            "metadata" => Some((matches!(kind, Kind::Object(_)), "an object")),
            _ => None,
        };
        if let Some((false, wanted)) = wanted.filter(|_| root) {
            return self.mistake(
                &node.span,
                format!("`{}` belongs to the envelope and is {wanted}", key.text),
                "correct it, or leave it out: it is part of every event",
            );
        }
        Some(Property { required, nullable, ..Property::new(&key.text, kind) })
    }

    /// The type, and whether null is allowed too.
    fn type_of<'t>(&mut self, node: &Node, fields: &Fields<'t>) -> Option<(Option<&'t str>, bool)> {
        let Some(of) = fields.get("type") else {
            if fields.entries.iter().all(|(it, _)| NOTES.contains(&it.text.as_str())) {
                return Some((None, true));
            }
            if fields.get("const").or(fields.get("enum")).is_some() {
                return Some((Some("string"), false));
            }
            return self.mistake(
                &(node.span.start..node.span.start + 1),
                "the type is missing",
                "write `\"type\": \"string\"`, or \"integer\", \"boolean\", \"object\", \"array\"",
            );
        };
        if let tree::Kind::List(items) = &of.kind {
            let names: Vec<&str> = items.iter().filter_map(|it| self.reading.text(it)).collect();
            return match names.as_slice() {
                [name, "null"] | ["null", name] => Some((Some(name), true)),
                [name] => Some((Some(name), false)),
                _ => self.mistake(&of.span, "a field has one type, and may be null besides", "write `[\"string\", \"null\"]`"),
            };
        }
        self.reading.text(of).map(|it| (Some(it), false))
    }

    fn kind(&mut self, name: Option<&str>, node: &Node, fields: &Fields<'_>) -> Option<Kind> {
        match name {
            None => Some(Kind::Any),
            Some("boolean") => Some(Kind::Bool),
            Some("integer") => {
                let min = fields.get("minimum").map_or(Some(i64::MIN), |it| self.number(it))?;
                let max = fields.get("maximum").map_or(Some(i64::MAX), |it| self.number(it))?;
                Some(Kind::Int { min, max })
            }
            Some("string") => self.string(fields),
            Some("object") => self.object(node, fields, false).map(Kind::Object),
            Some("array") => Some(Kind::List),
            Some("number") => {
                let at = fields.get("type").map_or(node.span.clone(), |it| it.span.clone());
                self.mistake(
                    &at,
                    "JSON numbers with fractions are not exact",
                    "write `\"type\": \"string\", \"format\": \"decimal\"`, or \"integer\"",
                )
            }
            Some(other) => {
                let at = fields.get("type").map_or(node.span.clone(), |it| it.span.clone());
                let hint = known_names(other, "types", ["string", "integer", "boolean", "object", "array", "null"]);
                self.mistake(&at, format!("there is no type `{other}`"), hint)
            }
        }
    }

    fn string(&mut self, fields: &Fields<'_>) -> Option<Kind> {
        if let Some(format) = fields.get("format") {
            let formats = ["uuid", "date-time", "decimal", "currency"];
            return match self.reading.text(format)? {
                "uuid" => Some(Kind::Uuid),
                "date-time" => Some(Kind::Time),
                "decimal" => Some(Kind::Decimal),
                "currency" => Some(Kind::Currency),
                other => {
                    let hint = format!("the decoder would not enforce it; {}", known_names(other, "formats", formats));
                    self.mistake(&format.span, format!("`{other}` is not among the formats that event schemas may use"), hint)
                }
            };
        }
        let length = |it: i64| usize::try_from(it).ok();
        let min_length = fields.get("minLength").map_or(Some(0), |it| self.number(it).and_then(length))?;
        let max_length = fields.get("maxLength").map_or(Some(usize::MAX), |it| self.number(it).and_then(length))?;
        let mut one_of = Vec::new();
        if let Some(values) = fields.get("enum") {
            for it in self.reading.list(values, "`enum`")? {
                one_of.push(self.reading.text(it)?.to_owned());
            }
        }
        if let Some(value) = fields.get("const") {
            one_of.push(self.reading.text(value)?.to_owned());
        }
        Some(Kind::String { min_length, max_length, one_of })
    }

    fn number(&mut self, node: &Node) -> Option<i64> {
        match &node.kind {
            tree::Kind::Scalar(it) if it.style == Style::Plain => match it.text.parse() {
                Ok(it) => Some(it),
                Err(_) => self.mistake(&node.span, format!("`{}` is no integer of 64 bits", it.text), "write digits only"),
            },
            _ => self.mistake(&node.span, "a number is expected", "write digits, without quotes"),
        }
    }
}
