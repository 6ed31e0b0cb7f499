//! What a restore brings: read when it is done, and begun once more wherever it broke off.

use std::fs;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use goyt::engine::record::Offset;
use goyt::runtime::ports::{Store, StoreError};
use goyt::runtime::restore::bulk::Bulk;

use crate::place::{BALANCES, Place, SEEN, contents, largest, read, write, write_ahead_log};
use crate::small_disk::{SmallDisk, fill_up};

/// So many entries are written as a file of their own.
const MANY: Offset = 2_000;
const WITHIN: Duration = Duration::from_secs(60);

#[test]
fn what_was_restored_is_there_with_its_position_whether_much_or_little() {
    for count in [0, 3, MANY] {
        let place = Place::new();
        let mut store = place.open();
        write(&mut *store, &[(BALANCES, "00000001", Some("old")), (BALANCES, "00000002", Some("old")), (SEEN, "a", Some("1"))], &[]);
        let mut bulk = bulk(0..count);
        bulk.push(b"00000001", Some(b"first"));
        bulk.push(b"00000001", Some(b"last"));
        bulk.push(b"00000002", None);
        restore(&mut *store, BALANCES, bulk, 0..count + 3).unwrap();
        assert_eq!(store.positions().unwrap(), [Some(count + 3), None], "{count}");
        let mut expected = entries(0..count);
        expected.retain(|(key, _)| key != "00000001" && key != "00000002");
        expected.push(("00000001".to_owned(), "last".to_owned()));
        expected.sort();
        assert_eq!(contents(&mut *store, BALANCES), expected, "{count}");
        assert_eq!(read(&mut *store, SEEN, "a"), Some("1".to_owned()), "{count}");
        write(&mut *store, &[(BALANCES, "00000001", Some("new"))], &[(BALANCES, count + 4)]);
        drop(store);
        let mut store = place.open();
        assert_eq!(read(&mut *store, BALANCES, "00000001"), Some("new".to_owned()), "{count}: what came later is above it");
        assert_eq!(store.positions().unwrap(), [Some(count + 4), None], "{count}");
    }
}

#[test]
fn more_is_given_back_while_a_store_writes_and_nothing_is_lost() {
    let place = Place::new();
    let mut store = place.open();
    for part in 0..6 {
        restore(&mut *store, BALANCES, bulk(part * MANY..(part + 1) * MANY), part * MANY..(part + 1) * MANY).unwrap();
    }
    // Waits for what is under way.
    assert_eq!(store.positions().unwrap(), [Some(6 * MANY), None]);
    assert!(store.restored().unwrap());
    assert_eq!(contents(&mut *store, BALANCES), entries(0..6 * MANY));
}

#[test]
fn a_store_that_is_closed_while_it_writes_has_it_afterwards() {
    let place = Place::new();
    let mut store = place.open();
    assert!(store.restore(BALANCES, bulk(0..MANY), 0..MANY).unwrap().is_none());
    drop(store);
    let mut store = place.open();
    assert_eq!(store.positions().unwrap(), [Some(MANY), None]);
    assert_eq!(contents(&mut *store, BALANCES), entries(0..MANY));
}

#[test]
fn a_crash_between_entries_and_their_position_costs_no_more_than_reading_them_again() {
    let place = Place::new();
    let mut store = place.open();
    restore(&mut *store, BALANCES, bulk(0..MANY), 0..MANY).unwrap();
    restore(&mut *store, BALANCES, changes(), MANY..2 * MANY).unwrap();
    finish(&mut *store).unwrap();
    let expected = contents(&mut *store, BALANCES);
    let mut positions = Vec::new();
    let length = fs::metadata(write_ahead_log(&place.task())).unwrap().len();
    for length in (0..=length).rev().step_by(11) {
        let image = place.crash_image();
        fs::OpenOptions::new().write(true).open(write_ahead_log(&image.task())).unwrap().set_len(length).unwrap();
        let mut image_store = image.open();
        let position = image_store.positions().unwrap()[BALANCES];
        // Entries are durable before their position is: those of a position are there, whatever is lost behind it.
        assert_eq!(contents(&mut *image_store, BALANCES), expected, "cut at {length}");
        if position.unwrap_or(0) < MANY {
            restore(&mut *image_store, BALANCES, bulk(0..MANY), 0..MANY).unwrap();
        }
        if position.unwrap_or(0) < 2 * MANY {
            restore(&mut *image_store, BALANCES, changes(), MANY..2 * MANY).unwrap();
        }
        assert_eq!(image_store.positions().unwrap(), [Some(2 * MANY), None], "cut at {length}");
        assert_eq!(contents(&mut *image_store, BALANCES), expected, "cut at {length}");
        positions.push(position);
    }
    positions.dedup();
    // Before the first entries the beginning is noted, synced: only a log without its beginning lacks it.
    assert_eq!(positions, [Some(2 * MANY), Some(MANY), Some(0), None]);
}

