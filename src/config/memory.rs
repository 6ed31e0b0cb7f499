//! The memory that the settings allow: the sum of its named parts bounds the process, but for the program itself.

use super::settings::Settings;

/// A part of the memory, and the setting that bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPart {
    /// The setting's name.
    pub setting: &'static str,
    /// How often the process has it: once, or for each worker.
    pub times: u64,
    /// The bound of one, in bytes.
    pub bytes: u64,
}

/// The part of the memory that the process may use that is for its state, when nothing is said: as much as a Java process takes for its heap.
const STATE_PART: u64 = 4;
const STATE_MIN: u64 = 64 << 20;

/// What `statestore.cache.max.bytes` comes to. `usable`: bytes of memory that the process may use; `None`: nobody knows.
#[must_use]
pub fn state_cache_bytes(settings: &Settings, usable: Option<u64>) -> u64 {
    settings.statestore_cache_max_bytes.unwrap_or_else(|| STATE_MIN.max(usable.unwrap_or_default() / STATE_PART))
}

/// What may be used at most, by part, of so many `usable` bytes of memory. The process stays below the sum of `times * bytes` and a fixed amount for code, stacks
/// and the clients' own structures.
#[must_use]
pub fn memory_budget(settings: &Settings, usable: Option<u64>) -> Vec<MemoryPart> {
    const KIBIBYTE: u64 = 1024;
    let workers = settings.num_stream_threads;
    [
        ("commit.max.bytes", workers, settings.commit_max_bytes),
        ("buffer.max.bytes", workers, settings.buffer_max_bytes),
        ("consumer.queued.max.messages.kbytes", workers, settings.consumer_queue_kbytes * KIBIBYTE),
        ("restore.consumer.queued.max.messages.kbytes", workers, settings.restore_consumer_queue_kbytes * KIBIBYTE),
        ("producer.queue.buffering.max.kbytes", workers, settings.producer_queue_kbytes * KIBIBYTE),
        ("statestore.cache.max.bytes", 1, state_cache_bytes(settings, usable)),
        ("rocksdb.block.cache.bytes", 1, settings.rocksdb_block_cache_bytes),
        ("rocksdb.write.buffer.bytes", 1, settings.rocksdb_write_buffer_bytes),
    ]
    .map(|(setting, times, bytes)| MemoryPart { setting, times, bytes })
    .to_vec()
}
