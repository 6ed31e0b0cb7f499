//! How RocksDB is set up: memory shared by all databases of the process, and what each of them does with it.

use std::time::Duration;

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, DataBlockIndexType, InfoLogger, LogLevel, Options, WriteBufferManager,
};

use crate::adapters::rocks::ingest::Slots;
use crate::runtime::operations::access::StateMemory;

/// Write-ahead log a database may hold before it flushes what lies in it: bounds the disk, and what an open has to read again.
const WAL_BYTES_MAX: u64 = 32 << 20;
/// Memtables of a column family: one that is written, one that is flushed.
const MEMTABLES_MAX: i32 = 2;
/// A memtable takes memory in blocks of this size, bytes. By default it would be 1 MB at the first write of each store.
const ARENA_BLOCK_BYTES: usize = 64 << 10;
/// Disk set aside for RocksDB's manifest while a database is open, bytes; by default 4 MB.
const MANIFEST_PREALLOCATED_BYTES: usize = 64 << 10;
/// Threads for flushes and compactions, shared by all databases of the process.
const BACKGROUND_JOBS: i32 = 2;
/// Bits a key in the Bloom filter: 1 % of lookups of absent keys read a block (an absent key costs 0.6 instead of 4 µs).
const BLOOM_BITS: f64 = 10.0;
/// A memtable's filter, as a part of its size: 10 bits a key of 64 bytes with its value and what RocksDB keeps beside it.
const MEMTABLE_BLOOM_RATIO: f64 = 0.02;
/// The newest format that the linked library writes by default.
const FORMAT_VERSION: i32 = 6;

/// The clock cache finds out by itself how large its entries are: blocks of a few KB, and filters of megabytes.
const UNKNOWN_ENTRY_SIZE: usize = 0;

/// Kafka's default for `delete.retention.ms`, which changelogs are created with.
const DELETE_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// How much memory and how many files RocksDB may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RocksSettings {
    /// Memory for blocks, indexes and filters of all stores of the process together, bytes.
    pub block_cache_bytes: usize,
    /// Memory for write buffers of all stores of the process together, bytes; when it is reached, buffers are flushed.
    pub write_buffer_bytes: usize,
    /// Write buffer of one store, bytes: flushed when it is full.
    pub store_write_buffer_bytes: usize,
    /// Files that one task holds open.
    pub max_open_files: i32,
    /// The changelogs' `delete.retention.ms`: files that were not written for so long are not used.
    pub stale_after: Duration,
}

impl Default for RocksSettings {
    fn default() -> Self {
        Self {
            block_cache_bytes: 64 << 20,
            write_buffer_bytes: 64 << 20,
            store_write_buffer_bytes: 8 << 20,
            max_open_files: 256,
            stale_after: DELETE_RETENTION,
        }
    }
}

/// The memory that all databases share, and their options.
pub struct Resources {
    cache: Cache,
    write_buffers: WriteBufferManager,
    database: Options,
    store: Options,
    stale_after: Duration,
    slots: Slots,
}

impl Resources {
    /// Sets the memory aside.
    #[must_use]
    pub fn new(settings: &RocksSettings) -> Self {
        // Write buffers are charged to the cache: what they don't use is there for blocks, and the sum is the bound.
        // Not the LRU cache: that one is cut into 64 parts, of 2 MB here, and a filter of a large file takes half of one. Measured: with
        // 3 M ids they pushed each other out, and every lookup read a megabyte. The clock cache has few parts and takes no lock to read.
        let cache =
            Cache::new_hyper_clock_cache(settings.block_cache_bytes.saturating_add(settings.write_buffer_bytes), UNKNOWN_ENTRY_SIZE);
        // No stalls: they would hold a worker up behind another worker's flush. Full buffers are flushed all the same.
        let allow_stall = false;
        let write_buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(settings.write_buffer_bytes, allow_stall, cache.clone());
        let database = database(settings, &write_buffers);
        let store = store(settings, &cache);
        Self { cache, write_buffers, database, store, stale_after: settings.stale_after, slots: Slots::default() }
    }

    /// Files that were not written for so long are not used.
    #[must_use]
    pub fn stale_after(&self) -> Duration {
        self.stale_after
    }

    /// Options of a database.
    #[must_use]
    pub fn database(&self) -> &Options {
        &self.database
    }

    /// Options of a store's column family.
    #[must_use]
    pub fn store(&self) -> &Options {
        &self.store
    }

    /// How many table files may be made at the same time.
    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Memory in use.
    #[must_use]
    pub fn memory(&self) -> StateMemory {
        StateMemory { block_cache: self.cache.get_usage() as u64, write_buffers: self.write_buffers.get_usage() as u64 }
    }
}

fn database(settings: &RocksSettings, write_buffers: &WriteBufferManager) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_write_buffer_manager(write_buffers);
    options.set_max_open_files(settings.max_open_files);
    options.set_max_background_jobs(BACKGROUND_JOBS);

    // What is read is checked, and what is found wrong stops the database.
    options.set_paranoid_checks(true);
    // What was written last may be lost with the power: the changelog has it, and the positions say from where on. What is left
    // must be one point in time over all column families. The write-ahead log gives that: recovery stops at the first record
    // that is torn, and refuses to open when a column family was flushed beyond it. So `atomic_flush`, which gives the same
    // without a log, is not needed. A log that is missing as a whole is found by its entry in RocksDB's manifest.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_manifest_preallocation_size(MANIFEST_PREALLOCATED_BYTES);

    // A log file of its own would cost each database 130 KB of memory, and be read by nobody.
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, |level, text| {
        // Headers, the list of all options, come whatever the level.
        if matches!(level, LogLevel::Warn | LogLevel::Error | LogLevel::Fatal) {
            tracing::warn!("RocksDB: {}", text.trim_end());
        }
    }));
    options
}

fn store(settings: &RocksSettings, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Indexes and filters count as cache, so that memory stays bounded however many files there are.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let block_based = false;
    table.set_bloom_filter(BLOOM_BITS, block_based);
    table.set_whole_key_filtering(true);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table.set_format_version(FORMAT_VERSION);

    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(settings.store_write_buffer_bytes);
    options.set_max_write_buffer_number(MEMTABLES_MAX);
    options.set_arena_block_size(ARENA_BLOCK_BYTES);
    // Most ids are new: that they are not in a memtable is told by a filter, not by a walk through its skip list (1 µs).
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
    options.set_memtable_whole_key_filtering(true);
    // As in Kafka Streams. Most of the state are ids, which do not become smaller. Measured with 5 M ids and 2.5 M accounts, most of them on
    // disk: an event costs 39 µs with lz4 and 34 µs without.
    options.set_compression_type(DBCompressionType::None);
    options
}
