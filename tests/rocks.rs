//! State on disk: what survives which accident, and what is refused by name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use goyt::adapters::rocks::RocksStores;
use goyt::adapters::rocks::directory::Directory;
use goyt::adapters::rocks::options::RocksSettings;
use goyt::engine::plan::{Decode, StoreKind, StorePlan, Subtopology};
use goyt::engine::record::{Offset, TopicId};
use goyt::engine::value::Type;
use goyt::runtime::ports::{Store, StoreError, Stores, TaskStores};
use goyt::runtime::reset::LocalState;
use tempfile::TempDir;

const TASK: &str = "sums.by-account_3";
const BALANCES: usize = 0;
const SEEN: usize = 1;

// Reading and writing.

#[test]
fn what_was_written_is_read_in_its_store() {
    let place = Place::new();
    let mut store = place.open();
    write(&mut *store, &[(BALANCES, "a", Some("1")), (SEEN, "a", Some("2")), (BALANCES, "b", Some("3"))], &[]);
    write(&mut *store, &[(BALANCES, "b", None)], &[]);
    assert_eq!(read(&mut *store, BALANCES, "a"), Some("1".to_owned()));
    assert_eq!(read(&mut *store, SEEN, "a"), Some("2".to_owned()));
    assert_eq!(read(&mut *store, BALANCES, "b"), None);
    assert_eq!(read(&mut *store, SEEN, "b"), None);
}

#[test]
fn a_scan_hands_out_entries_in_the_order_of_keys_until_it_is_stopped() {
    let place = Place::new();
    let mut store = place.open();
    write(&mut *store, &[(BALANCES, "c", Some("3")), (BALANCES, "a", Some("1")), (BALANCES, "d", Some("4")), (BALANCES, "b", Some("2"))], &[]);
    let mut seen = Vec::new();
    store
        .scan(BALANCES, b"b", &mut |key, _| {
            seen.push(String::from_utf8(key.to_vec()).unwrap());
            seen.len() < 2
        })
        .unwrap();
    assert_eq!(seen, ["b", "c"]);
}

#[test]
fn a_store_may_be_called_default() {
    let place = Place::new();
    let mut plan = plan();
    plan.stores[BALANCES].id = "default".to_owned();
    let mut store = place.try_open(&plan, 6, false).unwrap();
    write(&mut *store, &[(BALANCES, "a", Some("1"))], &[(BALANCES, 7)]);
    assert_eq!(contents(&mut *store, BALANCES), [("a".to_owned(), "1".to_owned())]);
}

#[test]
fn positions_are_those_of_the_last_batch_and_none_where_nothing_was_written() {
    let place = Place::new();
    let mut store = place.open();
    assert_eq!(store.positions().unwrap(), [None, None]);
    write(&mut *store, &[(BALANCES, "a", Some("1"))], &[(BALANCES, 10)]);
    write(&mut *store, &[], &[(BALANCES, 300)]);
    assert_eq!(store.positions().unwrap(), [Some(300), None]);
}

// Accidents.

#[test]
fn everything_is_there_after_a_close_without_a_flush() {
    let place = Place::new();
    let mut store = place.open();
    write(&mut *store, &[(BALANCES, "a", Some("1"))], &[(BALANCES, 11), (SEEN, 12)]);
    drop(store);
    let mut store = place.open();
    assert_eq!(read(&mut *store, BALANCES, "a"), Some("1".to_owned()));
    assert_eq!(store.positions().unwrap(), [Some(11), Some(12)]);
}

