//! `goyt dlq redrive` and `goyt dlq discard`: something is done about dead letters, once, with a reason.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;

use clap::Args;
use serde_json::{Value, json};

use super::selection::Selection;
use super::{Common, Desk, counted, json, ls};
use crate::adapters::clock::SystemClock;
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Progress;
use crate::cli::{cluster, out};
use crate::runtime::operations::audit::{self, AuditError};
use crate::runtime::operations::dead_letters::filter::{Filter, Group, GroupBy, State};
use crate::runtime::operations::dead_letters::letter::{Letter, LetterId};
use crate::runtime::operations::dead_letters::marks::Action;
use crate::runtime::operations::dead_letters::redrive::{self, Order, Summary, Tools};
use crate::runtime::operations::dead_letters::rehearsal::{Rehearsal, Verdict, Would};
use crate::runtime::operations::dead_letters::{self, Error};
use crate::runtime::ports::Clock as _;

/// Send records back to where they came from, each once
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt dlq redrive --code WRONG_TYPE --dry-run                    would they pass now?
  goyt dlq redrive --code WRONG_TYPE --reason 'schema mended'     send them back
  goyt dlq redrive orders.dlq/3/17 --reason 'the bank knows the currency now'
  goyt dlq redrive --all-open --rate 100 --reason 'after the outage' --yes

A record goes back with key, value and headers as they were, together with the mark that it is done, in one transaction: \
a second redrive, a crash or `kill -9` in the middle sends nothing twice and loses nothing; run it again. \
Exit code 1 when some were left as they are, or with --dry-run when some would fail.")]
pub(super) struct Redrive {
    /// Say what would become of them now; nothing is changed
    #[arg(long)]
    dry_run: bool,
    /// At most so many a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// A record that was sent back so often already stays
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_redrives: u32,
    /// Also records that another topology, which keeps no ids, would process a second time
    #[arg(long)]
    accept_repeats: bool,
    #[command(flatten)]
    change: Change,
}

/// Mark dead letters as done without sending anything back
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt dlq discard orders.dlq/3/17 --reason 'a test order'
  goyt dlq discard --code TOO_OLD --until 30d --reason 'settled by hand, ticket 4711'

They stay in their topic until its retention deletes them; `goyt dlq ls --done` shows them.")]
pub(super) struct Discard {
    #[command(flatten)]
    change: Change,
}

/// What both take.
#[derive(Debug, Args)]
struct Change {
    /// All that are open: needed when nothing else says which
    #[arg(long)]
    all_open: bool,
    /// Why, in your words; it is kept for ever, with your name
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    common: Common,
}

/// What is done, and how.
struct How {
    action: Action,
    rate: Option<u32>,
    max_redrives: u32,
    accept_repeats: bool,
}

/// Most letters of a dry run when --max does not say.
const REHEARSED_MAX: u64 = 10_000;

