//! The entries of stores as people see them.

use serde_json::{Map, Value as Json};

use crate::engine::codec::{self, Malformed};
use crate::engine::json::encode;
use crate::engine::plan::{StoreKind, StorePlan};
use crate::engine::state::{dedup_keys, parts};
use crate::engine::value::{Texts, Type, Value};

/// An entry of a store: int as a number, all else as text as the language writes it, money as `1000.00 KES`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The parts of the key.
    pub key: Vec<Json>,
    /// The fields of the value; of an expected one those that are compared.
    pub value: Json,
}

/// An entry as people see it: one for each of its parts, none for one that only serves the store itself.
///
/// # Errors
/// When it is not as the store's plan says.
pub fn entries(store: &StorePlan, key: &[u8], value: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let rows = parts::rows(store, key, value)?;
    rows.iter().filter_map(|(key, value)| entry(store, key, value).transpose()).collect()
}

fn entry(store: &StorePlan, mut key: &[u8], mut value: &[u8]) -> Result<Option<Entry>, Malformed> {
    let mut fields = Map::new();
    match store.kind {
        StoreKind::Aggregate => {
            for (name, of) in &store.value {
                fields.insert(name.clone(), json(&codec::read_value(&mut value, of)?));
            }
        }
        StoreKind::Unique => {}
        StoreKind::Allot => {
            let last = codec::read_value(&mut value, &Type::Int)?;
            return Ok(Some(Entry { key: Vec::new(), value: Json::from(Map::from_iter([("last".to_owned(), json(&last))])) }));
        }
        StoreKind::Dedup { .. } => match dedup_keys::id_of(key) {
            Some(id) => key = id,
            None => return Ok(None),
        },
    }
    let mut parts = Vec::new();
    for of in &store.key {
        parts.push(json(&codec::read_key(&mut key, of, &Texts::new())?));
    }
    Ok(Some(Entry { key: parts, value: fields.into() }))
}

fn json(value: &Value<'_>) -> Json {
    let mut text = Vec::new();
    encode::value(value, &mut text);
    serde_json::from_slice(&text).unwrap_or_default()
}
