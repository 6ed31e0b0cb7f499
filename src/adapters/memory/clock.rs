//! A clock that stands still until it is moved.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::record::Millis;
use crate::runtime::ports::Clock;

/// Virtual time. A clone is the same clock; sleeping moves it on at once.
#[derive(Debug, Clone, Default)]
pub struct VirtualClock(Arc<Mutex<Time>>);

#[derive(Debug, Default)]
struct Time {
    /// Wall-clock time when `elapsed` was zero, or as if it had been.
    start: Millis,
    elapsed: Duration,
}

impl VirtualClock {
    /// A clock that shows this wall-clock time.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        let clock = Self::default();
        clock.set(now);
        clock
    }

    /// Moves on.
    pub fn advance(&self, time: Duration) {
        let mut state = self.time();
        state.elapsed = state.elapsed.saturating_add(time);
    }

    /// Sets wall-clock time, back or forth, as an administrator may; the time elapsed stays.
    pub fn set(&self, now: Millis) {
        let mut time = self.time();
        time.start = now.saturating_sub(millis(time.elapsed));
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Millis {
        let time = self.time();
        time.start.saturating_add(millis(time.elapsed))
    }

    fn elapsed(&self) -> Duration {
        self.time().elapsed
    }

    fn sleep(&self, time: Duration) {
        self.advance(time);
    }
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_until_someone_sleeps_and_elapsed_time_never_goes_back() {
        let clock = VirtualClock::at(1_000);
        let same = clock.clone();
        assert_eq!((clock.now(), clock.elapsed()), (1_000, Duration::ZERO));
        same.sleep(Duration::from_millis(250));
        assert_eq!((clock.now(), clock.elapsed()), (1_250, Duration::from_millis(250)));
        same.set(100);
        assert_eq!((clock.now(), clock.elapsed()), (100, Duration::from_millis(250)));
    }
}
