//! One run: a seed draws processes, workload and faults; what it does is in [`Run::step`]. First everything may go wrong, then nothing
//! does any more, and all that was put in must come out.
//!
//! The run never calls a task: it drives `Worker::join`, `round` and `stop`, as the product's threads do.

use std::sync::Arc;
use std::time::Duration;

use super::check;
use super::faults::{self, Fault, Rates, SimNetwork};
use super::gaps::Gap;
use super::glimpses::Glimpses;
use super::process::{Phase, Process, Site};
use super::random::Random;
use super::setup::{Ended, Given, Setup, Source};
use super::trace::Trace;
use super::workload::{Input, Shape, Workload};
use crate::adapters::memory::clock::VirtualClock;
use crate::adapters::memory::cluster::Cluster;
use crate::adapters::memory::partition::{Content, Tombstones};
use crate::engine::plan::{Plan, Role};
use crate::engine::record::{Millis, TopicId, TopicPartition};
use crate::runtime::open_task::State;
use crate::runtime::ports::Clock;
use crate::runtime::worker::{Limits, Start, Worker};

/// A member of the group that is not heard of for so long is expelled.
const SESSION: Duration = Duration::from_secs(10);
/// Turns before everything heals, at most.
const FAULTY_TURNS_MAX: u64 = 20_000;
/// Turns after everything has healed; what is not done by then never will be.
const HEALED_TURNS_MAX: u64 = 60_000;
/// So many runs end with data that is missing.
const GAP_PER_MILLE: u64 = 250;
/// Turns within which a gap must be noticed, or all be well.
const GAP_TURNS_MAX: u64 = 5_000;
/// Of a record's value, so much is shown.
const SHOWN_MAX: usize = 300;
/// All markers have arrived after this time.
const MARKERS_WITHIN: Duration = Duration::from_secs(30);
/// Turns between two looks at whether all is done.
const LOOK_EVERY: u64 = 32;
/// 2026-01-01T00:00:00Z
const BEGIN: Millis = 1_767_225_600_000;
/// Wall clocks are set back or forth by so much at most.
const CLOCK_SET_MAX: u64 = 3_600_000;

/// Runs a seed.
#[must_use]
pub fn run(setup: &Setup, seed: u64, keep_trace: bool) -> Ended {
    let mut run = Run::draw(setup, seed, keep_trace);
    let violation = run.carry_out().err();
    if let Some(violation) = &violation {
        run.site.trace.say("", format_args!("VIOLATION {violation}"));
    }
    Ended {
        seed,
        digest: run.site.trace.digest(),
        records: run.fed,
        commits: run.processes.iter().map(|it| it.board.totals().commits).sum(),
        turns: run.turns,
        faults: run.site.network.counts(),
        violation,
        trace: run.site.trace.lines(),
    }
}

struct Run<'s> {
    setup: &'s Setup,
    site: Site,
    random: Random,
    processes: Vec<Process>,
    workload: Workload,
    /// Records to be put in.
    records: u64,
    fed: u64,
    turns: u64,
    /// Of each turn, the longest time that passes.
    pace: Duration,
    /// Of 1000 turns, so many put records in.
    feeding: u64,
    /// Disks that are full, and until when.
    full: Vec<(usize, Duration)>,
    glimpses: Glimpses,
}

