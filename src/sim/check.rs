//! What must hold when a run is over. None of it trusts the engine: it looks at the log and at the stores.
//!
//! - **S1** one effect for each input: no event id twice in an output topic, no record's dead letter twice;
//! - **S2** state = fold(changelog): the stores of a task that runs have what the committed records of its changelogs make;
//! - **S3** outcomes add up to what went in, at each commit;
//! - **S4** what was read of a store at any time was committed, and reading never goes back;
//! - **S5** a replay without faults gives the same: outputs by id and content, order per key, dead letters, state at the same offsets;
//! - **S6** what the users' test files say must hold: `invariants:`;
//! - **S7** what is missing and needed stops a task by name, and nothing is skipped ([`super::gaps`]);
//! - **S8** a worker has one open transaction at most, over all its starts: a new one aborts what its predecessor left open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::Value as Json;

use super::facts::Facts;
use super::process::{Process, Site};
use super::setup::{Evidence, Setup};
use super::stores::SimStores;
use crate::adapters::memory::access::MemoryAccess;
use crate::adapters::memory::cluster::{Cluster, Stored};
use crate::adapters::memory::{Identity, MemoryLog};
use crate::config::Properties;
use crate::engine::plan::{Plan, Role, StoreKind};
use crate::engine::state::dedup_keys::{self, PageName};
use crate::engine::state::dedup_pages;
use crate::runtime::operations::replay::{self, Begin, Request, Shadow};
use crate::runtime::ports::Clock;
use crate::runtime::supervisor::Worlds;
use crate::runtime::worker::{Error, World};

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Checks S8: what a dead predecessor left open would hold readers up until it times out.
///
/// # Errors
/// The violation, in words.
pub fn one_transaction_each(site: &Site, processes: &[Process]) -> Result<(), String> {
    let (open, workers) = (site.cluster.open_transactions(), processes.iter().map(|it| it.members().count()).sum::<usize>());
    if open <= workers { Ok(()) } else { Err(format!("S8: {workers} workers have {open} open transactions")) }
}

/// Checks everything but S4, S7 and S8.
///
/// # Errors
/// The first violation, in words.
pub fn all(setup: &Setup, site: &Site, processes: &[Process]) -> Result<(), String> {
    let errors: u64 = processes.iter().map(|it| it.board.totals().accounting_errors).sum();
    if errors != 0 {
        return Err(format!("S3: outcomes did not add up {errors} times"));
    }
    one_effect(&setup.plan, &site.cluster)?;
    state_is_fold(site, processes)?;
    let entries = |task: &str, store: &str| owners(processes, task).first()?.entries(task, store);
    if !setup.invariants.is_empty() {
        let facts = Facts::of(&setup.plan, &site.cluster, entries)?;
        let violated = setup.invariants.iter().find_map(|it| it.violations(&facts).into_iter().next());
        if let Some(violated) = violated {
            return Err(format!("S6: {violated}"));
        }
    }
    if let Some(judge) = &setup.judge {
        judge(&Evidence { plan: &setup.plan, cluster: &site.cluster, processes })?;
    }
    setup.alone.iter().try_for_each(|it| replay_is_identical(it, site))
}

pub(super) fn read_all(cluster: &Cluster, topic: &str) -> Result<Vec<Stored>, String> {
    cluster.read_all(topic).map_err(|it| format!("{topic}: {it}"))
}

fn one_effect(plan: &Plan, cluster: &Cluster) -> Result<(), String> {
    for topic in plan.topics.iter().filter(|it| matches!(it.role, Role::Output | Role::DeadLetter)) {
        let mut seen = BTreeSet::new();
        for record in read_all(cluster, &topic.name)? {
            let Some(id) = (match topic.role {
                Role::DeadLetter => origin(&record),
                _ => event_id(&record),
            }) else {
                continue;
            };
            if !seen.insert(id.clone()) {
                return Err(format!("S1: {} has {id} twice, the second time at [{}] {}", topic.name, record.partition, record.offset));
            }
        }
    }
    Ok(())
}

fn event_id(record: &Stored) -> Option<String> {
    let event: Json = serde_json::from_slice(record.content.value.as_deref()?).ok()?;
    event.get("eventId")?.as_str().map(str::to_owned)
}

/// Which record of which topic a dead letter is made of, and by which topology.
fn origin(record: &Stored) -> Option<String> {
    let header = |name: &str| {
        let value = record.content.headers.iter().rev().find(|(it, _)| it == name)?.1.as_deref()?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let [topic, partition, offset] = ["topic", "partition", "offset"].map(|it| header(&format!("__streams.errors.{it}")));
    Some(format!("{}[{}] {} of {}", topic?, partition?, offset?, header("goyt.topology")?))
}

fn state_is_fold(site: &Site, processes: &[Process]) -> Result<(), String> {
    for (index, subtopology) in site.plan.subtopologies.iter().enumerate() {
        for (number, store) in subtopology.stores.iter().enumerate() {
            let changelog = site.plan.topics.get(usize::from(store.changelog.0)).map_or("", |it| it.name.as_str());
            let mut folds = fold(&read_all(&site.cluster, changelog)?);
            for partition in 0..site.partitions.get(usize::from(subtopology.source.0)).copied().unwrap_or(0) {
                let task = subtopology.task_id(partition);
                let mut folded = folds.remove(&partition).unwrap_or_default();
                let found = owners(processes, &task);
                let [disk] = found.as_slice() else { return Err(format!("S2: {task} is open {} times", found.len())) };
                let mut entries = disk.entries(&task, &store.id).unwrap_or_default();
                if matches!(store.kind, StoreKind::Dedup { .. }) {
                    folded.extend(ids(&folded, &entries));
                    entries.iter_mut().for_each(|(key, _)| *key = PageName::of_indexed(key).map_or_else(|| key.clone(), |it| it.key()));
                    entries.sort();
                }
                let expected: Entries = folded.into_iter().collect();
                if entries != expected {
                    return Err(format!(
                        "S2: store {number} `{}` of {task} (subtopology {index}): {}",
                        store.id,
                        differ(&expected, &entries)
                    ));
                }
            }
        }
    }
    Ok(())
}

/// The disks on which a task is open.
fn owners<'a>(processes: &'a [Process], task: &str) -> Vec<&'a SimStores> {
    processes.iter().map(|it| &it.disk).filter(|it| it.open_tasks().iter().any(|it| it == task)).collect()
}

