//! `GET /api/v1/stores…`: committed state by key. A key of another instance is answered by the way to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::adapters::http::peers::REPORT_WITHIN;
use crate::adapters::http::problem::Problem;
use crate::adapters::http::served::{Asked, Served};
use crate::engine::plan::StoreKind;
use crate::engine::record::Millis;
use crate::runtime::open_task;
use crate::runtime::operations::lag::LagReport;
use crate::runtime::operations::queries::{self, Entry, Mistake, Page, Store, keys};
use crate::runtime::ports::StoreError;

/// Where stores are.
const PATH: &str = "/api/v1/stores/";
/// Entries handed out at a time when nobody says.
const ENTRIES: usize = 100;
/// The most entries handed out at a time.
const ENTRIES_MAX: usize = 1_000;

/// The stores, with what this instance has of them.
#[derive(Debug, Serialize)]
pub(super) struct Stores {
    stores: Vec<StoreShown>,
}

#[derive(Debug, Serialize)]
struct StoreShown {
    name: String,
    kind: &'static str,
    /// The types of the key's parts.
    key: Vec<String>,
    /// The names and types of the value's fields.
    value: Vec<(String, String)>,
    tasks: Vec<String>,
    entries: u64,
    bytes: u64,
}

/// `GET /api/v1/stores`
pub(super) async fn list(State(served): State<Arc<Served>>) -> Result<Json<Stores>, Problem> {
    let read = |served: &Served| queries::stores(&served.view.plan).map(|it| shown(served, it)).collect::<Result<_, _>>();
    let stores = served.read_state(read).await?;
    Ok(Json(Stores { stores }))
}

fn shown(served: &Served, store: Store<'_>) -> Result<StoreShown, Problem> {
    let text = store.text(&*served.view.states).map_err(|it| unreadable(&it))?;
    let value = store.store.value.iter().map(|(name, of)| (name.clone(), of.to_string())).collect();
    Ok(StoreShown { name: text.name, kind: text.kind, key: text.key, value, tasks: text.tasks, entries: text.entries, bytes: text.bytes })
}

/// Which entries are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScanQuery {
    /// What the last answer said under `next`.
    from: Option<String>,
    /// The first parts of their keys.
    prefix: Option<String>,
    limit: Option<usize>,
}

/// Entries of a store.
#[derive(Debug, Serialize)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    more: bool,
    /// Where the next entries begin: for `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /api/v1/stores/{store}`: the entries in this instance's tasks.
pub(super) async fn scan(State(served): State<Arc<Served>>, uri: Uri, Asked(asked): Asked<ScanQuery>) -> Result<Json<Entries>, Problem> {
    let name = uri.path().strip_prefix(PATH).unwrap_or_default().to_owned();
    served.read_state(move |served| entries(served, &name, &asked)).await.map(Json)
}

fn entries(served: &Served, name: &str, asked: &ScanQuery) -> Result<Entries, Problem> {
    let store = queries::find(&served.view.plan, name)?;
    let prefix = store.prefix(asked.prefix.as_deref().unwrap_or_default())?;
    let limit = limit(asked.limit, ENTRIES, ENTRIES_MAX)?;
    let (first, after) = begin(store, asked.from.as_deref())?;
    let all = served.view.states.tasks();
    let mut tasks: Vec<(i32, &str)> =
        store.tasks(&all).into_iter().filter_map(|it| Some((store.partition_of_task(it)?, it))).filter(|it| first <= it.0).collect();
    tasks.sort_unstable();
    for (_, task) in &tasks {
        // A task that has none is about to be shown.
        served.state(task).map_or(Ok(()), |state| running(task, &state))?;
    }
    let (mut entries, mut more): (Vec<Entry>, bool) = (Vec::new(), false);
    for (partition, task) in tasks {
        let after = after.clone().filter(|_| partition == first);
        let page = Page { prefix: prefix.clone(), after, limit: limit - entries.len() };
        let (found, left) = store.scan(&*served.view.states, task, &page).map_err(|it| unreadable(&it))?;
        entries.extend(found);
        more = left;
        if more {
            break;
        }
    }
    let next = entries.last().filter(|_| more).and_then(|it| cursor(store, it));
    Ok(Entries { entries, more, next })
}

