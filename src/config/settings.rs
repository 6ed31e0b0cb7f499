//! The settings, each declared once: its doc comment is its text in the reference.

use std::path::PathBuf;
use std::time::Duration;

use super::limits::Limits::{self, Address, Addresses, Between, Name, OneOf};
use super::load::Texts;
use super::properties::Properties;
use super::value::{LogFormat, OffsetReset, ProcessingGuarantee, Value};
use Fallback::{Is, Unset};

/// What is known of a setting before it has a value.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The heading under which the reference lists it.
    pub section: &'static str,
    /// As Kafka Streams names it, where it has the setting.
    pub name: &'static str,
    /// Its type in words.
    pub kind: &'static str,
    /// What it is when nobody says.
    pub fallback: Fallback,
    /// What it may be.
    pub limits: Limits,
    /// What it means: the lines of its doc comment.
    pub doc: &'static [&'static str],
    /// Reads it only to see whether it can be read.
    pub(super) check: fn(&str) -> Result<(), String>,
}

/// What a setting is when nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// This value.
    Is(&'static str),
    /// None; what happens then, in words.
    Unset(&'static str),
}

impl Setting {
    /// The environment variable that gives it.
    #[must_use]
    pub fn environment(&self) -> String {
        match self.name {
            // The one name that clients of Kafka agree on.
            "bootstrap.servers" => "KAFKA_BOOTSTRAP_SERVERS".to_owned(),
            name => format!("GOYT_{}", name.to_uppercase().replace('.', "_")),
        }
    }

    /// What it takes, in words: its type, its limits, or both.
    #[must_use]
    pub fn accepts(&self) -> String {
        match self.limits {
            Limits::None => self.kind.to_owned(),
            Between(..) => format!("{}, {}", self.kind, self.limits.words()),
            OneOf(_) | Name(_) | Address | Addresses => self.limits.words(),
        }
    }
}

macro_rules! settings {
    ($(section $section:literal { $(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty = $name:literal, $fallback:expr, $limits:expr;
    )+ })+) => {
        /// The values of all settings.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Settings {
            $($( $(#[doc = $doc])+ pub $field: $type, )+)+
            /// Properties for the consumers of the group: `consumer.*`.
            pub consumer: Properties,
            /// Properties for the consumers that restore state: `consumer.*`, overridden by `restore.consumer.*`.
            pub restore_consumer: Properties,
            /// Properties for the producers: `producer.*`.
            pub producer: Properties,
            /// Properties for the clients that look at topics and groups: `admin.*`.
            pub admin: Properties,
            /// The configuration of internal topics that are created: `topic.*`.
            pub topic: Properties,
        }

        /// All settings, in the order of the reference.
        pub const SETTINGS: &[Setting] = &[$($( Setting {
            section: $section,
            name: $name,
            kind: <$type as Value>::TYPE,
            fallback: $fallback,
            limits: $limits,
            doc: &[$($doc),+],
            check: |text| <$type as Value>::parse(text).map(drop),
        }, )+)+];

        impl Settings {
            /// Reads the fields; what can't be read has been reported already, or is reported to `texts`.
            pub(super) fn read(texts: &mut Texts<'_>) -> Option<Self> {
                $($( let $field: Option<$type> = texts.read::<$type>($name, $fallback); )+)+
                let properties = texts.properties();
                Some(Self {
                    $($( $field: $field?, )+)+
                    consumer: properties.consumer,
                    restore_consumer: properties.restore_consumer,
                    producer: properties.producer,
                    admin: properties.admin,
                    topic: properties.topic,
                })
            }
        }
    };
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const HOUR_MS: i64 = 60 * 60 * 1000;
const MEBIBYTE: i64 = 1024 * 1024;

settings! {
    section "Who and where" {
        /// The brokers to ask first; the others are learned from them.
        bootstrap_servers: String = "bootstrap.servers", Is("localhost:9092"), Addresses;
        /// The name of the application: its consumer group, and the beginning of its internal topics' names and of its
        /// transactional ids. All instances of an application have the same.
        application_id: String = "application.id", Is("goyt"), Name(100);
        /// The name of this instance among those of its application. It stays the same over restarts, so that a restarted
        /// instance gets its partitions back without a rebalance and ends at once what it had left open.
        instance_id: Option<String> = "instance.id", Unset("made once, kept in the state directory"), Name(100);
        /// The directory of the local state, one for each instance. Two processes never share one.
        state_dir: PathBuf = "state.dir", Is("state"), Limits::None;
        /// Where metrics, health, the API and the page are served. Port 0 is any free one; the log says which. An address that
        /// other machines can reach needs `http.token.file`.
        http_address: String = "http.address", Is("127.0.0.1:8080"), Address;
        /// A file whose first line is the token: at least 16 characters. Whoever changes something over HTTP, such as sending dead
        /// letters back, must show it; when `http.address` can be reached from other machines, whoever reads, too. All instances of
        /// an application should have the same. It is read once, at the start.
        http_token_file: Option<PathBuf> = "http.token.file", Unset("none"), Limits::None;
        /// Where other instances and their callers reach this one's HTTP. It is told with the lag, and a key of this instance is
        /// redirected to it.
        application_server: Option<String> = "application.server", Unset("http.address, unless that is 0.0.0.0 or [::]"), Address;
    }
    section "Processing" {
        /// The number of workers of this instance; each has a consumer and two transactional producers of its own.
        num_stream_threads: u64 = "num.stream.threads", Is("1"), Between(1, 64);
        /// What a crash may do to the result: nothing.
        processing_guarantee: ProcessingGuarantee = "processing.guarantee", Is("exactly_once_v2"), OneOf(&["exactly_once_v2"]);
        /// The time from one commit to the next: how long a result may take to be seen. Less than `transaction.timeout.ms`.
        commit_interval: Duration = "commit.interval.ms", Is("100"), Between(1, HOUR_MS);
        /// So soon after the last commit the next one comes when less is left to be read than `poll.max.records`: results of a lone
        /// record are seen sooner, at the price of more transactions. As long as `commit.interval.ms` or longer: commits come at that
        /// interval alone.
        commit_interval_min: Duration = "commit.interval.min.ms", Is("10"), Between(1, HOUR_MS);
        /// A commit comes earlier when a worker's open effects reach this size.
        commit_max_bytes: u64 = "commit.max.bytes", Is("16777216"), Between(65_536, 1024 * MEBIBYTE);
        /// What a worker may hold back while a commit is under way; when it is full, the worker waits for the commit.
        buffer_max_bytes: u64 = "buffer.max.bytes", Is("16777216"), Between(65_536, 1024 * MEBIBYTE);
        /// The most records that a worker takes in one turn of its loop.
        poll_max_records: u64 = "poll.max.records", Is("1000"), Between(1, 1_000_000);
        /// Input waits while more records than this wait behind the repartition topic that it is written to, until three quarters of
        /// them are processed: so a long lag comes out as results, not as a second lag. 0: it never waits.
        repartition_lag_max_records: u64 = "repartition.lag.max.records", Is("100000"), Between(0, 1_000_000_000);
        /// Whether a worker that has all partitions of a repartition topic, and of those that it is made from, takes its records on within
        /// the transaction that writes them. Otherwise, and with several workers, they are read back when it is committed.
        repartition_handover_enable: bool = "repartition.handover.enable", Is("true"), OneOf(&["true", "false"]);
        /// Where to begin a partition for which the application has never committed an offset.
        auto_offset_reset: OffsetReset = "auto.offset.reset", Is("earliest"), OneOf(&["earliest", "latest"]);
        /// A transaction that is not ended within this time is aborted by the broker.
        transaction_timeout: Duration = "transaction.timeout.ms", Is("10000"), Between(1_000, 900_000);
        /// An instance that is not heard of for this time loses its partitions to the others.
        session_timeout: Duration = "session.timeout.ms", Is("10000"), Between(1_000, 1_800_000);
        /// A worker that does not come back to its consumer for this time loses its partitions. Not less than `session.timeout.ms`.
        max_poll_interval: Duration = "max.poll.interval.ms", Is("300000"), Between(1_000, DAY_MS);
    }
    section "State" {
        /// How long the state of a task that moved to another instance is kept, in case the task comes back.
        state_cleanup_delay: Duration = "state.cleanup.delay.ms", Is("600000"), Between(0, 365 * DAY_MS);
        /// The most changelog records that are restored in one turn of a worker's loop, so that its other tasks go on.
        restore_max_records: u64 = "restore.max.records", Is("10000"), Between(1, 10_000_000);
        /// What a worker gathers of changelogs before it gives it to the stores, which write it as files: the more, the fewer and larger
        /// they are. Two stores of the process write at the same time, each as much at most.
        restore_buffer_max_bytes: u64 = "restore.buffer.max.bytes", Is("16777216"), Between(65_536, 1024 * MEBIBYTE);
        /// Memory in front of RocksDB: for store entries that were used lately, for those that wait to be written to it, and for a filter
        /// over the ids of a dedup and an index of their pages; shared by all tasks of the process. It is taken as it is needed, and not
        /// more than state fills.
        statestore_cache_max_bytes: Option<u64> = "statestore.cache.max.bytes",
            Unset("a quarter of the memory that the process may use: the machine's, or its control group's; 67108864 at least"),
            Between(0, 64 * 1024 * MEBIBYTE);
        /// Memory for RocksDB's blocks; shared by all stores of the process.
        rocksdb_block_cache_bytes: u64 = "rocksdb.block.cache.bytes", Is("67108864"), Between(MEBIBYTE, 64 * 1024 * MEBIBYTE);
        /// Memory for what RocksDB has not yet written to its files; shared by all stores of the process.
        rocksdb_write_buffer_bytes: u64 = "rocksdb.write.buffer.bytes", Is("67108864"), Between(MEBIBYTE, 64 * 1024 * MEBIBYTE);
    }
    section "Topics that are created" {
        /// The number of replicas; -1 takes the broker's default.
        replication_factor: i32 = "replication.factor", Is("-1"), Between(-1, 32_767);
    }
    section "When something fails" {
        /// The pause before a task whose state could not be written, such as on a full disk, is restored again.
        task_retry_backoff: Duration = "task.retry.backoff.ms", Is("1000"), Between(1, HOUR_MS);
        /// The pause before a failed worker is started again; it doubles with each failure in a row, up to a minute.
        worker_restart_backoff: Duration = "worker.restart.backoff.ms", Is("1000"), Between(1, HOUR_MS);
        /// A worker that failed this many times in a row ends the process.
        worker_restart_max: u64 = "worker.restart.max", Is("10"), Between(0, 1_000_000);
    }
    section "Lag" {
        /// How often each instance says how far its tasks are behind, as events on `<application.id>-lag`. 0: never.
        lag_report_interval: Duration = "lag.report.interval.ms", Is("5000"), Between(0, HOUR_MS);
    }
    section "Tests" {
        /// Ends the process, as `kill -9` would, when it comes to this point of a commit for the n-th time: `<name>:<n>`, with a
        /// name of `after-send`, `before-commit`, `after-offsets`, `after-commit`, `before-store-write`, `after-store-write`.
        fail_point: Option<String> = "fail.point", Unset("none"), Limits::None;
    }
    section "Clients" {
        /// The kibibytes that a worker's consumer fetches ahead.
        consumer_queue_kbytes: u64 = "consumer.queued.max.messages.kbytes", Is("8192"), Between(1, 2_097_151);
        /// The kibibytes that a worker's consumer of changelogs fetches ahead while it restores.
        restore_consumer_queue_kbytes: u64 = "restore.consumer.queued.max.messages.kbytes", Is("8192"), Between(1, 2_097_151);
        /// The kibibytes that a worker's producer holds until the broker has them.
        producer_queue_kbytes: u64 = "producer.queue.buffering.max.kbytes", Is("8192"), Between(1, 2_097_151);
    }
    section "Logs" {
        /// How log lines look; they go to stderr. `RUST_LOG` chooses which are written, such as `info` or `goyt=debug`.
        log_format: Option<LogFormat> = "log.format", Unset("text on a terminal, else json"), OneOf(&["text", "json"]);
    }
}
