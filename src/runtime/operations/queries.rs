//! Questions about state: stores by name, keys as text, entries as JSON, and which partition has a key.
//!
//! A store is called `<topology>.<store>`. A key of several parts is written with `/` between them, such as `789/KES`; a `/` or a `%`
//! inside a part is written `%2F`, `%25`.

mod ids;
pub mod keys;
mod owner;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::access::StateReader;
use crate::engine::codec::{self, Malformed};
use crate::engine::expr::names::known_names;
use crate::engine::json::encode;
use crate::engine::plan::{Plan, StoreKind, StorePlan, Subtopology};
use crate::engine::state::{dedup_keys, parts};
use crate::engine::value::{Texts, Type, Value};
use crate::runtime::ports::StoreError;

/// What was asked for makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Mistake {
    /// Whether what was asked for does not exist, rather than being written wrongly.
    pub missing: bool,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

/// A store of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Store<'p> {
    plan: &'p Plan,
    /// Whose store it is.
    pub part: &'p Subtopology,
    /// What it is.
    pub store: &'p StorePlan,
}

/// A store, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreText {
    /// `<topology>.<store>`
    pub name: String,
    /// `dedup`, `unique`, `allot` or `aggregate`.
    pub kind: &'static str,
    /// The types of the key's parts.
    pub key: Vec<String>,
    /// The names and types of the value's fields, in order.
    pub value: Vec<(String, String)>,
    /// The tasks that have it and are open.
    pub tasks: Vec<String>,
    /// Its entries in these tasks, estimated.
    pub entries: u64,
    /// Its bytes there.
    pub bytes: u64,
}

/// An entry of a store, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The key's parts: integers and booleans as they are, all else as text.
    pub key: Vec<Json>,
    /// The value's fields: decimals as text, money as `{"amount", "currency"}`, times in ISO 8601.
    pub value: Map<String, Json>,
    /// The task that has it.
    pub task: String,
}

/// Which entries of a store are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The beginning of their keys: see [`Store::prefix`]. Empty: all.
    pub prefix: Vec<u8>,
    /// Only those behind this key: see [`Store::key`].
    pub after: Option<Vec<u8>>,
    /// At most so many.
    pub limit: usize,
}

/// All stores of a plan, in its order.
pub fn stores(plan: &Plan) -> impl Iterator<Item = Store<'_>> {
    plan.subtopologies.iter().flat_map(move |part| part.stores.iter().map(move |store| Store { plan, part, store }))
}

/// The store of this name.
///
/// # Errors
/// When there is none.
pub fn find<'p>(plan: &'p Plan, name: &str) -> Result<Store<'p>, Mistake> {
    let names: Vec<String> = stores(plan).map(|it| it.name()).collect();
    stores(plan).find(|it| it.name() == name).ok_or_else(|| {
        let without_topology = names.iter().find(|it| it.rsplit_once('.').is_some_and(|(_, store)| store == name));
        let hint = match without_topology {
            Some(near) => format!("did you mean `{near}`?"),
            None => known_names(name, "stores", names.iter().map(String::as_str)),
        };
        Mistake { missing: true, reason: format!("there is no store `{name}`"), hint }
    })
}

