//! The state directories that the tests work in, and what they put there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use goyt::adapters::rocks::RocksStores;
use goyt::adapters::rocks::directory::Directory;
use goyt::adapters::rocks::options::RocksSettings;
use goyt::engine::plan::{Decode, StoreKind, StorePlan, Subtopology};
use goyt::engine::record::{Offset, TopicId};
use goyt::engine::value::Type;
use goyt::runtime::ports::{Store, StoreError, Stores, TaskStores};
use tempfile::TempDir;

pub const TASK: &str = "sums.by-account_3";
pub const BALANCES: usize = 0;
pub const SEEN: usize = 1;

/// A state directory, held.
pub struct Place {
    pub directory: Arc<Directory>,
    /// Removed last.
    folder: Option<TempDir>,
}

impl Place {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { directory: Directory::take(folder.path(), "app").unwrap(), folder: Some(folder) }
    }

    pub fn at(path: &Path) -> Self {
        Self { directory: Directory::take(path, "app").unwrap(), folder: None }
    }

    pub fn restarted(self) -> Self {
        let Self { directory, folder } = self;
        let state_dir = directory.path().parent().unwrap().to_owned();
        drop(directory);
        Self { directory: Directory::take(&state_dir, "app").unwrap(), folder }
    }

    /// What a crash at this moment would leave on disk, as a place of its own.
    pub fn crash_image(&self) -> Self {
        let image = Self::new();
        fs::create_dir(image.task()).unwrap();
        for entry in fs::read_dir(self.task()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, image.task().join(path.file_name().unwrap())).unwrap();
        }
        image
    }

    pub fn task(&self) -> PathBuf {
        self.directory.path().join(TASK)
    }

    pub fn open(&self) -> Box<dyn Store> {
        self.try_open(&plan(), 6, false).unwrap()
    }

    pub fn try_open(&self, plan: &Subtopology, partitions: i32, fresh: bool) -> Result<Box<dyn Store>, StoreError> {
        let settings = RocksSettings { store_write_buffer_bytes: 64 << 10, ..RocksSettings::default() };
        RocksStores::new(Arc::clone(&self.directory), &settings).open(&TaskStores { task: TASK, plan, partitions }, fresh)
    }

    /// Leaves a closed store behind whose entries have reached table files.
    pub fn with_table_files(&self) {
        let mut store = self.open();
        fill(&mut *store, 0, 10_000);
        drop(store);
        // What is in the log only is written out when it is opened.
        drop(self.open());
        largest(&self.task(), ".sst");
    }
}

pub fn plan() -> Subtopology {
    let store = |id: &str, kind, key, value: &[(&str, Type)]| StorePlan {
        id: id.to_owned(),
        changelog: TopicId(9),
        key: vec![key],
        value: value.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect(),
        kind,
        each: None,
    };
    Subtopology {
        topology: "sums".to_owned(),
        name: "by-account".to_owned(),
        source: TopicId(0),
        decode: Decode::Events(Vec::new()),
        dead_letters: None,
        slots: 0,
        stores: vec![
            store("balances", StoreKind::Aggregate, Type::Int, &[("sum", Type::Money)]),
            store("seen", StoreKind::Dedup { window_ms: 604_800_000 }, Type::Uuid, &[]),
        ],
        steps: Vec::new(),
        fingerprint: "one".to_owned(),
    }
}

pub fn write(store: &mut dyn Store, entries: &[(usize, &str, Option<&str>)], positions: &[(usize, Offset)]) {
    let mut batch = entries.iter().map(|(store, key, value)| (*store, key.as_bytes(), value.map(str::as_bytes)));
    store.write(&mut batch, positions).unwrap();
}

pub fn read(store: &mut dyn Store, index: usize, key: &str) -> Option<String> {
    let mut value = b"left over".to_vec();
    let found = store.get(index, key.as_bytes(), &mut value).unwrap();
    assert!(found || value.is_empty());
    found.then(|| String::from_utf8(value).unwrap())
}

pub fn contents(store: &mut dyn Store, index: usize) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut entries = Vec::new();
    store
        .scan(index, b"", &mut |key, value| {
            entries.push((text(key), text(value)));
            true
        })
        .unwrap();
    entries
}

/// Many entries, in batches of 100, whose values do not compress to nothing.
pub fn fill(store: &mut dyn Store, from: u64, to: u64) {
    for start in (from..to).step_by(100) {
        let entries: Vec<(String, String)> =
            (start..start + 100).map(|n| (format!("{n:08}"), format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))).collect();
        let batch: Vec<_> = entries.iter().map(|(key, value)| (BALANCES, key.as_str(), Some(value.as_str()))).collect();
        write(store, &batch, &[(BALANCES, i64::try_from(start).unwrap())]);
    }
}

/// The largest file whose name has this part.
pub fn largest(folder: &Path, part: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let named = files.filter(|path| path.file_name().unwrap().to_str().unwrap().contains(part));
    named.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap_or_else(|| panic!("no {part} in {}", folder.display()))
}

pub fn write_ahead_log(folder: &Path) -> PathBuf {
    largest(folder, ".log")
}
