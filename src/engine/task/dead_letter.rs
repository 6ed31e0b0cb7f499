//! Dead letters: the failed record byte for byte, its failure in headers.

use super::effects::Effects;
use crate::engine::failure::{Failure, code};
use crate::engine::plan::Subtopology;
use crate::engine::record::{Millis, RecordRef, TopicId};

/// The broker refused what a record caused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    message: String,
    without: Without,
}

/// What of the record its dead letter goes without, for it was refused with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Without {
    Nothing,
    Value,
    /// Value, key and headers: what is left has a bound, so a record can't be refused for ever.
    All,
}

impl Refusal {
    /// The refusal of a record, given an earlier one of the same.
    #[must_use]
    pub fn after(before: Option<Self>, message: String) -> Self {
        match before {
            None => Self { message, without: Without::Nothing },
            Some(Self { message, without: Without::Nothing }) => Self { message, without: Without::Value },
            Some(Self { message, without: Without::Value | Without::All }) => Self { message, without: Without::All },
        }
    }

    /// As a failure.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::at(code::REFUSED_OUTPUT, "", self.message.clone())
    }
}

/// Most characters of a message that go into a header.
const MESSAGE_MAX: usize = 500;

/// The step of what can't be decoded: it comes before the first one.
pub const DECODE: &str = "decode";

/// Writes the dead letter of a record. Headers of Kafka Streams' names carry what its tools look for.
pub fn write(
    plan: &Subtopology,
    record: &RecordRef<'_>,
    failure: &Failure,
    refusal: Option<&Refusal>,
    topic: TopicId,
    timestamp: Millis,
    effects: &mut Effects,
) {
    let mut letter = effects.output();
    let without = refusal.map_or(Without::Nothing, |it| it.without);
    let carried = without != Without::All;
    letter.copy(record.key.filter(|_| carried), record.value.filter(|_| without == Without::Nothing));
    for (name, value) in record.headers.iter().filter(|_| carried) {
        letter.header(name, *value);
    }
    let mut header = |name: &str, value: &str| letter.header(name, Some(value.as_bytes()));
    let message: String = failure.message.chars().take(MESSAGE_MAX).collect();
    let step = failure.step.as_deref().unwrap_or(DECODE);
    header("__streams.errors.exception", &failure.code);
    header("__streams.errors.message", &message);
    header("__streams.errors.stacktrace", &format!("at step {step} of topology {}", plan.topology));
    header("__streams.errors.topic", &source_topic(plan));
    header("__streams.errors.partition", &record.source.partition.to_string());
    header("__streams.errors.offset", &record.offset.to_string());
    header("goyt.reason", &failure.code);
    header("goyt.path", &failure.path);
    header("goyt.topology", &plan.topology);
    header("goyt.step", step);
    // Told even of no value when the key was left out: such a letter can't be sent back.
    if let Some(value) = record.value.or((!carried).then_some(&[])).filter(|_| without != Without::Nothing) {
        header("goyt.value.sha1", &hex(value));
        header("goyt.value.bytes", &value.len().to_string());
    }
    letter.send(topic, Some(record.source.partition), timestamp, (record.source, record.offset));
}

/// The first subtopology, which alone writes dead letters, is named after its source topic.
fn source_topic(plan: &Subtopology) -> String {
    plan.name.clone()
}

fn hex(value: &[u8]) -> String {
    use sha1::Digest as _;
    sha1::Sha1::digest(value).iter().map(|byte| format!("{byte:02x}")).collect()
}
