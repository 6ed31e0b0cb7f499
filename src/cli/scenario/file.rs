//! The scenario file: what may stand in it, and how it is read. All mistakes are told at once, each with its place.

use super::fields::read_object;
use super::tally_file;
use super::{Breakage, Broken, Field, Picture, Scenario, Stage, Template};
use crate::engine::expr::names::known_names;
use crate::engine::plan::{Plan, Role};
use crate::engine::topology::Mistake;
use crate::engine::topology::mistake::Mistakes;
use crate::engine::topology::reading::{Fields, Reading};
use crate::engine::topology::tree::{self, Kind, Node, Style};

const SCENARIO: [&str; 7] = ["scenario", "description", "events", "partitions", "stages", "tallies", "pictures"];
const TEMPLATE: [&str; 8] = ["name", "share", "topic", "key", "repeated", "let", "value", "broken"];
const BROKEN: [&str; 7] = ["name", "reason", "times", "key", "with", "without", "text"];
const BROKEN_VALUE: &str = "value";
const PICTURE: [&str; 6] = ["title", "topic", "key", "columns", "top", "rows"];

/// How many of each kind of broken record there are, where the file does not say.
const BROKEN_TIMES: u64 = 3;

/// Reads a scenario for the topologies of this plan.
///
/// # Errors
/// All mistakes in it.
pub fn read(path: &str, text: &str, plan: &Plan) -> Result<Scenario, Vec<Mistake>> {
    let mut mistakes = Mistakes::of(path, text);
    let root = tree::read(&mut mistakes);
    let scenario = root.and_then(|it| read_scenario(&it, plan, &mut Reading { mistakes: &mut mistakes }));
    match scenario {
        Some(scenario) if mistakes.is_empty() => Ok(scenario),
        _ => Err(mistakes.into_sorted()),
    }
}

fn read_scenario(root: &Node, plan: &Plan, reading: &mut Reading<'_, '_>) -> Option<Scenario> {
    let what = "a scenario";
    let fields = reading.fields(root, what, &SCENARIO)?;
    let name = reading.required(&fields, what, "scenario", "scenario: its name").and_then(|it| reading.text(it))?.to_owned();
    let description = fields.get("description").and_then(|it| reading.text(it)).unwrap_or_default().to_owned();
    let events = number_of(&fields, "events", 10_000, 1, reading);
    let partitions = i32::try_from(number_of(&fields, "partitions", 6, 1, reading)).unwrap_or(1);
    let stages = reading.required(&fields, what, "stages", "stages:").and_then(|it| reading.list(it, "stages")).unwrap_or_default();
    let stages: Vec<Stage> = stages.iter().filter_map(|it| read_stage(it, plan, reading)).collect();
    let templates: Vec<&Template> = stages.iter().flat_map(|it| &it.templates).collect();
    let tallies = fields.get("tallies").and_then(|it| reading.list(it, "tallies")).unwrap_or_default();
    let tallies = tallies.iter().filter_map(|it| tally_file::read_tally(it, &templates, plan, reading)).collect();
    let pictures = fields.get("pictures").and_then(|it| reading.list(it, "pictures")).unwrap_or_default();
    let pictures = pictures.iter().filter_map(|it| read_picture(it, plan, reading)).collect();
    Some(Scenario { name, description, events, partitions, stages, tallies, pictures })
}

fn read_stage(node: &Node, plan: &Plan, reading: &mut Reading<'_, '_>) -> Option<Stage> {
    let what = "a stage";
    let fields = reading.fields(node, what, &["stage", "share", "records"])?;
    let name = reading.required(&fields, what, "stage", "stage: what happens").and_then(|it| reading.text(it));
    let share = number_of(&fields, "share", 100, 1, reading);
    let records = reading.required(&fields, what, "records", "records:").and_then(|it| reading.list(it, "records")).unwrap_or_default();
    let templates = records.iter().filter_map(|it| read_template(it, plan, reading)).collect();
    Some(Stage { name: name?.to_owned(), share, templates })
}

fn read_template(node: &Node, plan: &Plan, reading: &mut Reading<'_, '_>) -> Option<Template> {
    let what = "a kind of record";
    let fields = reading.fields(node, what, &TEMPLATE)?;
    let name = reading.required(&fields, what, "name", "name: what it is").and_then(|it| reading.text(it));
    let topic = reading.required(&fields, what, "topic", "topic: the topic").and_then(|it| known_topic(it, plan, &[Role::Input], reading));
    let mut made = Vec::new();
    let locals = fields.get("let").map(|it| read_object(it, &mut made, reading)).unwrap_or_default();
    let value = reading.required(&fields, what, "value", "value: { field: \"text\" }");
    let value = value.map(|it| read_object(it, &mut made, reading)).unwrap_or_default();
    let key = reading.required(&fields, what, "key", "key: a field of the value").and_then(|it| field_of(it, &value, reading));
    let broken = fields.get("broken").and_then(|it| reading.list(it, "broken")).unwrap_or_default();
    let broken = broken.iter().filter_map(|it| read_broken(it, &value, &mut made, reading)).collect();
    Some(Template {
        name: name?.to_owned(),
        share: number_of(&fields, "share", 1, 1, reading),
        // What could not be read is told: what names these records is not blamed as well.
        topic: topic.unwrap_or_default(),
        key: key.unwrap_or_default(),
        repeated: number_of(&fields, "repeated", 0, 0, reading),
        locals,
        value,
        broken,
    })
}

