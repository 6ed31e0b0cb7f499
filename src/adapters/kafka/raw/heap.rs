//! The C library's heap, which librdkafka and RocksDB share: few arenas, and large pieces given back, so that its size follows its use.

use std::sync::Once;

/// Arenas: with one for each of the clients' threads, what one thread freed is of no use to the others.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: std::ffi::c_int = 2;
/// Pieces of this size, such as fetched answers, are given back to the system as soon as they are freed.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: std::ffi::c_int = 128 * 1024;

/// Bounds the heap of this process, once. Without glibc there is nothing to do.
pub(in crate::adapters::kafka) fn bound() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_env = "gnu")]
        // SAFETY: mallopt only sets numbers of the allocator, under its own lock. It refuses what it doesn't know.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX);
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE_BYTES);
        }
    });
}
