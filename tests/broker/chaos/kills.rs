//! The process is killed, at moments of chance and at each step of a commit.

use goyt::runtime::fail_point;

use super::{SMALL_COMMITS, end, progress, seed, send, wait_for_all};
use crate::support::goyt::Goyt;
use crate::support::platform::Platform;
use crate::support::random::Random;
use crate::support::stage::Stage;
use crate::support::trial::{Trial, chaos_times};
use crate::support::wait;

/// Every second kill is at a named point, in turn; the others are `kill -9` after some of the round was processed.
#[test]
fn a_killed_process_loses_and_doubles_nothing() {
    let (seed, times) = (seed(91), chaos_times("CHAOS_KILLS", 4));
    let trial = Trial::begin("process killed (kill -9, and at 6 points)");
    let (stage, mut platform, mut random) = (Stage::new("kills", 4), Platform::new(seed), Random::new(seed));
    stage.create_topic("notification-events", &[]);
    for n in 0..times {
        send(&stage, &mut platform);
        match n % 2 {
            0 => at_a_point(&stage, &mut platform, fail_point::ALL[n / 2 % fail_point::ALL.len()], 1 + random.below(4)),
            _ => at_a_moment(&stage, &mut random),
        }
    }
    let goyt = Goyt::start(&stage, "a");
    wait_for_all(&stage, &platform);
    goyt.stop();
    end(trial, times, &stage, &platform);
}

fn at_a_point(stage: &Stage, platform: &mut Platform, point: &str, nth: u64) {
    let at = format!("{point}:{nth}");
    let mut goyt = Goyt::start_with(stage, "a", &[&SMALL_COMMITS[..], &[("GOYT_FAIL_POINT", &at)]].concat());
    let mut sent_at = progress(stage);
    wait::until(&format!("a crash at {at}"), || {
        let now = progress(stage);
        if now != sent_at {
            // It goes on: there must be more to commit.
            sent_at = now;
            send(stage, platform);
        }
        (!goyt.is_running()).then_some(())
    });
    let end = goyt.wait_for_crash();
    assert_eq!(end.status.code(), None, "not killed: {:?}", end.lines);
}

fn at_a_moment(stage: &Stage, random: &mut Random) {
    let goal = progress(stage) + i64::try_from(random.below(300)).expect("a small number");
    let goyt = Goyt::start_with(stage, "a", &SMALL_COMMITS);
    wait::until("some of the round to be processed", || (goal <= progress(stage)).then_some(()));
    goyt.kill();
}
