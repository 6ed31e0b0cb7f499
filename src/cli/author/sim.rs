//! `goyt sim`: the topologies run under faults that seeds draw, and what must hold is checked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::adapters::clock::SystemClock;
use crate::cli::author::test::{TESTS, test_files};
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Progress;
use crate::cli::topology_test::{file, invariants};
use crate::cli::{Output, Paths, mistakes, out, sources, texts};
use crate::engine::plan::Plan;
use crate::engine::topology::{self, Mistake, Sources};
use crate::runtime::ports::Clock;
use crate::sim::faults::Fault;
use crate::sim::run::run;
use crate::sim::setup::{Ended, Setup, Source};

/// Run the topologies under faults, in memory: crashes, lost and late requests, full and damaged disks
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt sim                            200 seeds over topologies/
  goyt sim my-topologies/ --seeds 1000
  goyt sim --seed 42                  one seed, with all that happens in it

Each seed draws processes, workload and faults; the same seed does the same, byte for byte. First things go wrong, then everything heals,
and all that was put in must come out. Inputs are drawn from the test files in tests/, or made from the schemas. What is checked, beside the
`invariants:` of the test files: docs/simulation.md. Exit code 1 when something does not hold.")]
pub struct Sim {
    #[command(flatten)]
    paths: Paths,
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 200)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    from: u64,
    /// This seed alone, with its trace on stdout
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Records put in, of each seed at most
    #[arg(long, value_name = "N", default_value_t = 300)]
    records: u64,
    /// Run each seed twice, and compare
    #[arg(long)]
    twice: bool,
    #[command(flatten)]
    output: Output,
}

/// The application's name in a simulation.
const APPLICATION: &str = "sim";
/// Lines of the trace before a violation that are shown.
const TRACE_SHOWN: usize = 40;
/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(200);

impl Sim {
    /// Runs the seeds.
    ///
    /// # Errors
    /// Files that can't be read, and mistakes in them.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let setup = self.setup()?;
        if let Some(seed) = self.seed {
            return Ok(one(&setup, seed));
        }
        let clock = SystemClock::start();
        let all = self.seeds(&setup, &clock);
        let violated: Vec<&Ended> = all.ended.iter().filter(|it| it.violation.is_some()).collect();
        match self.output.output {
            out::Format::Text => self.print(&all, clock.elapsed()),
            out::Format::Json => out::data(&to_json(&all, clock.elapsed())),
        }
        for ended in violated.iter().take(3) {
            self.explain(&setup, ended);
        }
        Ok(if violated.is_empty() && all.unlike.is_empty() { Exit::OK } else { Exit::FAILED })
    }

    fn setup(&self) -> Result<Setup, Failure> {
        let refused = |found: Vec<Mistake>, texts: &[(String, String)]| {
            Failure::new(Exit::CONFIGURATION, mistakes::render(&found, texts, out::coloured()))
        };
        let all = sources::read(&self.paths.paths)?;
        let plan = topology::plan(APPLICATION, &all).map_err(|it| refused(it, &texts(&all)))?;
        let alone = |it: &(String, String)| -> Result<Plan, Failure> {
            let one = Sources { topologies: vec![it.clone()], events: all.events.clone() };
            topology::plan(APPLICATION, &one).map_err(|it| refused(it, &texts(&one)))
        };
        let alone = all.topologies.iter().map(alone).collect::<Result<Vec<Plan>, Failure>>()?;
        let default = vec![PathBuf::from(sources::DEFAULT_PATH)];
        let paths = if self.paths.paths.is_empty() { &default } else { &self.paths.paths };
        let (mut samples, mut invariants) = (Vec::new(), Vec::new());
        for path in paths.iter().filter(|it| has_tests(it)) {
            for path in test_files(path)?.iter().filter(|it| it.is_file()) {
                let (shown, text) = (path.display().to_string(), fs::read_to_string(path).map_err(|it| sources::unreadable(path, &it))?);
                let test = file::read(&shown, &text).map_err(|it| refused(it, &[(shown.clone(), text.clone())]))?;
                samples.extend(test.samples());
                // What is said of topologies that do not take part can't be checked.
                if test.topologies.iter().all(|it| plan.subtopologies.iter().any(|part| part.topology == *it)) {
                    invariants.extend(invariants::read(&shown, &text, &plan).map_err(|it| refused(it, &[(shown.clone(), text.clone())]))?);
                }
            }
        }
        let source = Source::Drawn(samples, self.records.max(1));
        Ok(Setup { plan: Arc::new(plan), alone, source, invariants, judge: None })
    }

    /// Runs all seeds, on all processors.
    fn seeds(&self, setup: &Setup, clock: &SystemClock) -> All {
        let progress = Progress::begin("seeds", self.seeds);
        let (next, done, all) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(All::default()));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let work = || {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if self.seeds <= nth {
                        break;
                    }
                    let ended = run(setup, self.from + nth, false);
                    let again = self.twice.then(|| run(setup, self.from + nth, false));
                    done.fetch_add(1, Ordering::Relaxed);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.unlike.extend(again.filter(|it| *it != ended).map(|it| it.seed));
                    all.ended.push(ended);
                }
            };
            let count = thread::available_parallelism().map_or(1, usize::from);
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    progress.at(done.load(Ordering::Relaxed), self.seeds);
                    clock.sleep(SHOW_EVERY);
                }
            });
            for thread in threads {
                // A panic in it goes on when the scope ends.
                drop(thread.join());
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        all.ended.sort_by_key(|it| it.seed);
        progress.end(&format!("  {} seeds", all.ended.len()));
        all
    }

    fn print(&self, all: &All, took: Duration) {
        let violated = all.ended.iter().filter(|it| it.violation.is_some()).count();
        let rows: Vec<[String; 2]> = all.faults().into_iter().map(|(fault, count)| [count.to_string(), fault.text().to_owned()]).collect();
        out::data(&out::table(["TIMES", "FAULT"], &rows));
        out::data(&format!(
            "{} seeds from {} in {} s: {} records, {} commits, {} faults",
            all.ended.len(),
            self.from,
            took.as_secs(),
            all.ended.iter().map(|it| it.records).sum::<u64>(),
            all.ended.iter().map(|it| it.commits).sum::<u64>(),
            all.faults().values().sum::<u64>()
        ));
        if self.twice {
            out::data(&format!("run twice: {} of {} did the same", all.ended.len() - all.unlike.len(), all.ended.len()));
        }
        for seed in &all.unlike {
            out::data(&format!("seed {seed} did not do the same twice"));
        }
        out::data(&match violated {
            0 => "nothing lost, nothing doubled, nothing out of order".to_owned(),
            count => format!("{count} seeds violate what must hold"),
        });
    }

    /// How a violation came about.
    fn explain(&self, setup: &Setup, ended: &Ended) {
        let Ended { trace, .. } = run(setup, ended.seed, true);
        out::say(&format!("\nseed {} of commit {}:", ended.seed, commit()));
        if TRACE_SHOWN < trace.len() {
            out::say(&format!("  … {} lines before", trace.len() - TRACE_SHOWN));
        }
        trace.iter().skip(trace.len().saturating_sub(TRACE_SHOWN)).for_each(|it| out::say(&format!("  {it}")));
        let paths: Vec<String> = self.paths.paths.iter().map(|it| format!("{} ", it.display())).collect();
        let records = if self.records == 300 { String::new() } else { format!(" --records {}", self.records) };
        out::say(&format!("  all of it: goyt sim {}--seed {}{records}", paths.concat(), ended.seed));
    }
}

