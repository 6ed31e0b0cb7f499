//! `goyt replay` over the log in memory: what it finds to be the same, what to differ and where, and what it refuses.

#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use goyt::adapters::clock::SystemClock;
use goyt::adapters::memory::access::MemoryAccess;
use goyt::adapters::memory::cluster::Cluster;
use goyt::adapters::memory::driver::TopologyDriver;
use goyt::adapters::memory::partition::Content;
use goyt::adapters::memory::store::MemoryStores;
use goyt::adapters::memory::{Identity, MemoryLog};
use goyt::engine::plan::Plan;
use goyt::engine::topology::{self, Sources};
use goyt::runtime::operations::access::Access;
use goyt::runtime::operations::audit;
use goyt::runtime::operations::dead_letters::filter::Filter;
use goyt::runtime::operations::dead_letters::marks::Action;
use goyt::runtime::operations::dead_letters::redrive::{self, Order, Tools};
use goyt::runtime::operations::replay::{self, Begin, Error, Promotion, Replayed, Report, Request, Shadow, Site};
use goyt::runtime::operations::reset::LocalState;
use goyt::runtime::ports::{Clock, StoreError};
use goyt::runtime::supervisor::Worlds;
use goyt::runtime::worker::{self, Limits, Start, World};

/// 2026-01-01T00:00:00Z
const NOW: i64 = 1_767_225_600_000;
const PARTITIONS: i32 = 3;
const TOPOLOGY: &str = "\
topology: counting
description: Sums by key.
inputs:
  - topic: in
    events: [E@1]
    dedup: { by: eventId, window: 7d }
steps:
  - require: { id: small, that: event.n < 5, else: reject(LARGE) }
  - key: { id: by-k, by: event.k }
  - aggregate:
      id: sums
      by: event.k
      init: { sum: 0 }
      update: { sum: state.sum + event.n }
  - emit: { to: out, event: SUM@1, key: event.k, value: { k: event.k, sum: sums.sum } }
";
const STATELESS: &str = "\
topology: counting
description: Copies.
inputs:
  - topic: in
    events: [E@1]
steps:
  - emit: { to: out, event: COPIED@1, key: event.k, value: { k: event.k, n: event.n } }
";
const EVENT: &str = r#"{
  "type": "object",
  "required": ["k", "n"],
  "properties": { "k": { "type": "string" }, "n": { "type": "integer", "minimum": -9, "maximum": 9 } }
}"#;

fn plan(topology: &str) -> Plan {
    let sources = Sources { topologies: vec![("counting.yaml".into(), topology.into())], events: vec![("E@1.json".into(), EVENT.into())] };
    topology::plan("app", &sources).unwrap()
}

/// A live application that has processed 300 events, some of them twice, some of them bad.
fn live(topology: &str) -> TopologyDriver {
    let driver = TopologyDriver::new(Arc::new(plan(topology)), PARTITIONS, NOW);
    for id in 0..300 {
        send(&driver, event(id, i64::from(id)));
        if id % 10 == 0 {
            send(&driver, event(id, i64::from(id)));
        }
    }
    driver.cluster.append("in", Some(0), Content { value: Some(b"no json".to_vec()), ..event(0, 0) }).unwrap();
    work(&driver);
    driver
}

fn work(driver: &TopologyDriver) {
    let mut worker = driver.worker("w");
    worker.join().unwrap();
    driver.run_until_idle(&mut worker).unwrap();
    assert!(worker.stop(), "all is committed");
}

/// The event is on its way for so many milliseconds.
fn event(id: u32, later: i64) -> Content {
    let (k, n) = (["a", "b", "c", "d", "e"][id as usize % 5], id % 7);
    let value = format!(
        r#"{{"eventType":"E","eventId":"00000000-0000-4000-8000-{id:012}","k":"{k}","n":{n},"timestamp":"2026-01-01T00:00:00Z","metadata":{{"source":"t","version":"1.0"}}}}"#
    );
    Content { key: Some(k.into()), value: Some(value.into_bytes()), headers: Vec::new(), timestamp: NOW + later }
}

