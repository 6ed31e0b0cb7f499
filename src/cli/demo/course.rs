//! Plays a scenario: writes the records of each stage, and waits until all that comes of them is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Play, Stage};
use crate::adapters::clock::SystemClock;
use crate::cli::application::LOOK_EVERY;
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Progress;
use crate::cli::scenario;
use crate::cli::scenario::generator::{Generator, Written};
use crate::cli::scenario::tally::{DeadLetters, Tallies};
use crate::cli::signals::Stop;
use crate::engine::plan::Plan;
use crate::engine::record::Offset;
use crate::runtime::operations::access::{Access, Place, Range, ReadRecord, TopicReader, TopicWriter, read_ranges};
use crate::runtime::ports::{Clock, LogError};

/// Records written at once.
const BATCH: usize = 500;
/// When nothing moves for so long, something is wrong.
const STILL_MAX: Duration = Duration::from_secs(60);
/// Between looks at how far the application is.
const LOOK_AT_PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// So few offsets may be control records only: they are read to see.
const CONTROL_RECORDS_MAX: Offset = 1_000;

/// A scenario that was played.
pub struct Played {
    /// What must have come of it.
    pub tallies: Tallies,
    /// The dead letters that must be there.
    pub dead: DeadLetters,
    /// Records written, all kinds together.
    pub records: u64,
    /// Copies among them.
    pub copies: u64,
    /// The application's work on them, without the time between stages.
    pub took: Duration,
}

/// Where a partition that the application reads stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    place: Place,
    committed: Offset,
    visible: Offset,
}

/// Plays all stages. `None`: told to stop.
pub fn play(play: &Play<'_>, stage: &mut dyn Stage) -> Result<Option<Played>, Failure> {
    let mut course = Course {
        generator: Generator::new(play.scenario, play.seed),
        reader: stage.access().reader(&play.plan.application_id).map_err(|it| failed(&it))?,
        writer: stage.access().writer(None).map_err(|it| failed(&it))?,
        clock: SystemClock::start(),
        sources: sources(play.plan),
        inputs: play.scenario.stages.iter().flat_map(|it| &it.templates).map(|it| it.topic.clone()).collect(),
        written: 0,
        halfway_done: false,
        took: Duration::ZERO,
    };
    let count = play.scenario.stages.len();
    for (n, part) in play.scenario.stages.iter().enumerate() {
        if !course.stage(play, part, n + 1 == count, stage)? {
            return Ok(None);
        }
    }
    let Course { generator, written, took, .. } = course;
    Ok(Some(Played { tallies: generator.tallies, dead: generator.dead, records: written, copies: generator.copies, took }))
}

struct Course<'s> {
    generator: Generator<'s>,
    reader: Box<dyn TopicReader>,
    writer: Box<dyn TopicWriter>,
    clock: SystemClock,
    /// The topics that the application reads, internal ones too.
    sources: Vec<String>,
    /// The topics that are written to here.
    inputs: Vec<String>,
    written: u64,
    halfway_done: bool,
    took: Duration,
}

impl<'s> Course<'s> {
    /// One stage, until all of it is processed; whether it was not told to stop.
    fn stage(&mut self, play: &Play<'s>, part: &'s scenario::Stage, last: bool, stage: &mut dyn Stage) -> Result<bool, Failure> {
        let events = self.generator.events_of(part, play.events);
        let values = self.take(&Generator::takes_from(part))?;
        let mut course = self.generator.begin(part, events, values);
        let progress = Progress::begin(&part.name, events);
        let before = self.written;
        let (began, mut looked) = (self.clock.elapsed(), Duration::ZERO);
        let mut batch = Vec::with_capacity(BATCH);
        let (mut over, mut still) = (false, Stillness::default());
        let mut last_standings = Vec::new();
        loop {
            while !over && batch.len() < BATCH {
                match self.generator.next(&mut course, self.clock.now()).map_err(|it| Failure::new(Exit::FAILED, it))? {
                    Some(record) => batch.push(record),
                    None => over = true,
                }
            }
            self.writer.write(&batch).map_err(|it| failed(&it))?;
            self.written += u64::try_from(batch.len()).unwrap_or(0);
            batch.clear();
            if play.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let now = self.clock.elapsed();
            if !over && now < looked + LOOK_AT_PROGRESS_EVERY {
                continue;
            }
            looked = now;
            let standings = self.standings()?;
            let processed = self.processed(&standings);
            let so_far = events.max(self.written - before);
            progress.at(processed.saturating_sub(before), so_far);
            let half = before + so_far / 2;
            if last && !self.halfway_done && half <= processed {
                self.halfway_done = true;
                if let Some(line) = stage.half_way()? {
                    progress.say(&line);
                }
            }
            // Twice the same: in between, nothing was passed on from one topology to another.
            if over && standings == last_standings && self.all_done(&standings)? {
                self.took += now - began;
                progress.end(&format!(
                    "  {}: {} records, and all that comes of them",
                    part.name,
                    crate::cli::demo::picture::number(self.written - before)
                ));
                return Ok(true);
            }
            if let Some(fault) = stage.fault().or_else(|| still.fault(&standings, now)) {
                return Err(Failure::new(Exit::FAILED, format!("{}: {fault}", part.name)));
            }
            last_standings = standings;
            if over {
                self.clock.sleep(LOOK_EVERY);
            }
        }
    }

