//! An instance stands still beyond its session, also in the middle of a commit; another takes over; then the first wakes up, and what it
//! had on its way arrives.

use super::{ROUND, SMALL_COMMITS, end, progress, seed, send, wait_for_all};
use crate::scale::{partitions, tasks_at_rest};
use crate::support::goyt::Goyt;
use crate::support::platform::Platform;
use crate::support::proxy::{ADD_PARTITIONS, END_TXN, Fault, PRODUCE, Proxy, TXN_OFFSET_COMMIT};
use crate::support::random::Random;
use crate::support::stage::Stage;
use crate::support::trial::{Trial, chaos_times};
use crate::support::{broker, wait};

const PARTITIONS: i32 = 2;
/// Of three inputs, of customer-events, and of one repartition topic.
const SHARED: usize = 5 * 2;
/// Where an instance is stopped: while a request of this kind is on its way; `None`: somewhere.
const PLACES: [Option<i16>; 5] = [Some(END_TXN), None, Some(TXN_OFFSET_COMMIT), Some(PRODUCE), Some(ADD_PARTITIONS)];
const SETTINGS: [(&str, &str); 2] = [("GOYT_SESSION_TIMEOUT_MS", "1500"), ("GOYT_TRANSACTION_TIMEOUT_MS", "2000")];

struct Instance {
    name: &'static str,
    proxy: Proxy,
    goyt: Goyt,
}

impl Instance {
    fn start(stage: &Stage, name: &'static str) -> Self {
        let proxy = Proxy::start(broker::advertised());
        let settings = [&SMALL_COMMITS[..], &SETTINGS, &[("KAFKA_BOOTSTRAP_SERVERS", &proxy.address)]].concat();
        Self { name, goyt: Goyt::start_with(stage, name, &settings), proxy }
    }

    /// How often it was told its partitions, and how many they were the last time.
    fn share(&self) -> (usize, usize) {
        let told: Vec<usize> = self.goyt.lines().iter().filter_map(|it| partitions(it)).collect();
        (told.len(), told.last().copied().unwrap_or(0))
    }

    /// Waits until it has been told that it has a number of partitions for which `has` holds, and all its tasks work.
    fn settle(&self, told_before: usize, has: impl Fn(usize) -> bool) {
        wait::until_ok(|| {
            let ((told, share), waiting) = (self.share(), tasks_at_rest(&self.goyt.lines()));
            let settled = told_before < told && has(share) && waiting.is_empty();
            if settled { Ok(()) } else { Err(format!("{} to settle: {share} partitions, {waiting:?} not running", self.name)) }
        });
    }
}

#[test]
fn a_zombie_writes_nothing() {
    let (seed, times) = (seed(92), chaos_times("CHAOS_ZOMBIES", 2));
    let trial = Trial::begin("process frozen, succeeded, awake (zombie)");
    let (stage, mut platform, mut random) = (Stage::new("zombies", PARTITIONS), Platform::new(seed), Random::new(seed));
    stage.create_topic("notification-events", &[]);
    let instances = ["a", "b"].map(|name| Instance::start(&stage, name));
    for it in &instances {
        it.settle(0, |share| share == SHARED / 2);
    }
    for n in 0..times {
        let (zombie, successor) = (&instances[n % 2], &instances[(n + 1) % 2]);
        let place = PLACES[n % PLACES.len()];
        freeze(&stage, &mut platform, zombie, place, &mut random);
        let told = successor.share().0;
        successor.settle(told, |share| share == SHARED);
        send(&stage, &mut platform);
        wait_for_all(&stage, &platform);

        if place.is_some() {
            zombie.proxy.release();
        }
        let (told, told_other) = (zombie.share().0, successor.share().0);
        zombie.goyt.thaw();
        zombie.settle(told, |share| share == SHARED / 2);
        successor.settle(told_other, |share| share == SHARED / 2);
        send(&stage, &mut platform);
        wait_for_all(&stage, &platform);
    }
    for it in instances {
        it.goyt.stop();
    }
    end(trial, times, &stage, &platform);
}

/// Stops it amid a round.
fn freeze(stage: &Stage, platform: &mut Platform, zombie: &Instance, place: Option<i16>, random: &mut Random) {
    match place {
        Some(key) => {
            zombie.proxy.arm(key, Fault::Hold);
            send(stage, platform);
            wait::until("the request to be on its way", || zombie.proxy.is_hit().then_some(()));
        }
        None => {
            let goal = progress(stage) + i64::try_from(random.below(ROUND.transactions as u64)).expect("a small number");
            send(stage, platform);
            wait::until("some of the round to be processed", || (goal <= progress(stage)).then_some(()));
        }
    }
    zombie.goyt.freeze();
}
