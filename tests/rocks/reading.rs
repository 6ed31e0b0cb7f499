//! State that is read beside the worker that has it open, and state that nobody has open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use goyt::adapters::rocks::RocksStores;
use goyt::adapters::rocks::offline::OfflineStores;
use goyt::adapters::rocks::options::RocksSettings;
use goyt::engine::plan::{Plan, Subtopology};
use goyt::runtime::operations::access::StateReader;
use goyt::runtime::ports::{Store, StoreError, Stores, TaskStores};

use super::place::{BALANCES, Place, SEEN, TASK, fill, plan, write};
use super::small_disk::{SmallDisk, fill_up};

fn open(stores: &RocksStores) -> Box<dyn Store> {
    stores.clone().open(&TaskStores { task: TASK, plan: &plan(), partitions: 6 }, false).unwrap()
}

fn stores(place: &Place) -> RocksStores {
    RocksStores::new(Arc::clone(&place.directory), &RocksSettings { store_write_buffer_bytes: 64 << 10, ..RocksSettings::default() })
}

fn text(found: Option<Vec<u8>>) -> Option<String> {
    found.map(|it| String::from_utf8(it).unwrap())
}

#[test]
fn what_a_worker_has_written_is_read_while_it_is_open_and_not_afterwards() {
    let place = Place::new();
    let stores = stores(&place);
    assert_eq!(stores.tasks(), [""; 0]);
    let mut store = open(&stores);
    write(&mut *store, &[(BALANCES, "a", Some("1")), (SEEN, "a", Some("2"))], &[]);
    assert_eq!(stores.tasks(), [TASK]);
    assert_eq!(text(stores.get(TASK, "balances", b"a").unwrap()), Some("1".to_owned()));
    assert_eq!(text(stores.get(TASK, "seen", b"a").unwrap()), Some("2".to_owned()));
    assert_eq!(stores.get(TASK, "balances", b"b").unwrap(), None);
    assert!(stores.get(TASK, "totals", b"a").unwrap_err().to_string().ends_with("has no store totals"));
    drop(store);
    assert_eq!(stores.tasks(), [""; 0]);
    assert_eq!(stores.get(TASK, "balances", b"a").unwrap_err().to_string(), format!("task {TASK} is not open here"));
}

#[test]
fn a_scan_over_many_slices_hands_out_each_entry_once() {
    let place = Place::new();
    let stores = stores(&place);
    let mut store = open(&stores);
    fill(&mut *store, 0, 1_000);
    let mut keys = Vec::new();
    stores
        .scan(TASK, "balances", b"00000100", &mut |key, _| {
            keys.push(String::from_utf8(key.to_vec()).unwrap());
            keys.len() < 700
        })
        .unwrap();
    assert_eq!(keys, (100..800).map(|n| format!("{n:08}")).collect::<Vec<_>>());
    let size = stores.size(TASK, "balances").unwrap();
    assert!((900..1_100).contains(&size.entries) && 1_000 * 24 < size.bytes, "{size:?}");
    assert_eq!(stores.size(TASK, "seen").unwrap().entries, 0);
}

#[test]
fn a_reader_does_not_keep_a_task_from_being_closed_and_opened_again() {
    let place = Place::new();
    let stores = stores(&place);
    let mut store = open(&stores);
    fill(&mut *store, 0, 2_000);
    let mut store = Some(store);
    let (over, reader) = (AtomicBool::new(false), &stores);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // Refused while it is closed; what is found is whole.
                let mut count = 0;
                let scanned = reader.scan(TASK, "balances", b"", &mut |_, _| {
                    count += 1;
                    true
                });
                assert!(scanned.is_err() || count == 2_000, "{count}");
            }
        });
        for _ in 0..50 {
            drop(store.take());
            store = Some(open(&stores));
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_reader_does_not_keep_a_database_from_being_opened_again_after_a_full_disk() {
    let Some(disk) = SmallDisk::mount("24m") else { return };
    let place = Place::at(disk.path());
    let stores = stores(&place);
    let mut store = open(&stores);
    fill(&mut *store, 0, 100);
    let filler = disk.path().join("filler");
    fill_up(&filler);
    let mut entry = [(BALANCES, &b"00000000"[..], Some(&[1_u8; 100_000][..]))].into_iter().cycle().take(100);
    let error = store.write(&mut entry, &[]).unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                drop(stores.scan(TASK, "balances", b"", &mut |_, _| true));
            }
        });
        std::fs::remove_file(&filler).unwrap();
        write(&mut *store, &[(BALANCES, "after", Some("1"))], &[]);
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(text(stores.get(TASK, "balances", b"after").unwrap()), Some("1".to_owned()));
}

