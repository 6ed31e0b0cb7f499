//! `goyt dlq export`: dead letters as lines of JSON, byte for byte.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::selection::Selection;
use super::{Common, counted, json};
use crate::adapters::clock::SystemClock;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out;
use crate::cli::progress::Progress;
use crate::runtime::operations::dead_letters;
use crate::runtime::operations::dead_letters::filter::State;

/// Write dead letters to a file, a line of JSON each
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt dlq export --to open.jsonl                     all that nothing was done about
  goyt dlq export --code TOO_OLD --all --to old.jsonl

Keys, values and headers are {\"text\": …}, or {\"base64\": …} where they are no UTF-8: no byte is lost.")]
pub(super) struct Export {
    /// The file; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Also those that were redriven or discarded
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    common: Common,
}

impl Export {
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let mut desk = self.common.open()?;
        let filter = self.selection.filter(if self.all { State::All } else { State::Open }, &SystemClock::start());
        let failed = |it: std::io::Error| Failure::new(Exit::FAILED, format!("{}: can't be written: {it}", self.to.display()));
        let mut file = BufWriter::new(File::create(&self.to).map_err(failed)?);
        let (mut count, mut wrong, mut progress) = (0, None, Progress::begin_quietly());
        dead_letters::visit(&mut *desk.reader, &desk.plan, &filter, &mut |letter, through| {
            progress.at_with(through.read, through.of, || counted(count));
            let Some(letter) = letter else { return true };
            count += 1;
            wrong = writeln!(file, "{}", json::letter(&letter)).err();
            wrong.is_none()
        })
        .map_err(|it| desk.failure(&it))?;
        wrong.map_or_else(|| file.flush(), Err).map_err(failed)?;
        drop(progress);
        out::say(&format!("{} written to {}", counted(count), self.to.display()));
        Ok(Exit::OK)
    }
}
