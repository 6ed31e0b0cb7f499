//! Instances are added, drained and restarted on one machine: partitions are shared, nothing is lost or repeated, and what stays, stays.

use std::collections::BTreeMap;

use crate::support::goyt::{self, Goyt};
use crate::support::oracle;
use crate::support::platform::Platform;
use crate::support::random::Random;
use crate::support::stage::Stage;
use crate::support::traffic::Traffic;
use crate::support::wait;

const PARTITIONS: i32 = 12;
/// The partitions that the instances share: of three inputs, of customer-events, and of one repartition topic.
const SHARED: usize = 5 * 12;
/// Names of instances: never more than these run.
const INSTANCES: [&str; 4] = ["a", "b", "c", "d"];
/// So that a killed member's partitions are given to others soon.
const SHORT_SESSION: [(&str, &str); 1] = [("GOYT_SESSION_TIMEOUT_MS", "6000")];

/// One instance works, three more come, each gets a quarter, and they leave again: the first has all.
#[test]
fn one_to_four_instances_and_back_share_twelve_partitions() {
    let (stage, traffic) = stage_under_load("scale", 61);
    let mut group = Group::new(&stage, &[]);
    for instance in INSTANCES {
        group.start(instance);
        group.settle();
    }
    assert_eq!(group.shares(), BTreeMap::from(INSTANCES.map(|it| (it, SHARED / 4))), "partitions of each of four");
    for instance in ["d", "c", "b"] {
        group.stop(instance);
        group.settle();
    }
    assert_eq!(group.shares(), BTreeMap::from([("a", SHARED)]), "the first has all again");
    end_and_check(&stage, traffic, group);
}

/// With `--stay` each of three instances is replaced by a new process: no task moves, and nobody notices but by the pause.
#[test]
fn a_rolling_restart_moves_no_task() {
    let (stage, traffic) = stage_under_load("rolling", 62);
    let mut group = Group::new(&stage, &["--stay"]);
    let names = &INSTANCES[..3];
    for instance in names {
        group.start(instance);
        group.settle();
    }
    let tasks = group.tasks_of_each();
    for instance in names {
        let others = group.rebalances_but_of(instance);
        group.stop(instance);
        group.start(instance);
        group.settle();
        assert_eq!(group.rebalances_but_of(instance), others, "rebalances that others saw while {instance} was restarted");
    }
    assert_eq!(group.tasks_of_each(), tasks, "each instance has the tasks that it had");
    end_and_check(&stage, traffic, group);
}

/// Instances come, leave and are killed, by chance, while records come all the while. `make soak` does it 20 times.
#[test]
fn instance_changes_under_load() {
    let changes = std::env::var("SOAK_CHANGES").map_or(6, |it| it.parse().expect("SOAK_CHANGES is a number"));
    let (stage, traffic) = stage_under_load("changes", 63);
    let mut random = Random::new(63);
    let mut group = Group::new(&stage, &[]);
    group.start("a");
    group.settle();
    for _ in 0..changes {
        group.change(&mut random);
        group.settle();
    }
    println!("{}", group.history.join(", "));
    end_and_check(&stage, traffic, group);
}

fn stage_under_load(test: &str, seed: u64) -> (Stage, Traffic) {
    let stage = Stage::new(test, PARTITIONS);
    let traffic = Traffic::start(&stage, Platform::new(seed));
    (stage, traffic)
}

/// Waits until all that was sent is processed, stops the instances, and compares what came of it with what should have.
fn end_and_check(stage: &Stage, traffic: Traffic, mut group: Group<'_>) {
    let (platform, sent) = traffic.end(stage);
    let names: Vec<&str> = group.running.keys().copied().collect();
    for name in names {
        group.stop(name);
    }
    oracle::check(stage, &platform);
    println!("{sent} records, {} changes: none lost, none repeated", group.history.len());
}

/// The instances that run now.
struct Group<'a> {
    stage: &'a Stage,
    flags: &'a [&'a str],
    running: BTreeMap<&'static str, Goyt>,
    /// What was done to it.
    history: Vec<String>,
}

