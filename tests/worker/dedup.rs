//! What a dedup keeps, and for how long.

use goyt::adapters::memory::driver::TopologyDriver;
use goyt::engine::state::dedup_keys;

use super::{NOW, counting, event, send, values};

#[test]
fn ids_leave_the_store_with_their_page_when_all_of_it_has_expired() {
    // With memory for an index of pages, ids have no entries.
    for (memory, entries_of_id) in [(0, 2), (1 << 16, 1)] {
        ids_leave_the_store(memory, entries_of_id);
    }
}

fn ids_leave_the_store(memory: usize, entries_of_id: usize) {
    let mut driver = TopologyDriver::new(counting(), 1, NOW);
    driver.task_cache_bytes = memory;
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    // An id counts for a day. Each commit has one event here: its id, and a page; and there is the stream time.
    let table = [
        ("01T00", vec!["01T00"]),
        ("01T01", vec!["01T00", "01T01"]),
        ("03T00", vec!["03T00"]),
        ("03T12", vec!["03T00", "03T12"]),
        ("03T06", vec!["03T00", "03T12", "03T06"]),
        ("04T08", vec!["03T12", "04T08"]),
        ("04T13", vec!["04T08", "04T13"]),
    ];
    for ((time, left), id) in table.into_iter().zip(0..) {
        let mut content = event(id, "a", 1);
        let value = String::from_utf8(content.value.unwrap()).unwrap().replace("01T00", time);
        content.value = Some(value.into_bytes());
        send(&driver, content);
        driver.run_until_idle(&mut worker).unwrap();
        let on_disk = driver.stores.entries("counting.in_0", "dedup").unwrap().len();
        assert_eq!(on_disk, entries_of_id * left.len() + 1, "at {time}: {left:?}, {memory} bytes of memory");
    }
}

#[test]
fn after_a_restore_ids_have_entries_when_the_index_has_no_memory_for_their_pages() {
    // The index has five of eight parts of the memory, a restore fills three quarters of that, and eight pages of 100 ids need some 4,500 bytes.
    for (memory, with_entries) in [(0, 8), (5 << 10, 4), (1 << 16, 0)] {
        let mut driver = TopologyDriver::new(counting(), 1, NOW);
        driver.task_cache_bytes = memory;
        let mut worker = driver.worker("w");
        worker.join().unwrap();
        for page in 0..8 {
            (0..100).for_each(|id| send(&driver, event(page * 100 + id, "a", 1)));
            driver.run_until_idle(&mut worker).unwrap();
        }
        assert!(worker.stop(), "all is committed");
        driver.stores.remove("counting.in_0");
        let mut worker = driver.worker("w");
        worker.join().unwrap();
        (0..801).for_each(|id| send(&driver, event(id, "a", 1)));
        driver.run_until_idle(&mut worker).unwrap();
        assert_eq!(values(&driver, "out").len(), 801, "each id counts once, {memory} bytes of memory");
        let on_disk = driver.stores.entries("counting.in_0", "dedup").unwrap();
        let entries = on_disk.iter().filter(|(key, _)| dedup_keys::id_of(key).is_some()).count();
        // The last event is new, and finds an index that has been read, or none.
        assert!((with_entries * 100..=with_entries * 100 + 1).contains(&entries), "{entries} entries, {memory} bytes of memory");
    }
}
