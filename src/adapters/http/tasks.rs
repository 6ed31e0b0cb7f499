//! `GET /api/v1/tasks` and `GET /api/v1/topics`: what the workers show of themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::adapters::http::served::Served;
use crate::adapters::http::view::View;
use crate::engine::record::Offset;
use crate::engine::task::Outcomes;
use crate::runtime::board::{Picture, SourcePicture, TaskPicture, TopicCounts};
use crate::runtime::open_task;

/// The tasks of this instance.
#[derive(Debug, Serialize)]
pub(super) struct Tasks {
    tasks: Vec<Task>,
}

#[derive(Debug, Serialize)]
struct Task {
    id: String,
    topology: String,
    subtopology: String,
    partition: i32,
    instance: String,
    worker: usize,
    state: &'static str,
    /// Why it stopped.
    reason: Option<String>,
    topic: String,
    position: Option<Offset>,
    committed: Option<Offset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<Restored>,
    outcomes: OutcomeCounts,
    dead: Vec<Dead>,
}

#[derive(Debug, Serialize)]
struct Restored {
    done: Offset,
    of: Offset,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutcomeCounts {
    r#in: u64,
    processed: u64,
    passed_by: u64,
    filtered: u64,
    duplicate: u64,
    dead: u64,
}

#[derive(Debug, Serialize)]
struct Dead {
    step: String,
    reason: String,
    count: u64,
}

/// `GET /api/v1/tasks`
pub(super) async fn tasks(State(served): State<Arc<Served>>) -> Json<Tasks> {
    let view = &served.view;
    let mut tasks = Vec::new();
    for picture in view.board.pictures() {
        tasks.extend(picture.tasks.iter().map(|it| task(view, &picture, it)));
    }
    tasks.sort_by(|a, b| a.id.cmp(&b.id));
    Json(Tasks { tasks })
}

fn task(view: &View, picture: &Picture, task: &TaskPicture) -> Task {
    let source: Option<&SourcePicture> = picture.sources.iter().find(|it| it.partition == task.source);
    let (state, reason) = state(&task.state);
    let part = view.subtopology(task);
    Task {
        id: task.id.clone(),
        topology: part.map(|it| it.topology.clone()).unwrap_or_default(),
        subtopology: part.map(|it| it.name.clone()).unwrap_or_default(),
        partition: task.source.partition,
        instance: view.instance.clone(),
        worker: picture.worker,
        state,
        reason: reason.map(str::to_owned),
        topic: view.topic(task.source.topic).to_owned(),
        position: source.map(|it| it.position),
        committed: source.and_then(|it| it.committed),
        restored: task.restored.map(|(done, of)| Restored { done, of }),
        outcomes: outcomes(task.outcomes),
        dead: task.dead.iter().map(|((step, reason), count)| Dead { step: step.clone(), reason: reason.clone(), count: *count }).collect(),
    }
}

fn state(state: &open_task::State) -> (&'static str, Option<&str>) {
    match state {
        open_task::State::Restoring => ("restoring", None),
        open_task::State::Running => ("running", None),
        open_task::State::Suspended => ("suspended", None),
        open_task::State::Stopped(reason) => ("stopped", Some(reason)),
    }
}

fn outcomes(it: Outcomes) -> OutcomeCounts {
    OutcomeCounts {
        r#in: it.records_in,
        processed: it.processed,
        passed_by: it.passed_by,
        filtered: it.filtered,
        duplicate: it.duplicate,
        dead: it.dead,
    }
}

/// The topics of this application, with what this instance read and wrote since its start.
#[derive(Debug, Serialize)]
pub(super) struct Topics {
    topics: Vec<Topic>,
}

#[derive(Debug, Serialize)]
struct Topic {
    name: String,
    role: &'static str,
    consumed: Counts,
    published: Counts,
}

#[derive(Debug, Serialize)]
struct Counts {
    records: u64,
    bytes: u64,
}

/// `GET /api/v1/topics`
pub(super) async fn topics(State(served): State<Arc<Served>>) -> Json<Topics> {
    let view = &served.view;
    let totals = view.board.totals();
    let of = |index: usize| totals.topics.get(index).copied().unwrap_or_default();
    let topics = view.plan.topics.iter().enumerate().map(|(index, topic)| {
        let TopicCounts { consumed_records, consumed_bytes, published_records, published_bytes } = of(index);
        Topic {
            name: topic.name.clone(),
            role: topic.role.name(),
            consumed: Counts { records: consumed_records, bytes: consumed_bytes },
            published: Counts { records: published_records, bytes: published_bytes },
        }
    });
    Json(Topics { topics: topics.collect() })
}
