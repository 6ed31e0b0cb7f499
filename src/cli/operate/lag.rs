//! `goyt lag`: how far each task is behind its source partition, whether or not an instance runs.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::adapters::clock::SystemClock;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Output, Paths, cluster, mistakes, out, plan};
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::engine::record::Millis;
use crate::runtime::operations::access::TopicReader;
use crate::runtime::operations::admin::Admin;
use crate::runtime::operations::lag::LagStatus;
use crate::runtime::operations::lag::overview::{self, TaskLag};
use crate::runtime::ports::Clock;

/// Show how far each task is behind, in records and in seconds
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt lag                     one look
  goyt lag --watch             again and again, until Ctrl-C
  goyt lag --output json | jq '.[] | select(.secondsBehind > 30)'

BEHIND: records that can be read and are not processed. SECONDS: the age of the first of them; 0 when there is none.
STATUS, from how the lag changed over the last half minute:
  ok       nothing is left to do, or it is getting less
  slow     it moves on, and falls back
  stalled  records wait, and it does not move
  stopped  the task stopped, or nobody has it
  blocked  an open transaction of whoever writes the input holds the end back
  -        an instance may have it, and none says: see lag.report.interval.ms

Exit code 1 when a task is stalled, stopped or blocked; 69 when Kafka can't be reached.")]
pub struct Lag {
    #[command(flatten)]
    paths: Paths,
    /// Look again and again
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Reports of so many intervals are believed: an instance may miss one.
const INTERVALS: u32 = 3;
/// Reports are believed for this long at least.
const BELIEVED_MIN: Duration = Duration::from_secs(15);
/// With `--watch`: the shortest pause.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

impl Lag {
    /// Looks and prints.
    ///
    /// # Errors
    /// Mistakes in settings and topologies; no Kafka.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let settings = self.settings.load(&[])?;
        let plan = plan(&self.paths, &settings)?;
        let mut admin = cluster::reach(&settings)?;
        let access = cluster::access(&settings);
        let mut reader = access.reader(&settings.application_id).map_err(|it| cluster::log_failure(&it, &settings))?;
        let clock = SystemClock::start();
        loop {
            let tasks = look(&settings, &plan, &mut *admin, &mut *reader, clock.now())?;
            let text = match self.output.output {
                out::Format::Text => table(&tasks),
                out::Format::Json => tasks.iter().map(TaskLag::to_json).collect::<Value>().to_string(),
            };
            if !self.watch {
                out::data(&text);
                hints(&settings, &plan, &tasks);
                return Ok(if tasks.iter().any(TaskLag::is_wrong) { Exit::FAILED } else { Exit::OK });
            }
            out::redraw(&text);
            clock.sleep(settings.lag_report_interval.max(WATCH_PAUSE));
        }
    }
}

/// How all tasks stand now.
///
/// # Errors
/// No Kafka.
pub fn look(
    settings: &Settings,
    plan: &Plan,
    admin: &mut dyn Admin,
    reader: &mut dyn TopicReader,
    now: Millis,
) -> Result<Vec<TaskLag>, Failure> {
    let group = admin.group(&settings.application_id).map_err(|it| cluster::failure(&it, settings))?;
    let occupied = group.is_some_and(|it| !it.members.is_empty());
    let believed = (settings.lag_report_interval * INTERVALS).max(BELIEVED_MIN);
    let since = now - Millis::try_from(believed.as_millis()).unwrap_or(Millis::MAX);
    let tasks = overview::reports(reader, &settings.application_id, since)
        .and_then(|reports| overview::overview(plan, reader, &reports, occupied, now));
    tasks.map_err(|it| cluster::log_failure(&it, settings))
}

