//! The workload of a simulation: what it makes of the shipped topologies, with and without their test files.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use goyt::adapters::memory::driver::TopologyDriver;
use goyt::adapters::memory::partition::Content;
use goyt::cli::topology_test::{file, invariants};
use goyt::engine::plan::{Plan, Role};
use goyt::engine::topology::{self, Sources};
use goyt::sim::facts::Facts;
use goyt::sim::random::Random;
use goyt::sim::workload::{Input, Made, Sample, Shape, Workload};

const NOW: i64 = 1_800_000_000_000;
const RECORDS: usize = 1_000;
const SHAPE: Shape = Shape { keys: 20, copies: 50, broken: 100, late: 50, others: 20 };
const SHIPPED: [&str; 4] = ["customer-wallet", "kyc-notify", "transaction-balance", "user-customer"];

#[test]
fn most_records_are_taken_and_every_topology_writes_something() {
    for name in SHIPPED {
        for samples in [Vec::new(), samples(name)] {
            let (plan, sampled) = (plan(&[name]), samples.len());
            let driver = TopologyDriver::new(Arc::clone(&plan), 3, NOW);
            let made = make(&plan, &samples, SHAPE, 1);
            feed(&driver, &plan, made.clone());
            let count = |role| driver.topics(role).iter().map(|it| driver.cluster.read_all(it).unwrap().len()).sum::<usize>();
            let (dead, written) = (count(Role::DeadLetter), count(Role::Output));
            let broken = made.iter().filter(|it| matches!(it.made, Made::Broken(_))).count();
            assert!(dead <= RECORDS * 4 / 10 && 20 <= written, "{name}, {sampled} samples: {dead} dead, {written} written");
            assert!(broken.abs_diff(dead) <= broken / 4, "{name}, {sampled} samples: {broken} broken, {dead} dead");
        }
    }
}

#[test]
fn the_invariants_of_the_shipped_topologies_hold_and_an_effect_too_many_is_told() {
    let plan = plan(&SHIPPED);
    let samples: Vec<Sample> = SHIPPED.into_iter().flat_map(samples).collect();
    let driver = TopologyDriver::new(Arc::clone(&plan), 3, NOW);
    feed(&driver, &plan, make(&plan, &samples, SHAPE, 7));
    let facts = || Facts::of(&plan, &driver.cluster, |task, store| driver.stores.entries(task, store)).unwrap();
    let violations = |facts: &Facts| {
        let all = SHIPPED.into_iter().flat_map(|it| invariants::read("test.yaml", &test_file(it), &plan).unwrap());
        all.flat_map(|it| it.violations(facts)).collect::<Vec<_>>()
    };
    let all_right = facts();
    assert_eq!(violations(&all_right), [""; 0]);
    // Any record that is written twice, and any that is lost, contradicts some invariant.
    for topic in driver.topics(Role::Output) {
        let records = &all_right.topics[&topic];
        for at in [0, records.len() / 2, records.len() - 1] {
            let (mut twice, mut lost) = (all_right.clone(), all_right.clone());
            twice.topics.get_mut(&topic).unwrap().insert(at, records[at].clone());
            lost.topics.get_mut(&topic).unwrap().remove(at);
            assert!(!violations(&twice).is_empty() && !violations(&lost).is_empty(), "{topic}, record {at}");
        }
    }
}

#[test]
fn only_topics_that_nothing_in_the_plan_writes_are_fed() {
    let plan = plan(&SHIPPED);
    let made = make(&plan, &[], SHAPE, 2);
    let topics: BTreeSet<&str> = made.iter().map(|it| plan.topics[usize::from(it.topic.0)].name.as_str()).collect();
    assert_eq!(topics, BTreeSet::from(["kyc-events", "transaction-events", "user-events"]));
}