impl<'s> Run<'s> {
    fn draw(setup: &'s Setup, seed: u64, keep_trace: bool) -> Self {
        let mut random = Random::new(seed);
        let clock = VirtualClock::at(BEGIN);
        let trace = Trace::new(clock.clone(), keep_trace);
        let rates = faults::draw(&mut random);
        let network = SimNetwork::new(random.fork(), rates.clone(), trace.clone());
        let cluster = Cluster::behind(Box::new(network.clone()), clock.clone());
        let partitions = partitions(&setup.plan, &mut random);
        for (topic, count) in setup.plan.topics.iter().zip(&partitions) {
            let policy = if topic.role == Role::Changelog { "compact" } else { "delete" };
            cluster.create_topic_with(&topic.name, *count, [("cleanup.policy".to_owned(), policy.to_owned())].into());
        }
        let limits = limits(&mut random);
        let site = Site { plan: Arc::clone(&setup.plan), partitions, limits, cluster, clock, network, trace };
        let count = random.between(1, 3);
        let workers = usize::from(random.chance(250)) + 1;
        let processes: Vec<Process> = (0..count).map(|it| Process::new(usize::try_from(it).unwrap_or(0), workers, &site)).collect();
        let shape = Shape::draw(&mut random);
        let (workload, records) = match &setup.source {
            Source::Drawn(samples, most) => (Workload::new(&setup.plan, samples, shape), random.between(1, *most)),
            Source::Given(given) => (Workload::new(&setup.plan, &[], shape), u64::try_from(given.len()).unwrap_or(u64::MAX)),
        };
        let compacted = rates.contains_key(&Fault::Compacted);
        site.trace.say("", format_args!("{count} processes of {workers} workers, partitions {:?}, {:?}", site.partitions, site.limits));
        site.trace.say("", format_args!("faults in 100,000: {}", shown(&rates)));
        Self {
            setup,
            records,
            pace: random.duration(Duration::from_millis(1), Duration::from_millis(100)),
            feeding: random.between(5, 200),
            random,
            processes,
            workload,
            fed: 0,
            turns: 0,
            full: Vec::new(),
            glimpses: Glimpses::new(!compacted),
            site,
        }
    }

    /// The whole of it.
    fn carry_out(&mut self) -> Result<(), String> {
        while self.fed < self.records && self.turns < FAULTY_TURNS_MAX {
            self.step()?;
        }
        self.heal();
        self.drain()?;
        // The last markers may still be on their way.
        self.site.network.at_once();
        self.site.clock.advance(MARKERS_WITHIN);
        self.glimpses.judge(&self.setup.plan, &self.site.cluster)?;
        // The checks look at all that there ever was.
        self.site.cluster.show_hidden();
        check::all(self.setup, &self.site, &self.processes)?;
        if self.random.chance(GAP_PER_MILLE) { self.gap() } else { Ok(()) }
    }

    /// One turn: time passes, what is due happens, perhaps a fault, and one process has its turn.
    fn step(&mut self) -> Result<(), String> {
        self.turns += 1;
        let time = self.random.duration(Duration::ZERO, self.pace);
        self.site.clock.advance(time);
        self.come_due();
        if self.random.chance(self.feeding) {
            self.feed();
        }
        self.strike();
        let index = self.random.index(self.processes.len());
        self.turn(index)?;
        check::one_transaction_each(&self.site, &self.processes)
    }

    fn turn(&mut self, index: usize) -> Result<(), String> {
        let Some(process) = self.processes.get_mut(index).filter(|it| it.phase == Phase::Up) else { return Ok(()) };
        process.turn(&mut self.random, &self.site)?;
        if self.site.network.is_dead(&process.name) {
            let down = self.random.duration(Duration::from_millis(100), SESSION * 2);
            process.die(down, SESSION, &self.site);
        } else if self.random.chance(50) {
            self.glimpses.look(process, &self.setup.plan, &mut self.random)?;
        }
        Ok(())
    }

    /// Puts some records in.
    fn feed(&mut self) {
        for _ in 0..self.random.between(1, 6) {
            let Some(Given { topic: name, content }) = self.next() else { return };
            let shown: String = String::from_utf8_lossy(content.value.as_deref().unwrap_or_default()).chars().take(SHOWN_MAX).collect();
            let appended = self.site.cluster.append(&name, None, content);
            if let Ok((partition, offset)) = appended {
                self.site.trace.say("", format_args!("{name}[{partition}] gets record {offset}: {shown}"));
            }
            self.fed += 1;
        }
    }

