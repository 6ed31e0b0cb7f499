//! What becomes of local state: kept, wiped, damaged, foreign, locked, and when its changelog was cut short.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::goyt::{self, Goyt};
use crate::support::platform::{Load, Platform};
use crate::support::reader::Counter;
use crate::support::stage::{self, Stage};
use crate::support::{broker, oracle, wait};

const LOAD: Load = Load { users: 500, decisions: 500, transactions: 5_000, copies: 50, bad: 20 };

/// A restart after a stop in order reads next to nothing.
#[test]
fn state_kept() {
    let mut run = Run::new("kept", 61);
    run.process(&LOAD).stop();
    let lines = run.process(&LOAD).stop();
    oracle::check(&run.stage, &run.platform);
    let (read, of) = goyt::restored(&lines);
    assert!(read * 50 <= of && of > 0, "{read} records read of {of}: not the tail only");
}

/// Without its state directory it reads the changelogs, and all goes on as if nothing had been.
#[test]
fn state_wiped() {
    let mut run = Run::new("wiped", 62);
    run.process(&LOAD).stop();
    fs::remove_dir_all(run.stage.state("a")).expect("the state is deleted");
    let lines = run.process(&LOAD).stop();
    oracle::check(&run.stage, &run.platform);
    assert!(goyt::restored(&lines).0 > 1_000, "the changelogs are read: {:?}", goyt::restored(&lines));
}

/// After `kill -9` with 200,000 keys in the stores, less than 2 % of the changelogs is read.
#[test]
fn a_crash_reads_the_tail_only() {
    const KEYS: usize = 200_000;
    let mut run = Run::new("tail", 63);
    run.process(&Load { transactions: KEYS, ..Load::default() }).kill();
    let lines = run.process(&Load { transactions: 1_000, ..Load::default() }).stop();
    oracle::check(&run.stage, &run.platform);
    let (read, of) = goyt::restored(&lines);
    // Ids are packed, many in a record; what is left are mostly changes of aggregates.
    assert!(10_000 <= of, "the changelogs have {of} offsets only");
    assert!(read * 50 < of, "{read} records read of {of}: 2 % or more");
}

/// A store whose files are damaged is read again from its changelog, and the log says which and why.
#[test]
fn a_damaged_store_is_restored() {
    let mut run = Run::new("damaged", 64);
    run.process(&LOAD).stop();
    let task = run.task_folder("transaction-balance.by-wallet_0");
    let file = find(&task, "CURRENT").expect("RocksDB's file of files");
    fs::write(&file, "MANIFEST-999999\n").expect("damage is done");
    let goyt = run.process(&LOAD);
    let line = goyt.wait_for_line("task transaction-balance.by-wallet_0 restoring");
    assert!(line.contains("all of them"), "{line}");
    goyt.stop();
    oracle::check(&run.stage, &run.platform);
}

/// A store whose type has changed is refused by name, never opened as something else.
#[test]
fn a_foreign_store_is_refused() {
    let mut run = Run::new("foreign", 65);
    run.process(&LOAD).stop();
    run.stage.edit("transaction-balance", "window: 7d", "window: 8d");
    let goyt = run.start();
    let line = goyt.wait_for_line("holds the state of something else");
    assert!(line.contains("transaction-balance") && line.contains("goyt reset"), "{line}");
}

/// A second process on the same state directory is refused before it does anything.
#[test]
fn a_locked_directory_is_refused() {
    let mut run = Run::new("locked", 66);
    let first = run.process(&LOAD);
    let second = run.start().wait();
    assert!(!second.status.success(), "{second:?}");
    let said = second.lines.join("\n");
    assert!(said.contains(&run.stage.state("a").display().to_string()), "the directory is not named: {said}");
    first.stop();
    oracle::check(&run.stage, &run.platform);
}

/// A changelog that is shorter than the store stops the task by name: the store may be the last good copy. Others go on.
#[test]
fn a_changelog_cut_short_stops_the_task() {
    let mut run = Run::new("cut", 67);
    run.process(&LOAD).stop();
    let changelogs: Vec<String> =
        run.stage.topics().into_iter().filter(|it| it.contains("transaction-balance-") && it.ends_with("-changelog")).collect();
    let by_wallet: Vec<&String> = changelogs.iter().filter(|it| it.contains("-balances-")).collect();
    assert_eq!(by_wallet.len(), 1, "{changelogs:?}");
    for changelog in by_wallet {
        run.delete_and_create(changelog);
    }
    let goyt = run.start();
    let line = goyt.wait_for_line("task transaction-balance.by-wallet_0 stopped");
    assert!(line.contains("changelog"), "{line}");
    let decisions = run.platform.events(&Load { decisions: 100, ..Load::default() });
    run.stage.send(&decisions);
    let notified = BTreeMap::from([(run.stage.topic("notification-events"), run.platform.expected.counts()["notification-events"])]);
    Counter::new(notified.keys()).wait_for(&notified);
}

/// One instance of an application over several lives.
struct Run {
    stage: Stage,
    platform: Platform,
}

impl Run {
    fn new(test: &str, seed: u64) -> Self {
        Self { stage: Stage::new(test, 6), platform: Platform::new(seed) }
    }

    fn start(&self) -> Goyt {
        Goyt::start(&self.stage, "a")
    }

    /// Starts it, sends a load, and waits until all that must come of it is committed.
    fn process(&mut self, load: &Load) -> Goyt {
        let goyt = self.start();
        let events = self.platform.events(load);
        self.stage.send(&events);
        let expected = self.platform.expected.counts();
        let wanted: BTreeMap<String, usize> = expected.iter().map(|(topic, count)| (self.stage.topic(topic), *count)).collect();
        Counter::new(wanted.keys()).wait_for(&wanted);
        goyt
    }

    fn task_folder(&self, task: &str) -> PathBuf {
        find(&self.stage.state("a"), task).unwrap_or_else(|| panic!("no directory of {task}"))
    }

    /// A topic with the same partitions and no records.
    fn delete_and_create(&self, topic: &str) {
        let partitions = i32::try_from(crate::support::reader::partitions(topic).len()).unwrap();
        let deleted = broker::block_on(broker::admin().delete_topics(&[topic], &broker::admin_options())).expect("a request");
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
        wait::until("the topic to be gone", || crate::support::reader::partitions(topic).is_empty().then_some(()));
        stage::create_topic(topic, partitions, &[("cleanup.policy", "compact")]);
    }
}

/// A file or folder of this name, somewhere below.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).ok()?.map(|it| it.expect("an entry").path()).collect();
    entries.sort();
    let here = entries.iter().find(|it| it.file_name().is_some_and(|it| it == name)).cloned();
    here.or_else(|| entries.iter().filter(|it| it.is_dir()).find_map(|it| find(it, name)))
}
