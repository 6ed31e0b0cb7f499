//! What a record that a topology wrote is in a comparison: an id under which live and replay meet, and a digest of what it says.

use serde_json::value::RawValue;
use sha1::{Digest as _, Sha1};
use std::collections::BTreeMap;

use super::join::At;
use crate::engine::plan::Role;
use crate::engine::record::HeaderRef;
use crate::engine::repartition::{self, pack};
use crate::runtime::commit::REPLAY_CAUSE;
use crate::runtime::operations::access::ReadRecord;

/// A record in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Live and replay meet by it.
    pub id: u128,
    /// Digest of key and value.
    pub content: u64,
    /// Digest of the key and of the partition that the cause stood in: among those with the same one, the order is fixed. Only the
    /// replay's records tell.
    pub order: Option<u64>,
    /// Written by another topology in place of ours: what none of the readers of a topic can decode is one dead letter. It stands for
    /// ours whatever it says.
    pub stands_in: bool,
}

/// Hands out the records that one of the log stands for, those of a pack or itself, and where each stands.
pub fn each(role: Role, record: &ReadRecord<'_>, mut take: impl FnMut(&ReadRecord<'_>, At)) {
    let mut at = At { partition: record.place.partition, offset: record.offset, nth: 0 };
    if role != Role::Repartition || !pack::is_pack(record.key) {
        return take(record, at);
    }
    // What can't be read stops the task that reads it, which says so.
    _ = pack::unpack(record.value, |it| {
        let (key, value, timestamp) = (Some(it.key), Some(it.value), Some(it.timestamp));
        take(&ReadRecord { key, value, timestamp, headers: it.headers, ..*record }, at);
        at.nth += 1;
        Ok::<(), pack::Damaged>(())
    });
}

/// What the record is, when it is the topology's.
#[must_use]
pub fn item(role: Role, topology: &str, record: &ReadRecord<'_>) -> Option<Item> {
    let order = header(record.headers, REPLAY_CAUSE).and_then(|it| it.split_once('@')).map(|(source, _)| {
        let mut hash = Sha1::new();
        part(&mut hash, source.as_bytes());
        part(&mut hash, record.key.unwrap_or_default());
        short(hash)
    });
    match role {
        Role::Output => {
            let event: BTreeMap<&str, &RawValue> = serde_json::from_slice(record.value?).ok()?;
            let metadata: BTreeMap<&str, &RawValue> = serde_json::from_str(event.get("metadata")?.get()).ok()?;
            let source: &str = serde_json::from_str(metadata.get("source")?.get()).ok()?;
            if source != topology {
                return None;
            }
            let id: &str = serde_json::from_str(event.get("eventId")?.get()).ok()?;
            let mut hash = Sha1::new();
            part(&mut hash, record.key.unwrap_or_default());
            fields(&event, &mut hash);
            Some(Item { id: id_of(id), content: short(hash), order, stands_in: false })
        }
        Role::DeadLetter => {
            let decodes = header(record.headers, "goyt.step") == Some("decode");
            let ours = header(record.headers, "goyt.topology") == Some(topology);
            if !ours && !decodes {
                return None;
            }
            let mut id = Sha1::new();
            part(&mut id, name(role, record)?.as_bytes());
            id.update([u8::from(decodes)]);
            let mut hash = Sha1::new();
            part(&mut hash, record.key.unwrap_or_default());
            part(&mut hash, record.value.unwrap_or_default());
            for of in ["goyt.reason", "goyt.path", "goyt.step"] {
                part(&mut hash, header(record.headers, of).unwrap_or_default().as_bytes());
            }
            Some(Item { id: long(id), content: short(hash), order, stands_in: !ours })
        }
        Role::Repartition => {
            let mut id = Sha1::new();
            part(&mut id, name(role, record)?.as_bytes());
            let mut hash = Sha1::new();
            part(&mut hash, record.key.unwrap_or_default());
            part(&mut hash, record.value.unwrap_or_default());
            Some(Item { id: long(id), content: short(hash), order, stands_in: false })
        }
        Role::Input | Role::Changelog => None,
    }
}

/// The id as people read it.
#[must_use]
pub fn name(role: Role, record: &ReadRecord<'_>) -> Option<String> {
    match role {
        Role::Output => {
            let event: BTreeMap<&str, &RawValue> = serde_json::from_slice(record.value?).ok()?;
            serde_json::from_str::<String>(event.get("eventId")?.get()).ok()
        }
        Role::DeadLetter => {
            let of = |name| header(record.headers, name).unwrap_or("?");
            let (topic, partition) = (of("__streams.errors.topic"), of("__streams.errors.partition"));
            let offset = of("__streams.errors.offset");
            Some(format!("{topic}[{partition}]@{offset}"))
        }
        Role::Repartition => {
            let (id, place) = repartition::cause(record.value?)?;
            Some(format!("{} leg {place}", uuid::Uuid::from_u128(id)))
        }
        Role::Input | Role::Changelog => None,
    }
}

/// The last header of this name, as text.
#[must_use]
pub fn header<'h>(headers: &'h [HeaderRef<'_>], name: &str) -> Option<&'h str> {
    let (_, value) = headers.iter().rev().find(|(it, _)| *it == name)?;
    std::str::from_utf8((*value)?).ok()
}

/// Eight bytes of a digest of these parts.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha1::new();
    for it in parts {
        part(&mut hash, it);
    }
    short(hash)
}

/// The fields of an object in the order of their names, numbers as they are written: 1.0 is not 1.00.
fn fields(object: &BTreeMap<&str, &RawValue>, hash: &mut Sha1) {
    hash.update(b"{");
    for (name, value) in object {
        part(hash, name.as_bytes());
        let text = value.get();
        let inner = text.starts_with('{').then(|| serde_json::from_str::<BTreeMap<&str, &RawValue>>(text));
        match inner {
            Some(Ok(inner)) => fields(&inner, hash),
            _ => part(hash, text.as_bytes()),
        }
    }
    hash.update(b"}");
}

fn part(hash: &mut Sha1, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

fn short(hash: Sha1) -> u64 {
    u64::from_be_bytes(first(hash))
}

fn long(hash: Sha1) -> u128 {
    u128::from_be_bytes(first(hash))
}

fn first<const N: usize>(hash: Sha1) -> [u8; N] {
    let all: [u8; 20] = hash.finalize().into();
    all.first_chunk::<N>().copied().unwrap_or([0; N])
}

fn id_of(text: &str) -> u128 {
    uuid::Uuid::parse_str(text).map_or_else(
        |_| {
            let mut hash = Sha1::new();
            part(&mut hash, text.as_bytes());
            long(hash)
        },
        |it| it.as_u128(),
    )
}