/// What the committed records of a changelog make, by partition.
fn fold(records: &[Stored]) -> BTreeMap<i32, BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut folds: BTreeMap<i32, BTreeMap<Vec<u8>, Vec<u8>>> = BTreeMap::new();
    for record in records {
        let Some(key) = record.content.key.clone() else { continue };
        let entries = folds.entry(record.partition).or_default();
        match record.content.value.clone() {
            Some(value) => entries.insert(key, value),
            None => entries.remove(&key),
        };
    }
    folds
}

/// The entries of ids that a dedup's pages make, each with the time of the newest page that has it. Those of indexed pages have none.
fn ids(pages: &BTreeMap<Vec<u8>, Vec<u8>>, entries: &Entries) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let indexed: BTreeSet<PageName> = entries.iter().filter_map(|(key, _)| PageName::of_indexed(key)).collect();
    let mut times = BTreeMap::new();
    let with_entries = pages.iter().filter_map(|(key, page)| Some((PageName::of(key)?, page))).filter(|(name, _)| !indexed.contains(name));
    for (id, time) in with_entries.filter_map(|(name, page)| dedup_pages::read(name, page)).flatten() {
        let seen = times.entry(id).or_insert(time);
        *seen = time.max(*seen);
    }
    let entry = |(id, time): (&[u8], i64)| {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        dedup_keys::begin_id(&mut key);
        key.extend_from_slice(id);
        dedup_keys::write_time(time, &mut value);
        (key, value)
    };
    times.into_iter().map(entry).collect()
}

fn differ(expected: &Entries, found: &Entries) -> String {
    let (expected_set, found_set): (BTreeSet<_>, BTreeSet<_>) = (expected.iter().collect(), found.iter().collect());
    let text = |it: Option<&&(Vec<u8>, Vec<u8>)>| it.map_or("nothing".to_owned(), |it| format!("{} → {}", hex(&it.0), hex(&it.1)));
    format!(
        "the changelog makes {} entries, the store has {}; only by the changelog: {}; only in the store: {}",
        expected.len(),
        found.len(),
        text(expected_set.difference(&found_set).next()),
        text(found_set.difference(&expected_set).next())
    )
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn replay_is_identical(plan: &Plan, site: &Site) -> Result<(), String> {
    let shadow = Shadow::of(plan)?;
    let worlds = Shadows { site, plan: &shadow.plan, disk: SimStores::new() };
    let mut limits = site.limits;
    // Nothing goes wrong, so nothing is gained by small steps.
    (limits.poll_max_records, limits.commit_interval, limits.commit_interval_min) = (1_000, Duration::from_secs(1), Duration::from_secs(1));
    (limits.commit_max_bytes, limits.buffer_max_bytes, limits.repartition_lag_max) = (1 << 24, 1 << 24, 0);
    let mut at = replay::Site {
        access: &MemoryAccess::new(&site.cluster),
        admin: &mut site.cluster.clone(),
        worlds: &worlds,
        limits,
        replication: 1,
        config: &Properties::new(),
        stop: &AtomicBool::new(false),
        progress: &mut |_| site.clock.advance(Duration::from_millis(50)),
    };
    let request = Request { begin: Begin::Earliest, partial: false, rate: None };
    let report = match replay::run(&shadow, request, &mut at) {
        Ok(replayed) => replayed.report,
        // Nothing was put in of what this topology reads.
        Err(replay::Error::Refused { reason, .. }) if reason.contains("has committed nothing") => return Ok(()),
        Err(error) => return Err(format!("S5: the replay of {}: {error}", shadow.topology)),
    };
    if report.is_identical() {
        return Ok(());
    }
    let first: Vec<String> = report.differences.iter().take(3).map(|it| format!("{it:?}")).collect();
    Err(format!("S5: a replay of {} differs: {}", shadow.topology, first.join("; ")))
}

struct Shadows<'a> {
    site: &'a Site,
    plan: &'a Plan,
    disk: SimStores,
}

impl Worlds for Shadows<'_> {
    fn world(&self, worker: usize) -> Result<World, Error> {
        let id = self.plan.application_id.clone();
        let identity = Identity { group: id.clone(), member: "replay".into(), transactional_id: id };
        Ok(World {
            worker,
            log: Box::new(MemoryLog::new(&self.site.cluster, identity, self.plan.topics.iter().map(|it| it.name.clone()))),
            stores: Box::new(self.disk.clone()),
            clock: self.clock(),
            report: Arc::new(|_| {}),
            board: Arc::default(),
        })
    }

    fn clock(&self) -> Box<dyn Clock> {
        Box::new(self.site.clock.clone())
    }
}
