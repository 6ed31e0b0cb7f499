//! The guard's program: takes prepared events through the core path, decode → dedup → split → aggregate → encode, and counts what that costs.
//!
//! `guard source` takes events through the first subtopology of a shipped topology, up to its repartition topic; `guard aggregate` takes
//! what came out there through the second one. Both commit as the runtime does, into nothing. `make guard` runs it under callgrind, which
//! counts the instructions of [`measured`], and once without, for the allocations: this program prints them.

#![expect(unsafe_code, reason = "an allocator that counts is an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use goyt::engine::plan::{Decode, Subtopology};
use goyt::engine::record::{Millis, RecordRef, TopicPartition};
use goyt::engine::state::{Committed, StoreError};
use goyt::engine::task::effects::Effects;
use goyt::engine::task::{Outcome, Sweep, Task};
use goyt::engine::topology::{self, Sources};

/// Events that fill memory and caches before anything is counted, events that are counted, and events in one commit.
const WARM_UP: usize = 4_000;
const MEASURED: usize = 10_000;
const PER_COMMIT: usize = 1_000;

const TOPOLOGY: &str = "transaction-balance";
/// Accounts that the events are about: their state stays in memory. Each event concerns two of them.
const ACCOUNTS: u64 = 1_000;
const LEGS: usize = 2;
const EVENT_BYTES: usize = 416;
/// The time of the first event, 2026-01-05T10:00:00Z, and how far apart they are.
const FIRST: Millis = 1_767_607_200_000;
const APART: Millis = 10;
/// `statestore.cache.max.bytes` as it is set when nothing is said, for one task.
const CACHE_BYTES: usize = 64 << 20;

/// Allocations so far, new ones and moved ones.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A record of the input of a task.
struct Input {
    key: Vec<u8>,
    value: Vec<u8>,
    timestamp: Millis,
}

fn main() -> Result<(), Box<dyn Error>> {
    let part = std::env::args().nth(1).unwrap_or_default();
    let [first, second] = subtopologies()?;
    let events = events()?;
    let (plan, inputs, per_commit) = match part.as_str() {
        "source" => (first, events, PER_COMMIT),
        "aggregate" => (second, legs(first, &events)?, PER_COMMIT * LEGS),
        _ => return Err("usage: guard source|aggregate".into()),
    };
    let mut task = Task::new(plan, 0, CACHE_BYTES);
    let mut effects = Effects::default();
    let (warm_up, counted) = inputs.split_at(inputs.len() / (WARM_UP + MEASURED) * WARM_UP);
    run(&mut task, warm_up, 0, per_commit, &mut effects, |_, _, _| {})?;
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let outputs = measured(&mut task, counted, warm_up.len(), per_commit, &mut effects)?;
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    let wanted = MEASURED * LEGS * if part == "source" { 1 } else { 2 };
    if outputs != wanted {
        return Err(format!("{outputs} outputs, not {wanted}: the topology is not the one that is measured here").into());
    }
    writeln!(std::io::stdout(), "events {MEASURED}\nallocations {allocations}")?;
    Ok(())
}

/// What is counted. The name is looked for by `scripts/guard.sh`.
#[inline(never)]
fn measured(task: &mut Task, inputs: &[Input], offset: usize, per_commit: usize, effects: &mut Effects) -> Result<usize, Box<dyn Error>> {
    let mut outputs = 0;
    run(task, inputs, offset, per_commit, effects, |key, value, timestamp| {
        outputs += 1;
        black_box((key, value, timestamp));
    })?;
    Ok(outputs)
}

/// Takes records through a task, with commits.
fn run(
    task: &mut Task,
    inputs: &[Input],
    offset: usize,
    per_commit: usize,
    effects: &mut Effects,
    mut output: impl FnMut(&[u8], &[u8], Millis),
) -> Result<(), Box<dyn Error>> {
    let source = TopicPartition { topic: task.plan.source, partition: task.partition };
    let now = FIRST + Millis::try_from(WARM_UP + MEASURED)? * APART;
    for (nth, input) in inputs.iter().enumerate() {
        let record = RecordRef {
            source,
            offset: i64::try_from(offset + nth)?,
            timestamp: Some(input.timestamp),
            key: Some(&input.key),
            value: Some(&input.value),
            headers: &[],
        };
        match task.process(record, now, false, &mut Nothing, effects, None)? {
            Outcome::Processed => {}
            other => return Err(format!("event {nth}: {other:?}").into()),
        }
        if (nth + 1).is_multiple_of(per_commit) {
            commit(task, record.offset + 1, effects, &mut output)?;
        }
    }
    Ok(())
}