impl<'a> Group<'a> {
    fn new(stage: &'a Stage, flags: &'a [&'a str]) -> Self {
        Self { stage, flags, running: BTreeMap::new(), history: Vec::new() }
    }

    fn start(&mut self, instance: &'static str) {
        self.running.insert(instance, Goyt::start_with_flags(self.stage, instance, self.flags, &SHORT_SESSION));
        self.history.push(format!("{instance} comes"));
    }

    fn stop(&mut self, instance: &str) {
        self.running.remove(instance).expect("it runs").stop();
        self.history.push(format!("{instance} leaves"));
    }

    fn kill(&mut self, instance: &str) {
        self.running.remove(instance).expect("it runs").kill();
        self.history.push(format!("{instance} is killed"));
    }

    /// One instance comes, leaves or is killed; at least one goes on.
    fn change(&mut self, random: &mut Random) {
        let absent: Vec<&'static str> = INSTANCES.into_iter().filter(|it| !self.running.contains_key(it)).collect();
        let present: Vec<&'static str> = self.running.keys().copied().collect();
        let any = |random: &mut Random, of: &[&'static str]| of[usize::try_from(random.below(of.len() as u64)).expect("an index")];
        let comes = present.len() == 1 || !absent.is_empty() && random.happens(500);
        match comes {
            true => self.start(any(random, &absent)),
            false if random.happens(500) => self.stop(any(random, &present)),
            false => self.kill(any(random, &present)),
        }
    }

    /// Waits until all partitions are shared among the instances that run, and all their tasks work.
    fn settle(&self) {
        wait::until_ok(|| {
            let shares = self.shares();
            let shared = shares.values().sum::<usize>();
            if shares.len() < self.running.len() || shared != SHARED {
                return Err(format!("{SHARED} partitions to be shared by {}: {shares:?}", self.running.len()));
            }
            let waiting: Vec<String> = self.running.values().flat_map(|it| tasks_at_rest(&it.lines())).collect();
            if waiting.is_empty() { Ok(()) } else { Err(format!("these tasks to run: {}", waiting.join(" "))) }
        });
    }

    /// The partitions of each instance, as it was last told.
    fn shares(&self) -> BTreeMap<&'static str, usize> {
        let share = |it: &Goyt| it.lines().iter().rev().find_map(|line| partitions(line));
        self.running.iter().filter_map(|(name, it)| Some((*name, share(it)?))).collect()
    }

    /// How often the others were told their partitions since their processes began.
    fn rebalances_but_of(&self, instance: &str) -> BTreeMap<&'static str, usize> {
        let others = self.running.iter().filter(|(name, _)| **name != instance);
        others.map(|(name, it)| (*name, it.lines().iter().filter_map(|line| partitions(line)).count())).collect()
    }

    fn tasks_of_each(&self) -> BTreeMap<&'static str, Vec<String>> {
        self.running.iter().map(|(name, it)| (*name, open_tasks(&it.lines()))).collect()
    }
}

/// Of a line such as `rebalanced: 15 partitions; tasks kept …`.
pub fn partitions(line: &str) -> Option<usize> {
    line.split_once("rebalanced: ")?.1.split(' ').next()?.parse().ok()
}

/// The tasks that were created and not closed since.
fn open_tasks(lines: &[String]) -> Vec<String> {
    let mut tasks = goyt::tasks(lines, "created");
    for closed in goyt::tasks(lines, "closed") {
        let at = tasks.iter().position(|it| *it == closed).expect("what is closed was created");
        tasks.remove(at);
    }
    tasks.sort();
    tasks
}

/// The tasks that are open and do not run: they were created more often than they came to run.
pub fn tasks_at_rest(lines: &[String]) -> Vec<String> {
    let ran = goyt::tasks(lines, "running");
    let created = goyt::tasks(lines, "created");
    let count = |tasks: &[String], task: &String| tasks.iter().filter(|it| *it == task).count();
    open_tasks(lines).into_iter().filter(|it| count(&ran, it) < count(&created, it)).collect()
}
