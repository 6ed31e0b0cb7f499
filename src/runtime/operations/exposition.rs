//! The text for Prometheus: what the board shows, as the metrics that are declared.

use std::collections::BTreeMap;

use super::access::{StateReader, StoreSize};
use super::lag::LagStatus;
use crate::engine::plan::{Plan, Role, Subtopology};
use crate::engine::record::TopicId;
use crate::runtime::board::{Board, Picture, TaskKey, TaskPicture, Totals};
use crate::runtime::open_task::State;
use crate::telemetry::families::Families;
use crate::telemetry::metrics as m;

/// What `/metrics` answers. `states`: the committed state of the tasks that are open here.
#[must_use]
pub fn exposition(board: &Board, plan: &Plan, states: Option<&dyn StateReader>) -> String {
    let mut families = Families::default();
    families.set(&m::BUILD_INFO, &[env!("CARGO_PKG_VERSION"), &plan.application_id], 1.0);
    families.count(&m::WORKER_FAILURES, &[], board.counters().worker_failures);
    let pictures = board.pictures();
    let mut totals = board.totals();
    for task in pictures.iter().flat_map(|it| &it.tasks) {
        // A task that has done nothing yet stands at 0: a counter that appears later would hide its first increase.
        totals.tasks.entry((task.subtopology, task.source.partition)).or_default();
    }
    records(&totals, plan, &mut families);
    times(&totals, plan, &mut families);
    // A task that moves from one worker to another may stand in both pictures: the newer one counts.
    let mut tasks: BTreeMap<&str, (&Picture, &TaskPicture)> = BTreeMap::new();
    for picture in &pictures {
        worker(picture, plan, &mut families);
        for task in &picture.tasks {
            let newest = tasks.entry(&task.id).or_insert((picture, task));
            if newest.0.at < picture.at {
                *newest = (picture, task);
            }
        }
    }
    let tasks: Vec<&TaskPicture> = tasks.into_values().map(|(_, task)| task).collect();
    task_states(&tasks, plan, &mut families);
    lag(board, &mut families);
    if let Some(states) = states {
        stores(states, &tasks, plan, &mut families);
    }
    families.text()
}

fn records(totals: &Totals, plan: &Plan, families: &mut Families) {
    families.count(&m::ACCOUNTING_ERRORS, &[], totals.accounting_errors);
    let mut dead: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for (key, counts) in &totals.tasks {
        let Some(part) = plan.subtopologies.get(key.0) else { continue };
        let task = task_id(part, *key);
        families.count(&m::RECORDS_IN, &[&part.topology, &part.name, &task], counts.outcomes.records_in);
        for (outcome, count) in counts.outcomes.named() {
            families.count(&m::OUTCOMES, &[&part.topology, &part.name, &task, outcome], count);
        }
        for ((step, reason), count) in &counts.dead {
            *dead.entry((&part.topology, step, reason)).or_default() += count;
        }
    }
    for ((topology, step, reason), count) in dead {
        families.count(&m::DEAD_LETTERS, &[topology, step, reason], count);
    }
    for ((topic, counts), id) in plan.topics.iter().zip(&totals.topics).zip((0..).map(TopicId)) {
        let labels = [topic.name.as_str(), topic.role.name()];
        if plan.subtopologies.iter().any(|it| it.source == id) {
            families.count(&m::CONSUMED_RECORDS, &labels, counts.consumed_records);
            families.count(&m::CONSUMED_BYTES, &labels, counts.consumed_bytes);
        }
        if topic.role != Role::Input {
            families.count(&m::PUBLISHED_RECORDS, &labels, counts.published_records);
            families.count(&m::PUBLISHED_BYTES, &labels, counts.published_bytes);
        }
    }
}

fn times(totals: &Totals, plan: &Plan, families: &mut Families) {
    families.count(&m::COMMITS, &[], totals.commits);
    families.count(&m::REWINDS, &[], totals.rewinds);
    families.count(&m::PRODUCER_REPLACEMENTS, &[], totals.recycles);
    families.count(&m::REBALANCES, &[], totals.rebalances);
    let times = &totals.times;
    families.histogram(&m::COMMIT_DURATION, &[], &times.commit);
    families.histogram(&m::RESTORE_DURATION, &[], &times.restore);
    families.histogram(&m::REBALANCE_DURATION, &[], &times.rebalance);
    for (part, times) in &times.end_to_end {
        let Some(part) = plan.subtopologies.get(*part) else { continue };
        families.histogram(&m::END_TO_END, &[&part.topology, &part.name], times);
    }
    for (part, steps) in &times.steps {
        let Some(part) = plan.subtopologies.get(*part) else { continue };
        for (step, times) in steps {
            families.histogram(&m::STEP_DURATION, &[&part.topology, &part.name, step], times);
        }
    }
}

