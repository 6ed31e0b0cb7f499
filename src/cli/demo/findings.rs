//! What came of a scenario: read from the topics and stores of the application, beside what had to come.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::course::{Played, read_topic};
use super::{Play, Stage};
use crate::cli::exit::{Exit, Failure};
use crate::cli::scenario::tally::{self, ByKey, Sums};
use crate::cli::scenario::{By, Comparison, Figures, Picture};
use crate::engine::plan::Role;
use crate::engine::record::{Millis, Offset};
use crate::runtime::operations::access::ReadRecord;
use crate::sim::amount;
use crate::sim::entries::Entry;

/// What came of it.
pub struct Found {
    /// The comparisons, in the order of the file; dead letters last.
    pub compared: Vec<Compared>,
    /// Dead letters, by topic of the failed record and reason.
    pub dead: BTreeMap<(String, String), DeadGroup>,
    /// The pictures, in the order of the file.
    pub pictures: Vec<Shown>,
}

/// Figures that were compared.
pub struct Compared {
    /// The tally.
    pub tally: String,
    /// Where the application's figures stand.
    pub place: String,
    /// The line of the scenario in which it is asked for.
    pub line: Option<usize>,
    /// How many figures had to be there.
    pub figures: usize,
    /// `None`: they can't be seen from here.
    pub differences: Option<Vec<String>>,
}

/// Dead letters of a topic and reason.
#[derive(Debug, Clone, Default)]
pub struct DeadGroup {
    /// How many.
    pub count: u64,
    /// The first that was read.
    pub example: Example,
}

/// A dead letter.
#[derive(Debug, Clone, Default)]
pub struct Example {
    /// The place in the value, as a JSON pointer.
    pub path: String,
    /// What is wrong, in words.
    pub message: String,
    /// The value.
    pub value: Option<String>,
}

/// A picture, filled in.
pub struct Shown {
    /// Rows of its columns.
    pub rows: Vec<Vec<String>>,
    /// Of so many.
    pub of: usize,
}

impl Found {
    /// The comparisons with differences.
    pub fn faults(&self) -> Vec<&Compared> {
        self.compared.iter().filter(|it| it.differences.as_ref().is_some_and(|it| !it.is_empty())).collect()
    }
}

/// Reads and compares.
pub fn look(play: &Play<'_>, stage: &dyn Stage, played: &Played) -> Result<Found, Failure> {
    let mut looked = Looked::of(play);
    let mut reader = stage.access().reader(&play.plan.application_id).map_err(|it| super::course::failed(&it))?;
    for topic in looked.topics() {
        let mut fault = None;
        read_topic(&mut *reader, &topic, |it| {
            if let Err(error) = looked.take(&topic, it) {
                fault.get_or_insert(format!("a record on {topic} {error}"));
            }
        })?;
        if let Some(fault) = fault {
            return Err(Failure::new(Exit::FAILED, format!("{}: {fault}", play.file)));
        }
    }
    let mut dead = BTreeMap::new();
    for topic in play.plan.topics.iter().filter(|it| it.role == Role::DeadLetter) {
        read_topic(&mut *reader, &topic.name, |it| bury(&mut dead, it))?;
    }
    let mut compared = looked.compare(stage, played)?;
    compared.push(compare_dead_letters(played, &dead));
    Ok(Found { compared, dead, pictures: looked.pictures.into_iter().map(Gathered::shown).collect() })
}

/// All that is gathered in one passage through the topics.
struct Looked<'p> {
    figures: Vec<(&'p Comparison, &'p str, Sums)>,
    pictures: Vec<Gathered<'p>>,
}

struct Gathered<'p> {
    picture: &'p Picture,
    /// The first records, by time and place.
    first: BTreeMap<(Option<Millis>, i32, Offset), Json>,
    /// The last record of each key.
    last: ByKey<Json>,
    count: usize,
}

impl<'p> Looked<'p> {
    fn of(play: &Play<'p>) -> Self {
        let comparisons =
            play.scenario.tallies.iter().flat_map(|tally| tally.comparisons.iter().map(|it| (it, tally.name.as_str(), Sums::default())));
        let picture = |picture| Gathered { picture, first: BTreeMap::new(), last: ByKey::default(), count: 0 };
        Self { figures: comparisons.collect(), pictures: play.scenario.pictures.iter().map(picture).collect() }
    }

    fn topics(&self) -> BTreeSet<String> {
        let compared = self.figures.iter().filter_map(|it| match &it.0.place {
            Figures::Topic { topic, .. } => Some(topic.clone()),
            Figures::Store { .. } => None,
        });
        compared.chain(self.pictures.iter().map(|it| it.picture.topic.clone())).collect()
    }

