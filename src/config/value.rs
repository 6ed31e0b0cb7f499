//! The types that a setting can have, and how each is read from text.

use std::path::PathBuf;
use std::time::Duration;

/// A type of setting.
pub trait Value: Sized {
    /// Its name in the reference.
    const TYPE: &'static str;

    /// Reads it from text.
    ///
    /// # Errors
    /// Why the text is no such value, to be read after the text itself: `is not …`.
    fn parse(text: &str) -> Result<Self, String>;
}

impl Value for String {
    const TYPE: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(text.to_owned())
    }
}

impl Value for PathBuf {
    const TYPE: &'static str = "path";

    fn parse(text: &str) -> Result<Self, String> {
        String::parse(text).map(Self::from)
    }
}

impl Value for u64 {
    const TYPE: &'static str = "integer";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is not a whole number".to_owned())
    }
}

impl Value for i32 {
    const TYPE: &'static str = "integer";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is not a whole number".to_owned())
    }
}

impl Value for bool {
    const TYPE: &'static str = "boolean";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is neither true nor false".to_owned())
    }
}

impl Value for Duration {
    const TYPE: &'static str = "milliseconds";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(Self::from_millis).map_err(|_| "is not a whole number of milliseconds".to_owned())
    }
}

impl<T: Value> Value for Option<T> {
    const TYPE: &'static str = T::TYPE;

    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }
}

/// `processing.guarantee`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessingGuarantee {
    /// Outputs, state and consumed offsets are committed in one Kafka transaction.
    ExactlyOnceV2,
}

impl Value for ProcessingGuarantee {
    const TYPE: &'static str = "choice";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "exactly_once_v2" => Ok(Self::ExactlyOnceV2),
            "at_least_once" => Err("is not offered: events are processed exactly once or not at all".to_owned()),
            _ => Err("is not known".to_owned()),
        }
    }
}

/// `auto.offset.reset`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the oldest record that is still there.
    Earliest,
    /// At the records that come after the start.
    Latest,
}

impl Value for OffsetReset {
    const TYPE: &'static str = "choice";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => Err("is not known".to_owned()),
        }
    }
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Value for LogFormat {
    const TYPE: &'static str = "choice";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("is not known".to_owned()),
        }
    }
}
