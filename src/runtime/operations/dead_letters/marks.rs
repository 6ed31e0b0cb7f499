//! What was done about dead letters: events on the audit topic, which are both the record of it for people and the mark that keeps it
//! from being done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Error;
use super::letter::{Letter, LetterId, Origin};
use crate::engine::record::{Millis, Offset};
use crate::runtime::operations::access::{NewRecord, Place, Range, TopicReader, read_ranges};
use crate::runtime::ports::Clock;

/// What is done about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// The record goes back to where it came from.
    Redrive,
    /// It is left as it is, and not shown any more.
    Discard,
}

/// What was done about a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What.
    pub action: Action,
    /// When.
    pub at: Millis,
    /// By whom.
    pub by: Arc<str>,
    /// Why, in that person's words.
    pub why: Arc<str>,
    /// All that one command did has the same batch.
    pub batch: Arc<str>,
}

/// The event of a mark. Fields stand flat beside the envelope, as in every event.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_type: String,
    event_id: String,
    letter_topic: String,
    letter_partition: i32,
    letter_offset: Offset,
    origin_topic: Option<String>,
    origin_partition: Option<i32>,
    origin_offset: Option<Offset>,
    topology: String,
    step: String,
    reason_code: String,
    reason: String,
    by: String,
    batch: String,
    timestamp: String,
    metadata: Metadata,
}

#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    source: String,
    version: String,
}

/// What is looked at before an event of the audit topic is read as a mark.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    event_type: String,
}

/// The name space of the ids of marks.
const NAMESPACE: Uuid = Uuid::from_u128(0x9d0c_54a7_7d0f_4a53_8a5e_2f86_6f0b_1f3d);

/// How long an open transaction on the audit topic is waited for.
const OPEN_WAIT: Duration = Duration::from_secs(30);
/// Pause between looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Action {
    fn event_type(self) -> &'static str {
        match self {
            Self::Redrive => "DEAD_LETTER_REDRIVEN",
            Self::Discard => "DEAD_LETTER_DISCARDED",
        }
    }

    /// What was done, in a word.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Self::Redrive => "redriven",
            Self::Discard => "discarded",
        }
    }
}

impl Mark {
    /// The event that says so of a dead letter.
    #[must_use]
    pub fn event(&self, letter: &Letter, application: &str, audit: &str) -> NewRecord {
        let origin = letter.origin.as_ref();
        let event_type = self.action.event_type();
        let event = Event {
            event_type: event_type.to_owned(),
            event_id: Uuid::new_v5(&NAMESPACE, format!("{application} {event_type} {}", letter.id).as_bytes()).to_string(),
            letter_topic: letter.id.topic.to_string(),
            letter_partition: letter.id.partition,
            letter_offset: letter.id.offset,
            origin_topic: origin.map(|it| it.topic.clone()),
            origin_partition: origin.map(|it| it.partition),
            origin_offset: origin.map(|it| it.offset),
            topology: letter.topology.clone(),
            step: letter.step.clone(),
            reason_code: letter.reason.clone(),
            reason: self.why.to_string(),
            by: self.by.to_string(),
            batch: self.batch.to_string(),
            timestamp: jiff::Timestamp::from_millisecond(self.at).unwrap_or_default().to_string(),
            metadata: Metadata { source: application.to_owned(), version: "1.0".to_owned() },
        };
        NewRecord {
            topic: audit.to_owned(),
            partition: Some(0),
            key: Some(letter.id.to_string().into_bytes()),
            // A struct of texts and numbers is always JSON.
            value: Some(serde_json::to_vec(&event).unwrap_or_default()),
            headers: Vec::new(),
            timestamp: Some(self.at),
        }
    }
}

/// All marks of an application. Grows with the number of dead letters that something was done about, about 200 bytes each.
#[derive(Debug)]
pub struct Marks {
    audit: Place,
    /// Read up to here.
    until: Offset,
    marks: BTreeMap<LetterId, (Option<Offset>, Mark)>,
    texts: BTreeSet<Arc<str>>,
}

impl Marks {
    /// None yet, of an application with this audit topic.
    #[must_use]
    pub fn of(audit: &str) -> Self {
        let audit = Place { topic: audit.into(), partition: 0 };
        Self { audit, until: 0, marks: BTreeMap::new(), texts: BTreeSet::new() }
    }

    /// Reads what can be seen of the audit topic by now and was not read before. Without the topic there are none.
    ///
    /// # Errors
    /// When the log can't be read; when marks were deleted or can't be understood.
    pub fn look(&mut self, reader: &mut dyn TopicReader) -> Result<(), Error> {
        if !reader.partitions(&[&self.audit.topic])?.contains_key(&*self.audit.topic) {
            return Ok(());
        }
        let Some(ends) = reader.ends(std::slice::from_ref(&self.audit))?.pop() else { return Ok(()) };
        if ends.first > 0 {
            let fault = format!("begins at offset {}: marks were deleted, and what is done can't be told", ends.first);
            return Err(Error::Audit { topic: self.audit.topic.to_string(), fault });
        }
        self.read(reader, ends.visible)
    }

