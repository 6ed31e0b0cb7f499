//! A request of a transaction that reaches the coordinator only during the next one: see `adapters/kafka/late_requests.rs`.

use std::time::{Duration, Instant};

use goyt::adapters::kafka::KafkaLog;
use goyt::runtime::ports::Log;
use goyt::runtime::reaction::Reaction;

use crate::conformance::IN;
use crate::conformance::steps::{LEAVE, arrived, commit, input, join, out, read_to_end, send};
use crate::support::proxy::{ADD_OFFSETS, ADD_PARTITIONS, END_TXN, Fault, Proxy, TXN_OFFSET_COMMIT};
use crate::support::trial::{Trial, chaos_times};
use crate::support::{broker, wait};
use crate::world::KafkaWorld;

/// a0 and a1 are committed, but the request to do so is late, and a second one does it. Then b0 is sent, the late request arrives, and b0
/// is aborted. Says what a read_committed reader sees, and whether the producer was recycled in between.
fn run(fault: Fault, guarded: bool) -> (Vec<String>, bool) {
    let mut world = KafkaWorld::new();
    let proxy = Proxy::start(broker::advertised());
    let log = behind(&proxy, &world);
    let mut log: Box<dyn Log> = Box::new(if guarded { log } else { KafkaLog::without_guard(log) });

    log.parts().producer.init().unwrap();
    log.parts().producer.begin().unwrap();
    send(&mut *log, out(0), "k", "a0");
    send(&mut *log, out(0), "k", "a1");
    proxy.arm(END_TXN, fault);
    let committed = commit(&mut *log, &[]);
    committed.result.unwrap();
    assert!(proxy.is_hit());
    // The next turn is that of the worker's other producer, unless both begin anew.
    if committed.recycle {
        log.parts().producer.init().unwrap();
    } else {
        log.parts().producer.begin().unwrap();
        send(&mut *log, out(1), "k", "the other's");
        commit(&mut *log, &[]).result.unwrap();
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

/// A log whose clients reach the broker through the proxy alone, and wait only shortly for its answers.
fn behind(proxy: &Proxy, world: &KafkaWorld) -> KafkaLog {
    let mut settings = world.settings("a");
    settings.bootstrap.clone_from(&proxy.address);
    settings.producer.insert("socket.timeout.ms".into(), "2000".into());
    world.log_with(&settings)
}

/// By turns: the request timed out at the client, and its connection was lost.
const LATE: [Fault; 2] = [Fault::Hold, Fault::HoldAndCut];

/// `make chaos` does it 50 times, by `CHAOS_LATE_END_TXN`.
#[test]
fn a_late_request_ends_nothing_of_the_next_transaction() {
    let trial = Trial::begin("EndTxn late");
    let times = chaos_times("CHAOS_LATE_END_TXN", LATE.len());
    for n in 0..times {
        let fault = LATE[n % LATE.len()];
        assert_eq!(run(fault, true), (vec!["a0".to_owned(), "a1".to_owned()], true), "{fault:?}, time {n}");
    }
    trial.end(times, 3 * times);
}

/// The proof that the test above tests something: the client alone is not safe, not once.
#[test]
fn without_the_guard_an_aborted_record_is_seen() {
    let trial = Trial::begin("EndTxn late, no guard: each FAILS, as it must");
    let times = chaos_times("CHAOS_LATE_END_TXN", LATE.len());
    for n in 0..times {
        let fault = LATE[n % LATE.len()];
        let aborted_is_seen = vec!["a0".to_owned(), "a1".to_owned(), "b0".to_owned()];
        assert_eq!(run(fault, false), (aborted_is_seen, false), "{fault:?}, time {n}");
    }
    trial.end_with(times, &format!("{times} aborted records were seen"));
}

/// Each request of a transaction that may still be on its way when the transaction is over is noticed before the commit returns.
#[test]
fn a_request_without_an_answer_recycles_the_producer() {
    let world = KafkaWorld::new();
    let proxy = Proxy::start(broker::advertised());
    let mut log = behind(&proxy, &world);
    log.parts().producer.init().unwrap();
    join(&mut log, &[IN]);
    for key in [ADD_PARTITIONS, ADD_OFFSETS, TXN_OFFSET_COMMIT, END_TXN] {
        for fault in [Fault::Lose, Fault::CutAfter] {
            log.parts().producer.begin().unwrap();
            proxy.arm(key, fault);
            send(&mut log, out(0), "k", "v");
            let committed = commit(&mut log, &[(input(0), 0)]);
            committed.result.unwrap();
            assert!(proxy.is_hit(), "{key} {fault:?}");
            assert!(committed.recycle, "{key} {fault:?}");
            assert_eq!(log.parts().producer.begin().unwrap_err().reaction, Reaction::Recycle, "{key} {fault:?}");
            log.parts().producer.init().unwrap();
        }
    }
    log.parts().consumer.leave(false, LEAVE).unwrap();
}

/// Neither a quiet transaction nor a request that came twice without the client's knowing costs a new producer.
#[test]
fn a_producer_without_such_requests_is_kept() {
    let mut world = KafkaWorld::new();
    let proxy = Proxy::start(broker::advertised());
    let mut log = behind(&proxy, &world);
    log.parts().producer.init().unwrap();
    join(&mut log, &[IN]);
    for round in 0..20 {
        log.parts().producer.begin().unwrap();
        if round % 4 == 3 {
            proxy.arm([ADD_OFFSETS, TXN_OFFSET_COMMIT][round / 4 % 2], Fault::Double);
        }
        send(&mut log, out(0), "k", "v");
        let begun = Instant::now();
        let committed = commit(&mut log, &[(input(0), 0)]);
        committed.result.unwrap();
        assert!(!committed.recycle || Duration::from_secs(1) < begun.elapsed(), "round {round}");
        if committed.recycle {
            log.parts().producer.init().unwrap(); // The machine was too busy: a slow commit recycles, too.
        }
    }
    assert_eq!(read_to_end(&mut world, &[out(0)]).len(), 20);
    log.parts().consumer.leave(false, LEAVE).unwrap();
}
