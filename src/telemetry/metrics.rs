//! The metrics, each declared once: its doc comment is its help text and its row in the reference.

use prometheus::proto::MetricType;

/// What is known of a metric before it has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The heading under which the reference lists it.
    pub section: &'static str,
    /// Its name, with its unit.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels. Their values come from the plan or from closed lists, never from records.
    pub labels: &'static [&'static str],
    /// What it means: the lines of its doc comment.
    pub doc: &'static [&'static str],
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process on.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Times in buckets.
    Histogram,
}

impl Metric {
    /// What it means, in one line.
    #[must_use]
    pub fn help(&self) -> String {
        self.doc.iter().map(|it| it.trim()).collect::<Vec<_>>().join(" ")
    }
}

impl Kind {
    /// As it is called in the reference.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    pub(super) fn family(self) -> MetricType {
        match self {
            Self::Counter => MetricType::COUNTER,
            Self::Gauge => MetricType::GAUGE,
            Self::Histogram => MetricType::HISTOGRAM,
        }
    }
}

macro_rules! metrics {
    ($($section:literal { $($(#[doc = $doc:literal])+ $id:ident: $kind:ident $name:literal [$($label:ident),*];)+ })+) => {
        $($(
            $(#[doc = $doc])+
            pub const $id: Metric =
                Metric { section: $section, name: $name, kind: Kind::$kind, labels: &[$(stringify!($label)),*], doc: &[$($doc),+] };
        )+)+

        /// All of them, in the order of the reference.
        pub const METRICS: &[Metric] = &[$($($id),+),+];
    };
}

metrics! {
    "Records" {
        /// Records taken in.
        RECORDS_IN: Counter "goyt_records_in_total" [topology, subtopology, task];
        /// What became of them: `processed`, `passed_by`, `filtered`, `duplicate` or `dead`. They add up to goyt_records_in_total.
        OUTCOMES: Counter "goyt_outcomes_total" [topology, subtopology, task, outcome];
        /// Tasks whose outcomes did not add up to the records they took in, at a commit. Anything but 0 is a bug.
        ACCOUNTING_ERRORS: Counter "goyt_accounting_errors_total" [];
        /// Dead letters written. What can't be decoded has the step `decode`.
        DEAD_LETTERS: Counter "goyt_dead_letters_total" [topology, step, reason];
        /// Records read and done with. A record that two topologies read counts once.
        CONSUMED_RECORDS: Counter "goyt_consumed_records_total" [topic, role];
        /// Their keys and values.
        CONSUMED_BYTES: Counter "goyt_consumed_bytes_total" [topic, role];
        /// Records written to the log: outputs, dead letters, packs of repartitioned records, changelogs.
        PUBLISHED_RECORDS: Counter "goyt_published_records_total" [topic, role];
        /// Their keys and values.
        PUBLISHED_BYTES: Counter "goyt_published_bytes_total" [topic, role];
    }
    "Times" {
        /// From an event's own timestamp to the end of the commit that made its effects visible. At most 1,024 records
        /// a commit and task are measured, the first ones; of events that were processed before, nothing.
        END_TO_END: Histogram "goyt_end_to_end_seconds" [topology, subtopology];
        /// Time in a step, of 1 record in 64, without the steps that follow; `decode` comes before the first one.
        STEP_DURATION: Histogram "goyt_step_duration_seconds" [topology, subtopology, step];
        /// From the start of a commit to its end, as the worker sees it. Processing goes on meanwhile.
        COMMIT_DURATION: Histogram "goyt_commit_duration_seconds" [];
        /// Time in which a task read its changelogs.
        RESTORE_DURATION: Histogram "goyt_restore_duration_seconds" [];
        /// From partitions given up, or first given, to all tasks running again.
        REBALANCE_DURATION: Histogram "goyt_rebalance_duration_seconds" [];
    }
    "Commits" {
        /// Transactions committed.
        COMMITS: Counter "goyt_commits_total" [];
        /// Transactions given up; their input was read again.
        REWINDS: Counter "goyt_rewinds_total" [];
        /// Producers replaced, since a late request of the old one might still have arrived.
        PRODUCER_REPLACEMENTS: Counter "goyt_producer_replacements_total" [];
        /// Rebalances that this instance took part in; each of its workers counts.
        REBALANCES: Counter "goyt_rebalances_total" [];
        /// Workers that failed. They are started again, up to a bound.
        WORKER_FAILURES: Counter "goyt_worker_failures_total" [];
    }
    "Tasks" {
        /// Open tasks by state: `restoring`, `running`, `suspended` or `stopped`.
        TASKS: Gauge "goyt_tasks" [state];
        /// 1 for the state in which an open task is, else 0.
        TASK_STATE: Gauge "goyt_task_state" [topology, subtopology, task, state];
        /// Changelog records that a task has still to read before it can run.
        RESTORE_REMAINING: Gauge "goyt_restore_remaining_records" [topology, subtopology, task];
        /// The offset of the next record to process.
        SOURCE_POSITION: Gauge "goyt_source_position" [topic, partition];
        /// The offset that the group has committed.
        SOURCE_COMMITTED: Gauge "goyt_source_committed" [topic, partition];
        /// 1 when the worker has its place in the group and was told its partitions, else 0.
        WORKER_ASSIGNED: Gauge "goyt_worker_assigned" [worker];
        /// When the worker last told how it stands; at most a second ago while its loop turns.
        WORKER_SEEN: Gauge "goyt_worker_last_seen_timestamp_seconds" [worker];
    }
    "Lag" {
        /// Records that could be processed and are not.
        LAG_RECORDS: Gauge "goyt_lag_records" [topology, task, topic, partition];
        /// Age of the next record to process; 0 when there is none.
        LAG_SECONDS: Gauge "goyt_lag_seconds" [topology, task, topic, partition];
        /// 1 for what the lag means, else 0: `ok`, `slow`, `stalled`, `stopped` or `blocked`.
        LAG_STATUS: Gauge "goyt_lag_status" [topology, task, topic, partition, status];
    }
    "State" {
        /// Entries of a store, in the tasks that are open here; estimated.
        STORE_ENTRIES: Gauge "goyt_store_entries" [topology, store];
        /// Its size on disk.
        STORE_BYTES: Gauge "goyt_store_bytes" [topology, store];
        /// Memory of RocksDB, all stores together: `block_cache` (which write buffers are charged to), of it `write_buffers`.
        STATE_MEMORY: Gauge "goyt_state_memory_bytes" [part];
        /// State that is not committed. At `commit.max.bytes` a commit comes early.
        UNCOMMITTED_STATE: Gauge "goyt_uncommitted_state_bytes" [worker];
    }
    "Clients" {
        /// Records and requests in the producer's queue.
        PRODUCER_QUEUE: Gauge "goyt_producer_queue_records" [worker];
        /// Records fetched and not yet taken up.
        CONSUMER_QUEUE: Gauge "goyt_consumer_queue_records" [worker];
        /// Effects that wait for a commit to end before they go to the producer. At `buffer.max.bytes` reading pauses.
        UNSENT: Gauge "goyt_unsent_bytes" [worker];
    }
    "Process" {
        /// Always 1; its labels say what runs.
        BUILD_INFO: Gauge "goyt_build_info" [version, application];
        /// User and system time of the processor.
        PROCESS_CPU: Counter "process_cpu_seconds_total" [];
        /// File descriptors that are open.
        PROCESS_OPEN_FDS: Gauge "process_open_fds" [];
        /// File descriptors that may be open.
        PROCESS_MAX_FDS: Gauge "process_max_fds" [];
        /// Virtual memory.
        PROCESS_VIRTUAL: Gauge "process_virtual_memory_bytes" [];
        /// Memory in use.
        PROCESS_RESIDENT: Gauge "process_resident_memory_bytes" [];
        /// When the process started, seconds since 1970.
        PROCESS_START: Gauge "process_start_time_seconds" [];
        /// Threads.
        PROCESS_THREADS: Gauge "process_threads" [];
    }
}

/// The page `docs/metrics.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    let mut section = "";
    for metric in METRICS {
        if metric.section != section {
            section = metric.section;
            page.push_str(&format!("\n## {section}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"));
        }
        let labels = metric.labels.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" ");
        page.push_str(&format!("| `{}` | {} | {labels} | {} |\n", metric.name, metric.kind.name(), metric.help()));
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = "# Metrics

<!-- Made from src/telemetry/metrics.rs; `UPDATE_REFERENCE=1 cargo test --release --test reference` writes it anew. -->

`GET /metrics` on `http.address` answers with these, in Prometheus' text format. Every instance tells of itself alone; Prometheus adds
which one it asked.

Records count when their transaction is committed, and not before: a transaction that is given up leaves no trace in what is counted,
and what was published is what a reader of committed records can see. Counters begin at 0 with the process. Labels are bounded: their
values are names of the topologies (topology, subtopology, step, store, reason, topic), numbers (partition, worker) or one of a closed
list (state, outcome, status, role, part). No key, id or message is ever a label.
";

const TAIL: &str = "
`task` is `<topology>.<subtopology>_<partition>`. `role` is `input`, `output`, `dead letters`, `repartition` or `changelog`.

Not measured: the Kafka client's own statistics (request latencies, batch sizes by broker) and hits and misses of the block cache, both of
which cost more than they tell here.
";