/// What all seeds did.
#[derive(Default)]
struct All {
    ended: Vec<Ended>,
    /// Seeds that did something else the second time.
    unlike: Vec<u64>,
}

impl All {
    fn faults(&self) -> BTreeMap<Fault, u64> {
        let mut faults = BTreeMap::new();
        for (fault, count) in self.ended.iter().flat_map(|it| &it.faults) {
            *faults.entry(*fault).or_default() += count;
        }
        faults
    }
}

/// One seed, with its trace.
fn one(setup: &Setup, seed: u64) -> Exit {
    let ended = run(setup, seed, true);
    for line in &ended.trace {
        if !out::stream(line) {
            break;
        }
    }
    out::say(&format!(
        "seed {seed} of commit {}: {} records, {} commits, {} turns, digest {:016x}",
        commit(),
        ended.records,
        ended.commits,
        ended.turns,
        ended.digest
    ));
    match ended.violation {
        None => Exit::OK,
        Some(_) => Exit::FAILED,
    }
}

fn to_json(all: &All, took: Duration) -> String {
    let faults: BTreeMap<String, u64> = all.faults().into_iter().map(|(fault, count)| (format!("{fault:?}"), count)).collect();
    let violations: Vec<_> =
        all.ended.iter().filter_map(|it| Some(json!({ "seed": it.seed, "violation": it.violation.as_ref()? }))).collect();
    json!({
        "seeds": all.ended.len(),
        "seconds": took.as_secs(),
        "records": all.ended.iter().map(|it| it.records).sum::<u64>(),
        "commits": all.ended.iter().map(|it| it.commits).sum::<u64>(),
        "faults": faults,
        "violations": violations,
        "unlike": all.unlike,
    })
    .to_string()
}

/// Whether there may be test files for a path.
fn has_tests(path: &Path) -> bool {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    folder.join(TESTS).is_dir()
}

/// The commit that is checked out here, where there is one: a seed does the same only with the same code.
fn commit() -> String {
    let found = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok().filter(|it| it.status.success());
    found.map_or_else(|| format!("(version {})", env!("CARGO_PKG_VERSION")), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
}
