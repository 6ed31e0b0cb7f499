//! What the disk has of one task: its entries, what undoes the batches that are not synced yet, and what is wrong with it.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use crate::engine::plan::StorePlan;
use crate::engine::record::Offset;
use crate::runtime::ports::{StoreError, TaskStores};
use crate::runtime::restore::bulk::Bulk;
use crate::sim::random::Random;

/// Of the power losses that cost a batch, so many per mille leave it torn.
const TORN_PER_MILLE: u64 = 125;
/// Of the flipped bytes, so many per mille hit what is read when the files are opened.
const HEADER_PER_MILLE: u64 = 200;
/// A flipped byte spoils a block of so many entries at most.
const BLOCK_ENTRIES: u64 = 4;

/// The files of a task.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) plans: Vec<StorePlan>,
    partitions: i32,
    fingerprint: String,
    contents: Vec<Contents>,
    /// For each batch that is not synced, what was there before it.
    unsynced: Vec<Vec<Undo>>,
    /// What a restore brought and is under way.
    taken: Option<Taken>,
    /// Whose handle has them open.
    pub(super) holder: Option<u64>,
    damage: Vec<Damage>,
    /// Damage that was found: the files are never read again.
    pub(super) found: Option<String>,
    /// Older than the changelog keeps deletions.
    pub(super) stale: bool,
}

/// A store.
#[derive(Debug, Clone, Default)]
struct Contents {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    position: Option<Offset>,
}

/// Entries of a store, and the offsets that they come from.
#[derive(Debug)]
struct Taken {
    store: usize,
    bulk: Bulk,
    offsets: Range<Offset>,
}

/// What was there before a write.
#[derive(Debug)]
enum Undo {
    Entry(usize, Vec<u8>, Option<Vec<u8>>),
    Position(usize, Option<Offset>),
}

/// A place that fails its checksum.
#[derive(Debug)]
enum Damage {
    /// Met when the files are opened.
    Header(&'static str),
    /// Met when one of these entries, first and last included, is read.
    Block(usize, Vec<u8>, Vec<u8>),
}

impl Files {
    pub(super) fn new(task: &TaskStores<'_>) -> Self {
        Self {
            plans: task.plan.stores.clone(),
            partitions: task.partitions,
            fingerprint: task.plan.fingerprint.clone(),
            contents: vec![Contents::default(); task.plan.stores.len()],
            unsynced: Vec::new(),
            taken: None,
            holder: None,
            damage: Vec::new(),
            found: None,
            stale: false,
        }
    }

    /// Whether they may be opened as the files of this task.
    pub(super) fn check(&self, task: &TaskStores<'_>) -> Result<(), StoreError> {
        if self.stale {
            return Err(StoreError::Stale(format!("the files of {} are older than the changelog keeps deletions", task.task)));
        }
        if let Some(found) = &self.found {
            return Err(StoreError::Damaged(format!("{}: found before: {found}", task.task)));
        }
        // The changelog is a number of the plan, which may differ where the stores are the same.
        let shape = |it: &StorePlan| (it.id.clone(), it.kind, it.key.clone(), it.value.clone());
        let same = self.plans.iter().map(shape).eq(task.plan.stores.iter().map(shape));
        if !same || self.partitions != task.partitions || self.fingerprint != task.plan.fingerprint {
            return Err(StoreError::Foreign(format!("the files of {} are of other steps, or of another number of partitions", task.task)));
        }
        match self.damage.iter().find_map(|it| if let Damage::Header(what) = it { Some(*what) } else { None }) {
            Some(what) => Err(StoreError::Damaged(format!("{}: {what}", task.task))),
            None => Ok(()),
        }
    }

    fn of(&self, store: usize) -> Result<&Contents, StoreError> {
        self.contents.get(store).ok_or_else(|| StoreError::Io(format!("there is no store {store}")))
    }

    fn is_spoilt(&self, store: usize, key: &[u8]) -> bool {
        let spoils = |it: &Damage| matches!(it, Damage::Block(of, first, last) if *of == store && (first.as_slice()..=last).contains(&key));
        self.damage.iter().any(spoils)
    }

    fn readable(&self, store: usize, key: &[u8]) -> Result<(), StoreError> {
        if self.is_spoilt(store, key) { Err(StoreError::Damaged(format!("a block of store {store} fails its checksum"))) } else { Ok(()) }
    }

    pub(super) fn get(&self, store: usize, key: &[u8]) -> Result<Option<&Vec<u8>>, StoreError> {
        self.readable(store, key)?;
        Ok(self.of(store)?.entries.get(key))
    }