#[test]
fn what_a_crash_left_half_made_is_removed_and_never_written_over() {
    let place = Place::new();
    let mut store = place.open();
    restore(&mut *store, BALANCES, bulk(0..MANY), 0..MANY).unwrap();
    finish(&mut *store).unwrap();
    let left = place.task().join("restoring.new");
    assert!(!left.exists(), "done");
    // A crash while a file is taken in leaves it with two names.
    fs::hard_link(largest(&place.task(), ".sst"), &left).unwrap();
    restore(&mut *store, BALANCES, bulk(MANY..2 * MANY), MANY..2 * MANY).unwrap();
    finish(&mut *store).unwrap();
    assert_eq!(contents(&mut *store, BALANCES), entries(0..2 * MANY));
    drop(store);
    fs::write(&left, "half").unwrap();
    let mut store = place.open();
    assert!(!left.exists(), "opened");
    assert_eq!(contents(&mut *store, BALANCES), entries(0..2 * MANY));
}

#[test]
fn a_flipped_byte_in_what_was_restored_is_damage() {
    let place = Place::new();
    let mut store = place.open();
    restore(&mut *store, BALANCES, bulk(0..MANY), 0..MANY).unwrap();
    drop(store);
    let file = largest(&place.task(), ".sst");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = place.open().scan(BALANCES, b"", &mut |_, _| true).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
}

#[test]
fn a_full_disk_refuses_what_a_restore_brings_and_takes_it_when_there_is_room_again() {
    let Some(disk) = SmallDisk::mount("24m") else { return };
    let place = Place::at(disk.path());
    let mut store = place.open();
    restore(&mut *store, BALANCES, bulk(0..MANY), 0..MANY).unwrap();
    finish(&mut *store).unwrap();
    let filler = disk.path().join("filler");
    fill_up(&filler);

    let more = || bulk(MANY..2 * MANY);
    let refused = restore(&mut *store, BALANCES, more(), MANY..2 * MANY).and_then(|()| finish(&mut *store));
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert_eq!(store.positions().unwrap(), [Some(MANY), None]);
    assert_eq!(contents(&mut *store, BALANCES), entries(0..MANY), "can still be read");
    let again = restore(&mut *store, BALANCES, more(), MANY..2 * MANY).and_then(|()| finish(&mut *store));
    assert!(matches!(again, Err(StoreError::Full(_))), "{again:?}");

    fs::remove_file(&filler).unwrap();
    restore(&mut *store, BALANCES, more(), MANY..2 * MANY).unwrap();
    drop(store);
    let mut store = place.open();
    assert_eq!(contents(&mut *store, BALANCES), entries(0..2 * MANY));
    assert_eq!(store.positions().unwrap(), [Some(2 * MANY), None]);
}

/// Offers a bulk until it is taken.
fn restore(store: &mut dyn Store, index: usize, mut bulk: Bulk, offsets: Range<Offset>) -> Result<(), StoreError> {
    let until = Instant::now() + WITHIN;
    while let Some(back) = store.restore(index, bulk, offsets.clone())? {
        assert!(Instant::now() < until, "not taken");
        bulk = back;
        thread::yield_now();
    }
    Ok(())
}

/// Asks until all is written.
fn finish(store: &mut dyn Store) -> Result<(), StoreError> {
    let until = Instant::now() + WITHIN;
    while !store.restored()? {
        assert!(Instant::now() < until, "not written");
        thread::yield_now();
    }
    Ok(())
}

/// Whose values are large and do not compress to nothing.
fn entries(numbers: Range<Offset>) -> Vec<(String, String)> {
    let value = |n: Offset| format!("{:016x}", n.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15)).repeat(20);
    numbers.map(|n| (format!("{n:08}"), value(n))).collect()
}

fn bulk(numbers: Range<Offset>) -> Bulk {
    let mut bulk = Bulk::default();
    // Not in the order of keys.
    entries(numbers).iter().rev().for_each(|(key, value)| bulk.push(key.as_bytes(), Some(value.as_bytes())));
    bulk
}

/// New values for most keys, and none for some.
fn changes() -> Bulk {
    let mut bulk = Bulk::default();
    for (nth, (key, value)) in entries(0..MANY).iter().enumerate() {
        bulk.push(key.as_bytes(), (nth % 10 != 0).then(|| value.to_uppercase()).as_deref().map(str::as_bytes));
    }
    bulk
}
