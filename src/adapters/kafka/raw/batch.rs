//! Reading: records as they lie in librdkafka's buffers.

use super::*;
use rdkafka_sys::types::RDKafkaRespErr as Code;

/// Records read at once; gives them back when it is cleared or dropped. Used again and again, it allocates nothing.
/// Must not outlive the client, hence it holds it.
pub(in super::super) struct Batch {
    messages: Vec<*mut sys::rd_kafka_message_t>,
    client: Arc<Client>,
}

// SAFETY: messages are owned, and may be used and destroyed on any thread.
unsafe impl Send for Batch {}

impl Batch {
    /// An empty one.
    pub(in super::super) fn new(client: Arc<Client>) -> Batch {
        Batch { messages: Vec::new(), client }
    }

    /// Waits at most `wait` for a record, an error or a call back, then takes up to `max` of what is there.
    ///
    /// One by one: `rd_kafka_consume_batch_queue` takes the end of a partition, which is told at the offset of the record to come, for that
    /// record, and the position goes past it (librdkafka 2.12.1). Behind a pause or a change of the leader it would never be read.
    pub(in super::super) fn fill(&mut self, wait: Duration, max: usize) {
        self.clear();
        let mut wait = millis(wait);
        while self.messages.len() < max {
            // SAFETY: the handle and its queue live; a message is owned from here on.
            let message = unsafe { sys::rd_kafka_consume_queue(self.client.queue.as_ptr(), wait) };
            if message.is_null() {
                return;
            }
            self.messages.push(message);
            wait = 0;
        }
    }

    /// How many there are.
    pub(in super::super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The records.
    pub(in super::super) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        // The pointers are live messages of ours until they are cleared, which needs `&mut self`.
        self.messages.iter().map(|at| Message { at: *at, batch: self })
    }

    /// Gives the records back.
    pub(in super::super) fn clear(&mut self) {
        for message in self.messages.drain(..) {
            // SAFETY: each is ours and destroyed once, as it is drained.
            unsafe { sys::rd_kafka_message_destroy(message) }
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A record, or an error in its place.
#[derive(Clone, Copy)]
pub(in super::super) struct Message<'a> {
    at: *const sys::rd_kafka_message_t,
    batch: &'a Batch,
}

impl<'a> Message<'a> {
    /// 0, or the number of the error that stands here instead of a record.
    pub(in super::super) fn code(self) -> i32 {
        // SAFETY: a live message; its error is read as a number.
        unsafe { (&raw const (*self.at).err).cast::<i32>().read() }
    }

    /// Whether it says that an end was reached: its offset is where the next fetch would be, past control records and aborted ones.
    pub(in super::super) fn is_end(self) -> bool {
        self.code() == Code::RD_KAFKA_RESP_ERR__PARTITION_EOF as i32
    }

    /// The error in words; of a client that has failed as a whole, the error that it failed for.
    pub(in super::super) fn error(self) -> Failure {
        let failure = Failure::of(self.code());
        if failure.fatal
            && let Some(reason) = self.batch.client.fatal()
        {
            return reason;
        }
        // SAFETY: a live message; the text lives as long as it, and is copied.
        let mut text = unsafe { text(sys::rd_kafka_message_errstr(self.at)) };
        if 0 <= self.offset() {
            text = format!("{text}, at offset {}", self.offset());
        }
        Failure { text, ..failure }
    }

    /// The topic as a number that is the same for all records of it, as long as a [`TopicHandle`] of it is held; 0 if there is none.
    pub(in super::super) fn topic(self) -> usize {
        // SAFETY: a live message.
        unsafe { (*self.at).rkt as usize }
    }

    /// The topic's name.
    pub(in super::super) fn topic_name(self) -> Option<&'a CStr> {
        // SAFETY: a live message; its topic lives as long as it, and so does the topic's name.
        unsafe { (!(*self.at).rkt.is_null()).then(|| CStr::from_ptr(sys::rd_kafka_topic_name((*self.at).rkt))) }
    }

    /// The partition.
    pub(in super::super) fn partition(self) -> i32 {
        // SAFETY: a live message.
        unsafe { (*self.at).partition }
    }

    /// The offset; of an error, the position it happened at.
    pub(in super::super) fn offset(self) -> i64 {
        // SAFETY: a live message.
        unsafe { (*self.at).offset }
    }

    /// The key.
    pub(in super::super) fn key(self) -> Option<&'a [u8]> {
        // SAFETY: a live message; key and length belong together and live as long as it.
        unsafe { bytes((*self.at).key, (*self.at).key_len) }
    }

    /// The value.
    pub(in super::super) fn value(self) -> Option<&'a [u8]> {
        // SAFETY: a live message; value and length belong together and live as long as it.
        unsafe { bytes((*self.at).payload, (*self.at).len) }
    }

    /// Milliseconds since 1970, if the record has a timestamp.
    pub(in super::super) fn timestamp(self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a live message.
        let time = unsafe { sys::rd_kafka_message_timestamp(self.at, &raw mut kind) };
        (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(time)
    }

    /// Appends the headers. A name that is not UTF-8 is given as U+FFFD.
    pub(in super::super) fn headers(self, into: &mut Vec<(&'a str, Option<&'a [u8]>)>) {
        let mut headers = null_mut();
        // SAFETY: a live message; the headers, their names and values belong to it and live as long as it.
        unsafe {
            if sys::rd_kafka_message_headers(self.at, &raw mut headers) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            let (mut name, mut value, mut size) = (null(), null(), 0);
            for index in 0.. {
                let code = sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size);
                if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return; // No more of them.
                }
                into.push((CStr::from_ptr(name).to_str().unwrap_or("\u{FFFD}"), bytes(value, size)));
            }
        }
    }
}

/// # Safety
/// `at` is null, or `size` bytes from there live and don't change for `'a`.
unsafe fn bytes<'a>(at: *const c_void, size: usize) -> Option<&'a [u8]> {
    // SAFETY: said above.
    (!at.is_null()).then(|| unsafe { std::slice::from_raw_parts(at.cast(), size) })
}
