//! `POST /api/v1/dead-letters/redrive` and `/discard`: what `goyt dlq` does, for scripts. Always with the token, and with a reason.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::adapters::clock::SystemClock;
use crate::adapters::http::dead_letters::FilterText;
use crate::adapters::http::problem::Problem;
use crate::adapters::http::served::Served;
use crate::runtime::operations::admin::AdminError;
use crate::runtime::operations::audit::{self, AuditError};
use crate::runtime::operations::dead_letters;
use crate::runtime::operations::dead_letters::filter::{Filter, State as Done};
use crate::runtime::operations::dead_letters::letter::LetterId;
use crate::runtime::operations::dead_letters::marks::Action;
use crate::runtime::operations::dead_letters::redrive::{self, Order, Refusal, Summary, Tools};
use crate::runtime::operations::dead_letters::rehearsal::{Outlook, Rehearsal, Would};

/// Letters that something is done about when nobody says.
const CHANGES: u64 = 500;
/// The most letters of one request: it must end in time.
const CHANGES_MAX: u64 = 2_000;
/// The most ids of one request.
const IDS_MAX: usize = 500;
/// A record that was sent back so often already is not sent again.
const REDRIVES_MAX: u32 = 5;
/// The longest reason, characters.
const REASON_MAX: usize = 1_000;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Change {
    /// These letters; or those that the filter takes.
    #[serde(default)]
    ids: Vec<String>,
    filter: Option<FilterText>,
    /// Why: it stands on the audit topic.
    reason: String,
    /// Who wants it.
    by: Option<String>,
    /// Only says what would become of them.
    #[serde(default)]
    dry_run: bool,
    limit: Option<u64>,
    /// Send a record back although another topology, without a dedup, processes it a second time.
    #[serde(default)]
    accept_repeats: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    dry_run: bool,
    done: u64,
    already: u64,
    refused: Vec<Refused>,
    batch: String,
}

#[derive(Debug, Serialize)]
struct Refused {
    code: &'static str,
    reason: &'static str,
    count: u64,
    example: Option<String>,
}

/// `POST /api/v1/dead-letters/redrive`
pub(in crate::adapters::http) async fn redrive(served: State<Arc<Served>>, body: Bytes) -> Result<Json<Value>, Problem> {
    change(served, &body, Action::Redrive).await
}

/// `POST /api/v1/dead-letters/discard`
pub(in crate::adapters::http) async fn discard(served: State<Arc<Served>>, body: Bytes) -> Result<Json<Value>, Problem> {
    change(served, &body, Action::Discard).await
}

async fn change(State(served): State<Arc<Served>>, body: &[u8], action: Action) -> Result<Json<Value>, Problem> {
    let change: Change = serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body: {error}")))?;
    let (filter, most) = check(&change)?;
    served.use_log(move |served| carry_out(served, &change, &filter, most, action)).await.map(Json)
}

/// Which letters are meant, and how many at most.
fn check(change: &Change) -> Result<(Filter, u64), Problem> {
    let bad = |detail: String| Err(Problem::bad_request(detail));
    if change.reason.trim().is_empty() || REASON_MAX < change.reason.chars().count() {
        return bad(format!("`reason` says why, in 1 to {REASON_MAX} characters: it is kept on the audit topic"));
    }
    let most = change.limit.unwrap_or(CHANGES);
    if !(1..=CHANGES_MAX).contains(&most) {
        return bad(format!("`limit` {most} is not from 1 to {CHANGES_MAX}"));
    }
    if IDS_MAX < change.ids.len() {
        return bad(format!("{} ids are more than {IDS_MAX}", change.ids.len()));
    }
    let ids: BTreeSet<LetterId> = change.ids.iter().map(|it| it.parse()).collect::<Result<_, _>>().map_err(Problem::bad_request)?;
    let filter = change.filter.clone().unwrap_or_default().filter(ids, Done::Open)?;
    if filter.is_empty() {
        return bad("neither `ids` nor `filter` says which dead letters are meant".to_owned());
    }
    Ok((filter, most))
}