#[test]
fn a_crash_at_any_byte_of_the_log_leaves_entries_and_positions_of_one_moment() {
    let place = Place::new();
    let mut store = place.open();
    for n in 1..=20 {
        let value = n.to_string();
        write(&mut *store, &[(BALANCES, "n", Some(&value)), (SEEN, "n", Some(&value))], &[(BALANCES, n), (SEEN, n)]);
    }
    let mut moments = BTreeSet::new();
    let length = fs::metadata(write_ahead_log(&place.task())).unwrap().len();
    // The header of the file, and steps through it that hit records at ever other places.
    for length in (0..=length).rev().step_by(37) {
        let image = place.crash_image();
        let log = write_ahead_log(&image.task());
        fs::OpenOptions::new().write(true).open(log).unwrap().set_len(length).unwrap();
        let mut image_store = image.open();
        let position = image_store.positions().unwrap();
        let value = position[0].map(|it| it.to_string());
        assert_eq!(position[0], position[1], "cut at {length}");
        assert_eq!(read(&mut *image_store, BALANCES, "n"), value, "cut at {length}");
        assert_eq!(read(&mut *image_store, SEEN, "n"), value, "cut at {length}");
        moments.insert(position[0]);
    }
    assert!(moments.contains(&Some(20)) && moments.len() > 10, "{moments:?}");
}

#[test]
fn a_crash_image_taken_while_open_holds_all_that_was_written() {
    let place = Place::new();
    let mut store = place.open();
    fill(&mut *store, 0, 2_000);
    let image = place.crash_image();
    let mut image_store = image.open();
    assert_eq!(contents(&mut *image_store, BALANCES), contents(&mut *store, BALANCES));
    assert_eq!(image_store.positions().unwrap(), store.positions().unwrap());
}

#[test]
fn a_flipped_byte_in_a_file_of_entries_is_damage_and_stays_damage_until_a_fresh_start() {
    let place = Place::new();
    place.with_table_files();
    let file = largest(&place.task(), ".sst");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();

    let mut store = place.open();
    let error = store.scan(BALANCES, b"", &mut |_, _| true).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged(text) if text.contains(TASK)), "{error}");
    drop(store);
    assert!(matches!(place.try_open(&plan(), 6, false), Err(StoreError::Damaged(_))), "is not trusted again");

    let mut store = place.try_open(&plan(), 6, true).unwrap();
    assert_eq!(store.positions().unwrap(), [None, None]);
    assert!(place.task().with_file_name(format!("{TASK}.damaged")).is_dir(), "is kept to be looked at");
}

#[test]
fn broken_files_are_damage() {
    let truncate = |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100).unwrap();
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let scramble = |path: &Path| fs::write(path, vec![b'x'; 200]).unwrap();
    type Break<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, &str, Break<'_>); 7] = [
        ("a table file cut short", ".sst", &truncate),
        ("a table file missing", ".sst", &remove),
        ("RocksDB's manifest scrambled", "MANIFEST-", &scramble),
        ("RocksDB's manifest missing", "MANIFEST-", &remove),
        ("CURRENT missing", "CURRENT", &remove),
        ("CURRENT scrambled", "CURRENT", &scramble),
        ("our manifest scrambled", "task.json", &scramble),
    ];
    for (name, file, break_it) in cases {
        let place = Place::new();
        place.with_table_files();
        break_it(&largest(&place.task(), file));
        let result = place.try_open(&plan(), 6, false).and_then(|mut store| store.scan(BALANCES, b"", &mut |_, _| true));
        assert!(matches!(result, Err(StoreError::Damaged(_))), "{name}: {result:?}");
        let mut store = place.try_open(&plan(), 6, true).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(contents(&mut *store, BALANCES), [], "{name}");
    }
}

#[test]
fn damaged_state_is_kept_once_only() {
    let place = Place::new();
    for _ in 0..3 {
        drop(place.try_open(&plan(), 6, true).unwrap());
        fs::remove_file(place.task().join("CURRENT")).unwrap();
        assert!(matches!(place.try_open(&plan(), 6, false), Err(StoreError::Damaged(_))));
    }
    drop(place.try_open(&plan(), 6, true).unwrap());
    let mut names: Vec<_> = fs::read_dir(place.directory.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".lock", TASK, &format!("{TASK}.damaged")]);
}

