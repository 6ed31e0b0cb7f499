//! Records that can't be processed, each in its own way.

use serde_json::{Map, Value as Json};

use super::event::{self, Making};
use super::source::Source;
use super::trial::Verdict;
use super::{Input, Made, TRIES_MAX};
use crate::engine::schema::Kind;

/// What can be wrong with a record.
const WAYS: [&str; 11] = [
    "no value",
    "an empty value",
    "no JSON",
    "cut off",
    "no UTF-8",
    "no object",
    "a missing field",
    "a wrong type",
    "an unknown version",
    "too old",
    "refused",
];

/// A broken record.
pub(super) fn record(source: &mut Source, mut making: Making<'_>) -> Input {
    let index = making.random.index(source.events.len());
    let way = making.random.item(&WAYS).copied().unwrap_or_default();
    let mut event = source.events.get(index).map(|it| making.event(it)).unwrap_or_default();
    let value = match way {
        "no value" => None,
        "an empty value" => Some(Vec::new()),
        "no UTF-8" => Some(b"{\"eventType\":\"\xff\"}".to_vec()),
        "no object" => Some(b"[1, 2]".to_vec()),
        "cut off" => {
            let mut text = event::text(&event);
            text.truncate(making.random.index(text.len()));
            Some(text)
        }
        "refused" => return refused(source, making),
        _ => {
            let name = making.random.item(&required(source, index, &event)).cloned().unwrap_or_default();
            match (way, source.too_old()) {
                ("a missing field", _) => drop(event.remove(&name)),
                // No kind of field but one that may be anything can be this.
                ("a wrong type", _) => drop(event.insert(name, Json::from(1.5))),
                ("an unknown version", _) => {
                    drop(event.insert("metadata".to_owned(), serde_json::json!({ "source": "sim", "version": "99.0" })))
                }
                ("too old", Some(age)) => {
                    let time = event::instant(making.time.saturating_sub_unsigned(age));
                    event.insert("timestamp".to_owned(), time.into());
                }
                _ => {
                    return Input {
                        value: Some(b"oops".to_vec()),
                        made: Made::Broken("no JSON"),
                        ..draft(source, &mut making, index, &event)
                    };
                }
            }
            Some(event::text(&event))
        }
    };
    Input { value, made: Made::Broken(way), ..draft(source, &mut making, index, &event) }
}

fn draft(source: &Source, making: &mut Making<'_>, index: usize, event: &Map<String, Json>) -> Input {
    source.input(index, event, Vec::new(), making)
}

/// An event that the steps refuse, or a sample that the tests expect among the dead letters.
fn refused(source: &mut Source, mut making: Making<'_>) -> Input {
    if making.random.chance(500)
        && let Some(sample) = making.random.item(&source.refused)
    {
        let (key, value, headers) = (sample.key.clone(), sample.value.clone(), sample.headers.clone());
        return Input { topic: source.topic, key, value, headers, timestamp: making.time, made: Made::Broken("refused by a test") };
    }
    for _ in 0..TRIES_MAX {
        let index = making.random.index(source.events.len());
        let event = source.events.get(index).map(|it| making.event(it)).unwrap_or_default();
        let input = source.input(index, &event, Vec::new(), &making);
        if source.trial.verdict(&input) == Verdict::Dead {
            return Input { made: Made::Broken("refused by a step"), ..input };
        }
    }
    let input = source.input(0, &Map::new(), Vec::new(), &making);
    Input { value: Some(b"oops".to_vec()), made: Made::Broken("no JSON"), ..input }
}

/// The fields without which the event is broken.
fn required(source: &Source, index: usize, event: &Map<String, Json>) -> Vec<String> {
    let properties = source.events.get(index).map(|it| it.fields.properties.as_slice()).unwrap_or_default();
    let spoilable = properties.iter().filter(|it| it.required && it.kind != Kind::Any && event.contains_key(&it.name));
    spoilable.map(|it| it.name.clone()).collect()
}
