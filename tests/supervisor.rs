//! Workers that fail: started again with back-off, up to a cap, while others go on.

#![cfg(test)]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goyt::adapters::clock::SystemClock;
use goyt::adapters::memory::cluster::Cluster;
use goyt::adapters::memory::store::MemoryStores;
use goyt::adapters::memory::{Identity, MemoryLog};
use goyt::engine::plan::Plan;
use goyt::engine::topology::{Sources, plan};
use goyt::runtime::ports::{Clock, LogError};
use goyt::runtime::reaction::Reaction;
use goyt::runtime::status::Change;
use goyt::runtime::supervisor::{Application, Ended, Restarts, Worlds};
use goyt::runtime::worker::{Error, Limits, Start, World};

const TOPOLOGY: &str = "topology: copy\ndescription: Copies.\ninputs:\n  - topic: in\n    events: [E@1]\nsteps:\n  - emit: { to: out, event: C@1, value: { k: event.k } }\n";
const EVENT: &str = r#"{ "type": "object", "required": ["k"], "properties": { "k": { "type": "string" } } }"#;

/// Worker 0 fails so many times before it works; worker 1 always works.
struct Failing {
    cluster: Cluster,
    plan: Arc<Plan>,
    failures: AtomicU32,
    reaction: Reaction,
    changes: Arc<Mutex<Vec<Change>>>,
}

impl Worlds for Failing {
    fn world(&self, worker: usize) -> Result<World, Error> {
        if worker == 0 && self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1)).is_ok() {
            let message = "nobody knows".to_owned();
            return Err(Error::Log(LogError { code: "TEST", reaction: self.reaction, message, at: None, partition: None }));
        }
        let identity = Identity { group: "app".into(), member: worker.to_string(), transactional_id: worker.to_string() };
        let changes = Arc::clone(&self.changes);
        Ok(World {
            log: Box::new(MemoryLog::new(&self.cluster, identity, self.plan.topics.iter().map(|it| it.name.clone()))),
            stores: Box::new(MemoryStores::new()),
            clock: self.clock(),
            report: Arc::new(move |it: &Change| changes.lock().unwrap().push(it.clone())),
            worker,
            board: Arc::default(),
        })
    }

    fn clock(&self) -> Box<dyn Clock> {
        Box::new(SystemClock::start())
    }
}

/// Runs two workers until `done` holds of the changes, or all have ended; what changed, and how it ended.
fn run(failures: u32, reaction: Reaction, done: fn(&[Change]) -> bool) -> (Vec<Change>, Ended) {
    let sources = Sources { topologies: vec![("copy.yaml".into(), TOPOLOGY.into())], events: vec![("E@1.json".into(), EVENT.into())] };
    let plan = Arc::new(plan("app", &sources).unwrap());
    let cluster = Cluster::that_waits();
    for topic in &plan.topics {
        cluster.create_topic(&topic.name, 2);
    }
    let changes = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&changes);
    let application = Arc::new(Application {
        plan: Arc::clone(&plan),
        partitions: vec![2; plan.topics.len()],
        limits: limits(),
        workers: 2,
        restarts: Restarts {
            backoff: Duration::from_millis(5),
            backoff_max: Duration::from_millis(20),
            max: if reaction == Reaction::Rejoin { 100 } else { 3 },
        },
        report: Arc::new(move |it: &Change| heard.lock().unwrap().push(it.clone())),
        board: Arc::default(),
    });
    let worlds: Arc<dyn Worlds> =
        Arc::new(Failing { cluster, plan, failures: AtomicU32::new(failures), reaction, changes: Arc::clone(&changes) });
    let stop = Arc::new(AtomicBool::new(false));
    let running = application.start(&worlds, &stop).unwrap();
    let clock = SystemClock::start();
    let deadline = Duration::from_secs(20);
    while !running.is_over() && !done(&changes.lock().unwrap()) {
        assert!(clock.elapsed() < deadline, "{:?}", changes.lock().unwrap());
        std::thread::yield_now();
    }
    stop.store(true, Ordering::SeqCst);
    let ended = running.join();
    let changes = changes.lock().unwrap().clone();
    (changes, ended)
}

fn limits() -> Limits {
    Limits {
        hand_over: true,
        commit_interval: Duration::from_millis(10),
        commit_interval_min: Duration::from_millis(10),
        commit_max_bytes: 1 << 20,
        buffer_max_bytes: 1 << 20,
        poll_max_records: 100,
        repartition_lag_max: 10_000,
        restore_max_records: 100,
        restore_buffer_max_bytes: 1 << 20,
        task_retry: Duration::from_secs(1),
        task_cache_bytes: 1 << 16,
        start: Start::Earliest,
        stop_within: Duration::from_secs(2),
        null: false,
        stay: false,
    }
}

fn joined(changes: &[Change]) -> usize {
    changes.iter().filter(|it| matches!(it, Change::Joining { .. })).count()
}

fn pauses(changes: &[Change]) -> Vec<Option<u128>> {
    let pause = |it: &Change| match it {
        Change::WorkerFailed { worker: 0, again_in, .. } => Some(again_in.map(|it| it.as_millis())),
        _ => None,
    };
    changes.iter().filter_map(pause).collect()
}

#[test]
fn a_worker_that_fails_is_started_again_after_ever_longer_pauses_while_the_other_runs() {
    let (changes, ended) = run(3, Reaction::Recycle, |it| joined(it) == 2);
    assert_eq!(pauses(&changes), [Some(5), Some(10), Some(20)]);
    assert_eq!(joined(&changes), 2);
    assert_eq!(ended, Ended::Clean);
}

#[test]
fn a_worker_that_fails_too_often_ends_the_process_by_name() {
    let (changes, ended) = run(100, Reaction::Recycle, |_| false);
    assert_eq!(pauses(&changes), [Some(5), Some(10), Some(20), None]);
    assert_eq!(ended, Ended::Failed);
}

#[test]
fn what_no_new_start_can_mend_ends_the_process_at_once() {
    let (changes, ended) = run(100, Reaction::Stop, |_| false);
    assert_eq!(pauses(&changes), [None]);
    assert_eq!(ended, Ended::Failed);
}

/// The name's newer holder may be an earlier request of its own, whose answer a broker that died did not give.
#[test]
fn a_member_whose_name_was_taken_takes_it_back_a_few_times() {
    let (changes, ended) = run(1, Reaction::Rejoin, |it| joined(it) == 2);
    assert_eq!(pauses(&changes), [Some(5)]);
    assert_eq!(ended, Ended::Clean);

    let (changes, ended) = run(100, Reaction::Rejoin, |_| false);
    let pauses = pauses(&changes);
    assert_eq!((pauses.len(), pauses.last()), (6, Some(&None)), "taken again and again: another process has it");
    assert_eq!(ended, Ended::Failed);
}

#[test]
fn a_broker_that_is_away_is_waited_for_and_said_once() {
    let (changes, ended) = run(30, Reaction::Retry, |it| joined(it) == 2);
    assert_eq!(changes.iter().filter(|it| matches!(it, Change::Waiting { .. })).count(), 1);
    assert_eq!(pauses(&changes), []);
    assert_eq!(ended, Ended::Clean);
}