// Nobody has it open.

fn application(part: Subtopology) -> Plan {
    Plan { application_id: "app".to_owned(), descriptions: Default::default(), topics: Vec::new(), subtopologies: vec![part] }
}

fn offline(place: &Place, plan: &Plan) -> Result<OfflineStores, StoreError> {
    OfflineStores::open(place.directory.path().parent().unwrap(), plan)
}

#[test]
fn what_a_stopped_instance_left_is_read_without_changing_it() {
    let place = Place::new();
    let mut store = open(&stores(&place));
    fill(&mut *store, 0, 5_000);
    write(&mut *store, &[(BALANCES, "last", Some("1"))], &[]);
    drop(store);
    let image = place.crash_image();
    // A copy has no lock of a running instance.
    std::fs::remove_file(image.directory.path().join(".lock")).unwrap();
    let listing = || {
        let files = std::fs::read_dir(image.task()).unwrap().map(|it| it.unwrap());
        let mut files: Vec<_> = files.map(|it| (it.file_name(), it.metadata().unwrap().len())).collect();
        files.sort();
        files
    };
    let before = listing();
    let reader = offline(&image, &application(plan())).unwrap();
    assert_eq!((reader.tasks(), reader.partitions(TASK)), (vec![TASK.to_owned()], Some(6)));
    assert_eq!(text(reader.get(TASK, "balances", b"last").unwrap()), Some("1".to_owned()), "what is in the log only is read, too");
    let mut count = 0;
    reader
        .scan(TASK, "balances", b"", &mut |_, _| {
            count += 1;
            true
        })
        .unwrap();
    assert_eq!(count, 5_001);
    assert_eq!(reader.get(TASK, "seen", b"last").unwrap(), None);
    assert_eq!(listing(), before);
}

#[test]
fn an_instance_that_runs_is_not_read_behind_its_back_and_a_reader_keeps_one_from_starting() {
    let place = Place::new();
    drop(open(&stores(&place)));
    let error = offline(&place, &application(plan())).err().unwrap();
    assert!(matches!(&error, StoreError::Locked(text) if text.contains(&std::process::id().to_string())), "{error}");
    let path = place.directory.path().to_owned();
    let state_dir = tempfile::TempDir::new().unwrap();
    std::fs::rename(&path, state_dir.path().join("app")).unwrap();
    drop(place);
    let first = OfflineStores::open(state_dir.path(), &application(plan())).unwrap();
    let second = OfflineStores::open(state_dir.path(), &application(plan())).unwrap();
    let starting = || goyt::adapters::rocks::directory::Directory::take(state_dir.path(), "app");
    assert!(matches!(starting(), Err(StoreError::Locked(_))));
    drop((first, second));
    assert!(starting().is_ok());
}

#[test]
fn state_of_another_shape_or_none_at_all_is_said_so() {
    let place = Place::new();
    drop(open(&stores(&place)));
    std::fs::remove_file(place.directory.path().join(".lock")).unwrap();
    let mut other = plan();
    other.stores[BALANCES].id = "totals".to_owned();
    assert!(matches!(offline(&place, &application(other)), Err(StoreError::Foreign(_))));
    let nowhere = tempfile::TempDir::new().unwrap();
    let error = OfflineStores::open(nowhere.path(), &application(plan())).err().unwrap().to_string();
    assert!(error.ends_with("`state.dir` and `application.id` say where it is"), "{error}");
}