    /// The next record.
    fn next(&mut self) -> Option<Given> {
        match &self.setup.source {
            Source::Given(given) => given.get(usize::try_from(self.fed).unwrap_or(usize::MAX)).cloned(),
            Source::Drawn(..) => {
                let Input { topic, key, value, headers, timestamp, .. } = self.workload.next(&mut self.random, self.site.clock.now())?;
                let topic = self.setup.plan.topics.get(usize::from(topic.0))?.name.clone();
                Some(Given { topic, content: Content { key, value, headers, timestamp } })
            }
        }
    }

    /// Members whose time is over are expelled, and processes go on.
    fn come_due(&mut self) {
        let now = self.site.clock.elapsed();
        for process in &mut self.processes {
            if process.expelled_at.is_some_and(|it| it <= now) {
                process.expelled_at = None;
                self.site.trace.say(&process.name, format_args!("was not heard of: its members are expelled"));
                process.members().for_each(|it| self.site.cluster.expel(&self.site.plan.application_id, it));
            }
            match process.phase {
                Phase::Down(until) if until <= now => process.start(&self.site),
                Phase::Paused(until) if until <= now => {
                    self.site.trace.say(&process.name, format_args!("goes on"));
                    process.phase = Phase::Up;
                    process.expelled_at = None;
                }
                Phase::Up | Phase::Paused(_) | Phase::Down(_) => {}
            }
        }
        let processes = &self.processes;
        self.full.retain(|(index, until)| {
            let over = *until <= now;
            if let Some(process) = processes.get(*index).filter(|_| over) {
                process.disk.fill(false);
            }
            !over
        });
    }

    /// Faults that do not happen to a request.
    fn strike(&mut self) {
        let index = self.random.index(self.processes.len());
        let now = self.site.clock.elapsed();
        let (long, random, site) = (SESSION * 3, &mut self.random, &self.site);
        let Some(process) = self.processes.get_mut(index) else { return };
        let (up, name) = (process.phase == Phase::Up, process.name.clone());
        let strikes = |fault: Fault| {
            let strikes = site.network.strikes(fault);
            if strikes {
                site.trace.say(&name, format_args!("{}", fault.text()));
            }
            strikes
        };
        if up && strikes(Fault::PowerLoss) {
            process.disk.power_loss(random);
            site.network.kill(&name);
            process.die(random.duration(Duration::ZERO, long), SESSION, site);
        } else if up && strikes(Fault::Wiped) {
            process.disk.wipe();
            site.network.kill(&name);
            process.die(random.duration(Duration::ZERO, long), SESSION, site);
        } else if up && strikes(Fault::Paused) {
            process.phase = Phase::Paused(now + random.duration(Duration::ZERO, long));
            process.expelled_at = Some(now + SESSION);
        } else if up && strikes(Fault::Stopped) {
            process.stop(random.duration(Duration::ZERO, SESSION), site);
            if site.network.is_dead(&name) {
                process.die(SESSION, SESSION, site);
            }
        }
        if strikes(Fault::DiskFull) {
            process.disk.fill(true);
            self.full.push((index, now + random.duration(Duration::ZERO, long)));
        }
        if strikes(Fault::Damage) {
            process.disk.damage(random);
        }
        if strikes(Fault::Compacted) {
            let remove = random.chance(500);
            for (topic, number) in site.plan.topics.iter().zip(0..).filter(|(it, _)| it.role == Role::Changelog) {
                let lacked = self.processes.iter().any(|it| lacks_tombstones(it, site, TopicId(number)));
                let tombstones = if remove && !lacked { Tombstones::Remove } else { Tombstones::Keep };
                // There is such a topic.
                drop(site.cluster.compact(&topic.name, tombstones));
            }
        }
        if strikes(Fault::Retained) {
            for ((topic, partition), committed) in site.cluster.committed(&site.plan.application_id) {
                if site.plan.topics.iter().any(|it| it.role == Role::Input && it.name == topic) {
                    // There is such a partition, and it has these records.
                    drop(site.cluster.hide_records(&topic, partition, committed));
                }
            }
        }
        if strikes(Fault::ClockSet) {
            let now = site.clock.now();
            let by = i64::try_from(random.below(CLOCK_SET_MAX)).unwrap_or(0);
            site.clock.set(if random.chance(500) { now + by } else { now - by });
        }
    }

