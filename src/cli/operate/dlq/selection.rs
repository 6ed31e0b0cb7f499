//! The flags that say which dead letters are meant.

use clap::Args;

use crate::engine::record::Millis;
use crate::runtime::operations::dead_letters::filter::{Filter, State};
use crate::runtime::operations::dead_letters::letter::LetterId;
use crate::runtime::ports::Clock;

/// Which dead letters: those that fit all that is said.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which")]
pub(super) struct Selection {
    /// These, as `goyt dlq ls` shows them
    #[arg(value_name = "TOPIC/PARTITION/OFFSET")]
    ids: Vec<LetterId>,
    /// Of records of this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// With this reason, such as WRONG_TYPE
    #[arg(long, value_name = "REASON")]
    code: Option<String>,
    /// Of this step; `decode` is the step of what could not be read
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Of this topology
    #[arg(long, value_name = "NAME")]
    topology: Option<String>,
    /// With this key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Of records stamped then or later: 2026-03-01T12:00:00Z, 2026-03-01, or so long ago: 30m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = Time::read)]
    since: Option<Time>,
    /// Of records stamped before then
    #[arg(long, value_name = "TIME", value_parser = Time::read)]
    until: Option<Time>,
}

/// A time as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    At(Millis),
    Ago(Millis),
}

impl Time {
    fn read(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::At(at.as_millisecond()));
        }
        if let Ok(at) = format!("{text}T00:00:00Z").parse::<jiff::Timestamp>() {
            return Ok(Self::At(at.as_millisecond()));
        }
        let units = [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let ago = units.iter().find_map(|(unit, millis)| text.strip_suffix(unit)?.parse::<u32>().ok().map(|it| i64::from(it) * millis));
        ago.map(Self::Ago)
            .ok_or_else(|| "write a time, such as 2026-03-01T12:00:00Z or 2026-03-01, or how long ago, such as 30m".to_owned())
    }

    fn millis(self, now: Millis) -> Millis {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.saturating_sub(ago),
        }
    }
}

impl Selection {
    /// As a filter.
    pub(super) fn filter(&self, state: State, clock: &dyn Clock) -> Filter {
        let Self { ids, topic, code, step, topology, key, since, until } = self;
        Filter {
            topic: topic.clone(),
            reason: code.clone(),
            step: step.clone(),
            topology: topology.clone(),
            key: key.clone(),
            since: since.map(|it| it.millis(clock.now())),
            until: until.map(|it| it.millis(clock.now())),
            ids: ids.iter().cloned().collect(),
            state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_days_or_how_long_ago() {
        let cases = [
            ("2026-01-01T10:00:00Z", Some(Time::At(1_767_261_600_000))),
            ("2026-01-01T12:00:00+02:00", Some(Time::At(1_767_261_600_000))),
            ("2026-01-01", Some(Time::At(1_767_225_600_000))),
            ("90s", Some(Time::Ago(90_000))),
            ("7d", Some(Time::Ago(604_800_000))),
            ("yesterday", None),
            ("-1h", None),
            ("", None),
        ];
        for (text, time) in cases {
            assert_eq!(Time::read(text).ok(), time, "{text}");
        }
    }
}
