//! The contents of a store at one point of its changelog, and how two of them differ. Pure.
//!
//! Held in memory, some 100 bytes for each key.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::items::digest;
use crate::engine::codec::{self, Malformed};
use crate::engine::plan::{StoreKind, StorePlan};
use crate::engine::record::Millis;
use crate::engine::state::{dedup_keys, dedup_pages, parts};
use crate::engine::value::{Texts, Type, Value};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    /// Key → digest of the value; of a dedup's id, the time at which it was seen.
    entries: HashMap<Box<[u8]>, u64, FxBuildHasher>,
    /// With so many entries, ids that have expired are forgotten.
    forget_at: usize,
}

/// Fewer entries are not looked through for ids that have expired.
const FORGET_FROM: usize = 10_000;

/// How two contents of a store differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreDifference {
    /// Keys with the same value on both sides.
    pub same: u64,
    /// Keys with another value, sorted.
    pub changed: Vec<Box<[u8]>>,
    /// Keys that only the live store has, sorted.
    pub only_live: Vec<Box<[u8]>>,
    /// Keys that only the replay's store has, sorted.
    pub only_replay: Vec<Box<[u8]>>,
    /// Sum of the digests of the live entries.
    pub live_digest: u64,
    /// Sum of the digests of the replay's entries.
    pub replay_digest: u64,
}

impl StoreDifference {
    /// Whether both have the same.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.changed.is_empty() && self.only_live.is_empty() && self.only_replay.is_empty()
    }

    /// All keys that differ.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.changed.iter().chain(&self.only_live).chain(&self.only_replay).map(|it| &**it)
    }
}

impl Fold {
    /// The next record of the changelog.
    ///
    /// # Errors
    /// When it is none of the store's.
    pub fn take(&mut self, kind: StoreKind, key: &[u8], value: Option<&[u8]>) -> Result<(), Malformed> {
        let StoreKind::Dedup { window_ms } = kind else {
            match value {
                Some(value) => drop(self.entries.insert(key.into(), digest(&[value]))),
                None => drop(self.entries.remove(key)),
            }
            return Ok(());
        };
        dedup_pages::unpack(key, value, |key, value| match value.and_then(dedup_keys::read_time) {
            Some(time) if key == dedup_keys::STREAM_TIME || dedup_keys::id_of(key).is_some() => {
                self.entries.insert(key.into(), time.cast_unsigned());
            }
            // Pages are not the same in each run. What a deleted one had has expired, and does not count.
            _ => {}
        })?;
        if self.forget_at <= self.entries.len() {
            let oldest = self.stream_time().unwrap_or(Millis::MIN).saturating_sub(window_ms);
            self.entries.retain(|_, time| oldest <= time.cast_signed());
            self.forget_at = (2 * self.entries.len()).max(FORGET_FROM);
        }
        Ok(())
    }

    fn stream_time(&self) -> Option<Millis> {
        self.entries.get(dedup_keys::STREAM_TIME).map(|it| it.cast_signed())
    }

    /// How the replay's content differs from this one, which is live. Ids that have expired count as absent: when they are swept away
    /// has no effect on anything, and is not the same in each run.
    #[must_use]
    pub fn difference(&self, replay: &Self, kind: StoreKind) -> StoreDifference {
        let oldest = match kind {
            StoreKind::Dedup { window_ms } => {
                let newest = self.stream_time().max(replay.stream_time()).unwrap_or(Millis::MIN);
                Some(newest.saturating_sub(window_ms))
            }
            StoreKind::Unique | StoreKind::Allot | StoreKind::Aggregate => None,
        };
        let counts = |key: &[u8], value: u64| dedup_keys::id_of(key).is_none() || oldest.is_none_or(|oldest| oldest <= value.cast_signed());
        let mut result = StoreDifference::default();
        for (key, value) in self.entries.iter().filter(|(key, value)| counts(key, **value)) {
            result.live_digest = result.live_digest.wrapping_add(weigh(key, *value));
            match replay.entries.get(key) {
                Some(other) if other == value => result.same += 1,
                Some(_) => result.changed.push(key.clone()),
                None => result.only_live.push(key.clone()),
            }
        }
        for (key, value) in replay.entries.iter().filter(|(key, value)| counts(key, **value)) {
            result.replay_digest = result.replay_digest.wrapping_add(weigh(key, *value));
            if !self.entries.contains_key(key) {
                result.only_replay.push(key.clone());
            }
        }
        result.changed.sort_unstable();
        result.only_live.sort_unstable();
        result.only_replay.sort_unstable();
        result
    }
}