    /// Values of fields on topics of the application, sorted.
    fn take(&mut self, wanted: &std::collections::BTreeSet<(String, String)>) -> Result<Written, Failure> {
        let mut values = Written::new();
        for (topic, field) in wanted {
            let mut found = std::collections::BTreeSet::new();
            read_topic(&mut *self.reader, topic, |it| {
                let json = it.value.and_then(|it| serde_json::from_slice::<serde_json::Value>(it).ok());
                found.extend(json.and_then(|it| it.get(field).map(serde_json::Value::to_string)));
            })?;
            values.insert((topic.clone(), field.clone()), found.into_iter().collect());
        }
        Ok(values)
    }

    fn standings(&mut self) -> Result<Vec<Standing>, Failure> {
        let topics: Vec<&str> = self.sources.iter().map(String::as_str).collect();
        let places = places(&mut *self.reader, &topics)?;
        let committed = self.reader.committed(&places).map_err(|it| failed(&it))?;
        let ends = self.reader.ends(&places).map_err(|it| failed(&it))?;
        let standing = |((place, committed), ends): ((Place, Option<Offset>), crate::runtime::operations::access::Ends)| Standing {
            place,
            committed: committed.unwrap_or(ends.first),
            visible: ends.visible,
        };
        Ok(places.into_iter().zip(committed).zip(ends).map(standing).collect())
    }

    /// Records of the inputs that were processed: nothing but records stands in them.
    fn processed(&self, standings: &[Standing]) -> u64 {
        let of_inputs = standings.iter().filter(|it| self.inputs.iter().any(|input| **input == *it.place.topic));
        of_inputs.map(|it| u64::try_from(it.committed).unwrap_or(0)).sum()
    }

    /// Whether nothing but control records is left.
    fn all_done(&mut self, standings: &[Standing]) -> Result<bool, Failure> {
        if self.processed(standings) < self.written || standings.iter().any(|it| CONTROL_RECORDS_MAX < it.visible - it.committed) {
            return Ok(false);
        }
        let left: Vec<Range> =
            standings.iter().map(|it| Range { place: it.place.clone(), from: it.committed, until: it.visible }).collect();
        let mut records = false;
        read_ranges(&mut *self.reader, &left, |_| {
            records = true;
            false
        })
        .map_err(|it| failed(&it))?;
        Ok(!records)
    }
}

/// Notices when nothing moves any more.
#[derive(Default)]
struct Stillness {
    last: Vec<Standing>,
    since: Duration,
}

impl Stillness {
    fn fault(&mut self, standings: &[Standing], now: Duration) -> Option<String> {
        if self.last != standings {
            self.last = standings.to_vec();
            self.since = now;
        }
        let left = standings.iter().find(|it| it.committed < it.visible);
        left.filter(|_| self.since + STILL_MAX < now).map(|it| {
            let Standing { place: Place { topic, partition }, committed, visible } = it;
            format!("nothing moves for {} s: {topic}[{partition}] stands at {committed} of {visible}", STILL_MAX.as_secs())
        })
    }
}

/// Reads all committed records of a topic, partition by partition in their order; the partitions side by side.
pub fn read_topic(reader: &mut dyn TopicReader, topic: &str, mut record: impl FnMut(ReadRecord<'_>)) -> Result<(), Failure> {
    let places = places(reader, &[topic])?;
    let ends = reader.ends(&places).map_err(|it| failed(&it))?;
    let ranges: Vec<Range> =
        places.into_iter().zip(ends).map(|(place, ends)| Range { place, from: ends.first, until: ends.visible }).collect();
    read_ranges(reader, &ranges, |it| {
        record(it);
        true
    })
    .map_err(|it| failed(&it))
}

fn places(reader: &mut dyn TopicReader, topics: &[&str]) -> Result<Vec<Place>, Failure> {
    let counts = reader.partitions(topics).map_err(|it| failed(&it))?;
    let of_topic = |(topic, count): (String, i32)| {
        let topic: Arc<str> = topic.into();
        (0..count).map(move |partition| Place { topic: Arc::clone(&topic), partition })
    };
    Ok(counts.into_iter().flat_map(of_topic).collect())
}

fn sources(plan: &Plan) -> Vec<String> {
    let mut names: Vec<String> =
        plan.subtopologies.iter().filter_map(|it| plan.topics.get(usize::from(it.source.0))).map(|it| it.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether somebody has written to these topics before.
pub fn has_records(access: &dyn Access, topics: &[&str]) -> Result<Vec<String>, Failure> {
    let mut reader = access.reader("demo").map_err(|it| failed(&it))?;
    let places = places(&mut *reader, topics)?;
    let ends = reader.ends(&places).map_err(|it| failed(&it))?;
    let mut names: Vec<String> =
        places.into_iter().zip(ends).filter(|(_, ends)| ends.first < ends.high).map(|(place, _)| place.topic.to_string()).collect();
    names.dedup();
    Ok(names)
}

/// Waits for the signal.
pub fn wait_for_stop(stop: &Stop) {
    let clock = SystemClock::start();
    while !stop.load(Ordering::Relaxed) {
        clock.sleep(LOOK_EVERY);
    }
}

/// An error of the log as the end of the demo.
pub fn failed(error: &LogError) -> Failure {
    Failure::new(Exit::FAILED, error.to_string())
}