#[test]
fn a_full_disk_refuses_writes_and_takes_them_when_there_is_room_again() {
    let Some(disk) = SmallDisk::mount("24m") else { return };
    let place = Place::at(disk.path());
    let mut store = place.open();
    write(&mut *store, &[(BALANCES, "first", Some("1"))], &[(BALANCES, 1)]);
    let filler = disk.path().join("filler");
    fill_up(&filler);

    let big = "x".repeat(100_000);
    let refused = (2..50).find_map(|n| store.write(&mut [(BALANCES, &b"big"[..], Some(big.as_bytes()))].into_iter(), &[(BALANCES, n)]).err());
    assert!(matches!(refused, Some(StoreError::Full(_))), "{refused:?}");
    let again = store.write(&mut [(BALANCES, &b"small"[..], Some(&b"1"[..]))].into_iter(), &[]);
    assert!(matches!(again, Err(StoreError::Full(_))), "{again:?}");
    assert_eq!(read(&mut *store, BALANCES, "first"), Some("1".to_owned()), "can still be read");

    fs::remove_file(&filler).unwrap();
    write(&mut *store, &[(BALANCES, "after", Some("2"))], &[(BALANCES, 99)]);
    drop(store);
    let mut store = place.open();
    assert_eq!(read(&mut *store, BALANCES, "first"), Some("1".to_owned()));
    assert_eq!(read(&mut *store, BALANCES, "after"), Some("2".to_owned()));
    assert_eq!(store.positions().unwrap(), [Some(99), None]);
}

// What is refused.

#[test]
fn state_of_something_else_is_refused_by_name() {
    type Change = fn(&mut Subtopology);
    let cases: [(&str, Change); 8] = [
        ("is of sums.by-account, not totals.by-account", |it| it.topology = "totals".to_owned()),
        ("store `balances` is gone (renamed to `totals`?); store `totals` is new", |it| it.stores[BALANCES].id = "totals".to_owned()),
        ("store `balances` had the value (sum: money), now (sum: decimal)", |it| it.stores[BALANCES].value[0].1 = Type::Decimal),
        ("store `balances` had the key (int), now (string)", |it| it.stores[BALANCES].key = vec![Type::String]),
        ("store `seen` was dedup 604800000 ms, now unique", |it| it.stores[SEEN].kind = StoreKind::Unique),
        ("store `seen` is gone", |it| it.stores.truncate(1)),
        ("store `more` is new", |it| it.stores.push(StorePlan { id: "more".to_owned(), kind: StoreKind::Allot, ..it.stores[SEEN].clone() })),
        ("the steps that shape its state have changed", |it| it.fingerprint = "other".to_owned()),
    ];
    for (reason, change) in cases {
        let place = Place::new();
        drop(place.open());
        let mut changed = plan();
        change(&mut changed);
        let error = place.try_open(&changed, 6, false).map(|_| ()).unwrap_err();
        assert!(matches!(&error, StoreError::Foreign(text) if text.contains(reason) && text.contains("goyt reset")), "{reason}: {error}");
        place.try_open(&plan(), 6, false).unwrap_or_else(|error| panic!("{reason}: the state is untouched: {error}"));
    }
}

#[test]
fn another_partition_count_is_refused() {
    let place = Place::new();
    drop(place.open());
    let error = place.try_open(&plan(), 12, false).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("had 6 partitions and has 12 now"), "{error}");
}

