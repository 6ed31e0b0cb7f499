//! `goyt dlq ls`: dead letters in a table, or counted by what they have in common.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::selection::Selection;
use super::{Common, counted, json, time};
use crate::adapters::clock::SystemClock;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out;
use crate::cli::progress::Progress;
use crate::runtime::operations::dead_letters;
use crate::runtime::operations::dead_letters::filter::{Filter, Group, GroupBy, Groups, State};
use crate::runtime::operations::dead_letters::letter::Letter;

/// List dead letters, the latest first, or count them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt dlq ls                                 those that nothing was done about
  goyt dlq ls --group-by reason,step          how many of which kind
  goyt dlq ls --code WRONG_TYPE --since 2h    a kind, of the last two hours
  goyt dlq ls --key 456 --all                 all of a key, also those that are done")]
pub(super) struct Ls {
    /// Count by what they have in common, such as reason,step
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',', value_enum)]
    group_by: Vec<By>,
    /// Also those that were redriven or discarded
    #[arg(long, conflicts_with = "done")]
    all: bool,
    /// Only those that were redriven or discarded
    #[arg(long)]
    done: bool,
    /// Show so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    common: Common,
}

/// What they are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Reason,
    Step,
    Topic,
    Topology,
    Key,
}

impl By {
    fn group(self) -> GroupBy {
        match self {
            Self::Reason => GroupBy::Reason,
            Self::Step => GroupBy::Step,
            Self::Topic => GroupBy::Topic,
            Self::Topology => GroupBy::Topology,
            Self::Key => GroupBy::Key,
        }
    }
}

impl Ls {
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let mut desk = self.common.open()?;
        let state = match () {
            () if self.all => State::All,
            () if self.done => State::Done,
            () => State::Open,
        };
        let filter = self.selection.filter(state, &SystemClock::start());
        let by: Vec<GroupBy> = self.group_by.iter().map(|it| it.group()).collect();
        let found = self.find(&mut *desk.reader, &desk.plan, &filter, &by).map_err(|it| desk.failure(&it))?;
        let text = self.common.output.output == out::Format::Text;
        if by.is_empty() {
            match text {
                true if found.letters.is_empty() => {}
                true => out::data(&table(&found.letters)),
                false => out::data(&found.letters.iter().map(json::letter).collect::<Value>().to_string()),
            }
        } else {
            let groups = found.groups.sorted();
            match text {
                true if groups.is_empty() => {}
                true => out::data(&group_table(&by, &groups)),
                false => out::data(&groups.iter().map(|it| group_json(&by, it)).collect::<Value>().to_string()),
            }
        }
        out::say(&summary(found.matched, state, by.is_empty().then_some(found.letters.len())));
        Ok(Exit::OK)
    }

    fn find(
        &self,
        reader: &mut dyn crate::runtime::operations::access::TopicReader,
        plan: &crate::engine::plan::Plan,
        filter: &Filter,
        by: &[GroupBy],
    ) -> Result<Found, dead_letters::Error> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let (mut groups, mut latest, mut matched, mut progress) = (Groups::by(by), BTreeMap::new(), 0, Progress::begin_quietly());
        dead_letters::visit(reader, plan, filter, &mut |letter, through| {
            progress.at_with(through.read, through.of, || counted(matched));
            let Some(letter) = letter else { return true };
            matched += 1;
            if by.is_empty() {
                latest.insert((letter.timestamp, letter.id.clone()), letter);
                if limit < latest.len() {
                    latest.pop_first();
                }
            } else {
                groups.add(&letter);
            }
            true
        })?;
        Ok(Found { letters: latest.into_values().rev().collect(), groups, matched })
    }
}

struct Found {
    letters: Vec<Letter>,
    groups: Groups,
    matched: u64,
}

fn summary(matched: u64, state: State, shown: Option<usize>) -> String {
    let which = match state {
        State::Open => "open ",
        State::Done => "done ",
        State::All => "",
    };
    let all = counted(matched).replacen(' ', &format!(" {which}"), 1);
    match shown {
        Some(shown) if u64::try_from(shown).unwrap_or(0) < matched => format!("{all}, the latest {shown} are shown; --limit shows more"),
        _ => all,
    }
}

/// Letters for people.
pub(super) fn table(letters: &[Letter]) -> String {
    let row = |it: &Letter| {
        let key = it.key.as_ref().map_or_else(|| "-".to_owned(), |key| short(&String::from_utf8_lossy(key)));
        let path = if it.path.is_empty() { "-".to_owned() } else { short(&it.path) };
        let state = it.mark.as_ref().map_or("open", |it| it.action.done()).to_owned();
        let or_dash = |it: &str| if it.is_empty() { "-".to_owned() } else { it.to_owned() };
        [it.id.to_string(), time(it.timestamp), it.reason.clone(), path, or_dash(&it.topology), or_dash(&it.step), key, state]
    };
    let heading = ["ID", "RECORD TIME", "REASON", "PATH", "TOPOLOGY", "STEP", "KEY", "STATE"];
    out::table(heading, &letters.iter().map(row).collect::<Vec<_>>())
}

/// Longest text in a cell.
const CELL_MAX: usize = 40;

/// A text that fits into a cell, without what would break a line.
fn short(text: &str) -> String {
    let plain = text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it });
    if text.chars().count() <= CELL_MAX { plain.collect() } else { plain.take(CELL_MAX - 1).chain(['…']).collect() }
}

/// Groups for people.
pub(super) fn group_table(by: &[GroupBy], groups: &[Group]) -> String {
    let heading = by.iter().map(|it| it.name().to_uppercase()).collect::<Vec<_>>();
    let width = |index: usize| {
        let cells = groups.iter().filter_map(|it| it.by.get(index)).map(|it| short(it).chars().count());
        cells.chain(heading.get(index).map(|it| it.chars().count())).max().unwrap_or(0)
    };
    // As many columns as were asked for stand in one cell, padded by themselves.
    let cell = |parts: &[String]| {
        let padded = parts.iter().enumerate().map(|(index, it)| format!("{:width$}", short(it), width = width(index)));
        padded.collect::<Vec<_>>().join("  ")
    };
    let row = |it: &Group| [cell(&it.by), it.open.to_string(), it.done.to_string(), time(it.first), time(it.last), it.example.to_string()];
    let title = cell(&heading);
    out::table([title.as_str(), "OPEN", "DONE", "FIRST", "LAST", "ONE OF THEM"], &groups.iter().map(row).collect::<Vec<_>>())
}

fn group_json(by: &[GroupBy], group: &Group) -> Value {
    let named: serde_json::Map<String, Value> = by.iter().zip(&group.by).map(|(by, it)| (by.name().to_owned(), json!(it))).collect();
    json!({
        "by": named, "open": group.open, "done": group.done, "first": group.first, "last": group.last, "example": group.example.to_string(),
    })
}
