//! What survives which accident: crashes, broken files, full disks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use goyt::adapters::rocks::RocksStores;
use goyt::adapters::rocks::options::RocksSettings;
use goyt::runtime::ports::{StoreError, Stores as _, TaskStores};

use crate::place::{BALANCES, Place, SEEN, TASK, contents, fill, largest, plan, read, write, write_ahead_log};
use crate::small_disk::{SmallDisk, fill_up};

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
fn files_older_than_the_changelogs_deletions_are_not_used() {
    let place = Place::new();
    fill(&mut *place.open(), 0, 10);
    let settings = RocksSettings { stale_after: Duration::ZERO, ..RocksSettings::default() };
    let mut stores = RocksStores::new(Arc::clone(&place.directory), &settings);
    let plan = plan();
    let task = TaskStores { task: TASK, plan: &plan, partitions: 6 };
    let error = stores.open(&task, false).err().unwrap();
    assert!(matches!(error, StoreError::Stale(_)), "{error}");
    assert_eq!(stores.open(&task, true).unwrap().positions().unwrap(), [None, None], "a fresh start is what it takes");
}

#[test]
fn broken_files_are_damage() {
    let truncate = |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100).unwrap();
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let scramble = |path: &Path| fs::write(path, vec![b'x'; 200]).unwrap();
    // Still JSON, and of another task.
    let rename =
        |path: &Path| fs::write(path, fs::read_to_string(path).unwrap().replacen("\"topology\": \"", "\"topology\": \"x", 1)).unwrap();
    type Break<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, &str, Break<'_>); 8] = [
        ("a table file cut short", ".sst", &truncate),
        ("a table file missing", ".sst", &remove),
        ("RocksDB's manifest scrambled", "MANIFEST-", &scramble),
        ("RocksDB's manifest missing", "MANIFEST-", &remove),
        ("CURRENT missing", "CURRENT", &remove),
        ("CURRENT scrambled", "CURRENT", &scramble),
        ("our manifest scrambled", "task.json", &scramble),
        ("a letter in our manifest", "task.json", &rename),
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
    let refused =
        (2..50).find_map(|n| store.write(&mut [(BALANCES, &b"big"[..], Some(big.as_bytes()))].into_iter(), &[(BALANCES, n)]).err());
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
