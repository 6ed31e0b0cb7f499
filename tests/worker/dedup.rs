//! What a dedup keeps, and for how long.

use goyt::adapters::memory::driver::TopologyDriver;

use super::{NOW, counting, event, send};

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
