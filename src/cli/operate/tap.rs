//! `goyt tap`: the records of a topic, decoded, and filtered by an expression of the topologies' language.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::SettingFlags;
use crate::cli::{Output, cluster, out, sources};
use crate::engine::record::{Millis, Offset};
use crate::engine::topology::{self, Schemas};
use crate::runtime::operations::access::{Ends, Place, Range, ReadRecord, TopicReader, read_ranges};
use crate::runtime::operations::condition::Condition;
use crate::runtime::ports::LogError;

/// Show the records of a topic, decoded and filtered
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  goyt tap orders                                        what comes from now on, until Ctrl-C
  goyt tap orders --from earliest --max 10
  goyt tap orders --from 2026-01-01T00:00:00Z --until-end --output json | jq .value
  goyt tap orders --where 'event.eventType == \"ORDER_PLACED\" && event.total > 100.0'
  goyt tap orders.dlq --where 'partition == 3 && key == \"o-17\"' --until-end

An expression may use event, key, topic, partition, offset and timestamp. Event fields have the types of the schemas in \
topologies/events; of events without a schema only text, whole numbers, true, false and null are known. Records that \
an expression can't be asked of are left out, and that is said at the end.")]
pub struct Tap {
    /// The topic
    topic: String,
    /// Where to begin: earliest, latest, an offset, or a time such as 2026-01-01T00:00:00Z
    /// [default: latest, with --until-end earliest]
    #[arg(long, value_name = "WHERE", value_parser = from)]
    from: Option<From>,
    /// Show only records for which this holds
    #[arg(long = "where", value_name = "EXPRESSION")]
    condition: Option<String>,
    /// Stop after so many records
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// Stop at what is the end now
    #[arg(long)]
    until_end: bool,
    /// Where the topologies are whose event schemas are used; may be repeated
    #[arg(long, value_name = "PATH")]
    topologies: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Earliest,
    Latest,
    Offset(Offset),
    Time(Millis),
}

fn from(text: &str) -> Result<From, String> {
    match text {
        "earliest" => Ok(From::Earliest),
        "latest" => Ok(From::Latest),
        _ => match (text.parse(), text.parse::<jiff::Timestamp>()) {
            (Ok(offset), _) => Ok(From::Offset(offset)),
            (_, Ok(time)) => Ok(From::Time(time.as_millisecond())),
            _ => Err("neither earliest, latest, an offset, nor a time such as 2026-01-01T00:00:00Z".to_owned()),
        },
    }
}

/// One wait for records.
const WAIT: Duration = Duration::from_millis(200);
/// Records taken at a time.
const BATCH: usize = 500;

