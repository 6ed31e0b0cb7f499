//! Entries with parts: the `each` of an `aggregate` keeps a state for each value of a second key in the entry of the first one.
//!
//! Behind the entry's own fields stand its parts, in the order of their keys: a length, then the second key and the fields of the part.
//! One entry is read, written and logged where there would be several. People see an entry for each part: see [`rows`].

use std::ops::Range;

use crate::engine::codec::{self, Malformed};
use crate::engine::plan::{Divided, StorePlan};

/// The most parts of an entry: each write of one writes all.
pub const PARTS_MAX: usize = 1_000;

/// Where the part of a key is among the parts of an entry, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its bytes, its length among them; empty where there is none.
    pub at: Range<usize>,
    /// Where its fields begin; `None`: there is none yet.
    pub fields: Option<usize>,
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Finds the part of a key. `None`: these are no parts.
#[must_use]
pub fn find(parts: &[u8], key: &[u8]) -> Option<Found> {
    let mut rest = parts;
    loop {
        let start = parts.len() - rest.len();
        if rest.is_empty() {
            return Some(Found { at: start..start, fields: None });
        }
        let part = codec::read_bytes(&mut rest)?;
        let end = parts.len() - rest.len();
        if part.starts_with(key) {
            return Some(Found { at: start..end, fields: Some(end - part.len() + key.len()) });
        }
        // No key begins with another one, so the bytes behind a key don't matter here.
        if key < part {
            return Some(Found { at: start..start, fields: None });
        }
    }
}

/// The parts of an entry: the key and the fields of each, in one piece. `None`: these are no parts.
#[must_use]
pub fn all(mut parts: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Vec::new();
    while !parts.is_empty() {
        all.push(codec::read_bytes(&mut parts)?);
    }
    Some(all)
}

/// An entry as people see it: one for each part, with the whole key and all fields, as if the store were not divided.
///
/// # Errors
/// When the bytes are not what the plan says.
pub fn rows(store: &StorePlan, key: &[u8], value: &[u8]) -> Result<Vec<Row>, Malformed> {
    let Some(Divided { key: outer, value: fields }) = store.each else { return Ok(vec![(key.to_vec(), value.to_vec())]) };
    let mut rest = value;
    for (_, of) in store.value.iter().take(fields) {
        codec::read_value(&mut rest, of)?;
    }
    let own = value.get(..value.len() - rest.len()).unwrap_or_default();
    let parts = all(rest).ok_or_else(|| Malformed("parts of an entry".to_owned()))?;
    let row = |part: &[u8]| {
        let mut behind = part;
        codec::skip_keys(&mut behind, store.key.get(outer..).unwrap_or_default())?;
        let part_key = part.get(..part.len() - behind.len()).unwrap_or_default();
        Ok(([key, part_key].concat(), [own, behind].concat()))
    };
    parts.into_iter().map(row).collect()
}

/// The key of the entry that has a row: the whole key without that of the part. A beginning of it is left as it is.
#[must_use]
pub fn entry_key<'k>(store: &StorePlan, key: &'k [u8]) -> &'k [u8] {
    let Some(Divided { key: outer, .. }) = store.each else { return key };
    let mut behind = key;
    match codec::skip_keys(&mut behind, store.key.get(..outer).unwrap_or_default()) {
        Ok(()) => key.get(..key.len() - behind.len()).unwrap_or(key),
        Err(_) => key,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::value::Value;

    fn key(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        codec::write_key(&Value::Str(text), &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn parts_are_those_of_a_map(writes in prop::collection::vec(("[a-c\u{0}]{0,3}", prop::collection::vec(any::<u8>(), 0..5)), 0..30)) {
            let (mut parts, mut map) = (Vec::new(), BTreeMap::new());
            for (text, fields) in &writes {
                let key = key(text);
                let found = find(&parts, &key).unwrap();
                prop_assert_eq!(found.fields.map(|it| parts[it..found.at.end].to_vec()), map.get(&key).cloned());
                let mut part = Vec::new();
                codec::write_bytes(&[&key[..], fields].concat(), &mut part);
                parts.splice(found.at, part);
                map.insert(key, fields.clone());
            }
            let expected: Vec<Vec<u8>> = map.iter().map(|(key, fields)| [&key[..], fields].concat()).collect();
            prop_assert_eq!(all(&parts).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_cut_off_is_no_part() {
        let mut parts = Vec::new();
        codec::write_bytes(&key("a"), &mut parts);
        parts.pop();
        assert_eq!((find(&parts, &key("b")), all(&parts)), (None, None));
    }
}
