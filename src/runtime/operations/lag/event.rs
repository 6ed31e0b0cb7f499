//! Reports as `LAG_REPORTED` events.

use serde_json::{Number, Value, json};

use super::{LagReport, LagStatus};
use crate::engine::record::Millis;

/// The name space of the events' ids.
const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x6f3c_71a2_94b5_4e0d_8a57_1c9e_20d4_b6f8);

/// The topic that the instances of an application report to; one partition.
#[must_use]
pub fn topic(application_id: &str) -> String {
    format!("{application_id}-lag")
}

impl LagReport {
    /// As an event, in the envelope of all events.
    #[must_use]
    pub fn event(&self) -> Value {
        let name = format!("{}|{}|{}", self.instance, self.task, self.at);
        let id = uuid::Uuid::new_v5(&NAMESPACE, name.as_bytes());
        let mut event = json!({
            "eventType": "LAG_REPORTED",
            "eventId": id.to_string(),
            "timestamp": jiff::Timestamp::from_millisecond(self.at).unwrap_or_default().to_string(),
        });
        if let (Value::Object(event), Value::Object(fields)) = (&mut event, self.fields()) {
            event.extend(fields);
            event.insert("metadata".to_owned(), json!({"source": "goyt", "version": "1.0"}));
        }
        event
    }

    /// Its own fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({
            "application": self.application,
            "instance": self.instance,
            "address": self.address,
            "topology": self.topology,
            "task": self.task,
            "topic": self.topic,
            "partition": self.partition,
            "position": self.position,
            "committed": self.committed,
            "visibleEnd": self.visible_end,
            "recordsBehind": self.records_behind,
            "secondsBehind": seconds(self.behind),
            "status": self.status.name(),
        })
    }
}

/// Milliseconds as a number of seconds: `12.345`.
#[must_use]
pub fn seconds(millis: Millis) -> Number {
    let text = format!("{}.{:03}", millis / 1_000, millis.unsigned_abs() % 1_000);
    text.parse().unwrap_or_else(|_| Number::from(millis / 1_000))
}

/// Back again; digits beyond milliseconds are dropped.
fn millis(seconds: &Number) -> Option<Millis> {
    let text = seconds.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let part = format!("{:0<3}", part.get(..3).unwrap_or(part));
    whole.parse::<Millis>().ok()?.checked_mul(1_000)?.checked_add(part.parse().ok()?)
}

/// The report in a record's value, if it is one of a version that is known.
#[must_use]
pub fn read(value: &[u8]) -> Option<LagReport> {
    let event: Value = serde_json::from_slice(value).ok()?;
    let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| event.get(name).and_then(Value::as_i64);
    let version = event.pointer("/metadata/version").and_then(Value::as_str)?;
    if text("eventType")? != "LAG_REPORTED" || !version.starts_with("1.") {
        return None;
    }
    let status = text("status")?;
    Some(LagReport {
        application: text("application")?,
        instance: text("instance")?,
        address: text("address"),
        topology: text("topology")?,
        task: text("task")?,
        topic: text("topic")?,
        partition: i32::try_from(number("partition")?).ok()?,
        position: number("position")?,
        committed: number("committed"),
        visible_end: number("visibleEnd")?,
        records_behind: number("recordsBehind")?,
        behind: millis(event.get("secondsBehind")?.as_number()?)?,
        status: LagStatus::ALL.into_iter().find(|it| it.name() == status)?,
        at: text("timestamp")?.parse::<jiff::Timestamp>().ok()?.as_millisecond(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> LagReport {
        LagReport {
            application: "shop".into(),
            instance: "i1".into(),
            address: Some("host:8080".into()),
            topology: "orders".into(),
            task: "orders.orders_3".into(),
            topic: "orders".into(),
            partition: 3,
            position: 41,
            committed: Some(40),
            visible_end: 50,
            records_behind: 9,
            behind: 12_045,
            status: LagStatus::Slow,
            at: 1_767_261_600_123,
        }
    }

    #[test]
    fn an_event_says_all_of_a_report() {
        insta::assert_snapshot!(report().event(), @r#"{"address":"host:8080","application":"shop","committed":40,"eventId":"2d5846c1-405b-5a67-8f6e-f545c6627772","eventType":"LAG_REPORTED","instance":"i1","metadata":{"source":"goyt","version":"1.0"},"partition":3,"position":41,"recordsBehind":9,"secondsBehind":12.045,"status":"slow","task":"orders.orders_3","timestamp":"2026-01-01T10:00:00.123Z","topic":"orders","topology":"orders","visibleEnd":50}"#);
        let bare = LagReport { address: None, committed: None, behind: 0, ..report() };
        for report in [report(), bare, LagReport { behind: 7, status: LagStatus::Blocked, ..report() }] {
            assert_eq!(read(report.event().to_string().as_bytes()), Some(report));
        }
    }

    #[test]
    fn what_is_no_report_is_passed_over() {
        let event = report().event().to_string();
        for (from, to) in [("LAG_REPORTED", "OTHER"), ("\"1.0\"", "\"2.0\""), ("slow", "fast"), ("\"position\"", "\"elsewhere\"")] {
            assert_eq!(read(event.replace(from, to).as_bytes()), None, "{to}");
        }
        assert_eq!(read(b"not JSON"), None);
        assert!(read(event.replace("\"1.0\"", "\"1.7\"").as_bytes()).is_some(), "a minor version may add fields");
    }
}
