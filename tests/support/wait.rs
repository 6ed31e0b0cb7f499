//! Waiting for a condition with a deadline: the only place in the tests where time passes.

use std::time::{Duration, Instant};

/// How long a test waits for what must happen. Far longer than it takes, so that a slow machine is no failure.
pub const LONG: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer. Panics after [`LONG`] with what was waited for.
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    until_ok(|| probe().ok_or_else(|| what.to_owned()))
}

/// As [`until`]; the probe says what is still missing.
pub fn until_ok<T>(mut probe: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(answer) => return answer,
            Err(missing) => assert!(start.elapsed() < LONG, "waited {LONG:?} in vain for {missing}"),
        }
        std::thread::sleep(PAUSE);
    }
}
