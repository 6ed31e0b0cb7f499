//! `goyt top`: live rates, lag and errors of each topology and task, from all instances.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::adapters::clock::SystemClock;
use crate::cli::exit::{Exit, Failure};
use crate::cli::operate::lag;
use crate::cli::settings::SettingFlags;
use crate::cli::{Paths, cluster, mistakes, out, plan};
use crate::config::Settings;
use crate::engine::record::Millis;
use crate::runtime::operations::lag::LagStatus;
use crate::runtime::operations::lag::overview::TaskLag;
use crate::runtime::ports::Clock;

/// Show live rates, lag and errors of each topology and task
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt top              refreshed every second, until Ctrl-C
  goyt top --rounds 2   two pictures; rates are known from the second on

The instances are those that report their lag. Rates come from their HTTP (application.server, http.address) where it can \
be reached, with the token of http.token.file if there is one; else from the committed offsets, and without dead letters.")]
pub struct Top {
    #[command(flatten)]
    paths: Paths,
    /// Stop after so many pictures
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Between two pictures.
const REFRESH: Duration = Duration::from_secs(1);
/// How long one instance may take to answer.
const ANSWER_WAIT: Duration = Duration::from_millis(500);

/// What an instance says of a task: counts since its worker's start.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counts {
    at: Millis,
    records_in: i64,
    /// `None`: not known.
    dead: Option<i64>,
    state: Option<String>,
}

/// A task's rates, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    lag: TaskLag,
    state: Option<String>,
    /// Records per second; `None`: not known yet.
    records_in: Option<i64>,
    /// Dead letters since the worker's start.
    dead: Option<i64>,
}

impl Top {
    /// Looks and prints.
    ///
    /// # Errors
    /// Mistakes in settings and topologies; no Kafka.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let settings = self.settings.load(&[])?;
        let plan = plan(&self.paths, &settings)?;
        let mut admin = cluster::reach(&settings)?;
        let mut reader = cluster::access(&settings).reader(&settings.application_id).map_err(|it| cluster::log_failure(&it, &settings))?;
        let instances = Instances::of(&settings);
        let clock = SystemClock::start();
        let mut before: BTreeMap<String, Counts> = BTreeMap::new();
        let mut left = self.rounds.unwrap_or(u64::MAX);
        loop {
            let tasks = lag::look(&settings, &plan, &mut *admin, &mut *reader, clock.now())?;
            let now = instances.ask(&tasks, clock.now());
            out::redraw(&picture(&settings.application_id, &rows(tasks, &before, &now)));
            for (task, counts) in now {
                // Offsets are told now and then, and stand still in between.
                let apart = if counts.dead.is_some() { REFRESH / 2 } else { settings.lag_report_interval };
                let apart = Millis::try_from(apart.as_millis()).unwrap_or(Millis::MAX);
                if before.get(&task).is_none_or(|it| apart <= counts.at - it.at) {
                    before.insert(task, counts);
                }
            }
            left -= 1;
            if left == 0 {
                return Ok(Exit::OK);
            }
            clock.sleep(REFRESH);
        }
    }
}

/// Asks instances over HTTP.
struct Instances {
    agent: ureq::Agent,
    token: Option<String>,
}

impl Instances {
    fn of(settings: &Settings) -> Self {
        let token = settings.http_token_file.as_ref().and_then(|it| fs::read_to_string(it).ok());
        let agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER_WAIT)).build().into();
        Self { agent, token: token.and_then(|it| it.lines().next().map(|it| it.trim().to_owned())) }
    }

    /// The counts of all tasks.
    fn ask(&self, tasks: &[TaskLag], now: Millis) -> BTreeMap<String, Counts> {
        let by_offset = |it: &TaskLag| Some((it.task.clone(), Counts { at: now, records_in: it.committed?, dead: None, state: None }));
        let mut counts: BTreeMap<String, Counts> = tasks.iter().filter_map(by_offset).collect();
        let addresses: BTreeSet<&String> = tasks.iter().filter_map(|it| it.address.as_ref()).collect();
        for address in addresses {
            let Some(answer) = self.tasks(address) else { continue };
            for task in answer.get("tasks").and_then(Value::as_array).into_iter().flatten() {
                let number = |path: &str| task.pointer(path).and_then(Value::as_i64);
                let id = task.get("id").and_then(Value::as_str);
                if let (Some(id), Some(records_in)) = (id, number("/outcomes/in")) {
                    let state = task.get("state").and_then(Value::as_str).map(str::to_owned);
                    counts.insert(id.to_owned(), Counts { at: now, records_in, dead: number("/outcomes/dead"), state });
                }
            }
        }
        counts
    }

    fn tasks(&self, address: &str) -> Option<Value> {
        let mut request = self.agent.get(format!("http://{address}/api/v1/tasks"));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call().ok()?.body_mut().read_json().ok()
    }
}

fn rows(tasks: Vec<TaskLag>, before: &BTreeMap<String, Counts>, now: &BTreeMap<String, Counts>) -> Vec<Row> {
    let row = |lag: TaskLag| {
        let now = now.get(&lag.task);
        let rate = now.and_then(|now| rate(before.get(&lag.task)?, now));
        Row { state: now.and_then(|it| it.state.clone()), records_in: rate, dead: now.and_then(|it| it.dead), lag }
    };
    tasks.into_iter().map(row).collect()
}

