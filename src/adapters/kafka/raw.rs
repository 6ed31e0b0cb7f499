//! The only file with `unsafe`, and its folder: librdkafka's C interface as small safe types.
//!
//! What makes it sound:
//! - A [`Client`] owns its handle; nothing of it is reachable after it is dropped, and dropping waits for librdkafka's threads.
//! - The opaque pointer of the callbacks is a box that is freed after the handle, so a callback never sees a freed one.
//! - No panic crosses into C: each callback catches it.
//! - Error numbers are read as numbers: a broker may send one that the bindings' enum doesn't know, and such an enum value is undefined.
#![expect(unsafe_code, reason = "librdkafka is a C library")]

mod batch;
mod group;
mod heap;
mod list;
mod transaction;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka_sys as sys;

pub(super) use batch::{Batch, Message};
pub(super) use group::{GroupMetadata, Mark};
pub(super) use list::{Entry, PartitionList};
pub(super) use transaction::{Outgoing, TopicHandle};

/// The same functions as in the bindings, with the error as the number that it is.
mod numbers {
    use super::*;
    unsafe extern "C" {
        pub(super) fn rd_kafka_error_code(error: *const sys::rd_kafka_error_t) -> c_int;
        pub(super) fn rd_kafka_fatal_error(rk: *mut sys::rd_kafka_t, text: *mut c_char, size: usize) -> c_int;
        pub(super) fn rd_kafka_event_error(event: *mut sys::rd_kafka_event_t) -> c_int;
        pub(super) fn rd_kafka_subscribe(rk: *mut sys::rd_kafka_t, topics: *const sys::rd_kafka_topic_partition_list_t) -> c_int;
        pub(super) fn rd_kafka_unsubscribe(rk: *mut sys::rd_kafka_t) -> c_int;
        pub(super) fn rd_kafka_assign(rk: *mut sys::rd_kafka_t, list: *const sys::rd_kafka_topic_partition_list_t) -> c_int;
        pub(super) fn rd_kafka_pause_partitions(rk: *mut sys::rd_kafka_t, list: *mut sys::rd_kafka_topic_partition_list_t) -> c_int;
        pub(super) fn rd_kafka_resume_partitions(rk: *mut sys::rd_kafka_t, list: *mut sys::rd_kafka_topic_partition_list_t) -> c_int;
        pub(super) fn rd_kafka_committed(
            rk: *mut sys::rd_kafka_t,
            list: *mut sys::rd_kafka_topic_partition_list_t,
            timeout_ms: c_int,
        ) -> c_int;
        pub(super) fn rd_kafka_get_watermark_offsets(
            rk: *mut sys::rd_kafka_t,
            topic: *const c_char,
            partition: i32,
            low: *mut i64,
            high: *mut i64,
        ) -> c_int;
        pub(super) fn rd_kafka_metadata(
            rk: *mut sys::rd_kafka_t,
            all_topics: c_int,
            only: *mut sys::rd_kafka_topic_t,
            metadata: *mut *const sys::rd_kafka_metadata,
            timeout_ms: c_int,
        ) -> c_int;
        pub(super) fn rd_kafka_err2str(code: c_int) -> *const c_char;
    }
}

/// An error as librdkafka tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The number of `rd_kafka_resp_err_t`.
    pub code: i32,
    /// What happened, in its words.
    pub text: String,
    /// The client can't be used any more.
    pub fatal: bool,
    /// The transaction must be aborted.
    pub abortable: bool,
    /// The same call may be made again.
    pub retriable: bool,
}

impl Failure {
    /// An error of which only the number is known.
    pub(super) fn of(code: i32) -> Failure {
        // SAFETY: returns a static text, or a thread's own buffer that lives until the next call; copied at once.
        let text = unsafe { text(numbers::rd_kafka_err2str(code)) };
        Failure { code, text, fatal: code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__FATAL as i32, abortable: false, retriable: false }
    }

    fn check(code: i32) -> Result<(), Failure> {
        if code == 0 { Ok(()) } else { Err(Failure::of(code)) }
    }

