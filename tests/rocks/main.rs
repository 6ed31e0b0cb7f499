//! State on disk: what is kept, and what is refused by name.

#![cfg(test)]

mod accidents;
mod place;
mod reading;
mod restoring;
#[path = "../support/small_disk.rs"]
mod small_disk;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use goyt::adapters::rocks::directory::Directory;
use goyt::engine::plan::{StoreKind, StorePlan, Subtopology};
use goyt::engine::value::Type;
use goyt::runtime::operations::reset::LocalState;
use goyt::runtime::ports::StoreError;
use place::{BALANCES, Place, SEEN, TASK, contents, plan, read, write};
use tempfile::TempDir;

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
    write(
        &mut *store,
        &[(BALANCES, "c", Some("3")), (BALANCES, "a", Some("1")), (BALANCES, "d", Some("4")), (BALANCES, "b", Some("2"))],
        &[],
    );
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
        ("store `more` is new", |it| {
            it.stores.push(StorePlan { id: "more".to_owned(), kind: StoreKind::Allot, ..it.stores[SEEN].clone() })
        }),
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
fn the_format_before_is_taken_over() {
    let place = Place::new();
    drop(place.open());
    let manifest = place.task().join("task.json");
    let read = || serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&fs::read(&manifest).unwrap()).unwrap();
    let mut before = read();
    let format = before.insert("format".to_owned(), 2.into());
    // It would be of another content.
    before.remove("checksum");
    fs::write(&manifest, serde_json::to_vec(&before).unwrap()).unwrap();
    drop(place.open());
    assert_eq!(read().get("format"), format.as_ref(), "the version before refuses it from now on");
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
    let expected =
        format!("Locked(\"the state directory {} is in use by process {}: ", place.directory.path().display(), std::process::id());
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