fn worker(picture: &Picture, plan: &Plan, families: &mut Families) {
    let worker = picture.worker.to_string();
    families.count(&m::WORKER_ASSIGNED, &[&worker], picture.assigned.into());
    families.count(&m::WORKER_SEEN, &[&worker], u64::try_from(picture.at.div_euclid(1000)).unwrap_or(0));
    let waiting = picture.waiting;
    families.count(&m::UNCOMMITTED_STATE, &[&worker], waiting.state as u64);
    families.count(&m::PRODUCER_QUEUE, &[&worker], waiting.producer as u64);
    families.count(&m::CONSUMER_QUEUE, &[&worker], waiting.consumer as u64);
    families.count(&m::UNSENT, &[&worker], waiting.unsent as u64);
    for source in &picture.sources {
        let labels = [topic(plan, source.partition.topic), &source.partition.partition.to_string()];
        let mut offset = |metric, offset| families.count(metric, &labels, u64::try_from(offset).unwrap_or(0));
        offset(&m::SOURCE_POSITION, source.position);
        if let Some(committed) = source.committed {
            offset(&m::SOURCE_COMMITTED, committed);
        }
    }
}

fn task_states(tasks: &[&TaskPicture], plan: &Plan, families: &mut Families) {
    for state in State::NAMES {
        families.count(&m::TASKS, &[state], tasks.iter().filter(|it| it.state.name() == state).count() as u64);
    }
    for task in tasks {
        let Some(part) = plan.subtopologies.get(task.subtopology) else { continue };
        for state in State::NAMES {
            let labels = [part.topology.as_str(), &part.name, &task.id, state];
            families.count(&m::TASK_STATE, &labels, (task.state.name() == state).into());
        }
        let left = task.restored.map_or(0, |(done, of)| of - done);
        families.count(&m::RESTORE_REMAINING, &[&part.topology, &part.name, &task.id], u64::try_from(left).unwrap_or(0));
    }
}

fn lag(board: &Board, families: &mut Families) {
    for report in board.lag().iter() {
        let partition = report.partition.to_string();
        let labels = [report.topology.as_str(), &report.task, &report.topic, &partition];
        families.count(&m::LAG_RECORDS, &labels, u64::try_from(report.records_behind).unwrap_or(0));
        let behind = std::time::Duration::from_millis(u64::try_from(report.behind).unwrap_or(0));
        families.set(&m::LAG_SECONDS, &labels, behind.as_secs_f64());
        for status in LagStatus::ALL {
            let [topology, task, topic, partition] = labels;
            families.count(&m::LAG_STATUS, &[topology, task, topic, partition, status.name()], (report.status == status).into());
        }
    }
}

fn stores(states: &dyn StateReader, tasks: &[&TaskPicture], plan: &Plan, families: &mut Families) {
    let mut sizes: BTreeMap<(&str, &str), StoreSize> = BTreeMap::new();
    for task in tasks {
        let Some(part) = plan.subtopologies.get(task.subtopology) else { continue };
        for (nth, store) in part.stores.iter().enumerate() {
            // A task that is being closed has no size any more.
            let Ok(size) = states.size(&task.id, &store.id) else { continue };
            let sum = sizes.entry((&part.topology, &store.id)).or_default();
            sum.entries += size.entries + task.ids_without_entries.get(nth).copied().unwrap_or(0);
            sum.bytes += size.bytes;
        }
    }
    for ((topology, store), size) in sizes {
        families.count(&m::STORE_ENTRIES, &[topology, store], size.entries);
        families.count(&m::STORE_BYTES, &[topology, store], size.bytes);
    }
    if let Some(memory) = states.memory() {
        families.count(&m::STATE_MEMORY, &["block_cache"], memory.block_cache);
        families.count(&m::STATE_MEMORY, &["write_buffers"], memory.write_buffers);
    }
}

fn task_id(part: &Subtopology, (_, partition): TaskKey) -> String {
    format!("{}.{}_{partition}", part.topology, part.name)
}

fn topic(plan: &Plan, topic: TopicId) -> &str {
    plan.topics.get(usize::from(topic.0)).map_or("?", |it| &it.name)
}
