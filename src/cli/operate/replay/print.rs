//! What `goyt replay` shows: how far it is, and what it found.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::adapters::clock::SystemClock;
use crate::cli::out::{self, Format};
use crate::engine::plan::Role;
use crate::runtime::operations::replay::{Difference, Leftovers, Phase, Progress, Report, Shadow, StoreRow, TopicRow};
use crate::runtime::ports::Clock as _;

/// A bar for who watches; else a line now and then.
pub struct Bar {
    bar: Option<ProgressBar>,
    phase: Option<Phase>,
    clock: SystemClock,
    every: Duration,
    next: Duration,
}

impl Bar {
    /// A line each `every`, when nobody watches.
    pub fn new(every: Duration) -> Self {
        let style = ProgressStyle::with_template("{msg:20} {bar:40} {human_pos}/{human_len}  {per_sec}  {eta} left");
        let bar = out::watched().then(|| ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())));
        Self { bar, phase: None, clock: SystemClock::start(), every, next: every }
    }

    /// Shows how far it is.
    pub fn show(&mut self, progress: Progress) {
        let text = match progress.phase {
            Phase::ReadingState => "reading live state",
            Phase::Replaying => "replaying",
            Phase::ComparingOutputs => "comparing outputs",
            Phase::ComparingState => "comparing state",
        };
        if let Some(bar) = &self.bar {
            if self.phase.replace(progress.phase) != Some(progress.phase) {
                bar.reset();
                bar.set_message(text);
            }
            bar.set_length(progress.of);
            bar.set_position(progress.done);
        } else if self.next <= self.clock.elapsed() {
            self.next = self.clock.elapsed() + self.every;
            out::say(&format!("{text}: {} of {}", progress.done, progress.of));
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What was deleted.
pub fn discarded(left: &Leftovers, format: Format) {
    let group = left.group.iter().map(|it| ("group", it));
    let topics = left.topics.iter().map(|it| ("topic", it));
    let tasks = left.tasks.iter().map(|it| ("state", it));
    for (kind, name) in group.chain(topics).chain(tasks) {
        match format {
            Format::Text => out::data(&format!("deleted {kind} {name}")),
            Format::Json => out::data(&json!({ "kind": kind, "name": name, "deleted": true }).to_string()),
        }
    }
    if left.is_empty() {
        out::say("nothing to discard: no replay of this topology left anything here");
    }
}

/// What the replay found. `promoted`: so many keys were taken over.
pub fn report(report: &Report, promoted: Option<usize>, shadow: &Shadow, format: Format) {
    if format == Format::Json {
        return out::data(&to_json(report, promoted).to_string());
    }
    for line in lines(report) {
        out::data(&line);
    }
    match promoted {
        Some(0) => out::data("nothing to promote: the state is the same"),
        Some(keys) => {
            out::data(&format!("promoted: {keys} keys went to the live changelogs; each instance reads them when it starts"));
            if report.topics.iter().any(|it| !it.joined.is_identical()) {
                out::data("outputs that differ stay as they are: nothing that was published is rewritten");
            }
        }
        None => {}
    }
    let (prefix, topology) = (&shadow.plan.application_id, &report.topology);
    out::say(&format!("what the replay wrote is in {prefix}-…; `goyt replay --topology {topology} --discard` deletes it"));
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines = vec![format!("{} records of {} replayed", report.records, report.topology), String::new()];
    let heading = ["written to", "same", "changed", "only live", "only replay", "order", "digest"];
    lines.push(out::table(heading, &report.topics.iter().map(topic).collect::<Vec<_>>()));
    if !report.stores.is_empty() {
        let heading = ["store", "at offset", "same", "changed", "only live", "only replay", "digest"];
        lines.push(String::new());
        lines.push(out::table(heading, &report.stores.iter().map(store).collect::<Vec<_>>()));
    }
    lines.push(String::new());
    if !report.differences.is_empty() {
        lines.extend(report.differences.iter().flat_map(difference));
        lines.push(String::new());
    }
    for row in report.topics.iter().filter(|it| it.role == Role::Repartition && !it.joined.is_identical()) {
        lines.push(format!("note: behind {} the replay read what the live application had recorded, not what differs", row.topic));
    }
    for row in report.topics.iter().filter(|it| it.joined.redriven != 0) {
        let what = match row.joined.redriven {
            1 => "1 dead letter was sent back since, and passes".to_owned(),
            many => format!("{many} dead letters were sent back since, and pass"),
        };
        lines.push(format!("note: {}: {what} in the replay", row.topic));
    }
    lines.extend(report.notes.iter().map(|it| format!("partial: {it}")));
    lines.push(verdict(report));
    lines
}

fn verdict(report: &Report) -> String {
    if report.is_identical() {
        let what = if report.notes.is_empty() { "identical" } else { "identical, in what could be compared" };
        return what.to_owned();
    }
    let topics = report.topics.iter().filter(|it| !it.joined.is_identical()).map(|it| it.topic.clone());
    let stores = report.stores.iter().filter(|it| !it.is_identical()).map(|it| format!("{} {}", it.task, it.store));
    format!("differs: {}", topics.chain(stores).collect::<Vec<_>>().join(", "))
}

fn topic(row: &TopicRow) -> [String; 7] {
    let it = &row.joined;
    let counts = [it.same, it.changed, it.only_live, it.only_replay, it.reordered].map(|it| it.to_string());
    let [same, changed, only_live, only_replay, order] = counts;
    [row.topic.clone(), same, changed, only_live, only_replay, order, digests(it.live_digest, it.replay_digest)]
}

fn store(row: &StoreRow) -> [String; 7] {
    let [same, changed, only_live, only_replay] = [row.same, row.changed, row.only_live, row.only_replay].map(|it| it.to_string());
    let name = format!("{} {}", row.task, row.store);
    [name, row.at.to_string(), same, changed, only_live, only_replay, digests(row.live_digest, row.replay_digest)]
}

fn digests(live: u64, replay: u64) -> String {
    if live == replay { format!("{live:016x}") } else { format!("{live:016x} live, {replay:016x} replay") }
}

fn difference(it: &Difference) -> Vec<String> {
    let mut lines = vec![format!("{}: {} {}", it.place, it.kind.name(), it.id)];
    let sides = [("live", &it.live), ("replay", &it.replay)];
    let places = sides.into_iter().filter_map(|(side, at)| Some(format!("{side} {}", at.as_ref()?)));
    lines.push(format!("    {}", places.collect::<Vec<_>>().join(", ")));
    lines.extend(it.fields.iter().map(|it| format!("    {it}")));
    lines
}

fn to_json(report: &Report, promoted: Option<usize>) -> Value {
    let hex = |it: u64| format!("{it:016x}");
    let topics = report.topics.iter().map(|row| {
        let it = &row.joined;
        json!({
            "topic": row.topic, "role": role(row.role), "same": it.same, "changed": it.changed, "onlyLive": it.only_live,
            "onlyReplay": it.only_replay, "redriven": it.redriven, "reordered": it.reordered, "liveDigest": hex(it.live_digest), "replayDigest": hex(it.replay_digest),
        })
    });
    let stores = report.stores.iter().map(|it| {
        json!({
            "task": it.task, "store": it.store, "partition": it.partition, "at": it.at, "same": it.same, "changed": it.changed,
            "onlyLive": it.only_live, "onlyReplay": it.only_replay, "liveDigest": hex(it.live_digest), "replayDigest": hex(it.replay_digest),
        })
    });
    let sources =
        report.sources.iter().map(|it| json!({ "topic": it.topic, "partition": it.partition, "from": it.from, "until": it.until }));
    let differences = report.differences.iter().map(
        |it| json!({ "place": it.place, "kind": it.kind.name(), "id": it.id, "live": it.live, "replay": it.replay, "fields": it.fields }),
    );
    json!({
        "topology": report.topology, "identical": report.is_identical(), "records": report.records, "promotedKeys": promoted,
        "sources": sources.collect::<Vec<_>>(), "topics": topics.collect::<Vec<_>>(), "stores": stores.collect::<Vec<_>>(),
        "differences": differences.collect::<Vec<_>>(), "notes": report.notes,
    })
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Input => "input",
        Role::Output => "output",
        Role::DeadLetter => "dead letters",
        Role::Repartition => "repartition",
        Role::Changelog => "changelog",
    }
}