    /// # Safety
    /// `error` is null, or an error object that is owned by the caller and given up.
    unsafe fn take(error: *mut sys::rd_kafka_error_t) -> Result<(), Failure> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: a live error object, destroyed once, after its last use.
        unsafe {
            let failure = Failure {
                code: numbers::rd_kafka_error_code(error),
                text: text(sys::rd_kafka_error_string(error)),
                fatal: sys::rd_kafka_error_is_fatal(error) != 0,
                abortable: sys::rd_kafka_error_txn_requires_abort(error) != 0,
                retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            };
            sys::rd_kafka_error_destroy(error);
            Err(failure)
        }
    }
}

/// What a group asks of its member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rebalance {
    /// To take these partitions.
    Assign,
    /// To give them up.
    Revoke,
    /// They are lost already.
    Lost,
}

/// What became of a record that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery {
    /// What was given to [`Client::produce`].
    pub opaque: usize,
    /// 0, or the error's number.
    pub code: i32,
    /// Its offset, if it was written.
    pub offset: i64,
    /// Bytes of its key and value.
    pub size: usize,
}

/// What librdkafka calls back. From any of its threads: `log`; from within calls on the client: the others.
pub(super) trait Callbacks: Send + Sync {
    /// A line of the log; levels as of syslog.
    fn log(&self, level: i32, facility: &str, line: &str);
    /// An error of the client as a whole.
    fn error(&self, failure: Failure);
    /// A record was written or given up.
    fn delivered(&self, _delivery: Delivery) {}
    /// The group rebalances. `true`: agree at once, as when leaving; else the answer is [`Client::assign`], later.
    fn rebalanced(&self, _what: Rebalance, _partitions: &[Entry<'_>]) -> bool {
        true
    }
}

type Opaque = Box<Arc<dyn Callbacks>>;

/// Which kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reads.
    Consumer,
    /// Writes.
    Producer,
}

/// A librdkafka handle.
pub(super) struct Client {
    rk: NonNull<sys::rd_kafka_t>,
    /// The consumer's queue, or the producer's main queue.
    queue: NonNull<sys::rd_kafka_queue_t>,
    _callbacks: Opaque,
}