    /// Nothing goes wrong any more.
    fn heal(&mut self) {
        self.site.trace.say("", format_args!("everything heals"));
        self.site.network.calm();
        self.full.clear();
        let now = self.site.clock.elapsed();
        for process in &mut self.processes {
            process.disk.fill(false);
            if let Phase::Down(until) | Phase::Paused(until) = &mut process.phase {
                *until = (*until).min(now + SESSION);
            }
        }
    }

    /// All that was put in comes out.
    fn drain(&mut self) -> Result<(), String> {
        for healed in 0..HEALED_TURNS_MAX {
            self.turns += 1;
            self.site.clock.advance(Duration::from_millis(10));
            self.come_due();
            let index = usize::try_from(healed).unwrap_or(0) % self.processes.len().max(1);
            self.turn(index)?;
            if healed % LOOK_EVERY == 0 && self.is_drained() {
                self.site.trace.say("", format_args!("all is done"));
                return Ok(());
            }
        }
        Err(format!("liveness: not all is done {HEALED_TURNS_MAX} turns after everything healed: {}", self.what_is_left()))
    }

    /// Data is taken away while nobody runs. What is needed and missing stops a task by name; the rest goes on as if nothing had been.
    fn gap(&mut self) -> Result<(), String> {
        for process in &mut self.processes {
            process.stop(Duration::ZERO, &self.site);
        }
        let Some(gap) = Gap::draw(&self.setup.plan, &self.site, &mut self.random) else { return Ok(()) };
        self.site.trace.say("", format_args!("{gap:?}"));
        for _ in 0..gap.feeds() {
            self.feed();
        }
        let stops = gap.open(&self.site, &self.processes)?;
        for _ in 0..GAP_TURNS_MAX {
            self.turns += 1;
            self.site.clock.advance(Duration::from_millis(10));
            self.come_due();
            let index = self.random.index(self.processes.len());
            self.turn(index)?;
            if stops && self.processes.iter().any(|it| gap.is_told(it, &self.site)) || !stops && self.is_drained() {
                self.site.trace.say("", format_args!("as it should be"));
                return Ok(());
            }
        }
        Err(format!("S7: {gap:?}, and {}", if stops { "no task has stopped for it".to_owned() } else { self.what_is_left() }))
    }

    fn is_drained(&self) -> bool {
        let idle = |it: &Process| it.phase == Phase::Up && it.workers().all(Worker::is_idle);
        self.processes.iter().all(idle) && self.left().is_empty() && self.all_run()
    }

    /// Whether each task of the plan runs, and once.
    fn all_run(&self) -> bool {
        let mut running: Vec<&str> = Vec::new();
        for open in self.processes.iter().flat_map(Process::workers).flat_map(|it| it.tasks().iter()) {
            if open.state != State::Running {
                return false;
            }
            running.push(&open.task.id);
        }
        running.sort_unstable();
        let count = |topic: TopicId| self.site.partitions.get(usize::from(topic.0)).copied().unwrap_or(0);
        let all = self.setup.plan.subtopologies.iter().flat_map(|it| (0..count(it.source)).map(|partition| it.task_id(partition)));
        let mut all: Vec<String> = all.collect();
        all.sort_unstable();
        running == all
    }

