//! Writing, in transactions.

use super::*;

/// A topic of a client; keeps its number of [`Message::topic`] from being given to another topic.
/// Must not outlive the client, hence it holds it.
pub(in super::super) struct TopicHandle {
    topic: NonNull<sys::rd_kafka_topic_t>,
    _client: Arc<Client>,
}

// SAFETY: as of the client's handle.
unsafe impl Send for TopicHandle {}

impl TopicHandle {
    /// The topic of a client.
    ///
    /// # Errors
    /// When the name is no topic's.
    pub(in super::super) fn new(client: &Arc<Client>, name: &CStr) -> Result<TopicHandle, Failure> {
        // SAFETY: the handle lives; the name is copied; no settings of its own.
        let topic = unsafe { sys::rd_kafka_topic_new(client.rk.as_ptr(), name.as_ptr(), null_mut()) };
        match NonNull::new(topic) {
            Some(topic) => Ok(TopicHandle { topic, _client: Arc::clone(client) }),
            None => Err(Failure::of(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__INVALID_ARG as i32)),
        }
    }

    /// As [`Message::topic`].
    pub(in super::super) fn number(&self) -> usize {
        self.topic.as_ptr() as usize
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: given back once; its client lives, as it is held.
        unsafe { sys::rd_kafka_topic_destroy(self.topic.as_ptr()) }
    }
}

/// A record to be written.
pub(in super::super) struct Outgoing<'a> {
    /// Where.
    pub topic: &'a TopicHandle,
    /// -1: by the partitioner.
    pub partition: i32,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The headers.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Comes back in [`Delivery::opaque`].
    pub opaque: usize,
}

impl Client {
    /// Queues a record; all of it is copied.
    ///
    /// # Errors
    /// `_QUEUE_FULL`, `MSG_SIZE_TOO_LARGE`, or an error of the transaction.
    pub(in super::super) fn produce(&self, record: &Outgoing<'_>) -> Result<(), Failure> {
        use sys::{rd_kafka_vtype_t as Is, rd_kafka_vu_s__bindgen_ty_1 as Value, rd_kafka_vu_t as Argument};
        let memory = |bytes: Option<&[u8]>| Value {
            mem: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
                ptr: bytes.map_or(null_mut(), |it| it.as_ptr().cast_mut().cast()),
                size: bytes.map_or(0, <[u8]>::len),
            },
        };
        let headers = Headers::new(record.headers);
        let arguments = [
            Argument { vtype: Is::RD_KAFKA_VTYPE_RKT, u: Value { rkt: record.topic.topic.as_ptr() } },
            Argument { vtype: Is::RD_KAFKA_VTYPE_PARTITION, u: Value { i32_: record.partition } },
            Argument { vtype: Is::RD_KAFKA_VTYPE_MSGFLAGS, u: Value { i: sys::RD_KAFKA_MSG_F_COPY } },
            Argument { vtype: Is::RD_KAFKA_VTYPE_KEY, u: memory(record.key) },
            Argument { vtype: Is::RD_KAFKA_VTYPE_VALUE, u: memory(record.value) },
            Argument { vtype: Is::RD_KAFKA_VTYPE_TIMESTAMP, u: Value { i64_: record.timestamp } },
            Argument { vtype: Is::RD_KAFKA_VTYPE_OPAQUE, u: Value { ptr: record.opaque as *mut c_void } },
            Argument { vtype: Is::RD_KAFKA_VTYPE_HEADERS, u: Value { headers: headers.0 } },
        ];
        let count = arguments.len() - usize::from(headers.0.is_null());
        // SAFETY: each argument is of the kind that its tag says; the topic is one of a living client; key and value are copied,
        // not written to; the headers are given away when it succeeds, and only then.
        unsafe {
            Failure::take(sys::rd_kafka_produceva(self.rk.as_ptr(), arguments.as_ptr(), count))?;
        }
        std::mem::forget(headers);
        Ok(())
    }

    /// Takes the place of whoever had the transactional id.
    ///
    /// # Errors
    /// When it takes longer than `bound`, or the coordinator refuses.
    pub(in super::super) fn init_transactions(&self, bound: Duration) -> Result<(), Failure> {
        // SAFETY: the handle lives.
        unsafe { Failure::take(sys::rd_kafka_init_transactions(self.rk.as_ptr(), millis(bound))) }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the client is in another state.
    pub(in super::super) fn begin_transaction(&self) -> Result<(), Failure> {
        // SAFETY: the handle lives.
        unsafe { Failure::take(sys::rd_kafka_begin_transaction(self.rk.as_ptr())) }
    }

    /// Adds consumed offsets to the transaction, as the group member described.
    ///
    /// # Errors
    /// When the coordinators refuse; when it takes longer than `bound`.
    pub(in super::super) fn send_offsets(&self, offsets: &PartitionList, group: &GroupMetadata, bound: Duration) -> Result<(), Failure> {
        // SAFETY: the handle, the list and the description live.
        unsafe {
            Failure::take(sys::rd_kafka_send_offsets_to_transaction(
                self.rk.as_ptr(),
                offsets.list.as_ptr(),
                group.at.as_ptr(),
                millis(bound),
            ))
        }
    }

    /// Sends what is queued without waiting for more to send; `bound` is the most that is waited for answers.
    pub(in super::super) fn flush(&self, bound: Duration) {
        // SAFETY: the handle lives. That something is left to send says no more than that.
        unsafe { sys::rd_kafka_flush(self.rk.as_ptr(), millis(bound)) };
    }

    /// Sends what is queued and commits; `None`: as long as it takes.
    ///
    /// # Errors
    /// When the transaction failed, or its outcome is unknown, as when it takes longer than `bound`.
    pub(in super::super) fn commit_transaction(&self, bound: Option<Duration>) -> Result<(), Failure> {
        // SAFETY: the handle lives. -1 is for ever.
        unsafe { Failure::take(sys::rd_kafka_commit_transaction(self.rk.as_ptr(), bound.map_or(-1, millis))) }
    }

    /// Drops what is queued and aborts.
    ///
    /// # Errors
    /// When it takes longer than `bound`, or the coordinator refuses.
    pub(in super::super) fn abort_transaction(&self, bound: Duration) -> Result<(), Failure> {
        // SAFETY: the handle lives.
        unsafe { Failure::take(sys::rd_kafka_abort_transaction(self.rk.as_ptr(), millis(bound))) }
    }
}

/// Headers of a record to be written; null when there are none.
struct Headers(*mut sys::rd_kafka_headers_t);

impl Headers {
    fn new(headers: &[(&str, Option<&[u8]>)]) -> Headers {
        if headers.is_empty() {
            return Headers(null_mut());
        }
        // SAFETY: names and values are given with their lengths, and copied.
        unsafe {
            let list = sys::rd_kafka_headers_new(headers.len());
            for (name, value) in headers {
                let (at, size) = value.map_or((null(), 0), |it| (it.as_ptr(), it.len() as isize));
                sys::rd_kafka_header_add(list, name.as_ptr().cast(), name.len() as isize, at.cast(), size);
            }
            Headers(list)
        }
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: not given away: that forgets this value.
            unsafe { sys::rd_kafka_headers_destroy(self.0) }
        }
    }
}
