//! HTTP of the real binary: state is found from any instance, and probes tell what is the matter.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::goyt::Goyt;
use crate::support::oracle;
use crate::support::platform::{Load, Platform};
use crate::support::proxy::Proxy;
use crate::support::reader::Counter;
use crate::support::stage::Stage;
use crate::support::{broker, wait};

/// So that who has which task is told soon.
const SETTINGS: [(&str, &str); 1] = [("GOYT_LAG_REPORT_INTERVAL_MS", "500")];

/// Each balance is answered by either of two instances, by way of the other where the other has it, and is the sum of its movements.
#[test]
fn a_balance_read_from_the_wrong_instance_is_found_at_the_right_one() {
    let (stage, mut platform) = (Stage::new("http", 6), Platform::new(81));
    let instances = ["a", "b"].map(|it| Goyt::start_with(&stage, it, &SETTINGS));
    stage.send(&platform.events(&Load { transactions: 500, copies: 50, bad: 20, ..Load::default() }));
    let legs = platform.expected.counts()["balance-events"];
    let wanted = BTreeMap::from([(stage.topic("balance-events"), legs)]);
    Counter::new(wanted.keys()).wait_for(&wanted);
    wait::until("the instances to share the tasks, and to know of each other", || instances.iter().all(shares).then_some(()));
    let mut sums: BTreeMap<(u64, &str), i128> = BTreeMap::new();
    for ((wallet, _), leg) in &platform.expected.legs {
        *sums.entry((*wallet, leg.currency)).or_default() += leg.delta;
    }
    let mut moved = [0, 0];
    for ((wallet, currency), sum) in &sums {
        for (instance, moved) in instances.iter().zip(&mut moved) {
            let path = format!("/api/v1/stores/transaction-balance.balances/{wallet}/{currency}");
            *moved += usize::from(get(instance, &path).0 == 307);
            let (status, answer) = follow(instance, &path);
            assert_eq!(status, 200, "{path}: {answer}");
            let amount = answer["value"]["balance"]["amount"].as_str().unwrap_or_else(|| panic!("{answer}"));
            assert_eq!(oracle::printed_parts(amount), Some(*sum), "{path}: {answer}");
        }
    }
    assert_eq!(moved[0] + moved[1], sums.len(), "each is with one of the two: {moved:?}");
    assert!(moved.iter().all(|it| *it != 0), "{moved:?}");
}

/// An instance says from its first moment that it lives, and is ready only when its tasks run.
#[test]
fn an_instance_is_not_ready_before_its_tasks_run() {
    let stage = Stage::new("ready", 6);
    let goyt = Goyt::start(&stage, "a");
    assert_eq!((get(&goyt, "/livez").0, get(&goyt, "/readyz").0), (200, 503), "at the start");
    wait::until("the instance to be ready", || (get(&goyt, "/readyz").0 == 200).then_some(()));
    let (_, tasks) = get(&goyt, "/api/v1/tasks");
    let tasks = tasks["tasks"].as_array().expect("tasks").clone();
    assert!(!tasks.is_empty() && tasks.iter().all(|it| it["state"] == "running"), "{tasks:?}");
    goyt.stop();
}

/// A broker that goes away makes an instance unready, never dead; when it is back, so is the instance.
#[test]
fn without_its_broker_an_instance_lives_and_is_not_ready() {
    let stage = Stage::new("away", 2);
    let proxy = Proxy::start(broker::advertised());
    let goyt = Goyt::start_with(&stage, "a", &[("KAFKA_BOOTSTRAP_SERVERS", &proxy.address)]);
    wait::until("the instance to be ready", || (get(&goyt, "/readyz").0 == 200).then_some(()));
    proxy.go_away();
    wait::until("the instance to miss its broker", || {
        assert_eq!(get(&goyt, "/livez").0, 200);
        let (status, said) = get(&goyt, "/readyz");
        let of_kafka = said["checks"].as_array().expect("checks").iter().find(|it| it["name"] == "kafka").expect("one of Kafka");
        (of_kafka["ok"] == false).then(|| assert_eq!(status, 503, "{said}"))
    });
    proxy.come_back();
    wait::until("the instance to be ready again", || {
        assert_eq!(get(&goyt, "/livez").0, 200);
        (get(&goyt, "/readyz").0 == 200).then_some(())
    });
}

/// Whether the instance runs half of the tasks, and was told that each of two runs its half.
fn shares(goyt: &Goyt) -> bool {
    const HALF: usize = 5 * 6 / 2;
    let (_, own) = get(goyt, "/api/v1/tasks");
    let (_, all) = get(goyt, "/api/v1/lag");
    let running = own["tasks"].as_array().expect("tasks").iter().filter(|it| it["state"] == "running").count();
    let told = |instance: &str| all["lag"].as_array().expect("lag").iter().filter(|it| it["instance"] == instance).count();
    running == HALF && told("a") == HALF && told("b") == HALF
}

fn get(goyt: &Goyt, path: &str) -> (u16, Value) {
    ask(goyt, path, 0)
}

fn follow(goyt: &Goyt, path: &str) -> (u16, Value) {
    ask(goyt, path, 3)
}

fn ask(goyt: &Goyt, path: &str, redirects: u32) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(redirects).build().into();
    let mut answer = agent.get(format!("{}{path}", goyt.http())).call().expect("an answer");
    let text = answer.body_mut().read_to_string().expect("a body");
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
}