impl Tap {
    /// Reads and prints.
    ///
    /// # Errors
    /// Mistakes in settings and in the expression; no such topic; no Kafka.
    pub fn execute(&self) -> Result<Exit, Failure> {
        let settings = self.settings.load(&[])?;
        let mut condition = self.condition()?;
        cluster::reach(&settings)?;
        let failed = |error: &LogError| cluster::log_failure(error, &settings);
        let mut reader = cluster::access(&settings).reader(&settings.application_id).map_err(|it| failed(&it))?;
        let partitions = reader.partitions(&[&self.topic]).map_err(|it| failed(&it))?;
        let Some(count) = partitions.get(&self.topic) else {
            return Err(Failure::new(
                Exit::FAILED,
                format!("there is no topic {}\n  hint: `goyt topics` lists those of the topologies", self.topic),
            ));
        };
        let topic: Arc<str> = self.topic.as_str().into();
        let places: Vec<Place> = (0..*count).map(|partition| Place { topic: Arc::clone(&topic), partition }).collect();
        let ranges = self.ranges(&mut *reader, &places).map_err(|it| failed(&it))?;
        let mut shown = 0;
        let mut show = |record: &ReadRecord<'_>| {
            if self.max.is_some_and(|max| max <= shown) {
                return false;
            }
            if condition.as_mut().is_some_and(|it| !it.holds(record)) {
                return true;
            }
            shown += 1;
            out::stream(&self.line(record)) && self.max.is_none_or(|max| shown < max)
        };
        match self.until_end {
            true => read_ranges(&mut *reader, &ranges, |it| show(&it)),
            false => follow(&mut *reader, &ranges, &mut show),
        }
        .map_err(|it| failed(&it))?;
        for (event, why) in condition.iter().flat_map(Condition::misfits) {
            out::say(&format!("--where could not be asked of {event}: {why}"));
        }
        Ok(Exit::OK)
    }

    fn condition(&self) -> Result<Option<Condition>, Failure> {
        let Some(text) = &self.condition else { return Ok(None) };
        let schemas = match sources::read(&self.topologies) {
            Ok(sources) => topology::schemas(&sources.events)
                .map_err(|it| Failure::new(Exit::CONFIGURATION, it.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?,
            Err(failure) if !self.topologies.is_empty() => return Err(failure),
            Err(_) => Schemas::new(), // Topics can be looked at without topologies.
        };
        let condition = Condition::new(text, &schemas)
            .map_err(|it| Failure::new(Exit::USAGE, format!("--where {text:?}: {}\n  hint: {}", it.reason, it.hint)))?;
        Ok(Some(condition))
    }

    /// From where to where each partition is read; the end counts with `--until-end`.
    fn ranges(&self, reader: &mut dyn TopicReader, places: &[Place]) -> Result<Vec<Range>, LogError> {
        let ends = reader.ends(places)?;
        let from = self.from.unwrap_or(if self.until_end { From::Earliest } else { From::Latest });
        let by_time = match from {
            From::Time(time) => reader.at(places, time)?,
            From::Earliest | From::Latest | From::Offset(_) => vec![None; places.len()],
        };
        let range = |((place, ends), at): ((&Place, Ends), Option<Offset>)| {
            let from = match from {
                From::Earliest => ends.first,
                From::Latest => ends.visible,
                From::Offset(offset) => offset.clamp(ends.first, ends.visible),
                From::Time(_) => at.unwrap_or(ends.visible),
            };
            Range { place: place.clone(), from, until: ends.visible }
        };
        Ok(places.iter().zip(ends).zip(by_time).map(range).collect())
    }

    fn line(&self, record: &ReadRecord<'_>) -> String {
        match self.output.output {
            out::Format::Json => to_json(record).to_string(),
            out::Format::Text => text(record),
        }
    }
}

/// Reads on and on, until `show` says to stop.
fn follow(reader: &mut dyn TopicReader, ranges: &[Range], show: &mut dyn FnMut(&ReadRecord<'_>) -> bool) -> Result<(), LogError> {
    for range in ranges {
        reader.start(&range.place, range.from)?;
    }
    let mut go_on = true;
    while go_on {
        reader.poll(WAIT, BATCH, &mut |record| go_on = go_on && show(&record))?;
    }
    Ok(())
}

fn lossy(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|it| String::from_utf8_lossy(it).into_owned())
}

/// The event's type and major version, where the value is one.
fn event_name(value: Option<&Value>) -> Option<String> {
    let name = value?.get("eventType")?.as_str()?;
    let major = value?.pointer("/metadata/version").and_then(Value::as_str).and_then(|it| it.split('.').next());
    Some(major.map_or_else(|| name.to_owned(), |major| format!("{name}@{major}")))
}

fn time(timestamp: Option<Millis>) -> Option<String> {
    Some(jiff::Timestamp::from_millisecond(timestamp?).ok()?.to_string())
}

fn to_json(record: &ReadRecord<'_>) -> Value {
    let value: Option<Value> = record.value.and_then(|it| serde_json::from_slice(it).ok());
    let headers: Vec<Value> = record.headers.iter().map(|(name, value)| json!({"name": name, "value": lossy(*value)})).collect();
    json!({
        "topic": &*record.place.topic,
        "partition": record.place.partition,
        "offset": record.offset,
        "timestamp": time(record.timestamp),
        "key": lossy(record.key),
        "event": event_name(value.as_ref()),
        "headers": headers,
        "value": value.or_else(|| lossy(record.value).map(Value::String)),
    })
}

/// A line for where it stands and what it is, one for each header, one for the value.
fn text(record: &ReadRecord<'_>) -> String {
    let value: Option<Value> = record.value.and_then(|it| serde_json::from_slice(it).ok());
    let head = [
        Some(format!("{}/{}@{}", record.place.topic, record.place.partition, record.offset)),
        time(record.timestamp),
        Some(format!("key {}", lossy(record.key).unwrap_or_else(|| "null".to_owned()))),
        event_name(value.as_ref()),
    ];
    let mut lines = vec![head.into_iter().flatten().collect::<Vec<_>>().join("  ")];
    lines.extend(record.headers.iter().map(|(name, value)| format!("  {name}: {}", lossy(*value).unwrap_or_else(|| "null".to_owned()))));
    lines.push(format!("  {}", lossy(record.value).unwrap_or_else(|| "null".to_owned())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_with_what_it_is() {
        let place = Place { topic: "orders".into(), partition: 3 };
        let value = br#"{"eventType":"ORDERED","metadata":{"version":"1.2"},"total":"12.50"}"#;
        let headers: [(&str, Option<&[u8]>); 2] = [("trace", Some(b"abc")), ("empty", None)];
        let record = ReadRecord {
            place: &place,
            offset: 41,
            timestamp: Some(1_767_261_600_123),
            key: Some(b"o-1"),
            value: Some(value),
            headers: &headers,
        };
        insta::assert_snapshot!(text(&record), @r#"
        orders/3@41  2026-01-01T10:00:00.123Z  key o-1  ORDERED@1
          trace: abc
          empty: null
          {"eventType":"ORDERED","metadata":{"version":"1.2"},"total":"12.50"}
        "#);
        insta::assert_snapshot!(to_json(&record), @r#"{"event":"ORDERED@1","headers":[{"name":"trace","value":"abc"},{"name":"empty","value":null}],"key":"o-1","offset":41,"partition":3,"timestamp":"2026-01-01T10:00:00.123Z","topic":"orders","value":{"eventType":"ORDERED","metadata":{"version":"1.2"},"total":"12.50"}}"#);
        let bare = ReadRecord { key: None, value: None, timestamp: None, headers: &[], ..record };
        insta::assert_snapshot!(text(&bare), @r"
        orders/3@41  key null
          null
        ");
    }

    #[test]
    fn where_to_begin() {
        let table = [
            ("earliest", Some(From::Earliest)),
            ("latest", Some(From::Latest)),
            ("17", Some(From::Offset(17))),
            ("2026-01-01T10:00:00Z", Some(From::Time(1_767_261_600_000))),
            ("yesterday", None),
        ];
        for (text, expected) in table {
            assert_eq!(from(text).ok(), expected, "{text}");
        }
    }
}
