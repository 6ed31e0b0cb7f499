//! What happened in a run, one line for each thing; a digest of all lines tells whether two runs were the same.

use std::fmt::Arguments;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::adapters::memory::clock::VirtualClock;
use crate::runtime::ports::Clock;

/// A trace. A clone is the same one.
#[derive(Debug, Clone)]
pub struct Trace {
    clock: VirtualClock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    digest: u64,
    /// `None`: lines are not kept.
    lines: Option<Vec<String>>,
    line: String,
}

/// FNV-1a, 64 bits.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

impl Trace {
    /// An empty one; with `keep` its lines can be read.
    #[must_use]
    pub fn new(clock: VirtualClock, keep: bool) -> Self {
        let inner = Inner { digest: FNV_OFFSET, lines: keep.then(Vec::new), line: String::new() };
        Self { clock, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Adds a line.
    pub fn say(&self, who: &str, what: Arguments<'_>) {
        use std::fmt::Write as _;
        let at = self.clock.elapsed().as_millis();
        let mut guard = self.inner();
        let inner = &mut *guard;
        inner.line.clear();
        if write!(inner.line, "{:>6}.{:03} s  {who:<5} {what}", at / 1000, at % 1000).is_err() {
            inner.line.push_str(" (cut off)");
        }
        for byte in inner.line.bytes() {
            inner.digest = (inner.digest ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        if let Some(lines) = &mut inner.lines {
            lines.push(inner.line.clone());
        }
    }

    /// The digest of all lines.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.inner().digest
    }

    /// The lines, where they are kept.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.inner().lines.clone().unwrap_or_default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