impl Redrive {
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let filter = self.change.filter()?;
        if self.dry_run {
            return self.rehearse(&filter);
        }
        let Self { rate, max_redrives, accept_repeats, .. } = *self;
        self.change.carry_out(&filter, How { action: Action::Redrive, rate, max_redrives, accept_repeats })
    }

    fn rehearse(&self, filter: &Filter) -> Result<Exit, Failure> {
        let mut desk = self.change.common.open()?;
        let max = self.change.max.unwrap_or(REHEARSED_MAX);
        let (mut letters, mut matched, mut progress) = (BTreeMap::new(), 0, Progress::begin_quietly());
        dead_letters::visit(&mut *desk.reader, &desk.plan, filter, &mut |letter, through| {
            progress.at_with(through.read, through.of, || counted(matched));
            let Some(letter) = letter else { return true };
            matched += 1;
            // In the order in which they would go back.
            letters.insert(letter.id.clone(), letter);
            if max < u64::try_from(letters.len()).unwrap_or(u64::MAX) {
                letters.pop_last();
            }
            true
        })
        .map_err(|it| desk.failure(&it))?;
        drop(progress);
        let rehearsed = u64::try_from(letters.len()).unwrap_or(0);
        let all_pass = self.say_outlooks(&mut desk, letters)?;
        if rehearsed < matched {
            out::say(&format!("{} of {}: --max takes more", counted(rehearsed), matched));
        }
        out::say("nothing was changed");
        Ok(if all_pass { Exit::OK } else { Exit::FAILED })
    }

    /// Prints what would become of each, or of how many; whether all would pass.
    fn say_outlooks(&self, desk: &mut Desk, letters: BTreeMap<LetterId, Letter>) -> Result<bool, Failure> {
        let mut rehearsal = Rehearsal::new(&desk.plan, SystemClock::start().now());
        let (mut all_pass, mut kinds): (_, BTreeMap<[String; 3], (u64, LetterId)>) = (true, BTreeMap::new());
        for letter in letters.into_values() {
            let outlook = rehearsal.outlook(&mut *desk.reader, &letter).map_err(|it| cluster::log_failure(&it, &desk.settings))?;
            all_pass &= outlook.passes();
            if self.change.common.output.output == out::Format::Json {
                out::data(&json!({ "id": letter.id.to_string(), "passes": outlook.passes(), "now": json::outlook(&outlook) }).to_string());
                continue;
            }
            if outlook.verdicts.is_empty() {
                let row = ["-".to_owned(), "unknown".to_owned(), "no topology here reads the topic that it came from".to_owned()];
                kinds.entry(row).or_insert((0, letter.id.clone())).0 += 1;
            }
            for verdict in &outlook.verdicts {
                kinds.entry(kind(verdict)).or_insert((0, letter.id.clone())).0 += 1;
            }
        }
        if !kinds.is_empty() {
            let row = |([topology, would, why], (count, id)): ([String; 3], (u64, LetterId))| {
                [topology, would, count.to_string(), id.to_string(), why]
            };
            let rows: Vec<[String; 5]> = kinds.into_iter().map(row).collect();
            out::data(&out::table(["TOPOLOGY", "NOW", "LETTERS", "ONE OF THEM", "WHY"], &rows));
        }
        Ok(all_pass)
    }
}

/// Topology, what would become of it, and why.
fn kind(verdict: &Verdict) -> [String; 3] {
    let why = match &verdict.would {
        Would::Pass(_) => String::new(),
        Would::Nothing(why) => (*why).to_owned(),
        Would::Stop(why) => why.clone(),
        Would::Fail(it) => {
            let path = if it.path.is_empty() { String::new() } else { format!(" at {}", it.path) };
            format!("{}{path}, step {}", it.code, it.step.as_deref().unwrap_or("decode"))
        }
    };
    let note = verdict.note.clone();
    let why = [Some(why).filter(|it| !it.is_empty()), note].into_iter().flatten().collect::<Vec<_>>().join("; ");
    [verdict.topology.clone(), verdict.would.name().to_owned(), why]
}

impl Discard {
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let how = How { action: Action::Discard, rate: None, max_redrives: 0, accept_repeats: false };
        self.change.carry_out(&self.change.filter()?, how)
    }
}

impl Change {
    fn filter(&self) -> Result<Filter, Failure> {
        let filter = self.selection.filter(State::Open, &SystemClock::start());
        match (filter.is_empty(), self.all_open) {
            (true, false) => Err(Failure::new(Exit::USAGE, "say which: ids, a filter such as --code WRONG_TYPE, or --all-open")),
            (false, true) => Err(Failure::new(Exit::USAGE, "--all-open means all: leave out what else says which, or --all-open")),
            (true, true) | (false, false) => Ok(filter),
        }
    }

    fn why(&self) -> Result<&str, Failure> {
        let why = self.reason.as_deref().map(str::trim).filter(|it| !it.is_empty());
        why.ok_or_else(|| Failure::new(Exit::USAGE, "--reason is missing: why is this done? It is kept on the audit topic, with your name"))
    }

