//! Tallies, as a scenario file says them.

use super::file::{field_of, known_topic, texts};
use super::{Addend, By, Comparison, Figures, Part, Tally, Template};
use crate::engine::expr::names::known_names;
use crate::engine::plan::{Plan, Role};
use crate::engine::topology::reading::{Fields, Reading};
use crate::engine::topology::tree::Node;

const PART: [&str; 5] = ["records", "key", "count", "add", "subtract"];
const COMPARISON: [&str; 7] = ["topic", "key", "count", "last", "sum", "store", "value"];

/// Reads a tally of these kinds of records.
pub(super) fn read_tally(node: &Node, templates: &[&Template], plan: &Plan, reading: &mut Reading<'_, '_>) -> Option<Tally> {
    let what = "a tally";
    let fields = reading.fields(node, what, &["tally", "made-of", "compare"])?;
    let name = reading.required(&fields, what, "tally", "tally: what is counted").and_then(|it| reading.text(it));
    let parts = reading.required(&fields, what, "made-of", "made-of:").and_then(|it| reading.list(it, "made-of")).unwrap_or_default();
    let parts = parts.iter().filter_map(|it| read_part(it, templates, reading)).collect();
    let comparisons = reading.required(&fields, what, "compare", "compare:").and_then(|it| reading.list(it, "compare")).unwrap_or_default();
    let comparisons = comparisons.iter().filter_map(|it| read_comparison(it, plan, reading)).collect();
    Some(Tally { name: name?.to_owned(), parts, comparisons })
}

fn read_part(node: &Node, templates: &[&Template], reading: &mut Reading<'_, '_>) -> Option<Part> {
    let what = "a part of a tally";
    let fields = reading.fields(node, what, &PART)?;
    let named = reading.required(&fields, what, "records", "records: the name of a kind of record")?;
    let name = reading.text(named)?;
    let Some(template) = templates.iter().find(|it| it.name == name) else {
        let hint = known_names(name, "kinds of records", templates.iter().map(|it| it.name.as_str()));
        return reading.mistake(&named.span, format!("there are no records `{name}`"), hint);
    };
    let key = fields.get("key").and_then(|it| reading.one_or_more(it)).unwrap_or_default();
    let key = key.into_iter().filter_map(|it| field_of(it, &template.value, reading)).collect();
    let amount = match (fields.get("count"), fields.get("add"), fields.get("subtract")) {
        (Some(it), None, None) => Addend::Number(count(it, reading)?),
        (None, Some(it), None) => Addend::Plus(field_of(it, &template.value, reading)?),
        (None, None, Some(it)) => Addend::Minus(field_of(it, &template.value, reading)?),
        _ => return one_of(&fields, what, "`count: 1`, `add: field` and `subtract: field`", reading),
    };
    Some(Part { template: name.to_owned(), key, amount })
}

fn read_comparison(node: &Node, plan: &Plan, reading: &mut Reading<'_, '_>) -> Option<Comparison> {
    let what = "a comparison";
    let fields = reading.fields(node, what, &COMPARISON)?;
    let place = match (fields.get("topic"), fields.get("store")) {
        (Some(topic), None) => {
            let topic = known_topic(topic, plan, &[Role::Output], reading)?;
            let key = fields.get("key").map(|it| texts(it, reading)).unwrap_or_default();
            let by = match (fields.get("count"), fields.get("last"), fields.get("sum")) {
                (Some(it), None, None) => By::Count(count(it, reading)?),
                (None, Some(it), None) => By::Last(reading.text(it)?.to_owned()),
                (None, None, Some(it)) => By::Sum(reading.text(it)?.to_owned()),
                _ => return one_of(&fields, what, "`count: 1`, `last: field` and `sum: field`", reading),
            };
            Figures::Topic { topic, key, by }
        }
        (None, Some(store)) => {
            let value = reading.required(&fields, what, "value", "value: a field")?;
            Figures::Store { store: known_store(store, plan, reading)?, value: reading.text(value)?.to_owned() }
        }
        _ => return one_of(&fields, what, "`topic:` and `store:`", reading),
    };
    let line = reading.mistakes.text().get(..node.span.start).unwrap_or_default().matches('\n').count() + 1;
    Some(Comparison { place, line })
}

/// A store of the plan, `<topology>.<id>`.
pub(in crate::cli) fn known_store(node: &Node, plan: &Plan, reading: &mut Reading<'_, '_>) -> Option<String> {
    let name = reading.text(node)?;
    let stores = plan.subtopologies.iter().flat_map(|part| part.stores.iter().map(move |it| format!("{}.{}", part.topology, it.id)));
    let stores: Vec<String> = stores.collect();
    if stores.iter().any(|it| it == name) {
        return Some(name.to_owned());
    }
    let hint = known_names(name, "stores", stores.iter().map(String::as_str));
    reading.mistake(&node.span, format!("the topologies have no store `{name}`"), hint)
}

/// A whole number to count by.
pub(in crate::cli) fn count(node: &Node, reading: &mut Reading<'_, '_>) -> Option<i64> {
    let number = reading.text(node)?.trim().parse().ok();
    number.or_else(|| reading.mistake(&node.span, "`count` is a whole number", "write `count: 1`"))
}

/// A mistake: not exactly one of these keys.
pub(in crate::cli) fn one_of<T>(fields: &Fields<'_>, what: &str, keys: &str, reading: &mut Reading<'_, '_>) -> Option<T> {
    reading.mistake(&fields.node.span, format!("{what} needs one of {keys}"), "keep one of them")
}