fn send(driver: &TopologyDriver, content: Content) {
    driver.cluster.append("in", None, content).unwrap();
}

/// The worlds of the shadow's workers.
struct Shadows {
    cluster: Cluster,
    stores: MemoryStores,
    plan: Plan,
}

impl Worlds for Shadows {
    fn world(&self, worker: usize) -> Result<World, worker::Error> {
        let id = self.plan.application_id.clone();
        let identity = Identity { group: id.clone(), member: "replay".into(), transactional_id: id };
        Ok(World {
            worker,
            log: Box::new(MemoryLog::new(&self.cluster, identity, self.plan.topics.iter().map(|it| it.name.clone()))),
            stores: Box::new(self.stores.clone()),
            clock: self.clock(),
            report: Arc::new(|_| {}),
            board: Arc::default(),
        })
    }

    fn clock(&self) -> Box<dyn Clock> {
        Box::new(SystemClock::start())
    }
}

impl LocalState for Shadows {
    fn tasks(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.stores.tasks())
    }
    fn remove(&self, task: &str) -> Result<(), StoreError> {
        self.stores.remove(task);
        Ok(())
    }
}

fn limits() -> Limits {
    Limits {
        hand_over: true,
        commit_interval: Duration::from_millis(2),
        commit_interval_min: Duration::from_millis(2),
        commit_max_bytes: 1 << 20,
        buffer_max_bytes: 1 << 20,
        poll_max_records: 100,
        repartition_lag_max: 0,
        restore_max_records: 100,
        restore_buffer_max_bytes: 1 << 20,
        task_retry: Duration::from_secs(1),
        task_cache_bytes: 1 << 16,
        start: Start::Earliest,
        stop_within: Duration::from_secs(5),
        null: false,
        stay: false,
    }
}

const EARLIEST: Request = Request { begin: Begin::Earliest, partial: false, rate: None };