#[test]
fn the_same_seed_makes_the_same_records() {
    let (plan, samples) = (plan(&SHIPPED), samples("transaction-balance"));
    assert_eq!(make(&plan, &samples, SHAPE, 3), make(&plan, &samples, SHAPE, 3));
    assert_ne!(make(&plan, &samples, SHAPE, 3), make(&plan, &samples, SHAPE, 4));
}

#[test]
fn copies_are_byte_for_byte_and_shares_are_kept() {
    let made = make(&plan(&["transaction-balance"]), &[], SHAPE, 5);
    let events: BTreeSet<_> = made.iter().filter(|it| it.made == Made::Event).map(|it| (&it.key, &it.value)).collect();
    let copies: Vec<_> = made.iter().filter(|it| it.made == Made::Copy).collect();
    assert!(copies.iter().all(|it| events.contains(&(&it.key, &it.value))));
    let broken: BTreeMap<_, usize> = made.iter().fold(BTreeMap::new(), |mut counts, it| {
        if let Made::Broken(way) = it.made {
            *counts.entry(way).or_default() += 1;
        }
        counts
    });
    assert!((25..75).contains(&copies.len()), "{}", copies.len());
    assert!((60..140).contains(&broken.values().sum::<usize>()) && 9 <= broken.len(), "{broken:?}");
    let late = made.iter().zip(made.iter().skip(1)).filter(|(before, it)| it.timestamp < before.timestamp).count();
    assert!((25..80).contains(&late), "{late}");
}

#[test]
fn what_keeps_state_in_the_first_task_is_the_key() {
    for (name, field) in [("user-customer", "userId"), ("customer-wallet", "customerId"), ("kyc-notify", "customerId")] {
        for input in make(&plan(&[name]), &samples(name), SHAPE, 6).iter().filter(|it| it.made == Made::Event) {
            let event: serde_json::Value = serde_json::from_slice(input.value.as_ref().unwrap()).unwrap();
            let value = event[field].as_str().map_or_else(|| event[field].to_string(), str::to_owned);
            assert_eq!(input.key.as_deref(), Some(value.as_bytes()), "{name}");
        }
    }
}

#[test]
fn a_shape_is_drawn_within_bounds() {
    for seed in 0..500 {
        let Shape { keys, copies, broken, late, others } = Shape::draw(&mut Random::new(seed));
        assert!(0 < keys && [copies, broken, late, others].iter().all(|it| *it <= 300), "seed {seed}");
    }
}

fn make(plan: &Plan, samples: &[Sample], shape: Shape, seed: u64) -> Vec<Input> {
    let (mut random, mut workload) = (Random::new(seed), Workload::new(plan, samples, shape));
    let at = |n: usize| NOW - 1_000_000 + 1_000 * i64::try_from(n).unwrap();
    (0..RECORDS).map(|n| workload.next(&mut random, at(n)).unwrap()).collect()
}

/// Writes the records, and runs a worker until nothing is left to do.
fn feed(driver: &TopologyDriver, plan: &Plan, inputs: Vec<Input>) {
    for Input { topic, key, value, headers, timestamp, .. } in inputs {
        let topic = &plan.topics[usize::from(topic.0)].name;
        driver.cluster.append(topic, None, Content { key, value, headers, timestamp }).unwrap();
    }
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
}

fn plan(topologies: &[&str]) -> Arc<Plan> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let topologies = topologies.iter().map(|it| (format!("{it}.yaml"), read(&folder.join(format!("{it}.yaml"))))).collect();
    let mut events: Vec<_> = fs::read_dir(folder.join("events")).unwrap().map(|it| it.unwrap().path()).collect();
    events.sort();
    let events = events.iter().map(|it| (it.file_name().unwrap().to_str().unwrap().to_owned(), read(it))).collect();
    Arc::new(topology::plan("app", &Sources { topologies, events }).unwrap())
}

fn samples(topology: &str) -> Vec<Sample> {
    file::read("test.yaml", &test_file(topology)).unwrap().samples()
}

fn test_file(topology: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("topologies/tests/{topology}.yaml"))).unwrap()
}
