//! `GET /api/v1/lag`: how far the tasks of all instances are behind, as they reported it last.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::adapters::http::served::Served;
use crate::engine::record::{Millis, Offset};
use crate::runtime::operations::lag::LagReport;

/// Tasks of all instances.
#[derive(Debug, Serialize)]
pub(super) struct Lag {
    lag: Vec<TaskLag>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskLag {
    application: String,
    instance: String,
    address: Option<String>,
    topology: String,
    task: String,
    topic: String,
    partition: i32,
    position: Offset,
    committed: Option<Offset>,
    visible_end: Offset,
    records_behind: i64,
    seconds_behind: Millis,
    status: &'static str,
    at: Millis,
}

/// `GET /api/v1/lag`
pub(super) async fn list(State(served): State<Arc<Served>>) -> Json<Lag> {
    let mut latest: BTreeMap<String, LagReport> = BTreeMap::new();
    let own = served.view.board.lag();
    for report in served.peers.reports(served.now()).into_iter().chain(own.iter().cloned()) {
        let newer = latest.get(&report.task).is_none_or(|it| it.at <= report.at);
        if newer {
            latest.insert(report.task.clone(), report);
        }
    }
    Json(Lag { lag: latest.into_values().map(shown).collect() })
}

fn shown(it: LagReport) -> TaskLag {
    TaskLag {
        application: it.application,
        instance: it.instance,
        address: it.address,
        topology: it.topology,
        task: it.task,
        topic: it.topic,
        partition: it.partition,
        position: it.position,
        committed: it.committed,
        visible_end: it.visible_end,
        records_behind: it.records_behind,
        seconds_behind: it.behind / 1000,
        status: it.status.name(),
        at: it.at,
    }
}