// SAFETY: librdkafka's handles and queues may be used from any thread, and from several at once.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    /// Makes a client; connects to nothing yet.
    ///
    /// # Errors
    /// When a setting is unknown or wrong, or the system refuses threads.
    pub(super) fn new(kind: Kind, settings: &ClientConfig, callbacks: Arc<dyn Callbacks>) -> Result<Client, Failure> {
        let invalid = |text: String| Failure {
            code: sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__INVALID_ARG as i32,
            text,
            fatal: false,
            abortable: false,
            retriable: false,
        };
        let native = settings.create_native_config().map_err(|error| match error {
            KafkaError::ClientConfig(_, reason, ..) => invalid(reason),
            other => invalid(other.to_string()),
        })?;
        let mut callbacks: Opaque = Box::new(callbacks);
        let mut reason = [0 as c_char; 512];
        // SAFETY: the copy of the settings is owned here until `rd_kafka_new` takes it, which it does only when it succeeds.
        // The opaque pointer is to the heap and stays valid when the box is moved; it is freed after the handle (see `drop`).
        unsafe {
            let conf = sys::rd_kafka_conf_dup(native.ptr());
            sys::rd_kafka_conf_set_opaque(conf, (&raw mut *callbacks).cast());
            sys::rd_kafka_conf_set_log_cb(conf, Some(on_log));
            sys::rd_kafka_conf_set_error_cb(conf, Some(on_error));
            let kind = match kind {
                Kind::Consumer => {
                    sys::rd_kafka_conf_set_rebalance_cb(conf, Some(on_rebalance));
                    sys::rd_kafka_type_t::RD_KAFKA_CONSUMER
                }
                Kind::Producer => {
                    sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(on_delivery));
                    sys::rd_kafka_type_t::RD_KAFKA_PRODUCER
                }
            };
            let rk = sys::rd_kafka_new(kind, conf, reason.as_mut_ptr(), reason.len());
            let Some(rk) = NonNull::new(rk) else {
                sys::rd_kafka_conf_destroy(conf);
                return Err(invalid(text(reason.as_ptr())));
            };
            let queue = match kind {
                sys::rd_kafka_type_t::RD_KAFKA_CONSUMER => {
                    sys::rd_kafka_poll_set_consumer(rk.as_ptr());
                    sys::rd_kafka_queue_get_consumer(rk.as_ptr())
                }
                sys::rd_kafka_type_t::RD_KAFKA_PRODUCER => sys::rd_kafka_queue_get_main(rk.as_ptr()),
            };
            let Some(queue) = NonNull::new(queue) else {
                sys::rd_kafka_destroy(rk.as_ptr());
                return Err(invalid("a consumer needs a group.id".into()));
            };
            Ok(Client { rk, queue, _callbacks: callbacks })
        }
    }

    /// Ends the wait of whoever polls this client; if nobody does, of the next poll.
    pub(super) fn wake(&self) {
        // SAFETY: the queue lives as long as the client.
        unsafe { sys::rd_kafka_queue_yield(self.queue.as_ptr()) }
    }

    /// Waits at most `bound` until a broker is connected and has answered.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub(super) fn connect(&self, bound: Duration) -> Result<(), Failure> {
        let mut metadata = null();
        // SAFETY: the handle lives; what is written is destroyed once, if it was written. Of no topic: only the brokers are asked for.
        unsafe {
            let code = numbers::rd_kafka_metadata(self.rk.as_ptr(), 0, null_mut(), &raw mut metadata, millis(bound));
            if !metadata.is_null() {
                sys::rd_kafka_metadata_destroy(metadata);
            }
            Failure::check(code)
        }
    }

    /// Asks a broker who leads a topic's partitions, though it was said before.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub(super) fn learn_leaders(&self, topic: &CStr, bound: Duration) -> Result<(), Failure> {
        let mut metadata = null();
        // SAFETY: the handle lives, the name is copied, and topic and metadata are destroyed once, if there are any.
        unsafe {
            let topic = sys::rd_kafka_topic_new(self.rk.as_ptr(), topic.as_ptr(), null_mut());
            if topic.is_null() {
                return Err(Failure::of(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__INVALID_ARG as i32));
            }
            let code = numbers::rd_kafka_metadata(self.rk.as_ptr(), 0, topic, &raw mut metadata, millis(bound));
            if !metadata.is_null() {
                sys::rd_kafka_metadata_destroy(metadata);
            }
            sys::rd_kafka_topic_destroy(topic);
            Failure::check(code)
        }
    }

    /// Calls back what is there, waiting at most `wait` for something.
    pub(super) fn serve(&self, wait: Duration) {
        // SAFETY: the handle lives.
        unsafe { sys::rd_kafka_poll(self.rk.as_ptr(), millis(wait)) };
    }

    /// What was fetched and not taken up, of a consumer.
    pub(super) fn fetched(&self) -> usize {
        // SAFETY: the queue lives as long as the client.
        unsafe { sys::rd_kafka_queue_length(self.queue.as_ptr()) }
    }

    /// Records and requests on their way to the broker, of a producer.
    pub(super) fn unsent(&self) -> usize {
        // SAFETY: the handle lives.
        usize::try_from(unsafe { sys::rd_kafka_outq_len(self.rk.as_ptr()) }).unwrap_or(0)
    }

    /// The error that this client failed for as a whole, if it did.
    fn fatal(&self) -> Option<Failure> {
        // SAFETY: the handle lives.
        unsafe { fatal(self.rk.as_ptr()) }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: destroyed once. Waits for librdkafka's threads, so no callback comes later, and only then frees their opaque.
        // Without leaving the group: that is done by `leave`, or not at all.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
            sys::rd_kafka_destroy_flags(self.rk.as_ptr(), sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        }
    }
}

/// Milliseconds for librdkafka, which takes a negative number as "for ever".
fn millis(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}

