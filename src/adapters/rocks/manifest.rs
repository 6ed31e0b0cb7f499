//! What a task's directory says of itself, so that it is never opened as something else.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sha1::{Digest, Sha1};

use crate::engine::plan::{Divided, StoreKind, StorePlan};
use crate::runtime::ports::{StoreError, TaskStores};

/// The layout of directories, keys and values that this version reads and writes.
pub const FORMAT: u32 = 3;
/// Its stores are stores of this format: since then, ids of a dedup may stand in pages alone.
const TAKEN_OVER: u32 = 2;
/// The manifest's file in a task's directory.
pub const FILE: &str = "task.json";

/// The field that tells the checksum of the others.
const CHECKSUM: &str = "checksum";
const WHAT_TO_DO: &str =
    "undo the change, or give what changed a new name, or give up this state and read the input again with `goyt reset`";

/// What a task's directory holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// See [`FORMAT`].
    pub format: u32,
    /// The topology's name.
    pub topology: String,
    /// The subtopology's name.
    pub subtopology: String,
    /// The number of partitions of the source topic: with another, keys belong to other tasks.
    pub partitions: i32,
    /// See [`crate::engine::plan::Subtopology::fingerprint`].
    pub fingerprint: String,
    /// The stores by id.
    pub stores: BTreeMap<String, Shape>,
}

/// The kind and types of a store's entries, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// `dedup 604800000 ms`, `unique`, `allot`, `aggregate`, and how its entries are divided.
    pub kind: String,
    /// The types of the key's parts.
    pub key: Vec<String>,
    /// The value's fields, `name: type`.
    pub value: Vec<String>,
}

/// Only the format: read first, since a newer manifest may look different in all else.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Of all fields but itself, in the order of their names.
fn checksum(fields: &Map<String, Json>) -> Json {
    let digest = Sha1::digest(Json::Object(fields.clone()).to_string());
    Json::String(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Manifest {
    /// What the directory of this task must hold.
    #[must_use]
    pub fn of(task: &TaskStores<'_>) -> Self {
        Self {
            format: FORMAT,
            topology: task.plan.topology.clone(),
            subtopology: task.plan.name.clone(),
            partitions: task.partitions,
            fingerprint: task.plan.fingerprint.clone(),
            stores: task.plan.stores.iter().map(|store| (store.id.clone(), Shape::of(store))).collect(),
        }
    }

    /// The manifest in a task's directory; `None`: there is none.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when it is of a newer format, [`StoreError::Damaged`] when it can't be understood.
    pub fn read(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::Io(format!("read {}: {error}", path.display()))),
        };
        let not_understood = |error: serde_json::Error| StoreError::Damaged(format!("{}: {error}", path.display()));
        let mut fields: Map<String, Json> = serde_json::from_slice(&text).map_err(not_understood)?;
        // Before all else: a changed letter would look like the state of something else.
        if let Some(told) = fields.remove(CHECKSUM)
            && told != checksum(&fields)
        {
            return Err(StoreError::Damaged(format!("{}: its checksum is not that of its content", path.display())));
        }
        let Format { format } = Format::deserialize(&fields).map_err(not_understood)?;
        if format != FORMAT && format != TAKEN_OVER {
            let by = if format > FORMAT { "a newer" } else { "an older" };
            return Err(StoreError::Foreign(format!(
                "{} was written by {by} version of goyt (format {format}, this version knows {FORMAT}): run that version, \
                 or give up this state and read the input again with `goyt reset`",
                path.display()
            )));
        }
        Self::deserialize(&fields).map(Some).map_err(not_understood)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let mut fields = match serde_json::to_value(self)? {
            Json::Object(fields) => fields,
            _ => Map::new(),
        };
        let checksum = checksum(&fields);
        fields.insert(CHECKSUM.to_owned(), checksum);
        write_whole(&directory.join(FILE), &serde_json::to_vec_pretty(&fields)?)
    }

    /// Whether the directory holds what `wanted` says.
    ///
    /// # Errors
    /// [`StoreError::Foreign`]: names each difference, and what to do.
    pub fn check(&self, wanted: &Self, directory: &Path) -> Result<(), StoreError> {
        let mut differences = self.differences(wanted);
        if differences.is_empty() && self.fingerprint != wanted.fingerprint {
            differences.push("the steps that shape its state have changed".to_owned());
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(StoreError::Foreign(format!(
            "{} holds the state of something else: {}; {WHAT_TO_DO}",
            directory.display(),
            differences.join("; ")
        )))
    }

    fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if (&self.topology, &self.subtopology) != (&wanted.topology, &wanted.subtopology) {
            found.push(format!("it is of {}.{}, not {}.{}", self.topology, self.subtopology, wanted.topology, wanted.subtopology));
        }
        if self.partitions != wanted.partitions {
            found.push(format!(
                "the source topic had {} partitions and has {} now, so keys belong to other tasks",
                self.partitions, wanted.partitions
            ));
        }
        let added: Vec<&String> = wanted.stores.keys().filter(|id| !self.stores.contains_key(*id)).collect();
        for (id, shape) in &self.stores {
            match wanted.stores.get(id) {
                Some(now) => found.extend(shape.differences(id, now)),
                None => found.push(match added.iter().find(|other| wanted.stores.get(**other) == Some(shape)) {
                    Some(other) => format!("store `{id}` is gone (renamed to `{other}`?)"),
                    None => format!("store `{id}` is gone"),
                }),
            }
        }
        found.extend(added.iter().map(|id| format!("store `{id}` is new")));
        found
    }
}

impl Shape {
    fn of(store: &StorePlan) -> Self {
        let kind = match store.kind {
            StoreKind::Dedup { window_ms } => format!("dedup {window_ms} ms"),
            StoreKind::Unique => "unique".to_owned(),
            StoreKind::Allot => "allot".to_owned(),
            StoreKind::Aggregate => match store.each {
                None => "aggregate".to_owned(),
                Some(Divided { key, value }) => format!("aggregate, divided behind {key} of the key and {value} of the value"),
            },
        };
        Self {
            kind,
            key: store.key.iter().map(ToString::to_string).collect(),
            value: store.value.iter().map(|(name, of)| format!("{name}: {of}")).collect(),
        }
    }

    fn differences(&self, id: &str, now: &Self) -> Vec<String> {
        let text = |parts: &[String]| format!("({})", parts.join(", "));
        let pairs = [
            ("was", self.kind.clone(), now.kind.clone()),
            ("had the key", text(&self.key), text(&now.key)),
            ("had the value", text(&self.value), text(&now.value)),
        ];
        let differing = pairs.into_iter().filter(|(_, was, is)| was != is);
        differing.map(|(verb, was, is)| format!("store `{id}` {verb} {was}, now {is}")).collect()
    }
}

/// Replaces a file by one with this content; after a crash there is the old or the new one, never part of it.
///
/// # Errors
/// Of the file system.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The rename itself is durable when the directory is.
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}
