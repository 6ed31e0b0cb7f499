//! Keys: as text for people and addresses, and as the bytes that stores have.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{Mistake, Store};
use crate::engine::codec;
use crate::engine::plan::StoreKind;
use crate::engine::state::dedup_keys;
use crate::engine::value::{Texts, Type, Value};

impl Store<'_> {
    /// The parts of a key, or its first ones.
    pub(super) fn parts<'t>(&self, text: &str, kept: &'t Texts) -> Result<Vec<Value<'t>>, Mistake> {
        let types = &self.store.key;
        let texts: Vec<String> = match types.as_slice() {
            // Nothing to separate: a `/` is a part of it.
            [_] => vec![self.decoded(text)?],
            _ => text.split('/').map(|it| self.decoded(it)).collect::<Result<_, _>>()?,
        };
        if types.len() < texts.len() {
            return Err(self.other_parts(texts.len()));
        }
        texts.iter().zip(types).map(|(text, of)| parsed(text, of, kept).ok_or_else(|| self.no_key(text, of))).collect()
    }

    /// The bytes of a key's parts.
    pub(super) fn bytes(&self, parts: &[Value<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if matches!(self.store.kind, StoreKind::Dedup { .. }) {
            dedup_keys::begin_id(&mut bytes);
        }
        parts.iter().for_each(|it| codec::write_key(it, &mut bytes));
        bytes
    }

    /// The least key of entries that are shown.
    pub(super) fn first_key(&self) -> Vec<u8> {
        self.bytes(&[])
    }

    pub(super) fn other_parts(&self, given: usize) -> Mistake {
        Mistake {
            missing: false,
            reason: format!("a key of {} has {}, not {given}", self.name(), count(self.store.key.len())),
            hint: self.key_hint(),
        }
    }

    fn decoded(&self, text: &str) -> Result<String, Mistake> {
        decoded(text).ok_or_else(|| Mistake { missing: false, reason: format!("{text:?} is not UTF-8"), hint: self.key_hint() })
    }

    fn no_key(&self, text: &str, of: &Type) -> Mistake {
        Mistake { missing: false, reason: format!("{text:?} is no {of}"), hint: self.key_hint() }
    }

    fn key_hint(&self) -> String {
        let types: Vec<String> = self.store.key.iter().map(ToString::to_string).collect();
        format!("a key is written {}", types.join("/"))
    }
}

fn count(parts: usize) -> String {
    if parts == 1 { "1 part".to_owned() } else { format!("{parts} parts") }
}

/// A key as text: what [`Store::key`] reads.
#[must_use]
pub fn text(parts: &[Json]) -> String {
    let part = |it: &Json| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    match parts {
        [one] => part(one).replace('%', "%25"),
        _ => parts.iter().map(|it| part(it).replace('%', "%25").replace('/', "%2F")).collect::<Vec<_>>().join("/"),
    }
}

/// A key's text as part of a path in a URL: its `/` stay, what has a meaning there is written `%xx`.
#[must_use]
pub fn in_path(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'%' => path.push(char::from(byte)),
            // Writing into memory cannot fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
    }
    path
}

/// Takes `%xx` for the byte that it stands for; what is not written so is left as it is. `None`: the bytes are not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%').and_then(|it| std::str::from_utf8(it).ok());
        match digits.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn parsed<'t>(text: &str, of: &Type, kept: &'t Texts) -> Option<Value<'t>> {
    match of.required() {
        Type::Bool => text.parse().ok().map(Value::Bool),
        Type::Int => text.parse().ok().map(Value::Int),
        Type::Time => text.parse::<jiff::Timestamp>().ok().map(|it| Value::Time(it.as_microsecond())),
        Type::Uuid => uuid::Uuid::parse_str(text).ok().map(|it| Value::Uuid(it.as_u128())),
        Type::String => Some(Value::Str(kept.keep(text.to_owned()))),
        // No types of keys: the checker refuses them.
        Type::Decimal | Type::Money | Type::List | Type::Record(_) | Type::Null | Type::Optional(_) => None,
    }
}
