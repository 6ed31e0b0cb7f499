//! What stands in a store's place while it is opened anew.

use std::ops::Range;

use super::ports::{Store, StoreError};
use super::restore::bulk::Bulk;
use crate::engine::record::Offset;

/// A store that is closed: each call fails.
pub(super) struct Closed;

impl Closed {
    fn error<T>() -> Result<T, StoreError> {
        Err(StoreError::Io("the store is closed".to_owned()))
    }
}

impl Store for Closed {
    fn get(&mut self, _: usize, _: &[u8], _: &mut Vec<u8>) -> Result<bool, StoreError> {
        Self::error()
    }
    fn write(&mut self, _: &mut dyn Iterator<Item = (usize, &[u8], Option<&[u8]>)>, _: &[(usize, Offset)]) -> Result<(), StoreError> {
        Self::error()
    }
    fn restore(&mut self, _: usize, _: Bulk, _: Range<Offset>) -> Result<Option<Bulk>, StoreError> {
        Self::error()
    }
    fn restored(&mut self) -> Result<bool, StoreError> {
        Self::error()
    }
    fn positions(&mut self) -> Result<Vec<Option<Offset>>, StoreError> {
        Self::error()
    }
    fn scan(&mut self, _: usize, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        Self::error()
    }
    fn flush(&mut self) -> Result<(), StoreError> {
        Self::error()
    }
}
