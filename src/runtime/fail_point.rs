//! Places where a test may kill the process: the setting `fail.point` = `<name>:<n>` ends it, as SIGKILL would, when it comes there for the n-th time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Records were sent.
pub const AFTER_SEND: &str = "after-send";
/// All of the transaction but the consumed offsets and its commit is under way.
pub const BEFORE_COMMIT: &str = "before-commit";
/// The consumed offsets are part of the transaction; only its commit is left. On the committing thread of the Kafka adapter.
pub const AFTER_OFFSETS: &str = "after-offsets";
/// Kafka has it, the stores do not.
pub const AFTER_COMMIT: &str = "after-commit";
/// Kafka has it, and the stores of the tasks before this one do.
pub const BEFORE_STORE_WRITE: &str = "before-store-write";
/// All stores have it.
pub const AFTER_STORE_WRITE: &str = "after-store-write";
/// All names.
pub const ALL: [&str; 6] = [AFTER_SEND, BEFORE_COMMIT, AFTER_OFFSETS, AFTER_COMMIT, BEFORE_STORE_WRITE, AFTER_STORE_WRITE];

static ARMED: OnceLock<(String, AtomicU64)> = OnceLock::new();

/// Arms a fail point: `<name>:<n>`; whether that is one.
pub fn arm(spec: &str) -> bool {
    let Some((name, times)) = spec.split_once(':') else { return false };
    match times.parse() {
        Ok(times) if ALL.contains(&name) => ARMED.set((name.to_owned(), AtomicU64::new(times))).is_ok(),
        _ => false,
    }
}

/// Ends the process here if the point is armed.
pub fn fail_point(name: &str) {
    let Some((armed, left)) = ARMED.get() else { return };
    if armed == name && left.fetch_sub(1, Ordering::Relaxed) == 1 {
        std::process::abort();
    }
}