/// What is not in the table.
fn hints(settings: &Settings, plan: &Plan, tasks: &[TaskLag]) {
    for part in &plan.subtopologies {
        let topic = plan.topics.get(usize::from(part.source.0)).map_or("", |it| &it.name);
        if tasks.iter().all(|it| it.topic != topic) {
            out::say(&format!("topic {topic} does not exist: `goyt topics` shows what is missing"));
        }
    }
    let stopped = |it: &&TaskLag| it.status == Some(LagStatus::Stopped);
    if !tasks.is_empty() && tasks.iter().filter(stopped).count() == tasks.len() {
        out::say(&format!("no instance of {} runs: `goyt run` starts one", settings.application_id));
    }
}

/// The tasks for people, and their sums.
#[must_use]
pub fn table(tasks: &[TaskLag]) -> String {
    let number = |it: Option<i64>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let row = |it: &TaskLag| {
        [
            it.topology.clone(),
            it.task.clone(),
            it.topic.clone(),
            it.partition.to_string(),
            number(it.committed),
            it.visible_end.to_string(),
            it.records_behind.to_string(),
            seconds(it.behind),
            it.status.map_or("-", LagStatus::name).to_owned(),
            it.instance.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let rows: Vec<_> = tasks.iter().map(row).collect();
    let heading = ["TOPOLOGY", "TASK", "TOPIC", "PARTITION", "COMMITTED", "END", "BEHIND", "SECONDS", "STATUS", "INSTANCE"];
    let sums = format!(
        "{}: {} behind, at most {} s; {}",
        mistakes::count(tasks.len(), "task"),
        mistakes::count(usize::try_from(tasks.iter().map(|it| it.records_behind).sum::<i64>()).unwrap_or(0), "record"),
        seconds(tasks.iter().map(|it| it.behind).max().unwrap_or(Some(0))),
        by_status(tasks.iter().map(|it| it.status))
    );
    format!("{}\n{sums}", out::table(heading, &rows))
}

/// How many of each: `11 ok, 1 stopped`.
#[must_use]
pub fn by_status(all: impl Iterator<Item = Option<LagStatus>>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    all.for_each(|it| *counts.entry(it.map_or("-", LagStatus::name)).or_default() += 1);
    counts.into_iter().map(|(status, count)| format!("{count} {status}")).collect::<Vec<_>>().join(", ")
}

/// With one decimal, rounded up so that what is behind is never shown as 0.
#[must_use]
pub fn seconds(behind: Option<Millis>) -> String {
    behind.map_or_else(
        || "?".to_owned(),
        |it| {
            let tenths = it.saturating_add(99) / 100;
            format!("{}.{}", tenths / 10, tenths % 10)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ends_with_sums() {
        let task = |partition, records_behind, behind, status, instance: Option<&str>| TaskLag {
            topology: "orders".into(),
            task: format!("orders.orders_{partition}"),
            topic: "orders".into(),
            partition,
            committed: (partition != 2).then_some(100),
            visible_end: 101 + records_behind,
            records_behind,
            behind,
            status,
            instance: instance.map(Into::into),
            address: None,
        };
        let tasks = [
            task(0, 0, Some(0), Some(LagStatus::Ok), Some("i1")),
            task(1, 1_200, Some(12_301), Some(LagStatus::Slow), Some("i2")),
            task(2, 7, None, Some(LagStatus::Stopped), None),
            task(3, 1, Some(4), None, None),
        ];
        insta::assert_snapshot!(table(&tasks), @r"
        TOPOLOGY  TASK             TOPIC   PARTITION  COMMITTED  END   BEHIND  SECONDS  STATUS   INSTANCE
        orders    orders.orders_0  orders  0          100        101   0       0.0      ok       i1
        orders    orders.orders_1  orders  1          100        1301  1200    12.4     slow     i2
        orders    orders.orders_2  orders  2          -          108   7       ?        stopped  -
        orders    orders.orders_3  orders  3          100        102   1       0.1      -        -
        4 tasks: 1208 records behind, at most 12.4 s; 1 -, 1 ok, 1 slow, 1 stopped
        ");
    }
}