#[test]
fn a_newer_format_and_a_directory_that_is_not_ours_are_refused() {
    let place = Place::new();
    fs::create_dir_all(place.task()).unwrap();
    fs::write(place.task().join("holiday.jpg"), "x").unwrap();
    let error = place.try_open(&plan(), 6, false).map(|_| ()).unwrap_err();
    assert!(matches!(&error, StoreError::Foreign(text) if text.contains("not made by goyt")), "{error}");

    fs::write(place.task().join("task.json"), r#"{"format": 99, "sections": []}"#).unwrap();
    let error = place.try_open(&plan(), 6, false).map(|_| ()).unwrap_err();
    assert!(matches!(&error, StoreError::Foreign(text) if text.contains("a newer version of goyt (format 99")), "{error}");
}

#[test]
fn the_stores_of_a_task_are_open_once() {
    let place = Place::new();
    let store = place.open();
    assert!(matches!(place.try_open(&plan(), 6, false), Err(StoreError::Locked(_))));
    assert!(matches!(place.try_open(&plan(), 6, true), Err(StoreError::Locked(_))), "not even to begin anew");
    assert!(matches!(place.directory.remove(TASK), Err(StoreError::Locked(_))));
    drop(store);
    drop(place.open());
}

/// Plays both parts: the first process holds the directory, the second is this very test run again.
#[test]
fn a_second_process_on_a_state_directory_is_refused() {
    const HELD: &str = "GOYT_TEST_HELD_DIRECTORY";
    if let Some(held) = std::env::var_os(HELD) {
        let error = Directory::take(Path::new(&held), "app").map(|_| ()).unwrap_err();
        println!("{error:?}");
        return;
    }
    let place = Place::new();
    let state_dir = place.directory.path().parent().unwrap();
    let second = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_second_process_on_a_state_directory_is_refused", "--nocapture"])
        .env(HELD, state_dir)
        .output()
        .unwrap();
    let said = String::from_utf8(second.stdout).unwrap();
    let expected = format!("Locked(\"the state directory {} is in use by process {}: ", place.directory.path().display(), std::process::id());
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("state");
    fs::write(&file, "").unwrap();
    let error = Directory::take(&file, "app").map(|_| ()).unwrap_err();
    assert!(matches!(&error, StoreError::Io(text) if text.contains("state/app") && text.contains("state.dir")), "{error}");
    for bad in ["", "..", "a/b"] {
        assert!(Directory::take(folder.path(), bad).is_err(), "{bad:?}");
    }
}

// The directory.

#[test]
fn the_instance_id_is_made_once_unless_it_is_given() {
    let folder = TempDir::new().unwrap();
    let directory = Directory::take(folder.path(), "app").unwrap();
    let made = directory.instance_id(None).unwrap();
    assert_eq!(directory.instance_id(Some("till-1")).unwrap(), "till-1");
    assert!(directory.instance_id(Some("till 1")).is_err());
    drop(directory);
    let directory = Directory::take(folder.path(), "app").unwrap();
    assert_eq!(directory.instance_id(None).unwrap(), made);
    fs::write(directory.path().join("instance.id"), "").unwrap();
    let error = directory.instance_id(None).unwrap_err();
    assert!(error.to_string().contains("instance.id"), "{error}");
}

#[test]
fn a_task_that_moved_away_is_removed_after_the_delay_even_over_a_restart() {
    let delay = Duration::from_millis(600_000);
    let none = BTreeSet::new();
    let nothing: [&str; 0] = [];
    let place = Place::new();
    let store = place.open();
    assert_eq!(place.directory.clean(&none, 1_000, delay).unwrap(), nothing, "open");
    drop(store);
    let active = BTreeSet::from([TASK.to_owned()]);
    assert_eq!(place.directory.clean(&active, 5_000_000, delay).unwrap(), nothing, "active");
    assert_eq!(place.directory.clean(&none, 10_000, delay).unwrap(), nothing, "gone since now");
    let place = place.restarted();
    assert_eq!(place.directory.clean(&none, 609_999, delay).unwrap(), nothing);
    drop(place.open());
    assert_eq!(place.directory.clean(&none, 610_000, delay).unwrap(), nothing, "came back and is gone since now");
    assert_eq!(place.directory.clean(&none, 20_000, delay).unwrap(), nothing, "the clock was set back");
    assert_eq!(place.directory.tasks().unwrap(), [TASK]);
    assert_eq!(place.directory.clean(&none, 620_000, delay).unwrap(), [TASK]);
    assert_eq!(place.directory.tasks().unwrap(), nothing);
}

#[test]
fn tasks_are_listed_and_removed_and_other_directories_left_alone() {
    let place = Place::new();
    drop(place.open());
    for other in ["notes", "notes_2", ".git_1", &format!("{TASK}.damaged")] {
        fs::create_dir(place.directory.path().join(other)).unwrap();
    }
    assert_eq!(place.directory.tasks().unwrap(), [TASK]);
    place.directory.remove(TASK).unwrap();
    assert_eq!(place.directory.tasks().unwrap(), [""; 0]);
    assert!(!place.task().with_file_name(format!("{TASK}.damaged")).exists());
    assert!(place.directory.path().join("notes_2").exists());
}

// How it is written down.

/// A state directory, held.
struct Place {
    directory: Arc<Directory>,
    /// Removed last.
    folder: Option<TempDir>,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { directory: Directory::take(folder.path(), "app").unwrap(), folder: Some(folder) }
    }

    fn at(path: &Path) -> Self {
        Self { directory: Directory::take(path, "app").unwrap(), folder: None }
    }

    fn restarted(self) -> Self {
        let Self { directory, folder } = self;
        let state_dir = directory.path().parent().unwrap().to_owned();
        drop(directory);
        Self { directory: Directory::take(&state_dir, "app").unwrap(), folder }
    }

    /// What a crash at this moment would leave on disk, as a place of its own.
    fn crash_image(&self) -> Self {
        let image = Self::new();
        fs::create_dir(image.task()).unwrap();
        for entry in fs::read_dir(self.task()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, image.task().join(path.file_name().unwrap())).unwrap();
        }
        image
    }

    fn task(&self) -> PathBuf {
        self.directory.path().join(TASK)
    }

    fn open(&self) -> Box<dyn Store> {
        self.try_open(&plan(), 6, false).unwrap()
    }

    fn try_open(&self, plan: &Subtopology, partitions: i32, fresh: bool) -> Result<Box<dyn Store>, StoreError> {
        let settings = RocksSettings { store_write_buffer_bytes: 64 << 10, ..RocksSettings::default() };
        RocksStores::new(Arc::clone(&self.directory), &settings).open(&TaskStores { task: TASK, plan, partitions }, fresh)
    }

    /// Leaves a closed store behind whose entries have reached table files.
    fn with_table_files(&self) {
        let mut store = self.open();
        fill(&mut *store, 0, 10_000);
        drop(store);
        // What is in the log only is written out when it is opened.
        drop(self.open());
        largest(&self.task(), ".sst");
    }
}