impl<'p> Store<'p> {
    /// `<topology>.<store>`
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.part.topology, self.store.id)
    }

    /// The task that has it for a partition.
    #[must_use]
    pub fn task(&self, partition: i32) -> String {
        format!("{}.{}_{partition}", self.part.topology, self.part.name)
    }

    /// The partition of a task, when it is one of those that have this store.
    #[must_use]
    pub fn partition_of_task(&self, task: &str) -> Option<i32> {
        task.strip_prefix(&format!("{}.{}_", self.part.topology, self.part.name))?.parse().ok()
    }

    /// Those of these tasks that have this store.
    #[must_use]
    pub fn tasks<'t>(&self, among: &'t [String]) -> Vec<&'t str> {
        among.iter().map(String::as_str).filter(|it| self.partition_of_task(it).is_some()).collect()
    }

    /// The bytes of a whole key.
    ///
    /// # Errors
    /// When the text is no key of this store.
    pub fn key(&self, text: &str) -> Result<Vec<u8>, Mistake> {
        if self.store.kind == StoreKind::Allot {
            return Err(Mistake {
                missing: false,
                reason: format!("{} counts, and has no keys", self.name()),
                hint: "scan it: it has one entry in each task".to_owned(),
            });
        }
        let texts = Texts::new();
        let parts = self.parts(text, &texts)?;
        if parts.len() < self.store.key.len() {
            return Err(self.other_parts(parts.len()));
        }
        Ok(self.bytes(&parts))
    }

    /// The bytes with which all keys begin that begin with these parts; none: any key.
    ///
    /// # Errors
    /// When the text is no beginning of a key of this store.
    pub fn prefix(&self, text: &str) -> Result<Vec<u8>, Mistake> {
        let texts = Texts::new();
        let parts = if text.is_empty() { Vec::new() } else { self.parts(text, &texts)? };
        Ok(self.bytes(&parts))
    }

    /// The partition that has this key among `partitions`; `None`: any may, since the topic's key is chosen by whoever writes it.
    ///
    /// # Errors
    /// When the text is no key of this store.
    pub fn partition(&self, text: &str, partitions: i32) -> Result<Option<i32>, Mistake> {
        let texts = Texts::new();
        let parts = self.parts(text, &texts)?;
        Ok(owner::partition(self.plan, self.part, self.store, &parts, partitions))
    }

    /// An entry as it is shown; `None`: it is not one that people speak of, such as the order in which a dedup's ids expire.
    ///
    /// # Errors
    /// When the bytes are not what the plan says.
    pub fn entry(&self, task: &str, key: &[u8], value: &[u8]) -> Result<Option<Entry>, Malformed> {
        let (mut key, mut value) = (key, value);
        match self.store.kind {
            StoreKind::Dedup { .. } => match dedup_keys::id_of(key) {
                Some(id) => key = id,
                None => return Ok(None),
            },
            // Its one key is no value of any type.
            StoreKind::Allot => key = &[],
            StoreKind::Unique | StoreKind::Aggregate => {}
        }
        let mut parts = Vec::new();
        for of in &self.store.key {
            parts.push(json(&codec::read_key(&mut key, of, &Texts::new())?));
        }
        let mut fields = Map::new();
        for (name, of) in &self.store.value {
            fields.insert(name.clone(), json(&self.read(&mut value, of)?));
        }
        Ok(Some(Entry { key: parts, value: fields, task: task.to_owned() }))
    }

    fn read<'b>(&self, bytes: &mut &'b [u8], of: &Type) -> Result<Value<'b>, Malformed> {
        match self.store.kind {
            // The only times that are kept in milliseconds.
            StoreKind::Dedup { .. } => match codec::read_int(bytes) {
                Some(millis) => Ok(Value::Time(millis.saturating_mul(1000))),
                None => Err(Malformed(of.to_string())),
            },
            StoreKind::Unique | StoreKind::Allot | StoreKind::Aggregate => codec::read_value(bytes, of),
        }
    }

    /// What it is, and how big it is in those of its tasks that are open.
    ///
    /// # Errors
    /// Of the files. A task that is closed meanwhile is none.
    pub fn text(&self, reader: &dyn StateReader) -> Result<StoreText, StoreError> {
        let all = reader.tasks();
        let (mut tasks, mut entries, mut bytes) = (Vec::new(), 0_u64, 0_u64);
        for task in self.tasks(&all) {
            match reader.size(task, &self.store.id) {
                Ok(size) => {
                    tasks.push(task.to_owned());
                    entries = entries.saturating_add(self.shown(size.entries)).saturating_add(self.not_counted(reader, task)?);
                    bytes = bytes.saturating_add(size.bytes);
                }
                Err(error) if !reader.tasks().iter().any(|it| it == task) => drop(error),
                Err(error) => return Err(error),
            }
        }
        Ok(StoreText {
            name: self.name(),
            kind: kind(self.store.kind),
            key: self.store.key.iter().map(ToString::to_string).collect(),
            value: self.store.value.iter().map(|(name, of)| (name.clone(), of.to_string())).collect(),
            tasks,
            entries,
            bytes,
        })
    }

    /// How many of a store's entries are shown: a dedup keeps its stream time, too, and pages, which are few.
    #[must_use]
    pub fn shown(&self, entries: u64) -> u64 {
        if self.is_of_ids() { entries.saturating_sub(1) } else { entries }
    }

    fn is_of_ids(&self) -> bool {
        matches!(self.store.kind, StoreKind::Dedup { .. })
    }

    /// The value of a key in a task.
    ///
    /// # Errors
    /// Of the files, or when they are not what the plan says.
    pub fn get(&self, reader: &dyn StateReader, task: &str, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        if self.is_of_ids() {
            return self.get_id(reader, task, key);
        }
        let entry_key = parts::entry_key(self.store, key);
        let Some(value) = reader.get(task, &self.store.id, entry_key)? else { return Ok(None) };
        let rows = parts::rows(self.store, entry_key, &value).map_err(|it| self.malformed(task, &it))?;
        let Some((key, value)) = rows.into_iter().find(|row| row.0 == key) else { return Ok(None) };
        self.entry(task, &key, &value).map_err(|it| self.malformed(task, &it))
    }

    /// The entries of a task, in the order of keys, and whether there are more.
    ///
    /// # Errors
    /// Of the files, or when they are not what the plan says.
    pub fn scan(&self, reader: &dyn StateReader, task: &str, page: &Page) -> Result<(Vec<Entry>, bool), StoreError> {
        if self.is_of_ids() {
            return self.scan_ids(reader, task, page);
        }
        let first = if page.prefix.is_empty() { self.first_key() } else { page.prefix.clone() };
        let from = page.after.as_ref().filter(|it| first < **it).unwrap_or(&first);
        let (mut entries, mut more, mut malformed) = (Vec::new(), false, None);
        let mut row = |key: &[u8], value: &[u8]| {
            // The entry with the first row may have others before it.
            if key < &first[..] || page.after.as_deref().is_some_and(|after| key <= after) {
                return true;
            }
            if !key.starts_with(&page.prefix) {
                return false;
            }
            match self.entry(task, key, value) {
                Ok(None) => true,
                Ok(Some(_)) if page.limit <= entries.len() => {
                    more = true;
                    false
                }
                Ok(Some(entry)) => {
                    entries.push(entry);
                    true
                }
                Err(error) => {
                    malformed.get_or_insert(error);
                    false
                }
            }
        };
        let mut undivided = None;
        reader.scan(task, &self.store.id, parts::entry_key(self.store, from), &mut |key, value| match self.store.each {
            None => row(key, value),
            Some(_) => match parts::rows(self.store, key, value) {
                Ok(rows) => rows.iter().all(|(key, value)| row(key, value)),
                Err(error) => {
                    undivided = Some(error);
                    false
                }
            },
        })?;
        match undivided.or(malformed) {
            Some(error) => Err(self.malformed(task, &error)),
            None => Ok((entries, more)),
        }
    }

    fn malformed(&self, task: &str, error: &Malformed) -> StoreError {
        StoreError::Damaged(format!("store {} of task {task}: {error}", self.name()))
    }
}

/// A store's kind in a word.
#[must_use]
pub fn kind(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::Dedup { .. } => "dedup",
        StoreKind::Unique => "unique",
        StoreKind::Allot => "allot",
        StoreKind::Aggregate => "aggregate",
    }
}

/// A value as it is shown.
fn json(value: &Value<'_>) -> Json {
    let text = |it: &Value<'_>| {
        let mut bytes = Vec::new();
        encode::text(it, &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    match value {
        Value::Null => Json::Null,
        Value::Bool(it) => Json::from(*it),
        Value::Int(it) => Json::from(*it),
        Value::Money(it) => {
            let amount = Value::Decimal(crate::engine::decimal::amount_of(*it));
            serde_json::json!({ "amount": text(&amount), "currency": String::from_utf8_lossy(&it.currency.0) })
        }
        Value::Json(it) => serde_json::from_str(it).unwrap_or(Json::Null),
        Value::Decimal(_) | Value::Str(_) | Value::Time(_) | Value::Uuid(_) => Json::from(text(value)),
    }
}