/// What `runtime/commit.rs` does with a task and its effects; what it sends and writes is looked at and dropped.
fn commit(task: &mut Task, offset: i64, effects: &mut Effects, output: &mut impl FnMut(&[u8], &[u8], Millis)) -> Result<(), StoreError> {
    for index in 0..effects.len() {
        let Some(it) = effects.get(index) else { break };
        black_box(effects.headers(index).count());
        output(it.key.unwrap_or_default(), it.value.unwrap_or_default(), it.timestamp);
    }
    effects.clear();
    task.tally.clear();
    task.seal(&mut Nothing, |store, key, value| {
        black_box((store, key, value));
    })?;
    task.committed(offset);
    task.overlay.committed();
    for write in task.overlay.unwritten() {
        black_box(write);
    }
    task.overlay.written();
    Ok(())
}

/// A store on disk that has nothing: what was written is in memory still.
struct Nothing;

impl Committed for Nothing {
    fn get(&mut self, _: usize, _: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        value.clear();
        Ok(false)
    }
}

impl Sweep for Nothing {
    fn scan(&mut self, _: usize, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The subtopology before the repartition topic, and the one behind it.
fn subtopologies() -> Result<[Arc<Subtopology>; 2], Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies");
    let file = |path: &Path| fs::read_to_string(path).map(|text| (path.display().to_string(), text));
    let schemas = fs::read_dir(folder.join("events"))?.map(|it| it.and_then(|it| file(&it.path()))).collect::<Result<_, _>>()?;
    let sources = Sources { topologies: vec![file(&folder.join(TOPOLOGY).with_extension("yaml"))?], events: schemas };
    let plan = topology::plan("guard", &sources).map_err(|it| format!("{it:?}"))?;
    let (first, second): (Vec<_>, Vec<_>) = plan.subtopologies.into_iter().partition(|it| matches!(it.decode, Decode::Events(_)));
    match (<[_; 1]>::try_from(first), <[_; 1]>::try_from(second)) {
        (Ok([first]), Ok([second])) => Ok([Arc::new(first), Arc::new(second)]),
        _ => Err(format!("{TOPOLOGY} has no longer two subtopologies").into()),
    }
}

/// The records of the repartition topic.
fn legs(plan: Arc<Subtopology>, events: &[Input]) -> Result<Vec<Input>, Box<dyn Error>> {
    let mut legs = Vec::with_capacity(events.len() * LEGS);
    run(&mut Task::new(plan, 0, CACHE_BYTES), events, 0, PER_COMMIT, &mut Effects::default(), |key, value, timestamp| {
        legs.push(Input { key: key.to_vec(), value: value.to_vec(), timestamp });
    })?;
    Ok(legs)
}

/// Transfers between two accounts each, all of the same size: a field that no topology knows makes up for what is missing.
fn events() -> Result<Vec<Input>, Box<dyn Error>> {
    let mut random = Random(1);
    let mut events = Vec::new();
    for nth in 0..WARM_UP + MEASURED {
        let timestamp = FIRST + Millis::try_from(nth)? * APART;
        let (from, step) = (random.below(ACCOUNTS), random.below(ACCOUNTS - 1));
        let to = (from + 1 + step) % ACCOUNTS;
        let head = format!(
            r#"{{"eventType":"TRANSACTION_COMPLETED","eventId":"{}","transactionId":{},"transactionType":"TRANSFER","amount":"{}.{:02}","currency":"KES","fromWalletId":{},"toWalletId":{},"status":"COMPLETED","description":""#,
            random.uuid(),
            450_000_000 + nth,
            1 + random.below(5_000),
            random.below(100),
            700_000 + from,
            700_000 + to,
        );
        let tail = format!(r#"","timestamp":"{}","metadata":{{"source":"ledger-service","version":"1.0"}}}}"#, text(timestamp));
        let fill = EVENT_BYTES.checked_sub(head.len() + tail.len()).ok_or("an event is too long")?;
        let value = format!("{head}{}{tail}", "x".repeat(fill)).into_bytes();
        events.push(Input { key: (450_000_000 + nth).to_string().into_bytes(), value, timestamp });
    }
    Ok(events)
}

/// A time of the first hour as the events have it.
fn text(time: Millis) -> String {
    let since = time - FIRST;
    format!("2026-01-05T10:{:02}:{:02}.{:03}Z", since / 60_000, since / 1000 % 60, since % 1000)
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ it >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ it >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        it ^ it >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn uuid(&mut self) -> uuid::Uuid {
        uuid::Builder::from_random_bytes((u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()).into_uuid()
    }
}