fn carry_out(served: &Served, change: &Change, filter: &Filter, most: u64, action: Action) -> Result<Value, Problem> {
    if change.dry_run {
        return rehearse(served, filter, most, action);
    }
    let plan = &served.view.plan;
    let mut admin = (served.view.admin)().map_err(dead_letters::Error::Log)?;
    audit::prepare(&mut *admin, &plan.application_id, served.view.replication).map_err(|error| match error {
        AuditError::Admin(error) => error.into(),
        AuditError::Unfit { .. } => Problem::conflict(error.to_string()),
    })?;
    let mut writer = served.view.access.writer(Some(&redrive::transactional_id(&plan.application_id))).map_err(dead_letters::Error::Log)?;
    let batch = Uuid::new_v4().to_string();
    let by = change.by.clone().unwrap_or_else(|| format!("http@{}", served.view.instance));
    let order = Order {
        plan,
        filter,
        action,
        why: change.reason.trim(),
        by: &by,
        batch: &batch,
        max: Some(most),
        rate: None,
        max_redrives: REDRIVES_MAX,
        accept_repeats: change.accept_repeats,
    };
    let clock = SystemClock::start();
    let summary = served.with_reader(|reader| {
        let tools = Tools { reader, writer: &mut *writer, clock: &clock };
        redrive::carry_out(tools, &order, &mut |_| {})
    })?;
    tracing::info!(batch, by, "dead letters changed over HTTP: {} done, {} were done before", summary.done, summary.already);
    Ok(shown(&summary, &batch))
}

fn shown(summary: &Summary, batch: &str) -> Value {
    let refused = |(refusal, (count, example)): (&Refusal, &(u64, Option<LetterId>))| Refused {
        code: refusal.code(),
        reason: refusal.words(),
        count: *count,
        example: example.as_ref().map(ToString::to_string),
    };
    json!(Outcome {
        dry_run: false,
        done: summary.done,
        already: summary.already,
        refused: summary.refused.iter().map(refused).collect(),
        batch: batch.to_owned(),
    })
}

/// What would become of the letters now; nothing is done.
fn rehearse(served: &Served, filter: &Filter, most: u64, action: Action) -> Result<Value, Problem> {
    let plan = &served.view.plan;
    served
        .with_reader(|reader| {
            let found = dead_letters::list(reader, plan, filter, usize::try_from(most).unwrap_or(usize::MAX))?;
            let mut rehearsal = Rehearsal::new(plan, served.now());
            let mut letters = Vec::new();
            for letter in &found.letters {
                letters.push(match action {
                    Action::Discard => json!({ "id": letter.id.to_string() }),
                    Action::Redrive => outlook(&letter.id, &rehearsal.outlook(reader, letter)?),
                });
            }
            Ok::<_, dead_letters::Error>(json!({ "dryRun": true, "matched": found.matched, "letters": letters }))
        })
        .map_err(Problem::from)
}

fn outlook(id: &LetterId, outlook: &Outlook) -> Value {
    let verdicts = outlook.verdicts.iter().map(|it| {
        let detail = match &it.would {
            Would::Pass(records) => format!("writes {records} records"),
            Would::Nothing(why) => (*why).to_owned(),
            Would::Fail(failure) => format!("{}: {}", failure.code, failure.message),
            Would::Stop(why) => why.clone(),
        };
        json!({ "topology": it.topology, "would": it.would.name(), "detail": detail, "note": it.note })
    });
    json!({ "id": id.to_string(), "passes": outlook.passes(), "verdicts": verdicts.collect::<Vec<_>>() })
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Unreachable(_) => Self::unavailable(error.to_string()),
            AdminError::Refused { .. } => Self::failed(error.to_string()),
        }
    }
}
