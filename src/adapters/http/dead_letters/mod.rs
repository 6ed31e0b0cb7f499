//! `GET /api/v1/dead-letters`: what could not be processed, the latest first, and how many for which reason.

pub(super) mod changes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::adapters::http::problem::Problem;
use crate::adapters::http::served::{Asked, Served};
use crate::adapters::http::stores::limit;
use crate::engine::record::{Millis, Offset};
use crate::runtime::operations::dead_letters::filter::{Filter, GroupBy, Groups, State as Done};
use crate::runtime::operations::dead_letters::letter::{Letter, LetterId};
use crate::runtime::operations::dead_letters::marks::Action;
use crate::runtime::operations::dead_letters::{self, Error};

/// Letters handed out at a time when nobody says.
const LETTERS: usize = 50;
/// The most letters handed out at a time.
const LETTERS_MAX: usize = 500;
/// How long the topics are gone through for one answer.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// The most groups handed out; there are more only with `group=key`.
const GROUPS_MAX: usize = 100;

/// Which letters are asked for; what is not said is not asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FilterText {
    topic: Option<String>,
    reason: Option<String>,
    step: Option<String>,
    topology: Option<String>,
    key: Option<String>,
    /// A time: ISO 8601, or milliseconds since 1970.
    since: Option<String>,
    until: Option<String>,
}

impl FilterText {
    /// As dead letters are held against it; `ids` alone, when there are some.
    fn filter(self, ids: BTreeSet<LetterId>, state: Done) -> Result<Filter, Problem> {
        let time = |name: &str, text: Option<String>| text.map(|it| millis(name, &it)).transpose();
        let (since, until) = (time("since", self.since)?, time("until", self.until)?);
        let Self { topic, reason, step, topology, key, .. } = self;
        Ok(Filter { topic, reason, step, topology, key, since, until, ids, state })
    }
}

fn millis(name: &str, text: &str) -> Result<Millis, Problem> {
    let time = text.parse().ok().or_else(|| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond));
    time.ok_or_else(|| {
        Problem::bad_request(format!("{name}={text} is no time")).hint("write 2026-01-31T12:00:00Z, or milliseconds since 1970")
    })
}

/// What stands behind the `?`. The fields of [`FilterText`] once more: a query string has no parts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    topic: Option<String>,
    reason: Option<String>,
    step: Option<String>,
    topology: Option<String>,
    key: Option<String>,
    since: Option<String>,
    until: Option<String>,
    /// `open`, `done` or `all`; `all` when nobody says.
    state: Option<String>,
    /// By what they are counted, joined by commas.
    group: Option<String>,
    limit: Option<usize>,
}

/// Dead letters.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetters {
    dead_letters: Vec<LetterShown>,
    groups: Vec<Group>,
    /// Whether more letters fit than are shown.
    more: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LetterShown {
    id: String,
    topic: String,
    partition: i32,
    offset: Offset,
    timestamp: Option<Millis>,
    key: Option<String>,
    value: Option<String>,
    /// The key or the value is no text: what is shown of it is not all.
    binary: bool,
    /// The value was too large for a dead letter: it had so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out_bytes: Option<String>,
    reason: String,
    message: String,
    path: String,
    topology: String,
    step: String,
    origin: Option<Origin>,
    done: Option<DoneShown>,
}

#[derive(Debug, Serialize)]
struct Origin {
    topic: String,
    partition: i32,
    offset: Offset,
}

