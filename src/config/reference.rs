//! The settings as text: the reference page, and the list at the end of `--help`.

use std::fmt::Write as _;

use super::properties::{COMMON, PREFIXES};
use super::settings::{Fallback, SETTINGS, Setting};

/// The page `docs/configuration.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    let mut section = "";
    for setting in SETTINGS {
        if setting.section != section {
            section = setting.section;
            page.push_str(&format!("\n## {section}\n\n| setting | environment | takes | default | meaning |\n|---|---|---|---|---|\n"));
        }
        let (variable, accepts) = (setting.environment(), setting.accepts());
        let row = format!("| `{}` | `{variable}` | {accepts} | {} | {} |\n", setting.name, fallback(setting), doc(setting));
        page.push_str(&row);
    }
    page.push_str("\n## Properties of the Kafka clients\n\n");
    page.push_str(PROPERTIES);
    page.push_str("\n| prefix | for |\n|---|---|\n");
    for (prefix, receiver) in PREFIXES {
        page.push_str(&format!("| `{prefix}*` | {receiver} |\n"));
    }
    let common = COMMON.map(|it| format!("`{it}*`")).join(", ");
    page.push_str(&format!("| {common} | all clients (environment: `KAFKA_SASL_USERNAME`, …) |\n"));
    page.push_str(MEMORY);
    page
}

/// The settings as plain text, for `--help`.
#[must_use]
pub fn plain() -> String {
    let mut text = String::from("Settings (--set NAME=VALUE > environment > goyt.yaml > default):\n");
    let width = SETTINGS.iter().map(|it| it.name.len()).max().unwrap_or_default();
    for setting in SETTINGS {
        // Writing to a String can't fail.
        let _infallible = writeln!(text, "  {:width$}  {} [{}]", setting.name, setting.environment(), fallback(setting).replace('`', ""));
    }
    text.push_str("  consumer.*, producer.*, admin.*, topic.*  passed through to the Kafka clients and to created topics\n\n");
    text.push_str("What each means: docs/configuration.md");
    text
}

fn fallback(setting: &Setting) -> String {
    match setting.fallback {
        Fallback::Is(text) => format!("`{text}`"),
        Fallback::Unset(words) => words.to_owned(),
    }
}

fn doc(setting: &Setting) -> String {
    setting.doc.iter().map(|it| it.trim()).collect::<Vec<_>>().join(" ")
}

const HEAD: &str = "# Configuration

<!-- Made from src/config/settings.rs; `UPDATE_REFERENCE=1 cargo test --release --test reference` writes it anew. -->

A setting is given, the strongest first, by

1. a flag: `--set commit.interval.ms=50`, or its own (`--bootstrap-servers`, `--application-id`, `--instance-id`, `--state-dir`);
2. its environment variable;
3. the file `goyt.yaml` in the current directory (`--config FILE` names another), a flat mapping:
   ```yaml
   bootstrap.servers: kafka-1:9092,kafka-2:9092
   commit.interval.ms: 50
   consumer.fetch.min.bytes: 65536
   ```
4. its default.

Names are those of Kafka Streams where it has the setting. An unknown name or a value out of bounds is an error (exit code 78);
all mistakes are shown at once, each with its place and a hint.
";

const PROPERTIES: &str = "Properties of librdkafka are passed through by a prefix, and from the environment with underscores for dots
(`GOYT_PRODUCER_COMPRESSION_TYPE` is `producer.compression.type`). Those on which exactly-once rests (such as `isolation.level` or
`transactional.id`) are refused by name.
";

const MEMORY: &str = "
## Memory

The process stays below the sum of these and 64 MB for itself. For each worker: `commit.max.bytes`, `buffer.max.bytes`,
`consumer.queued.max.messages.kbytes`, `restore.consumer.queued.max.messages.kbytes`, `restore.buffer.max.bytes`,
`producer.queue.buffering.max.kbytes`. Once: `statestore.cache.max.bytes`, `rocksdb.block.cache.bytes`, `rocksdb.write.buffer.bytes`, and
twice `restore.buffer.max.bytes`.
";