/// Where to go on behind an entry: its partition and its key.
fn cursor(store: Store<'_>, entry: &Entry) -> Option<String> {
    let partition = store.partition_of_task(&entry.task)?;
    Some(match store.store.kind {
        StoreKind::Allot => format!("{}:", partition + 1),
        _ => format!("{partition}:{}", keys::text(&entry.key)),
    })
}

/// The partition to begin with, and the key in it to begin behind.
fn begin(store: Store<'_>, from: Option<&str>) -> Result<(i32, Option<Vec<u8>>), Problem> {
    let Some(from) = from else { return Ok((0, None)) };
    let parsed = from.split_once(':').and_then(|(partition, key)| Some((partition.parse().ok().filter(|it| 0 <= *it)?, key)));
    match parsed {
        None => Err(Problem::bad_request(format!("from={from} is not what an answer said under `next`"))),
        Some((partition, "")) => Ok((partition, None)),
        Some((partition, key)) => Ok((partition, Some(store.key(key)?))),
    }
}

/// How many are asked for.
pub(super) fn limit(asked: Option<usize>, otherwise: usize, most: usize) -> Result<usize, Problem> {
    match asked.unwrap_or(otherwise) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        limit => Err(Problem::bad_request(format!("limit={limit} is not from 1 to {most}"))),
    }
}

/// A key's value.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    store: String,
    key: Vec<Value>,
    value: Map<String, Value>,
    task: String,
    partition: i32,
    instance: String,
}

/// Beside the key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GetQuery {
    /// Another instance sent the caller here: it is not sent on once more.
    #[serde(default)]
    redirected: bool,
}

/// `GET /api/v1/stores/{store}/{key}`
pub(super) async fn get(
    State(served): State<Arc<Served>>,
    uri: Uri,
    Asked(GetQuery { redirected }): Asked<GetQuery>,
) -> Result<Response, Problem> {
    let path = uri.path().to_owned();
    let read = move |served: &Served| {
        let (name, key) = path.strip_prefix(PATH).and_then(|it| it.split_once('/')).unwrap_or_default();
        find(served, name, key, redirected).map(|it| it.into_response(&path))
    };
    served.read_state(read).await
}

/// Where a key is.
#[derive(Debug)]
enum Answer {
    /// Here.
    Found(Found),
    /// At this address.
    Elsewhere(String),
}

