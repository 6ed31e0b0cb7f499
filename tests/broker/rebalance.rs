//! Two processes that come and go under load: nothing is lost, repeated or out of order, and who stays keeps its stores open.

use std::collections::BTreeSet;

use crate::support::goyt::{self, Goyt};
use crate::support::oracle;
use crate::support::platform::{Load, Platform};
use crate::support::reader::Counter;
use crate::support::stage::Stage;
use crate::support::wait;

/// So that a killed member's partitions are given to the other soon.
const SETTINGS: [(&str, &str); 1] = [("GOYT_SESSION_TIMEOUT_MS", "6000")];
const ROUND: Load = Load { users: 500, decisions: 500, transactions: 6_000, copies: 50, bad: 20 };

/// The second process comes and goes three times, and is killed once: six rebalances, and records come all the while.
#[test]
fn five_rebalances_under_load() {
    const ROUNDS: usize = 3;
    let (stage, mut platform) = (Stage::new("rebalance", 6), Platform::new(51));
    let first = Goyt::start_with(&stage, "a", &SETTINGS);
    let mut second_lines = Vec::new();
    stage.send(&platform.events(&ROUND));
    first.wait_for_line(" running");
    for round in 0..ROUNDS {
        let second = Goyt::start_with(&stage, "b", &SETTINGS);
        stage.send(&platform.events(&ROUND));
        second.wait_for_line(" running");
        stage.send(&platform.events(&ROUND));
        let rebalances = first_rebalances(&first);
        // A process that is killed comes back as the same member, unless it stays away for its session.
        second_lines.extend(if round == 1 { second.kill() } else { second.stop() });
        wait::until("the first process to take over", || (rebalances < first_rebalances(&first)).then_some(()));
    }
    let wanted =
        platform.expected.counts().iter().map(|(topic, count)| (stage.topic(topic), *count)).collect::<std::collections::BTreeMap<_, _>>();
    Counter::new(wanted.keys()).wait_for(&wanted);
    assert!(5 <= first_rebalances(&first), "rebalances");
    let first_lines = first.stop();
    oracle::check(&stage, &platform);

    let moved: BTreeSet<String> = goyt::tasks(&second_lines, "created").into_iter().collect();
    let opened = goyt::tasks(&first_lines, "created");
    let stayed: BTreeSet<&String> = opened.iter().filter(|it| !moved.contains(*it)).collect();
    assert!(!moved.is_empty(), "tasks moved to the second process");
    assert!(!stayed.is_empty(), "tasks stayed with the first process");
    for task in stayed {
        assert_eq!(opened.iter().filter(|it| *it == task).count(), 1, "the stores of {task}, which stayed, were opened again");
    }
}

fn first_rebalances(first: &Goyt) -> usize {
    first.lines().iter().filter(|it| it.contains("rebalanced:")).count()
}
