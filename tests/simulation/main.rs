//! The simulation over a thousand seeds: the product's own workers under faults, judged by a reference model that shares no code with them.
//!
//! `SIM_SEEDS` is how many, `SIM_FROM` the first. A failure prints the seed; `tests/seeds.txt` keeps those that once failed, for ever.

#![cfg(test)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "no broker is used here")]
mod support;

mod mutants;
mod setups;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{env, fs, thread};

use goyt::sim::run::run;
use goyt::sim::setup::{Ended, Setup};

/// Of the seeds, a part for each of the set-ups: the figures add up to 1,000.
const PLATFORM: u64 = 500;
const DRAWN: u64 = 300;
const SESSIONS: u64 = 200;

#[test]
fn the_platform_gets_what_the_reference_model_says() {
    hold(PLATFORM, setups::platform);
}

#[test]
fn drawn_inputs_are_lost_and_doubled_by_no_fault() {
    hold(DRAWN, |_| setups::shipped());
}

#[test]
fn another_application_holds_as_well() {
    hold(SESSIONS, |_| setups::sessions());
}

#[test]
fn seeds_that_failed_once_do_not_fail_again() {
    let text = fs::read_to_string("tests/seeds.txt").unwrap();
    let lines = text.lines().map(|it| it.split('#').next().unwrap_or_default().trim()).filter(|it| !it.is_empty());
    let mut count = 0;
    for line in lines {
        let (name, seed) = line.split_once(' ').expect("a line is: set-up, seed, # what it was");
        let seed = seed.trim().parse().unwrap();
        let ended = run(&setups::named(name, seed), seed, false);
        assert_eq!(ended.violation, None, "{name} seed {seed}");
        count += 1;
    }
    assert!(0 < count, "tests/seeds.txt names no seed");
}

#[test]
fn a_seed_does_the_same_line_by_line() {
    for seed in 1..=5 {
        let (setup, again) = (setups::platform(seed), setups::platform(seed));
        assert_eq!(run(&setup, seed, true), run(&again, seed, true), "seed {seed}");
    }
}

/// Runs each seed twice, on all processors: nothing is violated, and both do the same.
fn hold(share: u64, setup: impl Fn(u64) -> Setup + Sync) {
    let number = |name: &str, default: u64| env::var(name).map_or(default, |it| it.parse().unwrap());
    let (seeds, from) = (number("SIM_SEEDS", 1_000) * share / 1_000, number("SIM_FROM", 1));
    let ended = search(from..from + seeds, &setup, |seed, ended| {
        assert_eq!(ended.violation, None, "seed {seed}: SIM_FROM={seed} SIM_SEEDS=… runs it again");
        let again = run(&setup(seed), seed, false);
        assert_eq!(again, *ended, "seed {seed} did not do the same twice");
        true
    });
    let sum = |of: fn(&Ended) -> u64| ended.iter().map(of).sum::<u64>();
    let faults = sum(|it| it.faults.values().sum());
    eprintln!("{seeds} seeds from {from}, twice each: {} records, {} commits, {faults} faults", sum(|it| it.records), sum(|it| it.commits));
    assert!(seeds < 100 || seeds < faults, "faults happen");
}

/// Runs seeds on all processors as long as `go_on` says so; all that ended, in the order of seeds.
fn search(seeds: std::ops::Range<u64>, setup: impl Fn(u64) -> Setup + Sync, go_on: impl Fn(u64, &Ended) -> bool + Sync) -> Vec<Ended> {
    let (next, all) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seeds.end <= seed {
                break;
            }
            let ended = run(&setup(seed), seed, false);
            if !go_on(seed, &ended) {
                next.store(seeds.end, Ordering::Relaxed);
            }
            all.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_by_key(|it| it.seed);
    all
}