fn plan() -> Subtopology {
    let store = |id: &str, kind, key, value: &[(&str, Type)]| StorePlan {
        id: id.to_owned(),
        changelog: TopicId(9),
        key: vec![key],
        value: value.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect(),
        kind,
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

fn write(store: &mut dyn Store, entries: &[(usize, &str, Option<&str>)], positions: &[(usize, Offset)]) {
    let mut batch = entries.iter().map(|(store, key, value)| (*store, key.as_bytes(), value.map(str::as_bytes)));
    store.write(&mut batch, positions).unwrap();
}

fn read(store: &mut dyn Store, index: usize, key: &str) -> Option<String> {
    let mut value = b"left over".to_vec();
    let found = store.get(index, key.as_bytes(), &mut value).unwrap();
    assert!(found || value.is_empty());
    found.then(|| String::from_utf8(value).unwrap())
}

fn contents(store: &mut dyn Store, index: usize) -> Vec<(String, String)> {
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
fn fill(store: &mut dyn Store, from: u64, to: u64) {
    for start in (from..to).step_by(100) {
        let entries: Vec<(String, String)> =
            (start..start + 100).map(|n| (format!("{n:08}"), format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))).collect();
        let batch: Vec<_> = entries.iter().map(|(key, value)| (BALANCES, key.as_str(), Some(value.as_str()))).collect();
        write(store, &batch, &[(BALANCES, i64::try_from(start).unwrap())]);
    }
}

/// The largest file whose name has this part.
fn largest(folder: &Path, part: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let named = files.filter(|path| path.file_name().unwrap().to_str().unwrap().contains(part));
    named.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap_or_else(|| panic!("no {part} in {}", folder.display()))
}

fn write_ahead_log(folder: &Path) -> PathBuf {
    largest(folder, ".log")
}

/// A small file system of its own, for a test that fills it.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, said on stderr, where this user may not mount.
    fn mount(size: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            other => {
                eprintln!("skipped: a small file system can't be mounted here: {other:?}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the store may still have files open there.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn fill_up(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [1 << 20, 4096] {
        while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
    }
}
