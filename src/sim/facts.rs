//! What a run has left, as its invariants see it: the committed records of topics, and the entries of stores.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::adapters::memory::cluster::{Cluster, Stored};
use crate::engine::plan::{Plan, Role};
use crate::engine::record::Offset;
use crate::runtime::ports::LogError;
use crate::sim::entries::{self, Entry};

/// What a run has left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The committed records of each topic that is not internal, partition by partition, in their order.
    pub topics: BTreeMap<String, Vec<Fact>>,
    /// The entries of each store, by `<topology>.<id>`, task by task.
    pub stores: BTreeMap<String, Vec<Entry>>,
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: Offset,
    /// Its value; `None`: it has none, or one that is no JSON.
    pub value: Option<Json>,
    /// Whether it became a dead letter.
    pub dead: bool,
}

/// Raw entries of a store, in the order of keys.
pub type Entries = Vec<(Vec<u8>, Vec<u8>)>;

impl Facts {
    /// What stands in a cluster, and in the stores of its tasks: `entries` of a task and a store, where there are any.
    ///
    /// # Errors
    /// When a topic is missing, or an entry is not as its store's plan says.
    pub fn of(plan: &Plan, cluster: &Cluster, entries: impl Fn(&str, &str) -> Option<Entries>) -> Result<Self, String> {
        let named = |it: &LogError| it.to_string();
        let mut dead = BTreeSet::new();
        for topic in plan.topics.iter().filter(|it| it.role == Role::DeadLetter) {
            dead.extend(cluster.read_all(&topic.name).map_err(|it| named(&it))?.iter().filter_map(origin));
        }
        let mut facts = Self::default();
        for topic in plan.topics.iter().filter(|it| matches!(it.role, Role::Input | Role::Output | Role::DeadLetter)) {
            let records = cluster.read_all(&topic.name).map_err(|it| named(&it))?;
            let fact = |it: Stored| Fact {
                value: it.content.value.as_deref().and_then(|it| serde_json::from_slice(it).ok()),
                dead: dead.contains(&(topic.name.clone(), it.partition, it.offset)),
                partition: it.partition,
                offset: it.offset,
            };
            facts.topics.insert(topic.name.clone(), records.into_iter().map(fact).collect());
        }
        let counts = cluster.topics();
        for part in &plan.subtopologies {
            let source = plan.topics.get(usize::from(part.source.0)).and_then(|it| counts.get(&it.name)).copied().unwrap_or(0);
            for store in &part.stores {
                let all = facts.stores.entry(format!("{}.{}", part.topology, store.id)).or_default();
                for task in (0..source).map(|it| part.task_id(it)) {
                    for (key, value) in entries(&task, &store.id).unwrap_or_default() {
                        all.extend(entries::entries(store, &key, &value).map_err(|it| format!("store {} of {task}: {it}", store.id))?);
                    }
                }
            }
        }
        Ok(facts)
    }
}

/// Where the record of a dead letter stands.
fn origin(letter: &Stored) -> Option<(String, i32, Offset)> {
    let header = |name: &str| {
        // The failure's headers stand behind the record's own.
        let found = letter.content.headers.iter().rev().find(|it| it.0 == format!("__streams.errors.{name}"))?;
        String::from_utf8(found.1.clone()?).ok()
    };
    Some((header("topic")?, header("partition")?.parse().ok()?, header("offset")?.parse().ok()?))
}
