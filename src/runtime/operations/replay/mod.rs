//! Replay: a topology is run once more over its recorded input, beside the live application, and both are compared.
//!
//! ```text
//!  live topics ─▶ shadow of the topology ─▶ shadow topics ─┐
//!       │              (own group, own state)              ├─▶ compared: outputs by id, stores at the same offsets
//!       └─▶ live application ─▶ live topics, changelogs ───┘
//! ```
//!
//! The shadow reads what the live topology reads, also the recorded repartition topics, and only what the live one has committed when the
//! replay begins. [`run`] is the order of things.

mod carry;
mod compare;
mod cut;
mod fold;
mod items;
mod join;
mod promote;
mod remove;
mod report;
mod shadow;
mod span;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use join::{DETAILS_MAX, Joined, Kind};
pub use promote::{Promotion, promote, refuse_while_running};
pub use remove::{Leftovers, leftovers, remove};
pub use report::{Difference, Report, SourceRow, StoreRow, TopicRow};
pub use shadow::{Shadow, Twin};
pub use span::Begin;

use crate::config::Properties;
use crate::engine::plan::Role;
use crate::engine::record::TopicPartition;
use crate::runtime::operations::access::{Access, Ends, Place, TopicReader};
use crate::runtime::operations::admin::{Admin, AdminError};
use crate::runtime::ports::LogError;
use crate::runtime::supervisor::Worlds;
use crate::runtime::worker::{self, Limits};
use compare::{Output, StorePart};
use cut::Cut;
use span::Span;

/// What is to be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// From where.
    pub begin: Begin,
    /// Replay although not everything can be compared, and compare the rest.
    pub partial: bool,
    /// At most so many records a second.
    pub rate: Option<u64>,
}

/// Where a replay runs.
pub struct Site<'a> {
    /// Readers and writers of the cluster.
    pub access: &'a dyn Access,
    /// Its topics and groups.
    pub admin: &'a mut dyn Admin,
    /// The worlds of the shadow's workers.
    pub worlds: &'a dyn Worlds,
    /// What bounds them.
    pub limits: Limits,
    /// `replication.factor` of shadow topics.
    pub replication: i32,
    /// `topic.*` of shadow topics.
    pub config: &'a Properties,
    /// Ends the replay.
    pub stop: &'a AtomicBool,
    /// Is told, often.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// With what.
    pub phase: Phase,
    /// So many offsets.
    pub done: u64,
    /// Of so many.
    pub of: u64,
}

/// What a replay does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Reads the live changelogs.
    ReadingState,
    /// Processes.
    Replaying,
    /// Reads outputs of both sides.
    ComparingOutputs,
    /// Reads the changelogs of the replay.
    ComparingState,
}

/// Why a replay was not done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not done.
    #[error("{reason}\n  hint: {hint}")]
    Refused {
        /// Why.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// It can't go on.
    #[error("{0}")]
    Failed(String),
    /// It was told to stop.
    #[error("stopped before its end; `--discard` deletes what there is of it, and so does the next replay")]
    Stopped,
    /// The cluster, read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The cluster, administered.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The shadow's worker.
    #[error("the replay's worker: {0}")]
    Worker(#[from] worker::Error),
}

/// A task of the topology, and what it reads and writes of the live topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `<topology>.<subtopology>_<partition>`
    pub task: String,
    /// Index into the shadow's subtopologies.
    pub subtopology: usize,
    /// What it reads.
    pub source: Place,
    /// The live changelog partitions of its stores, in their order.
    pub changelogs: Vec<Place>,
    /// Whether its source is a repartition topic.
    pub behind_repartition: bool,
}

/// A replay that was done: what it found, and where its state is.
pub struct Replayed {
    /// What it found.
    pub report: Report,
    stores: Vec<StorePart>,
}

impl Replayed {
    /// Whether all stores that were compared are the same.
    #[must_use]
    pub fn is_same_state(&self) -> bool {
        self.report.stores.iter().all(StoreRow::is_identical)
    }
}

/// How long a shadow topic may take to be gone, or to be there.
const TOPICS_WITHIN: Duration = Duration::from_secs(30);
/// Pause between looks at it.
const TOPICS_EVERY: Duration = Duration::from_millis(100);

/// Replays and compares. What an earlier replay of the topology left must have been removed.
///
/// # Errors
/// What is refused, and what goes wrong.
pub fn run(shadow: &Shadow, request: Request, site: &mut Site<'_>) -> Result<Replayed, Error> {
    let mut reader = site.access.reader(&shadow.live)?;
    let reader = &mut *reader;
    let counts = topics(shadow, site)?; //                                            1. Shadow topics, like the live ones.
    let parts = parts(shadow, &counts);
    let mut outputs = Output::of(shadow, &counts);
    compare::certain(reader, &mut outputs)?; //                                       2. What is visible now must be in the replay …
    let cut = cut::cut(reader, &parts, &*site.worlds.clock())?; //                    3. … which ends at what is committed now, …
    compare::possible(reader, &mut outputs)?; //                                      4. … and has nothing beyond what is written now.
    let spans = spans(reader, &parts, request.begin, &cut)?;
    let mut notes = refuse_gaps(request, &spans, &outputs)?;
    let mut stores = compare::stores(shadow, &spans, &cut); //                        5. The live state at the cut.
    compare::read_live(reader, &mut stores, site)?;
    let ranges = ranges(shadow, &spans);
    let partitions = shadow.partitions(&counts);
    let records = carry::carry_out(shadow, &partitions, &ranges, request.rate, site)?; // 6. The replay.
    let whole = spans.iter().all(|(_, _, span)| span.whole);
    let mut report = Report { topology: shadow.topology.clone(), records, ..Report::default() };
    compare::outputs(shadow, reader, &outputs, whole, site, &mut report)?; //         7. Outputs by id, stores by key.
    compare::read_replay(reader, &mut stores, site)?;
    compare::judge(shadow, reader, &mut stores, site, &mut report)?;
    report.sources = sources(&spans);
    if !whole {
        notes.push("what only the live side has is not counted: it may stem from records before those that were replayed".to_owned());
    }
    report.notes = notes;
    Ok(Replayed { report, stores })
}