#[derive(Debug, Serialize)]
struct DoneShown {
    action: &'static str,
    at: Millis,
    by: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Group {
    by: BTreeMap<&'static str, String>,
    count: u64,
    /// Of these, nothing was done about so many.
    open: u64,
}

/// `GET /api/v1/dead-letters`
pub(super) async fn list(State(served): State<Arc<Served>>, Asked(asked): Asked<ListQuery>) -> Result<Json<DeadLetters>, Problem> {
    let by = groups_by(asked.group.as_deref())?;
    let most = limit(asked.limit, LETTERS, LETTERS_MAX)?;
    let state = match asked.state.as_deref() {
        None | Some("all") => Done::All,
        Some("open") => Done::Open,
        Some("done") => Done::Done,
        Some(other) => return Err(Problem::bad_request(format!("state={other} is not open, done or all"))),
    };
    let ListQuery { topic, reason, step, topology, key, since, until, .. } = asked;
    let filter = FilterText { topic, reason, step, topology, key, since, until }.filter(BTreeSet::new(), state)?;
    served.use_log(move |served| read(served, &filter, &by, most)).await.map(Json)
}

fn groups_by(text: Option<&str>) -> Result<Vec<GroupBy>, Problem> {
    const ALL: [GroupBy; 5] = [GroupBy::Reason, GroupBy::Step, GroupBy::Topic, GroupBy::Topology, GroupBy::Key];
    let one = |name: &str| {
        let found = ALL.into_iter().find(|it| it.name() == name);
        found.ok_or_else(|| Problem::bad_request(format!("group={name} is not reason, step, topic, topology or key")))
    };
    text.map(|it| it.split(',').map(one).collect()).unwrap_or(Ok(Vec::new()))
}

/// Goes through the topics once, for letters and groups.
fn read(served: &Served, filter: &Filter, by: &[GroupBy], most: usize) -> Result<DeadLetters, Problem> {
    let started = std::time::Instant::now();
    let (mut latest, mut groups, mut more, mut late) = (BTreeMap::new(), Groups::by(by), false, false);
    served.with_reader(|reader| {
        dead_letters::visit(reader, &served.view.plan, filter, &mut |letter, _| {
            if let Some(letter) = letter {
                groups.add(&letter);
                latest.insert((letter.timestamp, letter.id.clone()), letter);
            }
            if most < latest.len() {
                more = true;
                latest.pop_first();
            }
            late = READ_WITHIN < started.elapsed();
            !late
        })
    })?;
    if late {
        let seconds = READ_WITHIN.as_secs();
        return Err(Problem::too_slow(format!("there are more dead letters than can be gone through in {seconds} s"))
            .hint("narrow them by topic or since; `goyt dlq` takes its time"));
    }
    let groups = if by.is_empty() { Vec::new() } else { groups.sorted() };
    let shown = |it: dead_letters::filter::Group| Group {
        count: it.open + it.done,
        open: it.open,
        by: by.iter().map(|it| it.name()).zip(it.by).collect(),
    };
    Ok(DeadLetters {
        dead_letters: latest.into_values().rev().map(letter).collect(),
        groups: groups.into_iter().take(GROUPS_MAX).map(shown).collect(),
        more,
    })
}

fn letter(it: Letter) -> LetterShown {
    let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|it| String::from_utf8_lossy(it).into_owned());
    let binary = [&it.key, &it.value].into_iter().flatten().any(|it| std::str::from_utf8(it).is_err());
    LetterShown {
        id: it.id.to_string(),
        topic: it.id.topic.to_string(),
        partition: it.id.partition,
        offset: it.id.offset,
        timestamp: it.timestamp,
        key: text(&it.key),
        value: text(&it.value),
        binary,
        left_out_bytes: it.left_out.map(|it| it.bytes),
        reason: it.reason,
        message: it.message,
        path: it.path,
        topology: it.topology,
        step: it.step,
        origin: it.origin.map(|it| Origin { topic: it.topic, partition: it.partition, offset: it.offset }),
        done: it.mark.map(|it| DoneShown {
            action: match it.action {
                Action::Redrive => "redrive",
                Action::Discard => "discard",
            },
            at: it.at,
            by: it.by.to_string(),
            reason: it.why.to_string(),
        }),
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Log(error) => Self::unavailable(error.to_string()),
            Error::Audit { .. } | Error::Taken => Self::conflict(error.to_string()),
        }
    }
}