    fn take(&mut self, topic: &str, record: ReadRecord<'_>) -> Result<(), String> {
        let parsed = record.value.map(serde_json::from_slice::<Json>);
        let Some(Ok(json)) = parsed else { return Err("is no JSON".to_owned()) };
        for (comparison, _, sums) in &mut self.figures {
            if let Figures::Topic { topic: of, key, by } = &comparison.place
                && of == topic
            {
                tally::take(&json, key, by, sums)?;
            }
        }
        for gathered in self.pictures.iter_mut().filter(|it| it.picture.topic == topic) {
            gathered.take(&json, record);
        }
        Ok(())
    }

    fn compare(&self, stage: &dyn Stage, played: &Played) -> Result<Vec<Compared>, Failure> {
        let mut compared = Vec::new();
        for (comparison, tally, found) in &self.figures {
            let expected = played.tallies.of(tally);
            let (place, line) = (described(&comparison.place), Some(comparison.line));
            let differences = match &comparison.place {
                Figures::Topic { .. } => Some(tally::differences(&expected, found)),
                Figures::Store { store, value } => match stage.entries(store) {
                    None => None,
                    Some(entries) => {
                        let sums = entries.and_then(|it| sums_of(&it, value));
                        let sums = sums.map_err(|it| Failure::new(Exit::FAILED, format!("store {store}: {it}")))?;
                        Some(tally::differences(&expected, &sums))
                    }
                },
            };
            compared.push(Compared { tally: (*tally).to_owned(), place, line, figures: expected.len(), differences });
        }
        Ok(compared)
    }
}

impl Gathered<'_> {
    fn take(&mut self, json: &Json, record: ReadRecord<'_>) {
        self.count += 1;
        if self.picture.key.is_empty() {
            self.first.insert((record.timestamp, record.place.partition, record.offset), json.clone());
            if self.picture.rows < self.first.len() {
                self.first.pop_last();
            }
        } else {
            self.last.insert(self.picture.key.iter().map(|it| field(json, it)).collect(), json.clone());
        }
    }

    fn shown(self) -> Shown {
        let of = if self.picture.key.is_empty() { self.count } else { self.last.len() };
        let mut records: Vec<Json> = self.first.into_values().chain(self.last.into_values()).collect();
        if let Some(top) = &self.picture.top {
            let key = |it: &Json| self.picture.key.iter().map(|name| field(it, name)).collect::<Vec<_>>();
            records.sort_by_cached_key(|it| (std::cmp::Reverse(amount::parse(&field(it, top))), key(it)));
        }
        let row = |json: &Json| self.picture.columns.iter().map(|it| field(json, it)).collect();
        Shown { rows: records.iter().take(self.picture.rows).map(row).collect(), of }
    }
}

fn field(json: &Json, name: &str) -> String {
    json.get(name).map(tally::shown).unwrap_or_default()
}

/// The figures of a store's entries; money is `12.50 KES`: its amount counts.
fn sums_of(entries: &[Entry], value: &str) -> Result<Sums, String> {
    let mut sums = Sums::default();
    for Entry { key, value: fields } in entries {
        let text = field(fields, value);
        let number = text.split(' ').next().and_then(amount::parse).ok_or_else(|| format!("{value} is no number: {fields}"))?;
        sums.insert(key.iter().map(tally::shown).collect(), number);
    }
    Ok(sums)
}

fn bury(dead: &mut BTreeMap<(String, String), DeadGroup>, record: ReadRecord<'_>) {
    let header = |name: &str| {
        let found = record.headers.iter().rev().find(|it| it.0 == name).and_then(|it| it.1);
        found.map(|it| String::from_utf8_lossy(it).into_owned()).unwrap_or_default()
    };
    let group = dead.entry((header("__streams.errors.topic"), header("goyt.reason"))).or_default();
    group.count += 1;
    if group.count == 1 {
        group.example = Example {
            path: header("goyt.path"),
            message: header("__streams.errors.message"),
            value: record.value.map(|it| String::from_utf8_lossy(it).into_owned()),
        };
    }
}

fn compare_dead_letters(played: &Played, dead: &BTreeMap<(String, String), DeadGroup>) -> Compared {
    let key = |it: &(String, String)| vec![it.0.clone(), it.1.clone()];
    let figure = |count: u64| amount::whole(i64::try_from(count).unwrap_or(i64::MAX));
    let expected: Sums = played.dead.iter().map(|(it, count)| (key(it), figure(*count))).collect();
    let found: Sums = dead.iter().map(|(it, group)| (key(it), figure(group.count))).collect();
    let differences = Some(tally::differences(&expected, &found));
    let (tally, place) = ("dead letters".to_owned(), "number by topic and reason".to_owned());
    Compared { tally, place, line: None, figures: expected.len(), differences }
}

fn described(place: &Figures) -> String {
    match place {
        Figures::Topic { topic, by: By::Count(_), .. } => format!("number of records on {topic}"),
        Figures::Topic { topic, by: By::Last(name), .. } => format!("last {name} on {topic}"),
        Figures::Topic { topic, by: By::Sum(name), .. } => format!("sum of {name} on {topic}"),
        Figures::Store { store, value } => format!("{value} in store {store}"),
    }
}
