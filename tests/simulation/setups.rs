//! What is simulated: the shipped topologies with inputs whose outcome a reference model knows, with drawn ones, and another application.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use goyt::adapters::memory::cluster::Cluster;
use goyt::adapters::memory::partition::Content;
use goyt::cli::topology_test::{file, invariants};
use goyt::engine::plan::Plan;
use goyt::engine::topology::{self, Sources};
use goyt::sim::invariants::Invariant;
use goyt::sim::setup::{Evidence, Given, Judge, Setup, Source};
use goyt::sim::workload::Sample;

use crate::support::oracle;
use crate::support::platform::{Expected, Load, Platform, TRACE};
use crate::support::random::Random;
use crate::support::reader::Record;

/// 2026-01-01T00:00:00Z
const NOW: i64 = 1_767_225_600_000;
const FAULTS_SHOWN: usize = 3;
const APPLICATION: &str = "sim";

/// What is read of a folder, once.
struct Folder {
    plan: Arc<Plan>,
    alone: Vec<Plan>,
    samples: Vec<Sample>,
    invariants: Vec<Invariant>,
}

static SHIPPED: LazyLock<Folder> = LazyLock::new(|| Folder::read("topologies"));
static SESSIONS: LazyLock<Folder> = LazyLock::new(|| Folder::read("tests/simulation/topologies"));

/// The set-up that a line of `tests/seeds.txt` names.
pub fn named(name: &str, seed: u64) -> Setup {
    match name {
        "platform" => platform(seed),
        "shipped" => shipped(),
        "sessions" => sessions(),
        other => panic!("there is no set-up {other}"),
    }
}

/// The shipped topologies, with the events of the platform's other programs; a reference model judges what comes of them.
pub fn platform(seed: u64) -> Setup {
    let mut random = Random::new(seed);
    let mut below = |end: u64| usize::try_from(random.below(end)).unwrap();
    let load = Load { users: below(40), decisions: below(40), transactions: 1 + below(150), copies: 60, bad: 40 };
    let mut platform = Platform::new(seed);
    let given = |(nth, it): (usize, crate::support::platform::Input)| Given {
        topic: it.topic.to_owned(),
        content: Content {
            key: it.key,
            value: it.value,
            headers: it.trace.map(|it| (TRACE.to_owned(), Some(it.into_bytes()))).into_iter().collect(),
            timestamp: NOW + i64::try_from(nth).unwrap(),
        },
    };
    let given = platform.events(&load).into_iter().enumerate().map(given).collect();
    let expected = platform.expected;
    let judge = move |evidence: &Evidence<'_>| judge(&expected, evidence.cluster);
    SHIPPED.setup(Source::Given(given), Some(Box::new(judge)))
}

/// The shipped topologies, with inputs drawn after the samples of their tests.
pub fn shipped() -> Setup {
    SHIPPED.setup(Source::Drawn(SHIPPED.samples.clone(), 300), None)
}

/// Sessions and log-ins counted by user, with inputs drawn from the schemas.
pub fn sessions() -> Setup {
    SESSIONS.setup(Source::Drawn(SESSIONS.samples.clone(), 300), None)
}

fn judge(expected: &Expected, cluster: &Cluster) -> Result<(), String> {
    let read = |topic: &str| {
        let record = |it: goyt::adapters::memory::cluster::Stored| Record {
            partition: it.partition,
            offset: it.offset,
            timestamp: it.content.timestamp,
            key: it.content.key.clone(),
            value: it.content.value.clone(),
            headers: it.content.headers.clone(),
        };
        cluster.read_all(topic).unwrap().into_iter().map(record).collect()
    };
    let faults = oracle::faults(expected, str::to_owned, read);
    match faults.len() {
        0 => Ok(()),
        count => Err(format!("reference model: {count} faults: {}", faults[..count.min(FAULTS_SHOWN)].join("; "))),
    }
}

impl Folder {
    fn read(folder: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let topologies = texts(&folder, "yaml");
        let events = texts(&folder.join("events"), "json");
        let plan = |topologies: &[(String, String)]| {
            topology::plan(APPLICATION, &Sources { topologies: topologies.to_vec(), events: events.clone() }).unwrap()
        };
        let (whole, alone) = (plan(&topologies), topologies.chunks(1).map(plan).collect());
        let (mut samples, mut found) = (Vec::new(), Vec::new());
        for (name, text) in texts(&folder.join("tests"), "yaml") {
            samples.extend(file::read(&name, &text).unwrap().samples());
            found.extend(invariants::read(&name, &text, &whole).unwrap());
        }
        Self { plan: Arc::new(whole), alone, samples, invariants: found }
    }

    fn setup(&self, source: Source, judge: Option<Judge>) -> Setup {
        Setup { plan: Arc::clone(&self.plan), alone: self.alone.clone(), source, invariants: self.invariants.clone(), judge }
    }
}

/// The files of a folder with this extension: path and text, in the order of their names; none when there is no folder.
fn texts(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|it| it.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|it| it.extension().is_some_and(|it| it == extension)).collect();
    paths.sort();
    paths.iter().map(|it| (it.display().to_string(), fs::read_to_string(it).unwrap())).collect()
}