    /// As [`Marks::look`], up to what is the end now, be it visible or not: no transaction that began before is missed.
    ///
    /// # Errors
    /// As [`Marks::look`]; when a transaction stays open.
    pub fn look_at_all(&mut self, reader: &mut dyn TopicReader, clock: &dyn Clock) -> Result<(), Error> {
        if !reader.partitions(&[&self.audit.topic])?.contains_key(&*self.audit.topic) {
            let fault = "does not exist, though it was just created".to_owned();
            return Err(Error::Audit { topic: self.audit.topic.to_string(), fault });
        }
        let (mut end, until) = (None, clock.elapsed() + OPEN_WAIT);
        loop {
            let ends = reader.ends(std::slice::from_ref(&self.audit))?.pop();
            let (visible, high) = ends.map_or((0, 0), |it| (it.visible, it.high));
            if *end.get_or_insert(high) <= visible {
                return self.look(reader);
            }
            if until < clock.elapsed() {
                let fault = format!("has been held back by an open transaction for {} s", OPEN_WAIT.as_secs());
                return Err(Error::Audit { topic: self.audit.topic.to_string(), fault });
            }
            clock.sleep(LOOK_EVERY);
        }
    }

    fn read(&mut self, reader: &mut dyn TopicReader, until: Offset) -> Result<(), Error> {
        let range = Range { place: self.audit.clone(), from: self.until, until };
        let mut fault = None;
        read_ranges(reader, &[range], |record| {
            match self.take(record.value) {
                Ok(()) => {}
                Err(why) => fault = Some(format!("has an event at offset {} that can't be understood: {why}", record.offset)),
            }
            fault.is_none()
        })?;
        if let Some(fault) = fault {
            return Err(Error::Audit { topic: self.audit.topic.to_string(), fault });
        }
        self.until = self.until.max(until);
        Ok(())
    }

    fn take(&mut self, value: Option<&[u8]>) -> Result<(), serde_json::Error> {
        let value = value.unwrap_or_default();
        // Others write events to the topic, too.
        let Ok(kind) = serde_json::from_slice::<Kind>(value) else { return Ok(()) };
        let Some(action) = [Action::Redrive, Action::Discard].into_iter().find(|it| it.event_type() == kind.event_type) else {
            return Ok(());
        };
        let event: Event = serde_json::from_slice(value)?;
        let at = event.timestamp.parse().map_or(0, jiff::Timestamp::as_millisecond);
        let mark = Mark { action, at, by: self.shared(&event.by), why: self.shared(&event.reason), batch: self.shared(&event.batch) };
        let topic = self.shared(&event.letter_topic);
        let id = LetterId { topic, partition: event.letter_partition, offset: event.letter_offset };
        // The first one counts: a second was refused, or is of another program.
        self.marks.entry(id).or_insert((event.origin_offset, mark));
        Ok(())
    }

    /// The same text is kept once.
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(it) = self.texts.get(text) {
            return Arc::clone(it);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }

    /// Notes what was just written.
    pub fn note(&mut self, letter: &Letter, mark: Mark) {
        self.marks.insert(letter.id.clone(), (letter.origin.as_ref().map(|it| it.offset), mark));
    }

    /// What was done about a dead letter. A topic that was deleted and made anew has other letters at the same places: the mark is of this
    /// one only when it came from the same offset.
    #[must_use]
    pub fn get(&self, id: &LetterId, origin: Option<&Origin>) -> Option<&Mark> {
        let (from, mark) = self.marks.get(id)?;
        (*from == origin.map(|it| it.offset)).then_some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::letter;
    use super::*;

    fn mark(action: Action) -> Mark {
        Mark { action, at: 1_767_261_600_000, by: "ann@desk".into(), why: "schema fixed".into(), batch: "b1".into() }
    }

    #[test]
    fn the_event_of_a_mark_is_one_of_the_contract_and_reads_back_as_the_mark() {
        let record = mark(Action::Redrive).event(&letter(7), "app", "app-audit");
        let text = String::from_utf8(record.value.clone().unwrap()).unwrap();
        insta::assert_snapshot!(text, @r#"{"eventType":"DEAD_LETTER_REDRIVEN","eventId":"5933b496-c565-50f3-a9bf-6ae573100390","letterTopic":"orders.dlq","letterPartition":0,"letterOffset":7,"originTopic":"orders","originPartition":0,"originOffset":70,"topology":"shop","step":"decode","reasonCode":"WRONG_TYPE","reason":"schema fixed","by":"ann@desk","batch":"b1","timestamp":"2026-01-01T10:00:00Z","metadata":{"source":"app","version":"1.0"}}"#);
        let mut marks = Marks::of("app-audit");
        marks.take(record.value.as_deref()).unwrap();
        assert_eq!(marks.get(&letter(7).id, letter(7).origin.as_ref()), Some(&mark(Action::Redrive)));
        assert_eq!(marks.get(&letter(8).id, letter(8).origin.as_ref()), None);
        assert_eq!(marks.get(&letter(7).id, letter(8).origin.as_ref()), None, "another letter at the same place");
    }

    #[test]
    fn the_same_deed_has_the_same_id_whoever_did_it_when() {
        let id = |mark: Mark| serde_json::from_slice::<Event>(&mark.event(&letter(7), "app", "a").value.unwrap()).unwrap().event_id;
        let later = Mark { at: 0, by: "bob@desk".into(), ..mark(Action::Redrive) };
        assert_eq!(id(mark(Action::Redrive)), id(later));
        assert_ne!(id(mark(Action::Redrive)), id(mark(Action::Discard)));
    }

    #[test]
    fn events_of_others_are_passed_by_and_a_broken_mark_is_not() {
        let mut marks = Marks::of("app-audit");
        for value in [None, Some(&b"{"[..]), Some(b"{\"eventType\":\"REPLAY_PROMOTED\"}")] {
            assert!(marks.take(value).is_ok());
        }
        assert!(marks.take(Some(b"{\"eventType\":\"DEAD_LETTER_REDRIVEN\"}")).is_err());
    }
}
