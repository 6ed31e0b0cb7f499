//! State as a task sees it: what is committed, under what is not yet.

pub mod dedup_keys;
pub mod dedup_pages;
mod entries;
pub mod overlay;
pub mod page_index;
pub mod parts;
pub mod seen;

pub use entries::Key;

/// Why a store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The files are of something else: the message says what differs and what to do.
    #[error("{0}")]
    Foreign(String),
    /// A checksum is wrong or a file is missing: to be restored in full.
    #[error("state is damaged: {0}")]
    Damaged(String),
    /// So old that the changelog may have forgotten deletions that it lacks: to be restored in full.
    #[error("state is too old: {0}")]
    Stale(String),
    /// No room: to be tried again when there is.
    #[error("the state directory's disk is full: {0}")]
    Full(String),
    /// Another process uses the directory.
    #[error("{0}")]
    Locked(String),
    /// Any other error of the file system.
    #[error("{0}")]
    Io(String),
}

/// The committed state of one task.
pub trait Committed {
    /// Reads the value of a key into `value` (cleared first); whether there is one.
    ///
    /// # Errors
    /// When the files are damaged or can't be read.
    fn get(&mut self, store: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError>;
}
