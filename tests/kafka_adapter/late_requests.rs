//! A request of a transaction that reaches the coordinator only during the next one: see `adapters/kafka/late_requests.rs`.

use goyt::adapters::kafka::KafkaLog;
use goyt::runtime::ports::Log;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::conformance::steps::{arrived, commit, out, read_to_end, send};
use crate::support::proxy::{END_TXN, Fault, Proxy};
use crate::support::{broker, wait};
use crate::world::KafkaWorld;

/// a0 and a1 are committed, but the request to do so is late, and a second one does it. Then b0 is sent, the late request arrives, and b0
/// is aborted. Says what a read_committed reader sees, and whether the producer was recycled in between.
fn run(fault: Fault, guarded: bool) -> (Vec<String>, bool) {
    let mut world = KafkaWorld::new();
    let proxy = Proxy::start(advertised());
    let mut settings = world.settings("a");
    settings.bootstrap.clone_from(&proxy.address);
    settings.producer.insert("socket.timeout.ms".into(), "2000".into());
    let log = world.log_with(&settings);
    let mut log: Box<dyn Log> = Box::new(if guarded { log } else { KafkaLog::without_guard(log) });

    log.parts().producer.init().unwrap();
    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "a0");
    send(&mut *log, out(0), "k", "a1");
    proxy.arm(END_TXN, fault);
    let committed = commit(&mut *log, &[]);
    committed.result.unwrap();
    assert!(proxy.is_hit());
    if committed.recycle {
        log.parts().producer.init().unwrap();
    }

    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "b0");
    arrived(&mut *log, out(0), 4); // a0, a1, the marker, b0.
    proxy.release();
    log.parts().producer.abort().unwrap();
    drop(log);
    // Whoever takes over ends what may still be open, so that the reader gets to the end.
    let mut successor = world.log_with(&world.settings("a"));
    successor.parts().producer.init().unwrap();
    let seen = wait::until("what was committed", || {
        let seen = read_to_end(&mut world, &[out(0)]);
        (2 <= seen.len()).then_some(seen)
    });
    (seen.into_iter().map(|(_, value)| value).collect(), committed.recycle)
}

/// The broker's own name for itself.
fn advertised() -> (String, u16) {
    let client: BaseConsumer = broker::client().create().unwrap();
    let metadata = client.fetch_metadata(None, wait::LONG).unwrap();
    let first = metadata.brokers().first().unwrap();
    (first.host().to_owned(), u16::try_from(first.port()).unwrap())
}

#[test]
fn a_late_request_that_timed_out_ends_nothing_of_the_next_transaction() {
    assert_eq!(run(Fault::Hold, true), (vec!["a0".to_owned(), "a1".to_owned()], true));
}

#[test]
fn a_late_request_whose_connection_was_lost_ends_nothing_of_the_next_transaction() {
    assert_eq!(run(Fault::HoldAndCut, true), (vec!["a0".to_owned(), "a1".to_owned()], true));
}

/// The proof that the two tests above test something: the client alone is not safe.
#[test]
fn without_the_guard_an_aborted_record_is_seen() {
    for fault in [Fault::Hold, Fault::HoldAndCut] {
        let aborted_is_seen = vec!["a0".to_owned(), "a1".to_owned(), "b0".to_owned()];
        assert_eq!(run(fault, false), (aborted_is_seen, false), "{fault:?}");
    }
}
