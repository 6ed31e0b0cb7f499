//! The routes: each with who may ask for it, and what answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::adapters::http::dead_letters::{self, changes};
use crate::adapters::http::guard::{self, Gate};
use crate::adapters::http::problem::Problem;
use crate::adapters::http::served::Served;
use crate::adapters::http::{health, lag, openapi, page, stores, tasks, topologies};

/// The most bytes of a request's body.
const BODY_MAX: usize = 256 << 10;

/// All routes.
pub(super) fn router(served: Arc<Served>, gate: Arc<Gate>) -> Router {
    // The page holds nothing of the application; what it shows, it asks for.
    let open = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/", get(page::index))
        .route("/page/{name}", get(page::part));
    let reads = Router::new()
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi::document))
        .route("/api/v1/topologies", get(topologies::list))
        .route("/api/v1/tasks", get(tasks::tasks))
        .route("/api/v1/topics", get(tasks::topics))
        .route("/api/v1/lag", get(lag::list))
        .route("/api/v1/dead-letters", get(dead_letters::list))
        .route("/api/v1/stores", get(stores::list))
        .route("/api/v1/stores/{store}", get(stores::scan))
        .route("/api/v1/stores/{store}/{*key}", get(stores::get))
        .route_layer(from_fn_with_state(Arc::clone(&gate), guard::read));
    let writes = Router::new()
        .route("/api/v1/dead-letters/redrive", post(changes::redrive))
        .route("/api/v1/dead-letters/discard", post(changes::discard))
        .route_layer(from_fn_with_state(Arc::clone(&gate), guard::write));
    Router::new()
        .merge(open)
        .merge(reads)
        .merge(writes)
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(gate, guard::host))
        .layer(from_fn(guard::headers))
        .with_state(served)
}

/// `GET /metrics`
async fn metrics(State(served): State<Arc<Served>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (served.view.metrics)()).into_response()
}

async fn unknown(uri: Uri) -> Problem {
    Problem::not_found(format!("nothing is at {}", uri.path())).hint("/openapi.json lists what there is")
}

async fn not_allowed(uri: Uri) -> Problem {
    let detail = format!("{} does not take this method", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "the method does not fit", detail)
        .hint("/openapi.json lists what there is")
}
