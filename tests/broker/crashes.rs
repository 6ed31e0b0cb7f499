//! The process ends, as by `kill -9`, at each step of a commit; then it starts again, and nothing is lost or doubled.

use std::collections::BTreeMap;

use goyt::runtime::fail_point;

use crate::support::goyt::Goyt;
use crate::support::oracle;
use crate::support::platform::{Load, Platform};
use crate::support::reader::Counter;
use crate::support::stage::Stage;

const LOAD: Load = Load { users: 300, decisions: 300, transactions: 3_000, copies: 50, bad: 20 };
/// The first commits, when states are empty, and one amid the load.
const TIMES: [&str; 2] = ["1", "3"];

#[test]
fn a_crash_at_any_step_of_a_commit_loses_and_doubles_nothing() {
    let stage = Stage::new("crashes", 6);
    let mut platform = Platform::new(81);
    for point in fail_point::ALL {
        for times in TIMES {
            let events = platform.events(&LOAD);
            stage.send(&events);
            let end = Goyt::start_with(&stage, "a", &[("GOYT_FAIL_POINT", &format!("{point}:{times}"))]).wait_for_crash();
            assert_eq!(end.status.code(), None, "it did not come to {point} for the {times}. time: {:?}", end.lines);
        }
    }
    let goyt = Goyt::start(&stage, "a");
    let counts = platform.expected.counts();
    let wanted: BTreeMap<String, usize> = counts.iter().map(|(topic, count)| (stage.topic(topic), *count)).collect();
    Counter::new(wanted.keys()).wait_for(&wanted);
    goyt.stop();
    oracle::check(&stage, &platform);
}
