//! `GET /api/v1/lag`: how far the tasks of all instances are behind, as they reported it last.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::adapters::http::served::Served;
use crate::runtime::operations::lag::LagReport;

/// `GET /api/v1/lag`: the fields of `LAG_REPORTED` events, and when they were taken.
pub(super) async fn list(State(served): State<Arc<Served>>) -> Json<Value> {
    let mut latest: BTreeMap<String, LagReport> = BTreeMap::new();
    let own = served.view.board.lag();
    for report in served.peers.reports(served.now()).into_iter().chain(own.iter().cloned()) {
        if latest.get(&report.task).is_none_or(|it| it.at <= report.at) {
            latest.insert(report.task.clone(), report);
        }
    }
    Json(json!({ "lag": latest.values().map(shown).collect::<Vec<_>>() }))
}

fn shown(report: &LagReport) -> Value {
    let mut fields = report.fields();
    if let Value::Object(fields) = &mut fields {
        fields.insert("at".to_owned(), report.at.into());
    }
    fields
}
