//! librdkafka's log lines, as events of `tracing`; a line that comes again and again is said once a minute.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock;

/// How long a line that was said is not said again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// At most this many different lines are remembered.
const REMEMBERED_MAX: usize = 256;

/// What one client has said.
pub(super) struct LogLines {
    client: String,
    said: Mutex<BTreeMap<String, Said>>,
}

struct Said {
    at: Instant,
    kept_back: u64,
}

impl LogLines {
    /// For a client of that name.
    pub(super) fn new(client: &str) -> LogLines {
        LogLines { client: client.into(), said: Mutex::new(BTreeMap::new()) }
    }

    /// Says a line, unless it was said. `level` is syslog's: 3 error, 4 warning, 5 and 6 information, 7 debug.
    /// The client mends by itself what it calls an error, so nothing here is more than a warning.
    pub(super) fn say(&self, level: i32, facility: &str, line: &str) {
        let client = self.client.as_str();
        if 6 < level {
            tracing::debug!(target: "librdkafka", client, facility, "{line}");
            return;
        }
        let Some(kept_back) = self.kept_back(line, Instant::now()) else { return };
        let line = line.trim();
        match level {
            ..5 if 0 < kept_back => tracing::warn!(target: "librdkafka", client, facility, kept_back, "{line}"),
            ..5 => tracing::warn!(target: "librdkafka", client, facility, "{line}"),
            _ => tracing::info!(target: "librdkafka", client, facility, "{line}"),
        }
    }

    /// `None`: said a short time ago. Else how often it was kept back since.
    fn kept_back(&self, line: &str, now: Instant) -> Option<u64> {
        let mut said = lock(&self.said);
        if REMEMBERED_MAX <= said.len() {
            said.clear();
        }
        match said.get_mut(&gist(line)) {
            Some(before) if now.duration_since(before.at) < AGAIN_AFTER => {
                before.kept_back += 1;
                None
            }
            _ => Some(said.insert(gist(line), Said { at: now, kept_back: 0 }).map_or(0, |before| before.kept_back)),
        }
    }
}

/// A line without its numbers, and without what is in parentheses at its end ("after 3 ms in state …").
fn gist(line: &str) -> String {
    let line = line.trim();
    let line = if line.ends_with(')') { line.rfind(" (").and_then(|at| line.get(..at)).unwrap_or(line) } else { line };
    line.chars().filter(|it| !it.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_differs_in_numbers_alone_is_said_once_a_minute() {
        let lines = LogLines::new("test");
        let start = Instant::now();
        let line =
            |n| format!("localhost:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after {n}ms in state CONNECT)");
        assert_eq!(lines.kept_back(&line(1), start), Some(0));
        assert_eq!(lines.kept_back(&line(2), start), None);
        assert_eq!(lines.kept_back(&line(3), start + AGAIN_AFTER / 2), None);
        assert_eq!(lines.kept_back("something else", start), Some(0));
        assert_eq!(lines.kept_back(&line(4), start + AGAIN_AFTER), Some(2));
    }
}