    fn carry_out(&self, filter: &Filter, how: How) -> Result<Exit, Failure> {
        let (why, How { action, rate, max_redrives, accept_repeats }) = (self.why()?, how);
        let mut desk = self.common.open()?;
        let by = [GroupBy::Reason, GroupBy::Step, GroupBy::Topic];
        let groups = dead_letters::group(&mut *desk.reader, &desk.plan, filter, &by).map_err(|it| desk.failure(&it))?;
        if groups.is_empty() {
            return self.say_nothing_to_do(&mut desk, filter);
        }
        if !self.yes && io::stdin().is_terminal() && !confirmed(action, &by, &groups, self.max) {
            out::say("nothing was changed");
            return Ok(Exit::FAILED);
        }
        let replication = desk.settings.replication_factor;
        audit::prepare(&mut *desk.admin, &desk.plan.application_id, replication).map_err(|it| audit_failure(&it, &desk))?;
        let id = redrive::transactional_id(&desk.plan.application_id);
        let writer = cluster::access(&desk.settings).writer(Some(&id));
        let mut writer = writer.map_err(|it| cluster::log_failure(&it, &desk.settings))?;
        let (by, batch) = (who(), uuid::Uuid::new_v4().to_string());
        let (plan, max, by, batch) = (&desk.plan, self.max, by.as_str(), batch.as_str());
        let order = Order { plan, filter, action, why, by, batch, max, rate, max_redrives, accept_repeats };
        let (mut progress, mut last) = (Progress::begin_quietly(), Summary::default());
        let tools = Tools { reader: &mut *desk.reader, writer: &mut *writer, clock: &SystemClock::start() };
        let ended = redrive::carry_out(tools, &order, &mut |so_far| {
            progress.at_with(so_far.through.read, so_far.through.of, || format!("{} {}", so_far.done, action.done()));
            last.clone_from(so_far);
        });
        drop(progress);
        match ended {
            Ok(summary) => Ok(self.say(&summary, action, batch)),
            Err(error) => {
                self.say(&last, action, batch);
                let Failure { exit, message } = desk.failure(&error);
                let hint = if error == Error::Taken { "" } else { "\n  hint: what is done is done; run it again for the rest" };
                Err(Failure::new(exit, message + hint))
            }
        }
    }

    /// Nothing is open: perhaps since it is done.
    fn say_nothing_to_do(&self, desk: &mut Desk, filter: &Filter) -> Result<Exit, Failure> {
        let done = Filter { state: State::Done, ..filter.clone() };
        let done = dead_letters::list(&mut *desk.reader, &desk.plan, &done, 1).map_err(|it| desk.failure(&it))?;
        let already = done.matched;
        if self.common.output.output == out::Format::Json {
            out::data(&json!({ "done": 0, "already": already, "refused": [] }).to_string());
        }
        out::say(&match already {
            0 => "there are no such dead letters".to_owned(),
            _ => format!("nothing to do: {}, done before (`goyt dlq ls --done`)", counted(already)),
        });
        // Whoever names something that does not exist has made a mistake; what is done already is as it was wanted.
        Ok(if already == 0 && !self.all_open { Exit::FAILED } else { Exit::OK })
    }

    fn say(&self, summary: &Summary, action: Action, batch: &str) -> Exit {
        if self.common.output.output == out::Format::Json {
            let refused: Value = summary
                .refused
                .iter()
                .map(
                    |(it, (count, one))| json!({ "code": it.code(), "letters": count, "oneOfThem": one.as_ref().map(ToString::to_string) }),
                )
                .collect();
            out::data(&json!({ "done": summary.done, "already": summary.already, "refused": refused, "batch": batch }).to_string());
        } else {
            out::data(&format!("{} {}", counted(summary.done), action.done()));
        }
        if summary.already > 0 {
            out::say(&format!("left alone, since they were done before: {}", counted(summary.already)));
        }
        for (refusal, (count, one)) in &summary.refused {
            let one = one.as_ref().map(|it| format!(", such as {it}")).unwrap_or_default();
            out::say(&format!("not redriven: {}{one}: {}: {}", counted(*count), refusal.code(), refusal.words()));
        }
        if summary.refused.is_empty() { Exit::OK } else { Exit::FAILED }
    }
}

fn audit_failure(error: &AuditError, desk: &Desk) -> Failure {
    match error {
        AuditError::Admin(error) => cluster::failure(error, &desk.settings),
        AuditError::Unfit { .. } => Failure::new(Exit::FAILED, error.to_string()),
    }
}

/// Shows what would be done, and asks.
fn confirmed(action: Action, by: &[GroupBy], groups: &[Group], max: Option<u64>) -> bool {
    let open: u64 = groups.iter().map(|it| it.open).sum();
    out::say(&ls::group_table(by, groups));
    let what = match action {
        Action::Redrive => "go back to where they came from",
        Action::Discard => "are marked as done; nothing is sent back",
    };
    out::say(&format!("{} {what}. Go on? [y/N]", counted(max.map_or(open, |it| it.min(open)))));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// `user@host`, as the machine knows them.
fn who() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|it| std::env::var(it).ok().filter(|it| !it.is_empty()));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.as_deref().map(str::trim).filter(|it| !it.is_empty());
    let user = user.or_else(user_of_process);
    format!("{}@{}", user.as_deref().unwrap_or("unknown"), host.unwrap_or("unknown"))
}

/// The name of the user that the process belongs to, or the number.
fn user_of_process() -> Option<String> {
    let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    Some(name.unwrap_or(id))
}