/// Makes the shadow topics; the partition counts of the live ones.
fn topics(shadow: &Shadow, site: &mut Site<'_>) -> Result<BTreeMap<String, i32>, Error> {
    let found = site.admin.describe(&shadow.live_topics())?;
    let new = shadow.topics(&found, site.replication, site.config).map_err(|missing| Error::Refused {
        reason: format!("the live application has no topic {}", missing.join(", ")),
        hint: "give the settings and the topologies with which it runs; it must have run before".to_owned(),
    })?;
    if let Some((topic, error)) = site.admin.create(&new)?.into_iter().next() {
        return Err(Error::Failed(format!("topic {topic} could not be created: {error}")));
    }
    let names: Vec<&str> = new.iter().map(|it| it.name.as_str()).collect();
    remove::wait_for_topics(&names, true, site)?;
    Ok(found.into_iter().map(|(name, it)| (name, it.partitions)).collect())
}

fn parts(shadow: &Shadow, counts: &BTreeMap<String, i32>) -> Vec<Part> {
    let mut parts = Vec::new();
    for (index, subtopology) in shadow.plan.subtopologies.iter().enumerate() {
        let source = shadow.name(subtopology.source);
        for partition in 0..counts.get(source).copied().unwrap_or(0) {
            let place = |topic: &str| Place { topic: topic.into(), partition };
            parts.push(Part {
                task: format!("{}.{}_{partition}", subtopology.topology, subtopology.name),
                subtopology: index,
                source: place(source),
                changelogs: subtopology.stores.iter().map(|it| place(shadow.live_name(shadow.name(it.changelog)))).collect(),
                behind_repartition: subtopology.dead_letters.is_none(),
            });
        }
    }
    parts
}

/// What is read of each source partition.
fn spans(reader: &mut dyn TopicReader, parts: &[Part], begin: Begin, cut: &Cut) -> Result<Vec<(Part, Ends, Span)>, Error> {
    let places: Vec<Place> = parts.iter().map(|it| it.source.clone()).collect();
    if cut.committed.values().all(Option::is_none) {
        return Err(Error::Refused {
            reason: "the live application has committed nothing of this topology's input".to_owned(),
            hint: "give the settings with which it runs (--application-id, --bootstrap-servers)".to_owned(),
        });
    }
    let ends = reader.ends(&places)?;
    let at = match begin {
        Begin::Time(time) => reader.at(&places, time)?,
        Begin::Earliest | Begin::Offset(_) => vec![None; places.len()],
    };
    let all = parts.iter().zip(ends).zip(at);
    Ok(all
        .map(|((part, ends), at)| {
            let committed = cut.committed.get(&part.source).copied().flatten();
            (part.clone(), ends, span::span(part, begin, ends, at, committed))
        })
        .collect())
}

/// What can't be compared, when that was asked for; else it is refused.
fn refuse_gaps(request: Request, spans: &[(Part, Ends, Span)], outputs: &[Output]) -> Result<Vec<String>, Error> {
    let mut gaps = span::gaps(request.begin, spans);
    let gone: Vec<String> = outputs.iter().filter_map(Output::gone).collect();
    if !gone.is_empty() {
        gaps.push(format!("outputs are gone that the live application wrote: {}", gone.join(", ")));
    }
    if gaps.is_empty() || request.partial {
        return Ok(gaps);
    }
    Err(Error::Refused {
        reason: format!("the replay would be partial: {}", gaps.join("; ")),
        hint: "--partial replays what is there, and leaves out of the comparison what can't be known".to_owned(),
    })
}

fn ranges(shadow: &Shadow, spans: &[(Part, Ends, Span)]) -> BTreeMap<TopicPartition, std::ops::Range<i64>> {
    let source = |part: &Part| shadow.plan.subtopologies.get(part.subtopology).map(|it| it.source);
    let range = |(part, _, span): &(Part, Ends, Span)| {
        Some((TopicPartition { topic: source(part)?, partition: part.source.partition }, span.range.clone()))
    };
    spans.iter().filter_map(range).collect()
}

fn sources(spans: &[(Part, Ends, Span)]) -> Vec<SourceRow> {
    let row = |(part, _, span): &(Part, Ends, Span)| SourceRow {
        topic: part.source.topic.to_string(),
        partition: part.source.partition,
        from: span.range.start,
        until: span.range.end,
    };
    spans.iter().map(row).collect()
}

/// Whether a role's topics are compared record by record.
fn is_compared(role: Role) -> bool {
    matches!(role, Role::Output | Role::DeadLetter | Role::Repartition)
}
