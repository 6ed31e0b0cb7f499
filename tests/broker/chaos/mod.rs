//! Faults on real Kafka. Each is made a few times here, and many times by `make chaos`; after each trial all outputs are compared with
//! what they must be: nothing lost, nothing doubled, each balance right.

mod brokers;
mod corruption;
mod disks;
mod gaps;
mod kills;
mod requests;
mod zombies;

use crate::support::oracle;
use crate::support::platform::{Load, Platform};
use crate::support::reader;
use crate::support::stage::Stage;
use crate::support::traffic::wait_for_outputs;
use crate::support::trial::Trial;

/// What is sent before each fault.
const ROUND: Load = Load { users: 40, decisions: 40, transactions: 320, copies: 50, bad: 20 };
/// Small transactions, so that a fault finds many.
const SMALL_COMMITS: [(&str, &str); 2] = [("GOYT_COMMIT_INTERVAL_MS", "20"), ("GOYT_POLL_MAX_RECORDS", "50")];

/// What chance begins with: `CHAOS_SEED`, else this. Shown with the test's output when it fails.
fn seed(usual: u64) -> u64 {
    let seed = std::env::var("CHAOS_SEED").map_or(usual, |it| it.parse().expect("CHAOS_SEED is a number"));
    println!("CHAOS_SEED={seed}");
    seed
}

/// Sends another round.
fn send(stage: &Stage, platform: &mut Platform) {
    stage.send(&platform.events(&ROUND));
}

/// The committed offsets' ends of an output: grows with what is processed.
fn progress(stage: &Stage) -> i64 {
    reader::ends(&stage.topic("notification-events"), "read_committed").iter().sum()
}

/// Waits until all that was sent is processed.
fn wait_for_all(stage: &Stage, platform: &Platform) {
    wait_for_outputs(stage, platform);
}

/// Compares all outputs with what they must be, and says how it went.
fn end(trial: Trial, times: usize, stage: &Stage, platform: &Platform) {
    oracle::check(stage, platform);
    trial.end(times, platform.expected.counts().values().sum());
}
