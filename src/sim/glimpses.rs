//! Glimpses: what readers saw of stores while everything went wrong (S4).

use std::collections::{BTreeMap, BTreeSet};

use super::check::{hex, read_all};
use super::process::Process;
use super::random::Random;
use crate::adapters::memory::cluster::{Cluster, Stored};
use crate::engine::plan::{Plan, StoreKind, Subtopology};
use crate::engine::state::dedup_keys::{self, PageName};
use crate::engine::state::dedup_pages;
use crate::runtime::open_task::State;
use crate::runtime::operations::access::StateReader as _;

/// What was read of stores while everything went wrong (S4).
#[derive(Debug, Default)]
pub struct Glimpses {
    /// Compaction takes away what could have been read: then nothing is noted.
    noted: bool,
    /// What was read in each place, in this order.
    seen: BTreeMap<Place, Vec<Option<Vec<u8>>>>,
}

/// Where something was read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    process: String,
    /// The process's start: a later one may be behind an earlier one, as files are that lost their last writes.
    start: u32,
    task: String,
    /// The store's number in its task.
    store: usize,
    key: Vec<u8>,
}

impl Glimpses {
    /// None yet.
    #[must_use]
    pub fn new(noted: bool) -> Self {
        Self { noted, seen: BTreeMap::new() }
    }

    /// Reads an entry of some store of the process: one that was read before, or the first.
    ///
    /// # Errors
    /// Never: damage that is met is told to the reader, which is as it should be.
    pub fn look(&mut self, process: &Process, plan: &Plan, random: &mut Random) -> Result<(), String> {
        if !self.noted {
            return Ok(());
        }
        // As who asks by HTTP: what a task restores is not answered.
        let pictures = process.board.pictures();
        let running = pictures.iter().flat_map(|it| &it.tasks).filter(|it| it.state == State::Running).map(|it| it.id.clone());
        let running: BTreeSet<String> = running.collect();
        let tasks: Vec<String> = process.disk.open_tasks().into_iter().filter(|it| running.contains(it)).collect();
        let Some(task) = random.item(&tasks) else { return Ok(()) };
        let Some((subtopology, _)) = of_task(plan, task) else { return Ok(()) };
        let number = random.index(subtopology.stores.len());
        let Some(store) = subtopology.stores.get(number) else { return Ok(()) };
        let mut keys = Vec::new();
        let scanned = process.disk.scan(task, &store.id, &[], &mut |key, _| {
            keys.push(key.to_vec());
            keys.len() < 20
        });
        let (Ok(()), Some(key)) = (scanned, random.item(&keys)) else { return Ok(()) };
        if let Ok(value) = process.disk.get(task, &store.id, key) {
            let place = Place { process: process.name.clone(), start: process.starts, task: task.clone(), store: number, key: key.clone() };
            self.seen.entry(place).or_default().push(value);
        }
        Ok(())
    }

    /// Whether all of it was committed, and in order.
    ///
    /// # Errors
    /// What was read that should not have been.
    pub fn judge(&self, plan: &Plan, cluster: &Cluster) -> Result<(), String> {
        let mut logs: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
        for (Place { process, start, task, store: number, key }, values) in &self.seen {
            let Some((subtopology, partition)) = of_task(plan, task) else { continue };
            let Some(store) = subtopology.stores.get(*number) else { continue };
            let changelog = plan.topics.get(usize::from(store.changelog.0)).map_or("", |it| it.name.as_str());
            if !logs.contains_key(changelog) {
                logs.insert(changelog.to_owned(), read_all(cluster, changelog)?);
            }
            let log = logs.get(changelog).map(Vec::as_slice).unwrap_or_default();
            let dedup = matches!(store.kind, StoreKind::Dedup { .. });
            let records = log.iter().filter(|it| it.partition == partition);
            let history = match dedup_keys::id_of(key).filter(|_| dedup) {
                Some(id) => of_id(records, id),
                None if dedup => of_key(records, &dedup_keys::logged(key).unwrap_or_default()),
                None => of_key(records, key),
            };
            let mut history = history.into_iter().peekable();
            // Where an indexed page is gone, it is perhaps there under its other key, as behind a restore in full.
            let may_move = dedup && PageName::of_indexed(key).is_some();
            for value in values.iter().filter(|it| it.is_some() || !may_move) {
                // Of equal values the first that is not passed yet.
                while history.peek().is_some_and(|it| it != value) {
                    history.next();
                }
                if history.peek().is_none() {
                    let what = value.as_deref().map_or("nothing".to_owned(), hex);
                    return Err(format!(
                        "S4: {process} (start {start}) showed {what} for key {} in `{}` of {task}: never committed, or older than what it had shown",
                        hex(key),
                        store.id
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The values that an entry had, one after the other.
fn of_key<'l>(records: impl Iterator<Item = &'l Stored>, key: &[u8]) -> Vec<Option<Vec<u8>>> {
    records.filter(|it| it.content.key.as_deref() == Some(key)).map(|it| it.content.value.clone()).collect()
}

/// The times of a dedup's id, one after the other: that of the newest page that has it.
fn of_id<'l>(records: impl Iterator<Item = &'l Stored>, id: &[u8]) -> Vec<Option<Vec<u8>>> {
    let (mut pages, mut values) = (BTreeMap::new(), Vec::new());
    for record in records {
        let (Some(page), value) = (record.content.key.as_deref(), record.content.value.as_deref()) else { continue };
        match value.and_then(|it| dedup_pages::read(PageName::of(page)?, it)?.into_iter().find(|(it, _)| *it == id)) {
            Some((_, time)) => drop(pages.insert(page, time)),
            None => drop(pages.remove(page)),
        }
        values.push(pages.values().max().map(|time| {
            let mut bytes = Vec::new();
            dedup_keys::write_time(*time, &mut bytes);
            bytes
        }));
    }
    values
}

/// The subtopology and the partition of a task.
fn of_task<'p>(plan: &'p Plan, task: &str) -> Option<(&'p Subtopology, i32)> {
    let partition = task.rsplit_once('_')?.1.parse().ok()?;
    Some((plan.subtopologies.iter().find(|it| it.task_id(partition) == task)?, partition))
}