fn weigh(key: &[u8], value: u64) -> u64 {
    digest(&[key, &value.to_be_bytes()])
}

/// A key as people read it.
#[must_use]
pub fn key_text(store: &StorePlan, key: &[u8]) -> String {
    let mut rest = key;
    match store.kind {
        StoreKind::Dedup { .. } if key == dedup_keys::STREAM_TIME => return "stream time".to_owned(),
        StoreKind::Dedup { .. } => rest = dedup_keys::id_of(key).unwrap_or(key),
        StoreKind::Allot => return "counter".to_owned(),
        StoreKind::Unique | StoreKind::Aggregate => {}
    }
    let types = store.each.and_then(|it| store.key.get(..it.key)).unwrap_or(&store.key);
    let parts: Result<Vec<String>, _> = types.iter().map(|of| codec::read_key(&mut rest, of, &Texts::new()).map(|it| text(&it))).collect();
    parts.map_or_else(|_| hex(key), |it| it.join(" | "))
}

/// A value as people read it.
#[must_use]
pub fn value_text(store: &StorePlan, value: &[u8]) -> String {
    if let (StoreKind::Dedup { .. }, Some(seen)) = (store.kind, dedup_keys::read_time(value)) {
        return format!("seen: {}", text(&Value::Time(seen.saturating_mul(1000))));
    }
    fields_text(store, value).unwrap_or_else(|_| hex(value))
}

/// The fields of a value; where it has parts, behind them those of each, behind its key.
fn fields_text(store: &StorePlan, value: &[u8]) -> Result<String, Malformed> {
    let fields = |bytes: &mut &[u8], of: &[(String, Type)]| {
        let field = |(name, of): &(String, Type)| codec::read_value(bytes, of).map(|it| format!("{name}: {}", text(&it)));
        of.iter().map(field).collect::<Result<Vec<String>, Malformed>>().map(|it| it.join(", "))
    };
    let mut rest = value;
    let Some(divided) = store.each else { return fields(&mut rest, &store.value) };
    let (own, of_part) = store.value.split_at_checked(divided.value).unwrap_or_default();
    let mut all = vec![fields(&mut rest, own)?];
    let key = store.key.get(divided.key..).unwrap_or_default();
    for mut part in parts::all(rest).ok_or_else(|| Malformed("parts of an entry".to_owned()))? {
        let part_key = |of: &Type| codec::read_key(&mut part, of, &Texts::new()).map(|it| text(&it));
        let key = key.iter().map(part_key).collect::<Result<Vec<String>, Malformed>>()?.join(" | ");
        all.push(format!("{key}: {{ {} }}", fields(&mut part, of_part)?));
    }
    Ok(all.join(", "))
}

fn text(value: &Value<'_>) -> String {
    let mut bytes = Vec::new();
    crate::engine::json::encode::text(value, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Divided;
    use crate::engine::record::TopicId;

    #[test]
    fn an_entry_is_read_with_its_parts() {
        let store = StorePlan {
            id: "kinds".to_owned(),
            changelog: TopicId(0),
            key: vec![Type::Int, Type::String],
            value: vec![("count".to_owned(), Type::Int), ("sum".to_owned(), Type::Int)],
            kind: StoreKind::Aggregate,
            each: Some(Divided { key: 1, value: 1 }),
        };
        let (mut key, mut value) = (Vec::new(), Vec::new());
        codec::write_key(&Value::Int(7), &mut key);
        codec::write_int(3, &mut value);
        for (kind, sum) in [("a", 1), ("b", 2)] {
            let mut part = Vec::new();
            codec::write_key(&Value::Str(kind), &mut part);
            codec::write_int(sum, &mut part);
            codec::write_bytes(&part, &mut value);
        }
        assert_eq!(key_text(&store, &key), "7");
        assert_eq!(value_text(&store, &value), "count: 3, a: { sum: 1 }, b: { sum: 2 }");
        value.pop();
        assert_eq!(value_text(&store, &value), hex(&value), "what can't be read is shown as it is");
    }
}
