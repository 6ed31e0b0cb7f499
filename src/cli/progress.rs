//! What takes longer than a moment shows how far it is, as a bar on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::adapters::clock::SystemClock;
use crate::cli::out;
use crate::runtime::ports::Clock as _;

/// Something under way. Its bar goes with it.
pub struct Progress {
    bar: ProgressBar,
    /// Not shown yet: since when it waits for that.
    waits: Option<SystemClock>,
}

/// Times a second that the bar is drawn.
const DRAWN_PER_SECOND: u8 = 10;
/// What may be quick shows nothing before.
const SHOWN_AFTER: Duration = Duration::from_secs(2);

impl Progress {
    /// Begins, and shows it; `total` may be 0 as long as it is not known.
    #[must_use]
    pub fn begin(what: &str, total: u64) -> Self {
        let mut progress = Self::hidden();
        progress.bar.set_length(total);
        progress.bar.set_message(what.to_owned());
        progress.show();
        progress
    }

    /// Begins, and shows it when it takes longer than two seconds.
    #[must_use]
    pub fn begin_quietly() -> Self {
        let mut progress = Self::hidden();
        progress.waits = Some(SystemClock::start());
        progress
    }

    fn hidden() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("  {msg:<24} {bar:32} {human_pos} of {human_len}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self { bar, waits: None }
    }

    fn show(&mut self) {
        self.waits = None;
        if out::watched() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND));
        }
    }

    /// How far it is.
    pub fn at(&self, done: u64, of: u64) {
        self.bar.set_length(of);
        self.bar.set_position(done);
    }

    /// How far it is, with other words beside it.
    pub fn at_with(&mut self, done: u64, of: u64, words: impl FnOnce() -> String) {
        if self.waits.as_ref().is_some_and(|it| SHOWN_AFTER <= it.elapsed()) {
            self.show();
        }
        self.at(done, of);
        if !self.bar.is_hidden() {
            self.bar.set_message(words());
        }
    }

    /// Says something in between.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| out::say(line));
    }

    /// It is done; the line takes the place of the bar.
    pub fn end(self, line: &str) {
        self.bar.finish_and_clear();
        out::say(line);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