    pub(super) fn scan(&self, store: usize, from: &[u8], entry: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        for (key, value) in self.of(store)?.entries.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)) {
            self.readable(store, key)?;
            if !entry(key, value) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn positions(&self) -> Vec<Option<Offset>> {
        self.contents.iter().map(|it| it.position).collect()
    }

    /// The least positions that may be left when the power is lost now. Without any, all is restored.
    pub(super) fn least_positions(&self) -> Vec<Option<Offset>> {
        let mut positions = self.positions();
        for undo in self.unsynced.iter().flatten() {
            if let Undo::Position(store, Some(before)) = undo
                && let Some(position) = positions.get_mut(*store)
            {
                *position = (*position).min(Some(*before));
            }
        }
        positions
    }

    /// Writes all of it or nothing.
    pub(super) fn write(
        &mut self,
        batch: &mut dyn Iterator<Item = (usize, &[u8], Option<&[u8]>)>,
        positions: &[(usize, Offset)],
    ) -> Result<(), StoreError> {
        let batch: Vec<_> = batch.collect();
        // A store that does not exist is found before anything is written.
        batch.iter().map(|it| it.0).chain(positions.iter().map(|it| it.0)).try_for_each(|it| self.of(it).map(drop))?;
        let mut undo = Vec::with_capacity(batch.len() + positions.len());
        for (store, key, value) in batch {
            let Some(Contents { entries, .. }) = self.contents.get_mut(store) else { continue };
            let before = match value {
                Some(value) => entries.insert(key.to_vec(), value.to_vec()),
                None => entries.remove(key),
            };
            undo.push(Undo::Entry(store, key.to_vec(), before));
        }
        for (store, position) in positions {
            let Some(contents) = self.contents.get_mut(*store) else { continue };
            undo.push(Undo::Position(*store, contents.position.replace(*position)));
        }
        self.unsynced.push(undo);
        Ok(())
    }

    /// Begins to write what a restore brought.
    pub(super) fn take(&mut self, store: usize, bulk: Bulk, offsets: Range<Offset>) -> Result<(), StoreError> {
        self.of(store)?;
        self.taken = Some(Taken { store, bulk, offsets });
        Ok(())
    }

    pub(super) fn is_taking(&self) -> bool {
        self.taken.is_some()
    }

    /// Ends it: nothing of it is there when there is no room.
    pub(super) fn settle(&mut self, room: Result<(), StoreError>) -> Result<(), StoreError> {
        let Some(taken) = self.taken.take() else { return Ok(()) };
        room?;
        let (store, end) = (taken.store, taken.offsets.end);
        self.write_entries(taken);
        // As any position: a power loss may take it back, but not the entries.
        self.write(&mut std::iter::empty(), &[(store, end)])
    }

    /// The process is gone while it wrote what a restore brought: that is there or not, by chance, and its position is not.
    pub(super) fn lose_process(&mut self) {
        if let Some(taken) = self.taken.take_if(|it| it.offsets.end % 2 == 0) {
            self.write_entries(taken);
        }
        self.taken = None;
    }

    /// Durable at once, as is what was written before; with some position if there is none.
    fn write_entries(&mut self, taken: Taken) {
        let Taken { store, mut bulk, offsets } = taken;
        let Some(Contents { entries, position }) = self.contents.get_mut(store) else { return };
        position.get_or_insert(offsets.start);
        self.unsynced.clear();
        bulk.sort();
        for (key, value) in bulk.sorted() {
            match value {
                Some(value) => entries.insert(key.to_vec(), value.to_vec()),
                None => entries.remove(key),
            };
        }
    }

    /// What was written stays, whatever happens.
    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
    }

    /// Some of the last batches are lost, and the one behind those that are left may be torn. What is left is on the disk.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        let lost = random.index(self.unsynced.len() + 1);
        let torn = random.chance(TORN_PER_MILLE);
        for undo in self.unsynced.drain(self.unsynced.len() - lost..).rev().flat_map(|it| it.into_iter().rev()) {
            match undo {
                Undo::Entry(store, key, before) => {
                    let Some(Contents { entries, .. }) = self.contents.get_mut(store) else { continue };
                    match before {
                        Some(before) => entries.insert(key, before),
                        None => entries.remove(&key),
                    };
                }
                Undo::Position(store, before) => {
                    if let Some(contents) = self.contents.get_mut(store) {
                        contents.position = before;
                    }
                }
            }
        }
        self.sync();
        if torn && lost != 0 {
            self.damage.push(Damage::Header("the last batch is torn"));
        }
    }

    /// A byte is flipped somewhere.
    pub(super) fn spoil(&mut self, random: &mut Random) {
        let filled: Vec<usize> = (0..self.contents.len()).filter(|it| self.of(*it).is_ok_and(|it| !it.entries.is_empty())).collect();
        let header = random.chance(HEADER_PER_MILLE);
        let Some(store) = random.item(&filled).copied().filter(|_| !header) else {
            return self.damage.push(Damage::Header("the manifest fails its checksum"));
        };
        let Some(Contents { entries, .. }) = self.contents.get(store) else { return };
        let (skipped, count) = (random.index(entries.len()), random.between(1, BLOCK_ENTRIES));
        let mut block = entries.keys().skip(skipped).take(usize::try_from(count).unwrap_or(1));
        let Some(first) = block.next() else { return };
        let last = block.next_back().unwrap_or(first);
        self.damage.push(Damage::Block(store, first.clone(), last.clone()));
    }

    /// All entries of a store as they were written, spoilt or not.
    pub(super) fn entries(&self, store: &str) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let contents = self.contents.get(self.index(store)?)?;
        Some(contents.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    pub(super) fn index(&self, store: &str) -> Option<usize> {
        self.plans.iter().position(|it| it.id == store)
    }
}
