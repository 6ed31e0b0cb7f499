//! `goyt dlq show`: one dead letter: what failed, why, what was done about it, and would it pass now?

use clap::Args;
use serde_json::Value;

use super::{Common, json, pretty, time};
use crate::adapters::clock::SystemClock;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out;
use crate::runtime::operations::dead_letters;
use crate::runtime::operations::dead_letters::letter::{Letter, LetterId};
use crate::runtime::operations::dead_letters::rehearsal::{Outlook, Rehearsal, Would};
use crate::runtime::ports::Clock as _;

/// Show a dead letter: why it failed, its value, and whether it would pass now
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt dlq show orders.dlq/3/17
  goyt dlq show orders.dlq/3/17 --topologies staging/topologies    would it pass there?")]
pub(super) struct Show {
    /// Which, as `goyt dlq ls` shows it
    #[arg(value_name = "TOPIC/PARTITION/OFFSET")]
    id: LetterId,
    #[command(flatten)]
    common: Common,
}

impl Show {
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let mut desk = self.common.open()?;
        let found = dead_letters::find(&mut *desk.reader, &desk.plan, &self.id).map_err(|it| desk.failure(&it))?;
        let Some(letter) = found else {
            return Err(Failure::new(
                Exit::FAILED,
                format!("{}: there is no such dead letter\n  hint: `goyt dlq ls --all` lists them", self.id),
            ));
        };
        let mut rehearsal = Rehearsal::new(&desk.plan, SystemClock::start().now());
        let outlook = rehearsal.outlook(&mut *desk.reader, &letter).map_err(|it| desk.failure(&it.into()))?;
        match self.common.output.output {
            out::Format::Text => out::data(&text(&letter, &outlook)),
            out::Format::Json => {
                let mut letter = json::letter(&letter);
                if let Value::Object(fields) = &mut letter {
                    fields.insert("now".to_owned(), json::outlook(&outlook));
                }
                out::data(&letter.to_string());
            }
        }
        Ok(Exit::OK)
    }
}

/// A dead letter for people.
fn text(letter: &Letter, outlook: &Outlook) -> String {
    let mut lines = vec![letter.id.to_string()];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<9} {text}"));
    let origin = letter.origin.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    line("from", format!("{origin}, record time {}", time(letter.timestamp)));
    let at = if letter.path.is_empty() { String::new() } else { format!(" at {}", letter.path) };
    line("reason", format!("{}{at}: {}", letter.reason, letter.message));
    line("by", format!("topology {}, step {}", letter.topology, letter.step));
    line("key", letter.key.as_ref().map_or_else(|| "none".to_owned(), |it| pretty::escaped(it)));
    for (name, value) in &letter.headers {
        line("header", format!("{name}: {}", value.as_ref().map_or_else(|| "null".to_owned(), |it| pretty::escaped(it))));
    }
    if letter.redrives > 0 {
        line("redriven", format!("{} time{} before", letter.redrives, if letter.redrives == 1 { "" } else { "s" }));
    }
    line(
        "state",
        match &letter.mark {
            None => "open".to_owned(),
            Some(mark) => format!("{} {} by {}: {}", mark.action.done(), time(Some(mark.at)), mark.by, mark.why),
        },
    );
    if outlook.verdicts.is_empty() {
        line("now", "no topology here reads the topic that it came from".to_owned());
    }
    for verdict in &outlook.verdicts {
        line("now", format!("{}: {}", verdict.topology, would(&verdict.would)));
        verdict.note.iter().for_each(|note| line("", note.clone()));
    }
    match (&letter.value, &letter.left_out) {
        (_, Some(it)) => line("value", format!("left out, too large: {} bytes, SHA-1 {}", it.bytes, it.sha1)),
        (None, None) => line("value", "none".to_owned()),
        (Some(value), None) => {
            line("value", String::new());
            lines.extend(pretty::value(value, &letter.path, &letter.reason).into_iter().map(|it| format!("    {it}")));
        }
    }
    lines.iter().map(|it| it.trim_end()).collect::<Vec<_>>().join("\n")
}

/// What would become of it, in words.
pub(super) fn would(it: &Would) -> String {
    match it {
        Would::Pass(_) => "passes".to_owned(),
        Would::Nothing(why) => format!("no effect: {why}"),
        Would::Stop(why) => format!("would stop the task: {why}"),
        Would::Fail(failure) => {
            let at = if failure.path.is_empty() { String::new() } else { format!(" at {}", failure.path) };
            format!("fails with {}{at} in step {}: {}", failure.code, failure.step.as_deref().unwrap_or("decode"), failure.message)
        }
    }
}
