//! An event: made of its schema, or of a sample by putting other ids, texts, amounts and times into it.

use serde_json::{Map, Value as Json};

use super::DELAY_MAX;
use crate::engine::plan::EventPlan;
use crate::engine::record::Millis;
use crate::engine::schema::{Kind, ObjectSchema, Property};
use crate::sim::random::Random;

/// What an event is made with.
#[derive(Debug)]
pub(super) struct Making<'r> {
    pub(super) random: &'r mut Random,
    /// So many different ids and texts come often.
    pub(super) keys: u64,
    /// So many records were made: so many more ids and texts come now and then.
    pub(super) count: u64,
    /// When it happens: the record's time, and but for a delay the event's.
    pub(super) time: Millis,
}

/// A few, so that sums of each grow.
const CURRENCIES: [&str; 4] = ["EUR", "JPY", "KES", "USD"];
/// An amount of a sample that is longer would make sums of more digits than are held, when it comes often.
const DECIMAL_KEPT_MAX: usize = 12;
/// Of the fields of a sample that may be changed, so many per mille stay.
const KEPT: u64 = 350;

/// So many per mille of ids and texts are of those that come now and then: what happens once for each id never ends.
const RARE: u64 = 150;

/// The fields that every event has.
pub(super) const ENVELOPE: [&str; 4] = ["eventType", "eventId", "timestamp", "metadata"];

impl Making<'_> {
    /// An event of a schema.
    pub(super) fn event(&mut self, plan: &EventPlan) -> Map<String, Json> {
        let mut event = self.object(&plan.fields);
        self.envelope(plan, &mut event);
        event
    }

    /// Another event after a sample.
    pub(super) fn after(&mut self, plan: &EventPlan, sample: &Map<String, Json>) -> Map<String, Json> {
        let mut event = sample.clone();
        for property in plan.fields.properties.iter().filter(|it| !ENVELOPE.contains(&it.name.as_str())) {
            if let Some(value) = event.get_mut(&property.name) {
                self.change(&property.kind, value);
            }
        }
        self.envelope(plan, &mut event);
        event
    }

    /// Puts other values in the place of those that tell events apart.
    fn change(&mut self, kind: &Kind, value: &mut Json) {
        if let (Kind::Object(object), Json::Object(fields)) = (kind, &mut *value) {
            for property in &object.properties {
                if let Some(value) = fields.get_mut(&property.name) {
                    self.change(&property.kind, value);
                }
            }
            return;
        }
        let long = value.as_str().is_some_and(|it| DECIMAL_KEPT_MAX < it.len());
        let free = match kind {
            Kind::Int { .. } | Kind::Uuid | Kind::Currency => true,
            Kind::String { one_of, .. } => one_of.is_empty(),
            Kind::Decimal if long => return *value = self.value(kind),
            Kind::Decimal => true,
            Kind::Time => return *value = self.value(kind),
            Kind::Bool | Kind::Object(_) | Kind::List | Kind::Any => false,
        };
        if free && !value.is_null() && !self.random.chance(KEPT) {
            *value = self.value(kind);
        }
    }

    fn envelope(&mut self, plan: &EventPlan, event: &mut Map<String, Json>) {
        event.insert("eventType".to_owned(), plan.event_type.as_str().into());
        event.insert("eventId".to_owned(), self.random.uuid().into());
        let delay = self.random.below(DELAY_MAX);
        event.insert("timestamp".to_owned(), instant(self.time.saturating_sub_unsigned(delay)).into());
        let metadata = event.entry("metadata").or_insert_with(|| Json::Object(Map::new()));
        if let Json::Object(metadata) = metadata {
            metadata.entry("source").or_insert_with(|| "sim".into());
            metadata.insert("version".to_owned(), format!("{}.0", plan.major).into());
        }
    }

    fn object(&mut self, schema: &ObjectSchema) -> Map<String, Json> {
        let mut object = Map::new();
        for property in &schema.properties {
            if let Some(value) = self.property(property) {
                object.insert(property.name.clone(), value);
            }
        }
        object
    }

    fn property(&mut self, property: &Property) -> Option<Json> {
        if !property.required && self.random.chance(300) {
            return None;
        }
        if property.nullable && self.random.chance(400) { Some(Json::Null) } else { Some(self.value(&property.kind)) }
    }

    fn value(&mut self, kind: &Kind) -> Json {
        let more = if self.random.chance(RARE) { self.count } else { 0 };
        let number = 1 + self.random.below(self.keys.max(1) + more);
        match kind {
            Kind::Bool => self.random.chance(500).into(),
            Kind::Int { min, max } => (*min).max(1).saturating_add_unsigned(number - 1).min(*max).into(),
            Kind::Decimal => self.amount().into(),
            Kind::String { min_length, max_length, one_of } => match self.random.item(one_of) {
                Some(it) => it.as_str().into(),
                None => text_of(number, *min_length, *max_length).into(),
            },
            Kind::Currency => self.random.item(&CURRENCIES).copied().unwrap_or_default().into(),
            Kind::Uuid => format!("00000000-0000-4000-8000-{number:012x}").into(),
            Kind::Time => instant(self.time).into(),
            Kind::Object(object) => self.object(object).into(),
            Kind::List => Json::Array(vec![number.into()]),
            Kind::Any => number.into(),
        }
    }

    /// Mostly with two decimals; some have none, or more than any currency.
    fn amount(&mut self) -> String {
        let whole = self.random.between(1, 5_000);
        match self.random.below(20) {
            0 => format!("0.{:04}", 1 + self.random.below(9_999)),
            1 => whole.to_string(),
            2 => format!("{whole}.{:08}", self.random.below(100_000_000)),
            _ => format!("{whole}.{:02}", self.random.below(100)),
        }
    }
}

/// A text of its own for each number, as long as it must be.
fn text_of(number: u64, least: usize, most: usize) -> String {
    let text = format!("{:0>least$}", format!("text-{number}"));
    // What is too long loses its beginning, since the number stands at the end.
    text.get(text.len().saturating_sub(most)..).unwrap_or_default().to_owned()
}

/// An instant of ISO 8601.
pub(super) fn instant(millis: Millis) -> String {
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |it| format!("{it:.3}"))
}

/// As JSON text. The type stands first, as producers mostly write it.
pub(super) fn text(event: &Map<String, Json>) -> Vec<u8> {
    let first = event.iter().filter(|it| it.0 == "eventType");
    let rest = event.iter().filter(|it| it.0 != "eventType");
    let field = |(name, value): (&String, &Json)| format!("{}:{value}", Json::from(name.as_str()));
    format!("{{{}}}", first.chain(rest).map(field).collect::<Vec<_>>().join(",")).into_bytes()
}