/// Per second, rounded up: what moves is not shown as 0. `None` when it can't be said, as after a restart.
fn rate(before: &Counts, now: &Counts) -> Option<i64> {
    let (millis, records) = (now.at - before.at, now.records_in - before.records_in);
    let comparable = before.dead.is_some() == now.dead.is_some();
    (comparable && 0 < millis && 0 <= records).then(|| (records.saturating_mul(1_000) + millis - 1) / millis)
}

/// A line for each topology, and below it one for each of its tasks.
fn picture(application: &str, rows: &[Row]) -> String {
    let instances: BTreeSet<&str> = rows.iter().filter_map(|it| it.lag.instance.as_deref()).collect();
    let head = format!(
        "{application}: {}, {}, {}",
        mistakes::count(instances.len(), "instance"),
        mistakes::count(rows.len(), "task"),
        lag::by_status(rows.iter().map(|it| it.lag.status))
    );
    let mut lines: Vec<[String; 9]> = Vec::new();
    let mut topologies: Vec<&str> = rows.iter().map(|it| it.lag.topology.as_str()).collect();
    topologies.dedup();
    for topology in topologies {
        let of_it: Vec<&Row> = rows.iter().filter(|it| it.lag.topology == topology).collect();
        lines.push(sums(topology, &of_it));
        lines.extend(of_it.iter().map(|it| line(it)));
    }
    let heading = ["TOPOLOGY", "TASK", "IN/S", "DEAD", "BEHIND", "SECONDS", "STATUS", "STATE", "INSTANCE"];
    format!("{head}\n\n{}", out::table(heading, &lines))
}

fn number(it: Option<i64>) -> String {
    it.map_or_else(|| "-".to_owned(), |it| it.to_string())
}

fn line(row: &Row) -> [String; 9] {
    let text = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
    [
        String::new(),
        row.lag.task.clone(),
        number(row.records_in),
        number(row.dead),
        row.lag.records_behind.to_string(),
        lag::seconds(row.lag.behind),
        row.lag.status.map_or("-", LagStatus::name).to_owned(),
        text(&row.state),
        text(&row.lag.instance),
    ]
}

fn sums(topology: &str, rows: &[&Row]) -> [String; 9] {
    let sum = |of: fn(&Row) -> Option<i64>| rows.iter().filter_map(|it| of(it)).reduce(|a, b| a.saturating_add(b));
    [
        topology.to_owned(),
        mistakes::count(rows.len(), "task"),
        number(sum(|it| it.records_in)),
        number(sum(|it| it.dead)),
        number(sum(|it| Some(it.lag.records_behind))),
        lag::seconds(rows.iter().map(|it| it.lag.behind).max().unwrap_or(Some(0))),
        // The worst of them.
        rows.iter().filter_map(|it| it.lag.status).max().map_or("-", LagStatus::name).to_owned(),
        String::new(),
        String::new(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(at: Millis, records_in: i64, dead: Option<i64>) -> Counts {
        Counts { at, records_in, dead, state: Some("running".into()) }
    }

    #[test]
    fn a_rate_is_told_when_it_is_known() {
        let table = [
            ("a second", counts(0, 10, Some(0)), counts(1_000, 510, Some(0)), Some(500)),
            ("half a second", counts(0, 10, Some(0)), counts(500, 11, Some(0)), Some(2)),
            ("less than one a second", counts(0, 10, Some(0)), counts(5_000, 11, Some(0)), Some(1)),
            ("it was restarted", counts(0, 10, Some(0)), counts(1_000, 5, Some(0)), None),
            ("no time passed", counts(0, 10, Some(0)), counts(0, 11, Some(0)), None),
            ("HTTP answers now, and did not", counts(0, 10, None), counts(1_000, 11, Some(0)), None),
        ];
        for (name, before, now, expected) in table {
            assert_eq!(rate(&before, &now), expected, "{name}");
        }
    }

    #[test]
    fn the_picture_has_a_line_for_each_topology_and_task() {
        let lag = |topology: &str, partition, records_behind| TaskLag {
            topology: topology.into(),
            task: format!("{topology}.orders_{partition}"),
            topic: "orders".into(),
            partition,
            committed: Some(100),
            visible_end: 101,
            records_behind,
            behind: Some(records_behind * 100),
            status: Some(if records_behind == 0 { LagStatus::Ok } else { LagStatus::Slow }),
            instance: Some(format!("i{partition}")),
            address: None,
        };
        let tasks = vec![lag("bills", 0, 0), lag("bills", 1, 7), lag("mail", 0, 0)];
        let before = [("bills.orders_0".to_owned(), counts(0, 0, Some(0))), ("bills.orders_1".to_owned(), counts(0, 0, Some(0)))].into();
        let now =
            [("bills.orders_0".to_owned(), counts(1_000, 500, Some(0))), ("bills.orders_1".to_owned(), counts(1_000, 20, Some(3)))].into();
        insta::assert_snapshot!(picture("shop", &rows(tasks, &before, &now)), @r"
        shop: 2 instances, 3 tasks, 2 ok, 1 slow

        TOPOLOGY  TASK            IN/S  DEAD  BEHIND  SECONDS  STATUS  STATE    INSTANCE
        bills     2 tasks         520   3     7       0.7      slow
                  bills.orders_0  500   0     0       0.0      ok      running  i0
                  bills.orders_1  20    3     7       0.7      slow    running  i1
        mail      1 task          -     -     0       0.0      ok
                  mail.orders_0   -     -     0       0.0      ok      -        i0
        ");
    }
}
