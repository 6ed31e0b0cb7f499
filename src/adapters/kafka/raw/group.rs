//! Membership of a group, assignments and offsets.

use super::*;

/// Which offset of a partition is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Mark {
    /// The first.
    First,
    /// The high watermark.
    High,
    /// The last stable offset.
    Stable,
    /// The first, before the last stable offset, whose record is not older; milliseconds since 1970.
    At(i64),
}

/// Who a member is, for [`Client::send_offsets`].
pub(in super::super) struct GroupMetadata {
    pub(super) at: NonNull<sys::rd_kafka_consumer_group_metadata_t>,
}

// SAFETY: owned, immutable memory.
unsafe impl Send for GroupMetadata {}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: destroyed once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.at.as_ptr()) }
    }
}

/// The least time that a question for offsets gets. librdkafka (2.12) starts the timer of such a request before it first works at it on
/// the caller's thread; a timer that ends at once frees the request under that work. A second is far longer than the work.
const OFFSETS_WAIT_MIN: Duration = Duration::from_secs(1);

impl Client {
    /// Joins the group for the topics of the list.
    ///
    /// # Errors
    /// When the client refuses.
    pub(in super::super) fn subscribe(&self, topics: &PartitionList) -> Result<(), Failure> {
        // SAFETY: the handle and the list live.
        Failure::check(unsafe { numbers::rd_kafka_subscribe(self.rk.as_ptr(), topics.list.as_ptr()) })
    }

    /// Gives up its partitions, then leaves the group.
    ///
    /// # Errors
    /// When the client refuses.
    pub(in super::super) fn unsubscribe(&self) -> Result<(), Failure> {
        // SAFETY: the handle lives.
        Failure::check(unsafe { numbers::rd_kafka_unsubscribe(self.rk.as_ptr()) })
    }

    /// Reads these partitions from these offsets and no others; `None`: none at all.
    ///
    /// # Errors
    /// When the client refuses.
    pub(in super::super) fn assign(&self, positions: Option<&PartitionList>) -> Result<(), Failure> {
        let list = positions.map_or(null_mut(), |it| it.list.as_ptr());
        // SAFETY: the handle lives; the list lives or is null.
        Failure::check(unsafe { numbers::rd_kafka_assign(self.rk.as_ptr(), list) })
    }

    /// Reads these partitions too.
    ///
    /// # Errors
    /// When one is read already.
    pub(in super::super) fn assign_more(&self, positions: &PartitionList) -> Result<(), Failure> {
        // SAFETY: the handle and the list live.
        unsafe { Failure::take(sys::rd_kafka_incremental_assign(self.rk.as_ptr(), positions.list.as_ptr())) }
    }

    /// Reads these partitions no more.
    ///
    /// # Errors
    /// When one is not read.
    pub(in super::super) fn unassign_some(&self, partitions: &PartitionList) -> Result<(), Failure> {
        // SAFETY: the handle and the list live.
        unsafe { Failure::take(sys::rd_kafka_incremental_unassign(self.rk.as_ptr(), partitions.list.as_ptr())) }
    }

    /// Reads these from their offsets in the list on. Of those that have not begun to be read the entry says so.
    ///
    /// # Errors
    /// When not all have answered within `bound`.
    pub(in super::super) fn seek(&self, positions: &mut PartitionList, bound: Duration) -> Result<(), Failure> {
        // SAFETY: the handle and the list live; results are written into the list.
        unsafe { Failure::take(sys::rd_kafka_seek_partitions(self.rk.as_ptr(), positions.list.as_ptr(), millis(bound))) }
    }

    /// Stops fetching these; what was fetched and not handed out is dropped, and fetched again later.
    ///
    /// # Errors
    /// When one is not assigned.
    pub(in super::super) fn pause(&self, partitions: &mut PartitionList) -> Result<(), Failure> {
        // SAFETY: the handle and the list live; results are written into the list.
        Failure::check(unsafe { numbers::rd_kafka_pause_partitions(self.rk.as_ptr(), partitions.list.as_ptr()) })
    }

