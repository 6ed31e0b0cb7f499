//! Makes the records of a scenario: the same for the same seed, with copies and broken ones among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::fields::placeholders;
use super::tally::{DeadLetters, Tallies};
use super::{Breakage, Broken, Field, Scenario, Stage, Template};
use crate::engine::record::Millis;
use crate::runtime::operations::access::NewRecord;
use crate::sim::amount;
use crate::sim::random::Random;

/// A copy comes at most so many records behind the first.
const COPY_DISTANCE_MAX: u64 = 2_000;
/// Draws after which no other value is found: all are the same.
const DRAWS_MAX: u32 = 100;

/// Values that the application has written, by topic and field, sorted.
pub type Written = BTreeMap<(String, String), Vec<String>>;

/// Makes records.
#[derive(Debug)]
pub struct Generator<'s> {
    scenario: &'s Scenario,
    random: Random,
    written: Written,
    /// Good events so far.
    count: u64,
    /// What must come of what was made.
    pub tallies: Tallies,
    /// The dead letters that must come.
    pub dead: DeadLetters,
    /// Copies so far.
    pub copies: u64,
}

/// What is left of a stage.
#[derive(Debug)]
pub struct Course<'s> {
    templates: &'s [Template],
    shares: u64,
    /// Good events still to be made.
    left: u64,
    /// Records that come when so many good events are left: broken ones.
    broken: Vec<(u64, &'s Template, &'s Broken)>,
    /// Copies, and the number of records after which each comes.
    copies: VecDeque<(u64, NewRecord)>,
    /// Records so far.
    records: u64,
    /// The key of the last good record of each template.
    keys: BTreeMap<&'s str, Vec<u8>>,
}

impl<'s> Generator<'s> {
    /// A generator; nothing has been made.
    #[must_use]
    pub fn new(scenario: &'s Scenario, seed: u64) -> Self {
        Self {
            scenario,
            random: Random::new(seed),
            written: Written::new(),
            count: 0,
            tallies: Tallies::default(),
            dead: DeadLetters::new(),
            copies: 0,
        }
    }