/// Does something with the site of a replay of `topology`, as it is now, beside a live application.
fn at_site<T>(driver: &TopologyDriver, topology: &str, act: impl FnOnce(&Shadow, &mut Site<'_>, &Shadows) -> T) -> T {
    at_site_telling(driver, topology, &mut |_| {}, act)
}

fn at_site_telling<T>(
    driver: &TopologyDriver,
    topology: &str,
    progress: &mut dyn FnMut(replay::Progress),
    act: impl FnOnce(&Shadow, &mut Site<'_>, &Shadows) -> T,
) -> T {
    let shadow = Shadow::of(&plan(topology)).unwrap();
    let shadows = Shadows { cluster: driver.cluster.clone(), stores: MemoryStores::new(), plan: shadow.plan.clone() };
    let access = MemoryAccess::new(&driver.cluster);
    let config = goyt::config::Properties::new();
    let mut site = Site {
        access: &access,
        admin: &mut driver.cluster.clone(),
        worlds: &shadows,
        limits: limits(),
        replication: 1,
        config: &config,
        stop: &AtomicBool::new(false),
        progress,
    };
    act(&shadow, &mut site, &shadows)
}

fn replay(driver: &TopologyDriver, topology: &str, request: Request) -> Result<Report, Error> {
    at_site(driver, topology, |shadow, site, shadows| {
        let left = replay::leftovers(shadow, site.admin, shadows)?;
        replay::remove(&left, site.admin, shadows, &SystemClock::start())?;
        replay::run(shadow, request, site).map(|it| it.report)
    })
}

fn refusal(result: Result<Report, Error>) -> String {
    match result {
        Err(error @ Error::Refused { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Each kind of difference that was found: place, kind, how often it is told.
fn differences(report: &Report) -> Vec<String> {
    let mut all: Vec<String> = report.differences.iter().map(|it| format!("{}: {}", it.place, it.kind.name())).collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn what_has_not_changed_is_identical_while_the_live_application_works_on() {
    let driver = live(TOPOLOGY);
    let mut more = true;
    let mut progress = |progress: replay::Progress| {
        if std::mem::take(&mut more) {
            // Records that come when the replay's end is fixed are none of its business.
            (300..400).for_each(|id| send(&driver, event(id, 0)));
            work(&driver);
        }
        assert!(progress.done <= progress.of, "{progress:?}");
    };
    let run = |shadow: &Shadow, site: &mut Site<'_>, _: &Shadows| replay::run(shadow, EARLIEST, site).map(|it| it.report);
    let report = at_site_telling(&driver, TOPOLOGY, &mut progress, run).unwrap();
    assert!(report.is_identical(), "{report:#?}");
    assert_eq!(report.differences, []);
    let rows: Vec<(&str, u64)> = report.topics.iter().map(|it| (it.topic.as_str(), it.joined.same)).collect();
    let large = (0..300).filter(|it| 5 <= it % 7).count() as u64;
    // Of a bad event its copy is bad as well: a record that fails leaves no trace in the dedup set.
    let large_copies = (0..300).filter(|it| 5 <= it % 7 && it % 10 == 0).count() as u64;
    assert_eq!(rows, [("in.dlq", large + large_copies + 1), ("out", 300 - large), ("app-counting-by-k-repartition", 300 - large)]);
    assert!(report.topics.iter().all(|it| it.joined.live_digest == it.joined.replay_digest && it.joined.live_digest != 0));
    assert_eq!(report.stores.iter().filter(|it| it.store == "sums").map(|it| it.same).sum::<u64>(), 5);
    assert_eq!(report.records, 331 + 300 - large);
}

#[test]
fn a_changed_rule_differs_and_it_says_where() {
    let driver = live(TOPOLOGY);
    let changed = TOPOLOGY.replace("event.n < 5", "event.n < 4");
    let report = replay(&driver, &changed, EARLIEST).unwrap();
    assert!(!report.is_identical());
    let found = differences(&report);
    assert!(found.contains(&"app-counting-by-k-repartition: only live".to_owned()), "{found:?}");
    assert!(found.contains(&"in.dlq: only replay".to_owned()), "{found:?}");
    assert!(found.iter().any(|it| it.ends_with("dedup: only live")), "{found:?}");

    let changed = TOPOLOGY.replace("state.sum + event.n }", "state.sum + event.n * 2 }");
    let report = replay(&driver, &changed, EARLIEST);
    let report = report.unwrap();
    let output = report.differences.iter().find(|it| it.place == "out").unwrap();
    assert_eq!(output.kind, replay::Kind::Changed);
    assert_eq!(output.fields.len(), 1, "{output:?}");
    assert!(output.fields[0].starts_with("sum: live "), "{output:?}");
    let store = report.differences.iter().find(|it| it.place.ends_with(" sums")).unwrap();
    assert_eq!((store.id.len(), store.live.is_some(), store.replay.is_some()), (1, true, true), "{store:?}");
    assert!(store.live.as_ref().unwrap().starts_with("sum: "), "{store:?}");
}

#[test]
fn dead_letters_that_were_sent_back_and_pass_now_are_no_difference() {
    let strict = STATELESS.replace(
        "steps:",
        "    dedup: { by: eventId, window: 7d }\nsteps:\n  - require: { id: small, that: event.n < 5, else: reject(LARGE) }",
    );
    let mended = strict.replace("event.n < 5", "event.n < 9");
    let live = live(&strict);
    let mut driver = TopologyDriver::new(Arc::new(plan(&mended)), PARTITIONS, NOW);
    (driver.cluster, driver.stores) = (live.cluster, live.stores);
    let differs = differences(&replay(&driver, &mended, EARLIEST).unwrap());
    assert!(differs.contains(&"in.dlq: only live".to_owned()), "not sent back yet: {differs:?}");

    audit::prepare(&mut driver.cluster.clone(), "app", -1).unwrap();
    let access = MemoryAccess::new(&driver.cluster);
    let (mut reader, mut writer) = (access.reader("app").unwrap(), access.writer(Some(&redrive::transactional_id("app"))).unwrap());
    let tools = Tools { reader: &mut *reader, writer: &mut *writer, clock: &driver.clock };
    let (filter, plan) = (Filter { reason: Some("LARGE".into()), ..Filter::default() }, plan(&mended));
    let (action, why, by, batch) = (Action::Redrive, "mended", "ann@desk", "b1");
    let order =
        Order { plan: &plan, filter: &filter, action, why, by, batch, max: None, rate: None, max_redrives: 3, accept_repeats: false };
    redrive::carry_out(tools, &order, &mut |_| {}).unwrap();
    work(&driver);

    let report = replay(&driver, &mended, EARLIEST).unwrap();
    assert_eq!(differences(&report), ["out: order"], "all is there once, later than others of its key: {report:#?}");
    let letters = report.topics.iter().find(|it| it.topic == "in.dlq").unwrap();
    assert_eq!((letters.joined.same, letters.joined.redriven), (1, 93), "what is no JSON; what was too large");
    assert!(
        replay(&driver, &strict, EARLIEST).unwrap().topics.iter().any(|it| it.joined.redriven == 0 && it.topic == "in.dlq"),
        "all fail again"
    );
}

#[test]
fn a_store_that_was_tampered_with_is_found_though_all_outputs_are_the_same() {
    let driver = live(TOPOLOGY);
    let at = driver.cluster.read_all("app-counting-sums-changelog").unwrap().into_iter().find(|it| it.content.value.is_some()).unwrap();
    let content = Content { value: Some(vec![99]), ..(*at.content).clone() };
    driver.cluster.append("app-counting-sums-changelog", Some(at.partition), content).unwrap();
    let report = replay(&driver, TOPOLOGY, EARLIEST).unwrap();
    assert!(report.topics.iter().all(|it| it.joined.is_identical()));
    assert_eq!(differences(&report), [format!("counting.by-k_{} sums: changed", at.partition)]);
}

#[test]
fn an_output_that_was_added_lost_or_moved_is_found() {
    let driver = live(STATELESS);
    let all = driver.cluster.read_all("out").unwrap();
    let of_key: Vec<_> = all.iter().filter(|it| it.content.key == all[0].content.key).collect();
    driver.cluster.delete_topic("out");
    driver.cluster.create_topic("out", PARTITIONS);
    // The first is lost, the last stands twice, and the third is ahead of the second.
    let order = [2, 1].into_iter().chain(3..of_key.len()).chain([of_key.len() - 1]);
    for at in order {
        driver.cluster.append("out", None, (*of_key[at].content).clone()).unwrap();
    }
    for other in all.iter().filter(|it| it.content.key != all[0].content.key) {
        driver.cluster.append("out", None, (*other.content).clone()).unwrap();
    }
    let report = replay(&driver, STATELESS, EARLIEST).unwrap();
    let joined = &report.topics.iter().find(|it| it.topic == "out").unwrap().joined;
    assert_eq!((joined.only_live, joined.only_replay, joined.reordered, joined.changed), (1, 1, 1, 0), "{joined:?}");
}

#[test]
fn what_would_silently_be_partial_is_refused_by_name() {
    let driver = live(TOPOLOGY);
    let from = |begin, partial| Request { begin, partial, rate: None };
    let text = refusal(replay(&driver, TOPOLOGY, from(Begin::Offset(20), false)));
    assert!(text.contains("would begin without the state that came before"), "{text}");
    let report = replay(&driver, TOPOLOGY, from(Begin::Offset(20), true)).unwrap();
    assert!(report.notes.iter().any(|it| it.contains("without the state")), "{:?}", report.notes);
    assert!(report.stores.iter().all(|it| it.store == "sums"), "behind the repartition nothing is lacking: {:?}", report.stores);

    driver.cluster.delete_records("in", 1, 3).unwrap();
    let text = refusal(replay(&driver, TOPOLOGY, EARLIEST));
    assert!(text.contains("records are gone that the live application has seen: in[1] begins at 3"), "{text}");
    driver.cluster.delete_topic("out");
    let text = refusal(replay(&driver, TOPOLOGY, EARLIEST));
    assert!(text.contains("the live application has no topic out"), "{text}");
}

#[test]
fn without_state_a_replay_may_begin_anywhere() {
    let driver = live(STATELESS);
    for begin in [Begin::Offset(20), Begin::Time(NOW + 100)] {
        let report = replay(&driver, STATELESS, Request { begin, partial: false, rate: None }).unwrap();
        assert!(report.is_identical(), "{report:#?}");
        assert!(0 < report.records && report.records < 330, "{}", report.records);
    }
}

#[test]
fn promoted_state_is_what_the_next_start_has() {
    let driver = live(TOPOLOGY);
    let changed = TOPOLOGY.replace("state.sum + event.n }", "state.sum + event.n * 2 }");
    driver.cluster.create_topic("app-audit", 1);
    let promotion =
        Promotion { reason: "doubled".into(), by: "ann@desk".into(), at: "2026-01-01T00:00:00Z".into(), audit: "app-audit".into() };
    let act = |shadow: &Shadow, site: &mut Site<'_>, _: &Shadows| {
        let replayed: Replayed = replay::run(shadow, EARLIEST, site).unwrap();
        assert!(!replayed.is_same_state());
        replay::promote(shadow, &replayed, &promotion, site)
    };
    // Somebody is at work: nothing is written.
    let mut running = driver.worker("w");
    running.join().unwrap();
    driver.run_until_idle(&mut running).unwrap();
    let error = at_site(&driver, &changed, act).unwrap_err();
    assert!(error.to_string().contains("the application is running"), "{error}");
    assert!(running.stop());
    discard(&driver, &changed);

    assert_eq!(at_site(&driver, &changed, act).unwrap(), 5);
    let audit = driver.cluster.read_all("app-audit").unwrap();
    assert_eq!(audit.len(), 1);
    let text = String::from_utf8(audit[0].content.value.clone().unwrap()).unwrap();
    assert!(text.contains(r#""eventType":"REPLAY_PROMOTED""#) && text.contains("doubled"), "{text}");
    discard(&driver, &changed);

    // The stores on disk are those of before: the start reads the tail of the changelog.
    let before = driver.cluster.read_all("out").unwrap().len();
    let id = 1_002;
    send(&driver, event(id, 0));
    work(&driver);
    let all = driver.cluster.read_all("out").unwrap();
    assert_eq!(all.len(), before + 1);
    let doubled: u32 = (0..300).filter(|it| it % 5 == id % 5 && it % 7 < 5).map(|it| it % 7 * 2).sum();
    let expected = format!(r#""sum":{}"#, doubled + id % 7);
    assert!(all.iter().any(|it| String::from_utf8_lossy(it.content.value.as_ref().unwrap()).contains(&expected)), "no {expected}");
}

fn discard(driver: &TopologyDriver, topology: &str) {
    at_site(driver, topology, |shadow, site, shadows| {
        let left = replay::leftovers(shadow, site.admin, shadows).unwrap();
        assert!(left.group.is_some() && left.topics.len() == shadow.twins.len(), "{left:?}");
        replay::remove(&left, site.admin, shadows, &SystemClock::start()).unwrap();
        assert!(replay::leftovers(shadow, site.admin, shadows).unwrap().is_empty());
    });
}

#[test]
fn a_running_replay_is_not_disturbed() {
    let driver = live(TOPOLOGY);
    at_site(&driver, TOPOLOGY, |shadow, site, shadows| {
        let mut worker = worker::Worker::new(
            Arc::new(shadow.plan.clone()),
            vec![PARTITIONS; shadow.plan.topics.len()],
            limits(),
            shadows.world(0).unwrap(),
        );
        worker.join().unwrap();
        let error = replay::leftovers(shadow, site.admin, shadows).unwrap_err();
        assert!(error.to_string().starts_with("a replay of counting is running"), "{error}");
    });
}
