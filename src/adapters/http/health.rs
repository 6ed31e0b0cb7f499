//! Health: `/livez` says whether the workers' loops turn, `/readyz` whether this instance does its work.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::adapters::http::served::Served;
use crate::engine::record::Millis;
use crate::runtime::board::Picture;
use crate::runtime::open_task;

/// A loop that has not turned for so long hangs. All its waits for Kafka together are shorter, so a broker that is away is no reason.
pub(super) const LIVE_WITHIN: Duration = Duration::from_secs(180);
/// Room on the disk of the state directory below which an instance is not ready, bytes.
pub(super) const DISK_ROOM_MIN: u64 = 64 << 20;

/// The answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Health {
    /// `ok`, or `failing`.
    status: &'static str,
    /// One line each.
    checks: Vec<Check>,
}

/// Something that must be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

impl Check {
    fn new(name: &'static str, ok: bool, detail: impl Into<String>) -> Self {
        Self { name, ok, detail: detail.into() }
    }
}

fn answer(checks: Vec<Check>) -> (StatusCode, Json<Health>) {
    match checks.iter().all(|it| it.ok) {
        true => (StatusCode::OK, Json(Health { status: "ok", checks })),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "failing", checks })),
    }
}

/// `GET /livez`
pub(super) async fn live(State(served): State<Arc<Served>>) -> (StatusCode, Json<Health>) {
    let now = served.now();
    let turned = served.view.board.turns().into_iter().map(|(worker, at)| loop_turns(worker, now - at)).collect::<Vec<_>>();
    answer(if turned.is_empty() { vec![Check::new("loop", true, "no worker has started yet")] } else { turned })
}

fn loop_turns(worker: usize, ago: Millis) -> Check {
    let limit = Millis::try_from(LIVE_WITHIN.as_millis()).unwrap_or(Millis::MAX);
    let (seconds, limit_seconds) = (ago / 1000, LIVE_WITHIN.as_secs());
    Check::new("loop", ago <= limit, format!("worker {worker}: last turn {seconds} s ago, at most {limit_seconds} s"))
}

/// `GET /readyz`
pub(super) async fn ready(State(served): State<Arc<Served>>) -> (StatusCode, Json<Health>) {
    let view = &served.view;
    let pictures = view.board.pictures();
    let mut checks = vec![assigned(view.workers, &pictures), tasks_run(&pictures)];
    checks.push(match served.peers.kafka(served.now()) {
        None => Check::new("kafka", true, "it answers"),
        Some(why) => Check::new("kafka", false, why),
    });
    if let Some(directory) = &view.state_dir {
        checks.push(room(fs4::available_space(directory)));
    }
    answer(checks)
}

fn assigned(workers: usize, pictures: &[Arc<Picture>]) -> Check {
    let placed = pictures.iter().filter(|it| it.assigned).count();
    Check::new("assigned", workers <= placed, format!("{placed} of {workers} workers have their place in the group"))
}

/// Tasks that run, and what keeps the others.
fn tasks_run(pictures: &[Arc<Picture>]) -> Check {
    let tasks = || pictures.iter().flat_map(|it| &it.tasks);
    let kept = tasks().find_map(|task| match &task.state {
        open_task::State::Running => None,
        open_task::State::Restoring => Some(format!("{} restores its state", task.id)),
        open_task::State::Suspended => Some(format!("{} waits for the group", task.id)),
        open_task::State::Stopped(reason) => Some(format!("{} stopped: {reason}", task.id)),
    });
    let running = tasks().filter(|it| it.state == open_task::State::Running).count();
    let counted = format!("{running} of {} tasks run", tasks().count());
    match kept {
        None => Check::new("tasks", true, counted),
        Some(kept) => Check::new("tasks", false, format!("{counted}; {kept}")),
    }
}

fn room(available: std::io::Result<u64>) -> Check {
    match available {
        Ok(bytes) => {
            let (mebibytes, least) = (bytes >> 20, DISK_ROOM_MIN >> 20);
            Check::new("disk", DISK_ROOM_MIN <= bytes, format!("{mebibytes} MiB are free under state.dir, {least} MiB are needed"))
        }
        Err(error) => Check::new("disk", false, format!("the room under state.dir can't be told: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_has_not_turned_for_long_hangs() {
        assert!(loop_turns(0, 179_000).ok);
        assert!(loop_turns(0, -5).ok, "a clock that was set back");
        assert!(!loop_turns(0, 181_000).ok);
    }

    #[test]
    fn a_full_disk_is_not_fine() {
        assert!(room(Ok(DISK_ROOM_MIN)).ok);
        assert!(!room(Ok(DISK_ROOM_MIN - 1)).ok);
        assert!(!room(Err(std::io::ErrorKind::NotFound.into())).ok);
    }
}
