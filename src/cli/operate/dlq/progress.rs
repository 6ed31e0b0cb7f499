//! How far it is, for what takes longer than two seconds while somebody watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::adapters::clock::SystemClock;
use crate::cli::out;
use crate::runtime::operations::dead_letters::Through;
use crate::runtime::ports::Clock as _;

/// What is faster shows nothing.
const SHOWN_AFTER: Duration = Duration::from_secs(2);
/// How often it is drawn, at most, a second.
const DRAWN_PER_SECOND: u8 = 10;

/// A bar that appears when it takes long.
pub(super) struct Progress {
    clock: SystemClock,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self { clock: SystemClock::start(), bar: None }
    }

    /// So far it is; `said` beside it.
    pub(super) fn at(&mut self, through: Through, said: impl FnOnce() -> String) {
        if !out::watched() || self.clock.elapsed() < SHOWN_AFTER {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(through.of), ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND));
            let style = ProgressStyle::with_template("{wide_bar} {percent} % of {human_len}, {msg}");
            style.map_or_else(|_| bar.clone(), |it| bar.clone().with_style(it))
        });
        bar.set_position(through.read);
        bar.set_message(said());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
