//! What takes longer than a moment shows how far it is: as a bar on a terminal, as one line at its end elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::out;

/// Something under way.
pub struct Progress {
    bar: ProgressBar,
}

/// Times a second that the bar is drawn.
const DRAWN_PER_SECOND: u8 = 10;

impl Progress {
    /// Begins; `total` may be 0 as long as it is not known.
    #[must_use]
    pub fn begin(what: &str, total: u64) -> Self {
        let target = if out::watched() { ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template("  {msg:<24} {bar:32} {human_pos} of {human_len}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_message(what.to_owned());
        Self { bar }
    }

    /// How far it is.
    pub fn at(&self, done: u64, of: u64) {
        self.bar.set_length(of);
        self.bar.set_position(done);
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
