//! How fields of records are made, as a scenario file says it.
//!
//! What is quoted is text as it stands; what is plain is a number, `true`, `false`, `null` or a word: `uuid`, `now`, `count`. A mapping whose
//! first key is the name of a way to make a value is that way; any other is an object.

use super::Field;
use crate::engine::expr::names::known_names;
use crate::engine::topology::reading::{Fields, Reading};
use crate::engine::topology::tree::{Key, Kind, Node, Style};
use crate::sim::amount;

const WORDS: [&str; 3] = ["uuid", "now", "count"];
const WAYS: [&str; 6] = ["text", "choice", "integer", "decimal", "from", "ago"];

/// Reads the fields of an object. `made` are the names that may be used in them; it grows by theirs.
pub(super) fn read_object(node: &Node, made: &mut Vec<String>, reading: &mut Reading<'_, '_>) -> Vec<(String, Field)> {
    let mut fields = Vec::new();
    for (name, node) in reading.map(node, "fields").map(|it| it.entries).unwrap_or_default() {
        // One that has mistakes is still a field: what names it is not blamed as well.
        let field = read(node, made, reading).unwrap_or(Field::Count);
        fields.push((name.text.clone(), field));
        made.push(name.text.clone());
    }
    fields
}

fn read(node: &Node, made: &mut Vec<String>, reading: &mut Reading<'_, '_>) -> Option<Field> {
    match &node.kind {
        Kind::Scalar(it) if it.style != Style::Plain => Some(Field::Json(serde_json::Value::from(it.text.as_str()).to_string())),
        Kind::Scalar(it) => plain(node, it.text.trim(), reading),
        Kind::Map(entries) => match entries.first().filter(|(key, _)| WAYS.contains(&key.text.as_str())) {
            Some((key, argument)) => way(node, key, argument, made, reading),
            None => {
                // Texts know the fields around them, not those inside of an object.
                let mut inner = made.clone();
                Some(Field::Object(read_object(node, &mut inner, reading)))
            }
        },
        Kind::List(_) => {
            reading.mistake(&node.span, "lists can't be made yet", "write one value, or `{ choice: [a, b] }` for one of several")
        }
        Kind::Broken => None,
    }
}

fn plain(node: &Node, text: &str, reading: &mut Reading<'_, '_>) -> Option<Field> {
    match text {
        "uuid" => Some(Field::Uuid),
        "now" => Some(Field::Now { ago: 0 }),
        "count" => Some(Field::Count),
        "" | "~" => Some(Field::Json("null".to_owned())),
        _ => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) if !value.is_string() => Some(Field::Json(text.to_owned())),
            _ => {
                let hint = format!("a text stands in quotes: \"{text}\"; {}", known_names(text, "words", WORDS.into_iter()));
                reading.mistake(&node.span, format!("{text} is no number, true, false or null, and no word that makes something"), hint)
            }
        },
    }
}

fn way(node: &Node, key: &Key, argument: &Node, made: &mut Vec<String>, reading: &mut Reading<'_, '_>) -> Option<Field> {
    let known: &[&str] = if key.text == "from" { &["from", "field", "not"] } else { &[key.text.as_str()] };
    let fields = reading.fields(node, &format!("`{}`", key.text), known)?;
    match key.text.as_str() {
        "text" => text(argument, made, reading),
        "choice" => {
            let items = reading.one_or_more(argument)?;
            let items: Vec<Field> = items.into_iter().filter_map(|it| read(it, made, reading)).collect();
            Some(Field::Choice(items))
        }
        "integer" => {
            let (least, most) = bounds(argument, reading, |it| it.parse::<i64>().ok())?;
            Some(Field::Integer(least, most))
        }
        "decimal" => decimal(argument, reading),
        "ago" => duration(argument, reading).map(|ago| Field::Now { ago }),
        _ => from(argument, &fields, made, reading),
    }
}

/// A text, whose `{names}` must be fields made before.
fn text(node: &Node, made: &[String], reading: &mut Reading<'_, '_>) -> Option<Field> {
    let text = reading.text(node)?;
    for name in placeholders(text) {
        if name != "count" && !made.iter().any(|it| it == name) {
            let names = made.iter().map(String::as_str).chain(["count"]);
            let hint = known_names(name, "fields before it", names);
            return reading.mistake(&node.span, format!("`{{{name}}}` is no field before this one"), hint);
        }
    }
    Some(Field::Text(text.to_owned()))
}

/// The names in braces.
pub(super) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|it| it.split_once('}')).map(|(name, _)| name)
}

fn bounds<T: PartialOrd>(node: &Node, reading: &mut Reading<'_, '_>, parse: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    let items = reading.list(node, "the bounds")?;
    let parsed: Vec<T> = items.iter().filter_map(|it| reading.text(it).and_then(&parse)).collect();
    match <[T; 2]>::try_from(parsed) {
        Ok([least, most]) if least <= most && items.len() == 2 => Some((least, most)),
        _ => reading.mistake(
            &node.span,
            "these are not two bounds, the lower one first",
            "write `{ integer: [1, 10] }` or `{ decimal: [\"0.50\", \"10.00\"] }`",
        ),
    }
}

fn decimal(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Field> {
    let scale_of = |it: &str| it.split_once('.').map_or(0, |it| it.1.len());
    let ((least, scale), (most, other)) = bounds(node, reading, |it| Some((amount::parse(it)?, scale_of(it))))?;
    if scale != other {
        return reading.mistake(&node.span, "the bounds have different numbers of decimals", "write both alike: `[\"0.50\", \"10.00\"]`");
    }
    let unit = 10_i128.pow(u32::try_from(8_usize.saturating_sub(scale)).unwrap_or(0));
    Some(Field::Decimal { least: least / unit, most: most / unit, scale })
}

fn duration(node: &Node, reading: &mut Reading<'_, '_>) -> Option<i64> {
    let text = reading.text(node)?;
    let parsed = text.find(|it: char| !it.is_ascii_digit()).map(|it| text.split_at(it)).and_then(|(number, unit)| {
        let unit = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.parse::<i64>().ok()?.checked_mul(unit)
    });
    parsed.or_else(|| {
        reading.mistake(&node.span, format!("{text} is no length of time"), "write a number and ms, s, m, h or d, such as `30d`")
    })
}

fn from(argument: &Node, fields: &Fields<'_>, made: &[String], reading: &mut Reading<'_, '_>) -> Option<Field> {
    let topic = reading.text(argument)?.to_owned();
    let field = reading.required(fields, "`from`", "field", "field: id").and_then(|it| reading.text(it))?.to_owned();
    let not = match fields.get("not") {
        None => None,
        Some(node) => {
            let name = reading.text(node)?;
            if !made.iter().any(|it| it == name) {
                let hint = known_names(name, "fields before it", made.iter().map(String::as_str));
                return reading.mistake(&node.span, format!("`{name}` is no field before this one"), hint);
            }
            Some(name.to_owned())
        }
    };
    Some(Field::From { topic, field, not })
}
