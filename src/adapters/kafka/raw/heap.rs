//! The C library's heap, which librdkafka and RocksDB share: few arenas, and large pieces given back, so that its size follows its use.

use std::sync::Once;

/// Arenas: with one for each of the clients' threads, what one thread freed is of no use to the others.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: std::ffi::c_int = 2;
/// Pieces of this size are given back to the system as soon as they are freed. Fetched answers are smaller: to map memory for each of them
/// and have it zeroed took an eighth of the processor time of a drain.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: std::ffi::c_int = 4 << 20;
/// So much may lie unused at the end of the heap before it is given back.
#[cfg(target_env = "gnu")]
const UNUSED_BYTES_MAX: std::ffi::c_int = 8 << 20;

/// Bounds the heap of this process, once. Without glibc there is nothing to do.
pub(in crate::adapters::kafka) fn bound() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_env = "gnu")]
        // SAFETY: mallopt only sets numbers of the allocator, under its own lock. It refuses what it doesn't know.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX);
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, UNUSED_BYTES_MAX);
        }
    });
}
