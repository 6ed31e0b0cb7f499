//! Runs one test: the worker of `goyt run`, over a log and stores in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Case, Outcome, Record};
use crate::adapters::memory::driver::TopologyDriver;
use crate::adapters::memory::partition::Content;
use crate::engine::plan::{Plan, Role};
use crate::runtime::status::Change;
use crate::sim::facts::Facts;

/// Runs a test until all that was given is processed and committed, with one partition for each topic.
///
/// # Errors
/// What kept it from being run, such as a topic that the plan does not read.
pub fn run_case(plan: &Arc<Plan>, case: &Case) -> Result<Outcome, String> {
    let now = case.given.iter().map(|it| it.timestamp).max().unwrap_or_default();
    let driver = TopologyDriver::new(Arc::clone(plan), 1, now);
    for record in &case.given {
        if !reads(plan, &record.topic) {
            return Err(format!("no topology of this test reads {}", record.topic));
        }
        let Record { topic, key, value, timestamp, headers } = record.clone();
        driver.cluster.append(&topic, Some(0), Content { key, value, headers, timestamp }).map_err(|it| it.to_string())?;
    }
    let mut worker = driver.worker("test");
    let ended = worker.join().and_then(|()| driver.run_until_idle(&mut worker));
    let stopped = driver
        .changes()
        .into_iter()
        .find_map(|it| if let Change::Stopped { task, reason } = it { Some(format!("{task}: {reason}")) } else { None });
    Ok(Outcome {
        topics: written(plan, case, &driver)?,
        facts: Facts::of(plan, &driver.cluster, |task, store| driver.stores.entries(task, store))?,
        stopped: stopped.or(ended.err().map(|it| it.to_string())),
    })
}

/// Whether a topic is the source of a topology, and not an internal one.
fn reads(plan: &Plan, topic: &str) -> bool {
    let id = plan.topics.iter().position(|it| it.name == topic && matches!(it.role, Role::Input | Role::Output));
    id.is_some_and(|id| plan.subtopologies.iter().any(|it| usize::from(it.source.0) == id))
}

/// What the application wrote, by topic.
fn written(plan: &Plan, case: &Case, driver: &TopologyDriver) -> Result<BTreeMap<String, Vec<Record>>, String> {
    let mut topics = BTreeMap::new();
    for topic in plan.topics.iter().filter(|it| matches!(it.role, Role::Output | Role::DeadLetter)) {
        // A topic that one topology writes and another reads may have been given records: they stand first.
        let given = case.given.iter().filter(|it| it.topic == topic.name).count();
        let all = driver.cluster.read_all(&topic.name).map_err(|it| it.to_string())?;
        let record = |content: &Content| {
            let Content { key, value, headers, timestamp } = content.clone();
            Record { topic: topic.name.clone(), key, value, timestamp, headers }
        };
        topics.insert(topic.name.clone(), all.iter().skip(given).map(|it| record(&it.content)).collect());
    }
    Ok(topics)
}