/// # Safety
/// `at` is null or a terminated text that lives for the call.
unsafe fn text(at: *const c_char) -> String {
    if at.is_null() {
        return String::new();
    }
    // SAFETY: said above.
    unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned()
}

/// # Safety
/// `rk` is a live handle.
unsafe fn fatal(rk: *mut sys::rd_kafka_t) -> Option<Failure> {
    let mut reason = [0 as c_char; 512];
    // SAFETY: said above; the buffer is as long as said, and terminated by the callee.
    unsafe {
        let code = numbers::rd_kafka_fatal_error(rk, reason.as_mut_ptr(), reason.len());
        (code != 0).then(|| Failure { code, text: text(reason.as_ptr()), fatal: true, abortable: false, retriable: false })
    }
}

/// # Safety
/// `opaque` is null or the pointer set by [`Client::new`], whose client lives.
unsafe fn call(opaque: *mut c_void, work: impl FnOnce(&dyn Callbacks)) {
    // SAFETY: said above; the box is never borrowed mutably after it was set.
    if let Some(callbacks) = unsafe { opaque.cast::<Arc<dyn Callbacks>>().as_ref() } {
        // A panic was reported by its hook; it must not unwind into C.
        drop(catch_unwind(AssertUnwindSafe(|| work(&**callbacks))));
    }
}

unsafe extern "C" fn on_log(rk: *const sys::rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    if rk.is_null() || facility.is_null() || line.is_null() {
        return; // No client yet, so nobody to tell.
    }
    // SAFETY: librdkafka gives a live handle and terminated texts that live for the call.
    unsafe {
        let (facility, line) = (CStr::from_ptr(facility).to_string_lossy(), CStr::from_ptr(line).to_string_lossy());
        call(sys::rd_kafka_opaque(rk), |callbacks| callbacks.log(level, &facility, &line));
    }
}

unsafe extern "C" fn on_error(rk: *mut sys::rd_kafka_t, code: c_int, reason: *const c_char, opaque: *mut c_void) {
    let mut failure = Failure::of(code);
    // SAFETY: librdkafka gives a live handle, a terminated text or null, and our opaque.
    unsafe {
        if failure.fatal
            && let Some(reason) = fatal(rk)
        {
            failure = reason;
        } else if !reason.is_null() {
            failure.text = text(reason);
        }
        call(opaque, |callbacks| callbacks.error(failure));
    }
}

unsafe extern "C" fn on_delivery(_: *mut sys::rd_kafka_t, message: *const sys::rd_kafka_message_t, opaque: *mut c_void) {
    // SAFETY: librdkafka gives a live message and our opaque. The error is read as a number.
    unsafe {
        let delivery = Delivery {
            opaque: (*message)._private as usize,
            code: (&raw const (*message).err).cast::<i32>().read(),
            offset: (*message).offset,
            size: (*message).len.saturating_add((*message).key_len),
        };
        call(opaque, |callbacks| callbacks.delivered(delivery));
    }
}

unsafe extern "C" fn on_rebalance(
    rk: *mut sys::rd_kafka_t,
    what: sys::rd_kafka_resp_err_t,
    partitions: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    let assign = what == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    // SAFETY: librdkafka gives a live handle, a list that lives for the call, and our opaque.
    unsafe {
        let what = match (assign, sys::rd_kafka_assignment_lost(rk) != 0) {
            (true, _) => Rebalance::Assign,
            (false, false) => Rebalance::Revoke,
            (false, true) => Rebalance::Lost,
        };
        let mut at_once = true;
        call(opaque, |callbacks| at_once = callbacks.rebalanced(what, &list::entries(partitions)));
        if at_once {
            // Partitions to take are answered with none of them; to unassign would not count as an answer.
            let nothing = PartitionList::new(0);
            numbers::rd_kafka_assign(rk, if assign { nothing.list.as_ptr() } else { null_mut() });
        }
        sys::rd_kafka_yield(rk); // The poll under way returns, so that the event is answered soon.
    }
}
