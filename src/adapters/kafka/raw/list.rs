//! Lists of topics, partitions and offsets, as librdkafka takes and gives them.

use std::ffi::CStr;

use super::*;

/// A list; owns its memory.
pub(in super::super) struct PartitionList {
    pub(super) list: NonNull<sys::rd_kafka_topic_partition_list_t>,
}

// SAFETY: the memory is owned and not shared; nothing in it is bound to a thread.
unsafe impl Send for PartitionList {}

/// An entry of a list.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Entry<'a> {
    /// The topic's name.
    pub topic: &'a CStr,
    /// The partition.
    pub partition: i32,
    /// The offset, or one of librdkafka's negative marks.
    pub offset: i64,
    /// 0, or the number of an error of this partition.
    pub code: i32,
}

impl PartitionList {
    /// An empty list with room for some.
    pub(in super::super) fn new(room: usize) -> PartitionList {
        // SAFETY: allocates, and aborts the process when it can't, as Rust does.
        let list = unsafe { sys::rd_kafka_topic_partition_list_new(c_int::try_from(room).unwrap_or(0)) };
        match NonNull::new(list) {
            Some(list) => PartitionList { list },
            None => std::process::abort(),
        }
    }

    /// Adds a partition at an offset.
    pub(in super::super) fn add(&mut self, topic: &CStr, partition: i32, offset: i64) {
        // SAFETY: the list is owned; the name is copied; the entry returned is valid until the next change.
        unsafe { (*sys::rd_kafka_topic_partition_list_add(self.list.as_ptr(), topic.as_ptr(), partition)).offset = offset }
    }

    /// Whether nothing is in it.
    pub(in super::super) fn is_empty(&self) -> bool {
        // SAFETY: the list is owned.
        unsafe { (*self.list.as_ptr()).cnt == 0 }
    }

    /// What is in it.
    pub(in super::super) fn entries(&self) -> Vec<Entry<'_>> {
        // SAFETY: the list is owned, and not changed while the entries borrow it.
        unsafe { entries(self.list.as_ptr()) }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: destroyed once.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.list.as_ptr()) }
    }
}

/// # Safety
/// `list` is null, or lives and doesn't change for `'a`.
pub(super) unsafe fn entries<'a>(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<Entry<'a>> {
    // SAFETY: said above; `elems` has `cnt` elements; the error of each is read as a number.
    unsafe {
        let count = if list.is_null() { 0 } else { usize::try_from((*list).cnt).unwrap_or(0) };
        (0..count).map(|index| entry((*list).elems.add(index))).collect()
    }
}

/// # Safety
/// `at` is an entry that lives and doesn't change for `'a`.
pub(super) unsafe fn entry<'a>(at: *const sys::rd_kafka_topic_partition_t) -> Entry<'a> {
    // SAFETY: said above; the name is terminated.
    unsafe {
        Entry {
            topic: CStr::from_ptr((*at).topic),
            partition: (*at).partition,
            offset: (*at).offset,
            code: (&raw const (*at).err).cast::<i32>().read(),
        }
    }
}