    /// Source partitions that have a record which is not committed.
    fn left(&self) -> Vec<TopicPartition> {
        let committed = self.site.cluster.committed(&self.site.plan.application_id);
        let mut left = Vec::new();
        for subtopology in &self.setup.plan.subtopologies {
            let topic = subtopology.source;
            let name = self.setup.plan.topics.get(usize::from(topic.0)).map_or("", |it| it.name.as_str());
            for partition in 0..self.site.partitions.get(usize::from(topic.0)).copied().unwrap_or(0) {
                let from = committed.get(&(name.to_owned(), partition)).copied().unwrap_or(0);
                if self.site.cluster.has_unread(name, partition, from) {
                    left.push(TopicPartition { topic, partition });
                }
            }
        }
        left
    }

    fn what_is_left(&self) -> String {
        let name = |it: &TopicPartition| {
            format!("{}[{}]", self.setup.plan.topics.get(usize::from(it.topic.0)).map_or("", |it| it.name.as_str()), it.partition)
        };
        let mut left: Vec<String> = self.left().iter().map(name).collect();
        for process in &self.processes {
            let states = process.workers().flat_map(|it| it.tasks().iter()).map(|it| format!("{} is {:?}", it.task.id, it.state));
            left.extend(states.filter(|it| !it.ends_with("Running")));
        }
        left.join(", ")
    }
}

/// How many partitions each topic has: inputs as drawn, others as what they are like.
fn partitions(plan: &Plan, random: &mut Random) -> Vec<i32> {
    let most = random.between(1, 4);
    let mut counts: Vec<i32> = plan.topics.iter().map(|_| i32::try_from(random.between(1, most)).unwrap_or(1)).collect();
    // A topic may be like one that is itself like another.
    for _ in 0..plan.topics.len() {
        for (index, topic) in plan.topics.iter().enumerate() {
            let like = topic.like.and_then(|it| counts.get(usize::from(it.0)).copied());
            if let (Some(like), Some(count)) = (like, counts.get_mut(index)) {
                *count = like;
            }
        }
    }
    counts
}

fn limits(random: &mut Random) -> Limits {
    let size = |random: &mut Random, most: u64| usize::try_from(random.between(1, most)).unwrap_or(1);
    let commit_interval = random.duration(Duration::from_millis(1), Duration::from_millis(500));
    Limits {
        commit_interval,
        commit_interval_min: commit_interval / 4,
        commit_max_bytes: size(random, 1 << 14),
        buffer_max_bytes: size(random, 1 << 15),
        poll_max_records: size(random, 100),
        repartition_lag_max: if random.chance(500) { 0 } else { i64::try_from(random.between(1, 200)).unwrap_or(1) },
        hand_over: random.chance(700),
        restore_max_records: size(random, 50),
        restore_buffer_max_bytes: 1 << 10,
        task_retry: random.duration(Duration::from_millis(1), Duration::from_secs(2)),
        task_cache_bytes: if random.chance(300) { 0 } else { size(random, 1 << 13) },
        start: Start::Earliest,
        stop_within: Duration::from_secs(4),
        null: false,
        stay: random.chance(300),
    }
}

fn shown(rates: &Rates) -> String {
    let all: Vec<String> = rates.iter().map(|(fault, rate)| format!("{fault:?} {rate}")).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// Whether a disk has yet to read of something that was deleted. Tombstones go when `delete.retention.ms` is over: a disk that lacks them then
/// is stale, which its files tell, and restored whole. What is not synced may be lost, but not after so long.
fn lacks_tombstones(process: &Process, site: &Site, changelog: TopicId) -> bool {
    let stores = site.plan.subtopologies.iter().flat_map(|part| part.stores.iter().enumerate().map(move |it| (part, it)));
    let Some((part, (number, _))) = stores.into_iter().find(|(_, (_, it))| it.changelog == changelog) else { return false };
    let name = site.plan.topics.get(usize::from(changelog.0)).map_or("", |it| it.name.as_str());
    let records = site.cluster.read_all(name).unwrap_or_default();
    records.iter().filter(|it| it.content.value.is_none()).any(|it| {
        let positions = process.disk.least_positions(&part.task_id(it.partition));
        positions.and_then(|all| all.get(number).copied().flatten()).is_some_and(|read| read <= it.offset)
    })
}