fn read_broken(node: &Node, value: &[(String, Field)], made: &mut Vec<String>, reading: &mut Reading<'_, '_>) -> Option<Broken> {
    let what = "a broken record";
    let known: Vec<&str> = BROKEN.into_iter().chain([BROKEN_VALUE]).collect();
    let fields = reading.fields(node, what, &known)?;
    let name = reading.required(&fields, what, "name", "name: what is wrong with it").and_then(|it| reading.text(it));
    let reason = reading.required(&fields, what, "reason", "reason: NOT_JSON").and_then(|it| reading.text(it));
    let times = number_of(&fields, "times", BROKEN_TIMES, 1, reading);
    let key_before = match fields.get("key") {
        None => false,
        Some(node) => match reading.text(node)? {
            "before" => true,
            other => {
                let hint = "write `key: before` for the key of the good record before it, or nothing for its own";
                return reading.mistake(&node.span, format!("`{other}` is no key of a broken record"), hint);
            }
        },
    };
    let change = match (fields.get("text"), fields.get(BROKEN_VALUE)) {
        (Some(text), _) => Breakage::Bytes(reading.text(text)?.as_bytes().to_vec()),
        (None, Some(node)) => match &node.kind {
            Kind::Scalar(it) if it.style == Style::Plain && it.text == "null" => Breakage::NoValue,
            _ => {
                return reading.mistake(
                    &node.span,
                    "`value` of a broken record can only be null",
                    "write `value: null`, `text:`, `with:` or `without:`",
                );
            }
        },
        (None, None) => {
            let with = fields.get("with").map(|it| read_object(it, made, reading)).unwrap_or_default();
            let without = fields.get("without").and_then(|it| reading.one_or_more(it)).unwrap_or_default();
            let without: Vec<String> = without.into_iter().filter_map(|it| field_of(it, value, reading)).collect();
            if with.is_empty() && without.is_empty() {
                let hint = "write `with: { field: value }`, `without: [field]`, `text: \"…\"` or `value: null`";
                return reading.mistake(&node.span, "nothing is broken", hint);
            }
            Breakage::Fields { with, without }
        }
    };
    Some(Broken { name: name?.to_owned(), reason: reason?.to_owned(), change, key_before, times })
}

fn read_picture(node: &Node, plan: &Plan, reading: &mut Reading<'_, '_>) -> Option<Picture> {
    let what = "a picture";
    let fields = reading.fields(node, what, &PICTURE)?;
    let title = reading.required(&fields, what, "title", "title: what is seen").and_then(|it| reading.text(it));
    let topic = reading.required(&fields, what, "topic", "topic: the topic");
    let topic = topic.and_then(|it| known_topic(it, plan, &[Role::Output, Role::Input], reading));
    let columns = reading.required(&fields, what, "columns", "columns: [id, name]").map(|it| texts(it, reading)).unwrap_or_default();
    let key = fields.get("key").map(|it| texts(it, reading)).unwrap_or_default();
    let top = fields.get("top").and_then(|it| reading.text(it)).map(str::to_owned);
    let rows = usize::try_from(number_of(&fields, "rows", 5, 1, reading)).unwrap_or(5);
    Some(Picture { title: title?.to_owned(), topic: topic?, key, columns, top, rows })
}

/// A topic of the plan that has one of these roles.
pub(in crate::cli) fn known_topic(node: &Node, plan: &Plan, roles: &[Role], reading: &mut Reading<'_, '_>) -> Option<String> {
    let name = reading.text(node)?;
    let known = plan.topics.iter().filter(|it| roles.contains(&it.role)).map(|it| it.name.as_str());
    if known.clone().any(|it| it == name) {
        return Some(name.to_owned());
    }
    let what = if roles.contains(&Role::Output) { "topics" } else { "inputs" };
    reading.mistake(&node.span, format!("the topologies have no such topic `{name}` here"), known_names(name, what, known))
}

/// A field of a record's value.
pub(super) fn field_of(node: &Node, value: &[(String, Field)], reading: &mut Reading<'_, '_>) -> Option<String> {
    let name = reading.text(node)?;
    if value.iter().any(|it| it.0 == name) {
        return Some(name.to_owned());
    }
    let hint = known_names(name, "fields", value.iter().map(|it| it.0.as_str()));
    reading.mistake(&node.span, format!("the value has no field `{name}`"), hint)
}

/// Texts: one, or a list of them.
pub(super) fn texts(node: &Node, reading: &mut Reading<'_, '_>) -> Vec<String> {
    if matches!(&node.kind, Kind::List(it) if it.is_empty()) {
        return Vec::new();
    }
    let nodes = reading.one_or_more(node).unwrap_or_default();
    nodes.into_iter().filter_map(|it| reading.text(it)).map(str::to_owned).collect()
}

/// A whole number, not less than `least`.
pub(super) fn number_of(fields: &Fields<'_>, key: &str, default: u64, least: u64, reading: &mut Reading<'_, '_>) -> u64 {
    let Some(node) = fields.get(key) else { return default };
    let number = reading.text(node).and_then(|it| it.trim().parse().ok()).filter(|it| least <= *it);
    let told = || reading.mistake(&node.span, format!("`{key}` is a whole number, {least} or more"), format!("write `{key}: {default}`"));
    number.or_else(told).unwrap_or(default)
}
