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

/// What may be used at most, by part. The process stays below the sum of `times * bytes` and a fixed amount for code, stacks
/// and the clients' own structures.
#[must_use]
pub fn memory_budget(settings: &Settings) -> Vec<MemoryPart> {
    const KIBIBYTE: u64 = 1024;
    let workers = settings.num_stream_threads;
    [
        ("commit.max.bytes", workers, settings.commit_max_bytes),
        ("buffer.max.bytes", workers, settings.buffer_max_bytes),
        ("consumer.queued.max.messages.kbytes", workers, settings.consumer_queue_kbytes * KIBIBYTE),
        ("restore.consumer.queued.max.messages.kbytes", workers, settings.restore_consumer_queue_kbytes * KIBIBYTE),
        ("producer.queue.buffering.max.kbytes", workers, settings.producer_queue_kbytes * KIBIBYTE),
        ("statestore.cache.max.bytes", 1, settings.statestore_cache_max_bytes),
        ("rocksdb.block.cache.bytes", 1, settings.rocksdb_block_cache_bytes),
        ("rocksdb.write.buffer.bytes", 1, settings.rocksdb_write_buffer_bytes),
    ]
    .map(|(setting, times, bytes)| MemoryPart { setting, times, bytes })
    .to_vec()
}
