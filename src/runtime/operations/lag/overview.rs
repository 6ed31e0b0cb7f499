//! How all tasks of an application stand, whether or not an instance runs: what the instances report, and for the other tasks what the
//! group has committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::evaluation::Head;
use super::event::seconds;
use super::peeks::Peeks;
use super::{LagReport, LagStatus, read, topic};
use crate::engine::plan::Plan;
use crate::engine::record::{Millis, Offset};
use crate::runtime::operations::access::{Ends, Place, Range, TopicReader, read_ranges};
use crate::runtime::ports::LogError;

/// How one task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLag {
    /// The topology.
    pub topology: String,
    /// The task.
    pub task: String,
    /// Its source.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The group's committed offset.
    pub committed: Option<Offset>,
    /// The end of what a reader of committed records can see.
    pub visible_end: Offset,
    /// Records that can be seen and are not processed.
    pub records_behind: i64,
    /// The age of the first of them; `None`: there is one, and its age is not known.
    pub behind: Option<Millis>,
    /// What it means; `None`: an instance may have it, and none says.
    pub status: Option<LagStatus>,
    /// Who has it, or had it last.
    pub instance: Option<String>,
    /// Where that instance's HTTP is reached.
    pub address: Option<String>,
}

impl TaskLag {
    /// Whether somebody should look.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        matches!(self.status, Some(LagStatus::Stalled | LagStatus::Stopped | LagStatus::Blocked))
    }

    /// With the field names of `LAG_REPORTED`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "topology": self.topology,
            "task": self.task,
            "topic": self.topic,
            "partition": self.partition,
            "committed": self.committed,
            "visibleEnd": self.visible_end,
            "recordsBehind": self.records_behind,
            "secondsBehind": self.behind.map(seconds),
            "status": self.status.map(LagStatus::name),
            "instance": self.instance,
            "address": self.address,
        })
    }
}

/// The newest report of each task since a time. None when nobody ever reported.
///
/// # Errors
/// When the cluster does not answer in time.
pub fn reports(reader: &mut dyn TopicReader, application_id: &str, since: Millis) -> Result<BTreeMap<String, LagReport>, LogError> {
    let topic: Arc<str> = topic(application_id).into();
    let partitions = reader.partitions(&[&topic])?.get(&*topic).copied().unwrap_or(0);
    let places: Vec<Place> = (0..partitions).map(|partition| Place { topic: Arc::clone(&topic), partition }).collect();
    let (from, ends) = (reader.at(&places, since)?, reader.ends(&places)?);
    let found = places.into_iter().zip(from).zip(ends);
    let ranges: Vec<Range> =
        found.filter_map(|((place, from), ends)| Some(Range { place, from: from?.max(ends.first), until: ends.visible })).collect();
    let mut reports = BTreeMap::new();
    read_ranges(reader, &ranges, |record| {
        if let Some(report) = record.value.and_then(read).filter(|it| it.application == application_id && since <= it.at) {
            reports.insert(report.task.clone(), report);
        }
        true
    })?;
    Ok(reports)
}

/// All tasks, sorted by name and partition. `occupied`: the group has members, so that a task without a report may be with one of
/// them. `now` is for ages.
///
/// # Errors
/// When the cluster does not answer in time.
pub fn overview(
    plan: &Plan,
    reader: &mut dyn TopicReader,
    reports: &BTreeMap<String, LagReport>,
    occupied: bool,
    now: Millis,
) -> Result<Vec<TaskLag>, LogError> {
    let sources: BTreeSet<&str> = plan.subtopologies.iter().filter_map(|it| source(plan, it.source)).collect();
    let partitions = reader.partitions(&sources.into_iter().collect::<Vec<_>>())?;
    let mut all = Vec::new();
    let mut unreported: Vec<(String, String, Place)> = Vec::new();
    for part in &plan.subtopologies {
        let Some(name) = source(plan, part.source) else { continue };
        for partition in 0..partitions.get(name).copied().unwrap_or(0) {
            let task = part.task_id(partition);
            match reports.get(&task).filter(|it| it.status != LagStatus::Stopped) {
                Some(report) => all.push(reported(report)),
                None => unreported.push((part.topology.clone(), task, Place { topic: name.into(), partition })),
            }
        }
    }
    let places: BTreeSet<Place> = unreported.iter().map(|it| it.2.clone()).collect();
    let stands = stand(reader, &places.into_iter().collect::<Vec<_>>())?;
    for (topology, task, place) in unreported {
        let Some((committed, ends, head)) = stands.get(&place) else { continue };
        let left_by = reports.get(&task);
        let records_behind = if *head == Head::Nothing { 0 } else { ends.visible - committed.unwrap_or(ends.first).max(ends.first) };
        let behind = match head {
            Head::Nothing => Some(0),
            Head::Record(time) => Some(now.saturating_sub(*time).max(0)),
            Head::Unknown => None,
        };
        all.push(TaskLag {
            topology,
            task,
            topic: place.topic.to_string(),
            partition: place.partition,
            committed: *committed,
            visible_end: ends.visible,
            records_behind,
            behind,
            // Who stopped said so; without members nobody has it.
            status: (left_by.is_some() || !occupied).then_some(LagStatus::Stopped),
            instance: left_by.map(|it| it.instance.clone()),
            address: left_by.and_then(|it| it.address.clone()),
        });
    }
    all.sort_by(|a, b| (&a.topology, &a.topic, a.partition, &a.task).cmp(&(&b.topology, &b.topic, b.partition, &b.task)));
    Ok(all)
}

fn source(plan: &Plan, topic: crate::engine::record::TopicId) -> Option<&str> {
    plan.topics.get(usize::from(topic.0)).map(|it| it.name.as_str())
}

fn reported(report: &LagReport) -> TaskLag {
    TaskLag {
        topology: report.topology.clone(),
        task: report.task.clone(),
        topic: report.topic.clone(),
        partition: report.partition,
        committed: report.committed,
        visible_end: report.visible_end,
        records_behind: report.records_behind,
        behind: Some(report.behind),
        status: Some(report.status),
        instance: Some(report.instance.clone()),
        address: report.address.clone(),
    }
}

/// What the group has committed, where the partition ends, and what comes next.
type Stand = (Option<Offset>, Ends, Head);

fn stand(reader: &mut dyn TopicReader, places: &[Place]) -> Result<BTreeMap<Place, Stand>, LogError> {
    let (committed, ends) = (reader.committed(places)?, reader.ends(places)?);
    let at: BTreeMap<Place, (Offset, Ends)> = places
        .iter()
        .zip(&committed)
        .zip(&ends)
        .map(|((place, committed), ends)| (place.clone(), (committed.unwrap_or(ends.first), *ends)))
        .collect();
    let heads = Peeks::default().heads(reader, &at)?;
    let stand = |((place, committed), ends): ((&Place, Option<Offset>), Ends)| {
        (place.clone(), (committed, ends, heads.get(place).copied().unwrap_or(Head::Unknown)))
    };
    Ok(places.iter().zip(committed).zip(ends).map(stand).collect())
}