impl Answer {
    fn into_response(self, path: &str) -> Response {
        match self {
            Self::Found(found) => Json(found).into_response(),
            Self::Elsewhere(address) => {
                let location = format!("http://{address}{path}?redirected=true");
                (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response()
            }
        }
    }
}

fn find(served: &Served, name: &str, text: &str, redirected: bool) -> Result<Answer, Problem> {
    let store = queries::find(&served.view.plan, name)?;
    let key = store.key(text)?;
    let Some(partitions) = served.view.partitions(store.part.source) else {
        return Err(Problem::unavailable("the topics are not known yet: Kafka has not answered"));
    };
    let no_such = || Problem::not_found(format!("{name} has no key {text}"));
    match store.partition(text, partitions)? {
        Some(partition) => {
            let task = store.task(partition);
            match served.state(&task) {
                None => elsewhere(served, &task, redirected).map(Answer::Elsewhere),
                Some(state) => {
                    running(&task, &state)?;
                    read(served, store, &task, &key)?.map(Answer::Found).ok_or_else(no_such)
                }
            }
        }
        // Whoever writes the topic chose the partition: all tasks that are here are asked.
        None => {
            let mut missing = Vec::new();
            for task in (0..partitions).map(|it| store.task(it)) {
                match served.state(&task) {
                    Some(open_task::State::Running) => {
                        if let Some(found) = read(served, store, &task, &key)? {
                            return Ok(Answer::Found(found));
                        }
                    }
                    Some(_) | None => missing.push(task),
                }
            }
            if missing.is_empty() { Err(no_such()) } else { Err(somewhere(served, name, &missing)) }
        }
    }
}

fn read(served: &Served, store: Store<'_>, task: &str, key: &[u8]) -> Result<Option<Found>, Problem> {
    let entry = store.get(&*served.view.states, task, key).map_err(|it| unreadable(&it))?;
    Ok(entry.map(|Entry { key, value, task }| Found {
        store: store.name(),
        key,
        value,
        partition: store.partition_of_task(&task).unwrap_or(0),
        task,
        instance: served.view.instance.clone(),
    }))
}

/// Only the state of a task that runs is complete.
fn running(task: &str, state: &open_task::State) -> Result<(), Problem> {
    let state = match state {
        open_task::State::Running => return Ok(()),
        open_task::State::Restoring => "is restoring its state",
        open_task::State::Suspended => "is being given to an instance",
        open_task::State::Stopped(_) => "has stopped; /api/v1/tasks says why",
    };
    Err(Problem::unavailable(format!("task {task} {state}")))
}

/// The address of the instance that has a task.
fn elsewhere(served: &Served, task: &str, redirected: bool) -> Result<String, Problem> {
    let misdirected = |detail: String| {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "elsewhere", "another instance has this key", detail).with("task", task)
    };
    match served.peers.report(task, served.now()) {
        None => Err(misdirected(format!("task {task} has it, and no instance has told of that task for {} s", seconds(REPORT_WITHIN)))
            .hint("is an instance starting? `goyt lag` shows who has which task")),
        Some(LagReport { instance, .. }) if instance == served.view.instance => {
            Err(Problem::unavailable(format!("task {task} was here a moment ago and is moving")))
        }
        Some(LagReport { instance, address: Some(address), .. }) if !redirected => {
            tracing::debug!("a key of {task} is at {instance}");
            Ok(address)
        }
        Some(LagReport { instance, address, .. }) => {
            let at = address.as_ref().map_or_else(|| "whose address is not known".to_owned(), |it| format!("at {it}"));
            let problem = misdirected(format!("task {task} has it, which instance {instance} runs, {at}")).with("instance", &instance);
            let problem = address.into_iter().fold(problem, |it, address| it.with("address", address));
            Err(problem.hint("ask that instance; application.server, set there, is its address for others"))
        }
    }
}

/// The key is in none of the tasks here, and nothing tells in which it would be.
fn somewhere(served: &Served, name: &str, missing: &[String]) -> Problem {
    let now = served.now();
    let of = |task: &String| match served.peers.report(task, now) {
        Some(LagReport { instance, address: Some(address), .. }) => format!("{task} ({instance} at {address})"),
        Some(LagReport { instance, .. }) => format!("{task} ({instance})"),
        None => task.clone(),
    };
    let missing: Vec<String> = missing.iter().map(of).collect();
    let detail = format!("the tasks of this instance don't have it; it may be in {}", missing.join(", "));
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "elsewhere", "another instance may have this key", detail)
        .hint(format!("ask those instances; the key of {name} does not tell the partition, since its input's key is chosen by its writer"))
}

fn seconds(millis: Millis) -> Millis {
    millis / 1000
}

fn unreadable(error: &StoreError) -> Problem {
    match error {
        StoreError::Io(_) | StoreError::Locked(_) | StoreError::Full(_) => Problem::unavailable(error.to_string()),
        StoreError::Foreign(_) | StoreError::Damaged(_) | StoreError::Stale(_) => Problem::failed(error.to_string()),
    }
}

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Self {
        let problem = if mistake.missing { Self::not_found(mistake.reason) } else { Self::bad_request(mistake.reason) };
        problem.hint(mistake.hint)
    }
}