    /// Fetches these again.
    ///
    /// # Errors
    /// When one is not assigned.
    pub(in super::super) fn resume(&self, partitions: &mut PartitionList) -> Result<(), Failure> {
        // SAFETY: the handle and the list live; results are written into the list.
        Failure::check(unsafe { numbers::rd_kafka_resume_partitions(self.rk.as_ptr(), partitions.list.as_ptr()) })
    }

    /// Writes the group's committed offsets into the list.
    ///
    /// # Errors
    /// When they can't be had within `bound`.
    pub(in super::super) fn committed(&self, partitions: &mut PartitionList, bound: Duration) -> Result<(), Failure> {
        // SAFETY: the handle and the list live; results are written into the list.
        Failure::check(unsafe { numbers::rd_kafka_committed(self.rk.as_ptr(), partitions.list.as_ptr(), millis(bound)) })
    }

    /// The high watermark of a partition as the last fetch told it.
    pub(in super::super) fn known_end(&self, topic: &CStr, partition: i32) -> Option<i64> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the handle lives; both results are written.
        let code =
            unsafe { numbers::rd_kafka_get_watermark_offsets(self.rk.as_ptr(), topic.as_ptr(), partition, &raw mut low, &raw mut high) };
        (code == 0 && high >= 0).then_some(high)
    }

    /// Who this member is.
    pub(in super::super) fn group_metadata(&self) -> Option<GroupMetadata> {
        // SAFETY: the handle lives; the description is owned by us.
        NonNull::new(unsafe { sys::rd_kafka_consumer_group_metadata(self.rk.as_ptr()) }).map(|at| GroupMetadata { at })
    }

    /// Whether it has a member id: from the join until the request to leave was sent.
    pub(in super::super) fn is_member(&self) -> bool {
        // SAFETY: the handle lives; the text is null or terminated, ours, and freed once.
        unsafe {
            let id = sys::rd_kafka_memberid(self.rk.as_ptr());
            let is_member = !id.is_null() && *id != 0;
            sys::rd_kafka_mem_free(self.rk.as_ptr(), id.cast());
            is_member
        }
    }

    /// Begins to close the consumer; what it calls back is served by [`Batch::fill`].
    ///
    /// # Errors
    /// When it was closed before.
    pub(in super::super) fn close(&self) -> Result<(), Failure> {
        // SAFETY: the handle and its queue live.
        unsafe { Failure::take(sys::rd_kafka_consumer_close_queue(self.rk.as_ptr(), self.queue.as_ptr())) }
    }

    /// Whether closing is done.
    pub(in super::super) fn is_closed(&self) -> bool {
        // SAFETY: the handle lives.
        unsafe { sys::rd_kafka_consumer_closed(self.rk.as_ptr()) != 0 }
    }

    /// An offset of each partition, in no particular order; -1 where there is none.
    ///
    /// # Errors
    /// When they can't be had within `bound`.
    pub(in super::super) fn list_offsets<T>(
        &self,
        partitions: &[(&CStr, i32)],
        mark: Mark,
        bound: Duration,
        found: impl FnMut(Entry<'_>) -> T,
    ) -> Result<Vec<T>, Failure> {
        use sys::rd_kafka_IsolationLevel_t::{RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED, RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED};
        let (wanted, isolation) = match mark {
            Mark::First => (sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST as i64, RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED),
            Mark::High => (sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST as i64, RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED),
            Mark::Stable => (sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST as i64, RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED),
            Mark::At(time) => (time.max(0), RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED),
        };
        let bound = bound.max(OFFSETS_WAIT_MIN);
        let mut list = PartitionList::new(partitions.len());
        for (topic, partition) in partitions {
            list.add(topic, *partition, wanted);
        }
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
        // SAFETY: the handle, the list, the options and the queue live for the call, which copies the list; an error is freed once.
        let event = self.request(operation, bound, |options, queue| unsafe {
            let refused = sys::rd_kafka_AdminOptions_set_isolation_level(options, isolation);
            drop(Failure::take(refused)); // Refused by other operations than this one only.
            sys::rd_kafka_ListOffsets(self.rk.as_ptr(), list.list.as_ptr(), options, queue)
        })?;
        // SAFETY: the event lives until the end of the function, and what is read of it belongs to it; `infos` has `count` elements.
        let entries: Vec<Entry<'_>> = unsafe {
            let mut count = 0;
            let result = sys::rd_kafka_event_ListOffsets_result(event.0);
            let infos = if result.is_null() { null_mut() } else { sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count) };
            (0..count).map(|index| list::entry(sys::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(index)))).collect()
        };
        for entry in &entries {
            Failure::check(entry.code)?;
        }
        Ok(entries.into_iter().map(found).collect())
    }

    /// Makes a group forget its offsets of these partitions.
    ///
    /// # Errors
    /// When the group reads the topics, or it can't be done within `bound`.
    pub(in super::super) fn delete_offsets(&self, group: &CStr, partitions: &PartitionList, bound: Duration) -> Result<(), Failure> {
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS;
        // SAFETY: handle, group, list, options and queue live for the call, which copies what it needs; the request is destroyed once.
        let event = self.request(operation, bound, |options, queue| unsafe {
            let mut request = sys::rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), partitions.list.as_ptr());
            sys::rd_kafka_DeleteConsumerGroupOffsets(self.rk.as_ptr(), &raw mut request, 1, options, queue);
            sys::rd_kafka_DeleteConsumerGroupOffsets_destroy(request);
        })?;
        // SAFETY: the event lives until the end of the function, and what is read of it belongs to it; `groups` has `count` elements.
        unsafe {
            let mut count = 0;
            let result = sys::rd_kafka_event_DeleteConsumerGroupOffsets_result(event.0);
            let groups =
                if result.is_null() { null_mut() } else { sys::rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, &raw mut count) };
            for index in 0..count {
                let error = sys::rd_kafka_group_result_error(*groups.add(index));
                Failure::check(if error.is_null() { 0 } else { numbers::rd_kafka_error_code(error) })?;
                for entry in list::entries(sys::rd_kafka_group_result_partitions(*groups.add(index))) {
                    Failure::check(entry.code)?;
                }
            }
        }
        Ok(())
    }

    /// Makes an administrative request and waits for its answer.
    fn request(
        &self,
        operation: sys::rd_kafka_admin_op_t,
        bound: Duration,
        ask: impl FnOnce(*mut sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> Result<Event, Failure> {
        // SAFETY: options and queue are owned here and destroyed once, after their last use. The request keeps no pointer to them:
        // an answer that comes later finds the queue gone and is dropped.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(self.rk.as_ptr(), operation);
            let mut reason = [0 as c_char; 128];
            sys::rd_kafka_AdminOptions_set_request_timeout(options, millis(bound), reason.as_mut_ptr(), reason.len());
            let queue = sys::rd_kafka_queue_new(self.rk.as_ptr());
            ask(options, queue);
            let event = sys::rd_kafka_queue_poll(queue, millis(bound));
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_queue_destroy(queue);
            if event.is_null() {
                return Err(Failure::of(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT as i32));
            }
            let event = Event(event);
            let code = numbers::rd_kafka_event_error(event.0);
            if code == 0 { Ok(event) } else { Err(Failure { text: text(sys::rd_kafka_event_error_string(event.0)), ..Failure::of(code) }) }
        }
    }
}

/// An answer.
struct Event(*mut sys::rd_kafka_event_t);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: owned, not null, destroyed once.
        unsafe { sys::rd_kafka_event_destroy(self.0) }
    }
}