    /// The topics and fields that a stage takes values from.
    #[must_use]
    pub fn takes_from(stage: &Stage) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for template in &stage.templates {
            template.locals.iter().chain(&template.value).for_each(|it| sources(&it.1, &mut found));
        }
        found
    }

    /// Begins a stage of about so many good events, with the values that it takes.
    pub fn begin(&mut self, stage: &'s Stage, events: u64, written: Written) -> Course<'s> {
        self.written = written;
        let mut broken = Vec::new();
        for template in &stage.templates {
            for kind in &template.broken {
                // Not at the very beginning, so that good ones stand before it.
                broken.extend((0..kind.times).map(|_| (self.random.below(events * 3 / 4), template, kind)));
            }
        }
        broken.sort_by_key(|it| it.0);
        let shares = stage.templates.iter().map(|it| it.share).sum();
        let (copies, keys) = (VecDeque::new(), BTreeMap::new());
        Course { templates: &stage.templates, shares, left: events, broken, copies, records: 0, keys }
    }

    /// How many good events a stage has, of so many in all.
    #[must_use]
    pub fn events_of(&self, stage: &Stage, events: u64) -> u64 {
        let shares: u64 = self.scenario.stages.iter().map(|it| it.share).sum();
        (events * stage.share / shares.max(1)).max(1)
    }

    /// The next record of a stage; `None`: it is over.
    ///
    /// # Errors
    /// When a value is to be taken from a topic that has none.
    pub fn next(&mut self, course: &mut Course<'s>, now: Millis) -> Result<Option<NewRecord>, String> {
        course.records += 1;
        let over = course.left == 0 && course.broken.is_empty();
        if course.copies.front().is_some_and(|it| it.0 <= course.records || over) {
            self.copies += 1;
            return Ok(course.copies.pop_front().map(|it| NewRecord { timestamp: Some(now), ..it.1 }));
        }
        let due = course.broken.last().is_some_and(|it| course.left <= it.0);
        if let Some((_, template, kind)) = course.broken.pop_if(|_| due) {
            return self.break_one(course, template, kind, now).map(Some);
        }
        if course.left == 0 {
            return Ok(None);
        }
        course.left -= 1;
        let Some(template) = self.choose(course) else { return Ok(None) };
        let made = self.make(template, now)?;
        self.tallies.count(&self.scenario.tallies, &template.name, &made)?;
        let record = record(template, &made, now);
        course.keys.insert(&template.name, record.key.clone().unwrap_or_default());
        if self.random.below(100) < template.repeated {
            let after = course.records + 1 + self.random.below(COPY_DISTANCE_MAX);
            let place = course.copies.partition_point(|it| it.0 <= after);
            course.copies.insert(place, (after, record.clone()));
        }
        Ok(Some(record))
    }

    fn choose(&mut self, course: &Course<'s>) -> Option<&'s Template> {
        let mut drawn = self.random.below(course.shares);
        for template in course.templates {
            if drawn < template.share {
                return Some(template);
            }
            drawn -= template.share;
        }
        None
    }

    fn break_one(&mut self, course: &Course<'s>, template: &'s Template, kind: &'s Broken, now: Millis) -> Result<NewRecord, String> {
        let mut made = self.make(template, now)?;
        let mut record = match &kind.change {
            Breakage::Fields { with, without } => {
                let known = made.clone();
                for (name, field) in with {
                    let value = self.field(field, &known, now)?;
                    made.put(name, value);
                }
                made.value.retain(|it| !without.contains(&it.0));
                record(template, &made, now)
            }
            Breakage::Bytes(bytes) => NewRecord { value: Some(bytes.clone()), ..record(template, &made, now) },
            Breakage::NoValue => NewRecord { value: None, ..record(template, &made, now) },
        };
        if let Some(key) = course.keys.get(template.name.as_str()).filter(|_| kind.key_before) {
            record.key = Some(key.clone());
        }
        *self.dead.entry((template.topic.clone(), kind.reason.clone())).or_default() += 1;
        Ok(record)
    }

    fn make(&mut self, template: &Template, now: Millis) -> Result<Made, String> {
        self.count += 1;
        let mut made = Made { locals: Vec::new(), value: Vec::new() };
        for (name, field) in &template.locals {
            let value = self.field(field, &made, now)?;
            made.locals.push((name.clone(), value));
        }
        for (name, field) in &template.value {
            let value = self.field(field, &made, now)?;
            made.value.push((name.clone(), value));
        }
        Ok(made)
    }

    /// A field's value, as JSON text.
    fn field(&mut self, field: &Field, made: &Made, now: Millis) -> Result<String, String> {
        Ok(match field {
            Field::Json(text) => text.clone(),
            Field::Text(text) => quoted(&self.text(text, made)),
            Field::Uuid => quoted(&self.random.uuid()),
            Field::Now { ago } => quoted(&instant(now - ago)),
            Field::Count => self.count.to_string(),
            Field::Choice(items) => match self.random.item(items) {
                Some(item) => self.field(item, made, now)?,
                None => "null".to_owned(),
            },
            Field::Integer(least, most) => {
                let drawn = self.random.below(least.abs_diff(*most).saturating_add(1));
                least.saturating_add_unsigned(drawn).to_string()
            }
            Field::Decimal { least, most, scale } => {
                let range = u64::try_from(most - least + 1).unwrap_or(u64::MAX);
                quoted(&amount::decimal(least + i128::from(self.random.below(range)), *scale))
            }
            Field::From { topic, field, not } => {
                let not = not.as_ref().and_then(|it| made.get(it));
                self.taken(topic, field, not)?
            }
            Field::Object(fields) => {
                let mut inner = made.clone();
                let before = inner.value.len();
                for (name, field) in fields {
                    let value = self.field(field, &inner, now)?;
                    inner.value.push((name.clone(), value));
                }
                object(inner.value.get(before..).unwrap_or_default())
            }
        })
    }

    fn text(&self, text: &str, made: &Made) -> String {
        let mut filled = text.to_owned();
        for name in placeholders(text) {
            let value = if name == "count" { self.count.to_string() } else { made.get(name).map(unquoted).unwrap_or_default() };
            filled = filled.replace(&format!("{{{name}}}"), &value);
        }
        filled
    }

    fn taken(&mut self, topic: &str, field: &str, not: Option<&str>) -> Result<String, String> {
        let values = self.written.get(&(topic.to_owned(), field.to_owned())).map(Vec::as_slice).unwrap_or_default();
        for _ in 0..DRAWS_MAX {
            match self.random.item(values) {
                Some(value) if Some(value.as_str()) == not => {}
                Some(value) => return Ok(value.clone()),
                None => return Err(format!("no record on {topic} has a field {field}, so none can be taken for the next stage")),
            }
        }
        Err(format!("all records on {topic} have the same {field}, so no other can be taken"))
    }
}

/// The fields of a record: names, and JSON text.
#[derive(Debug, Clone)]
pub(super) struct Made {
    locals: Vec<(String, String)>,
    value: Vec<(String, String)>,
}

impl Made {
    /// A field, as JSON text; those of the value before those that were only made for it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.value.iter().rev().chain(&self.locals).find(|it| it.0 == name).map(|it| it.1.as_str())
    }

    fn put(&mut self, name: &str, value: String) {
        match self.value.iter_mut().find(|it| it.0 == name) {
            Some(field) => field.1 = value,
            None => self.value.push((name.to_owned(), value)),
        }
    }
}

fn record(template: &Template, made: &Made, now: Millis) -> NewRecord {
    NewRecord {
        topic: template.topic.clone(),
        partition: None,
        key: made.get(&template.key).map(|it| unquoted(it).into_bytes()),
        value: Some(object(&made.value).into_bytes()),
        headers: Vec::new(),
        timestamp: Some(now),
    }
}

fn object(fields: &[(String, String)]) -> String {
    let field = |(name, value): &(String, String)| format!("{}:{value}", quoted(name));
    format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A scalar of JSON as plain text.
pub(super) fn unquoted(json: &str) -> String {
    if json.starts_with('"') { serde_json::from_str(json).unwrap_or_default() } else { json.to_owned() }
}

fn instant(millis: Millis) -> String {
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |it| format!("{it:.3}"))
}

fn sources(field: &Field, found: &mut BTreeSet<(String, String)>) {
    match field {
        Field::From { topic, field, .. } => drop(found.insert((topic.clone(), field.clone()))),
        Field::Choice(items) => items.iter().for_each(|it| sources(it, found)),
        Field::Object(fields) => fields.iter().for_each(|it| sources(&it.1, found)),
        Field::Json(_) | Field::Text(_) | Field::Uuid | Field::Now { .. } | Field::Count | Field::Integer(..) | Field::Decimal { .. } => {}
    }
}
