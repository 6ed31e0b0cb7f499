//! Single requests are lost, late, doubled, or cut off before or behind the broker, by kind.

use std::time::Duration;

use super::{SMALL_COMMITS, end, seed, send, wait_for_all};
use crate::support::goyt::Goyt;
use crate::support::platform::Platform;
use crate::support::proxy::{
    ADD_OFFSETS, ADD_PARTITIONS, END_TXN, FETCH, Fault, HEARTBEAT, INIT_PRODUCER_ID, OFFSET_FETCH, PRODUCE, Proxy, TXN_OFFSET_COMMIT,
};
use crate::support::stage::Stage;
use crate::support::trial::{Trial, chaos_times};
use crate::support::{broker, wait};

const KINDS: [(i16, &str); 9] = [
    (PRODUCE, "Produce"),
    (TXN_OFFSET_COMMIT, "TxnOffsetCommit"),
    (INIT_PRODUCER_ID, "InitProducerId"),
    (ADD_PARTITIONS, "AddPartitionsToTxn"),
    (END_TXN, "EndTxn"),
    (OFFSET_FETCH, "OffsetFetch"),
    (HEARTBEAT, "Heartbeat"),
    (ADD_OFFSETS, "AddOffsetsToTxn"),
    (FETCH, "Fetch"),
];
/// These are sent when a process begins.
const AT_START: [i16; 2] = [INIT_PRODUCER_ID, OFFSET_FETCH];
const FAULTS: [Fault; 5] = [Fault::Lose, Fault::CutAfter, Fault::Double, Fault::Delay(Duration::from_millis(700)), Fault::CutBefore];
/// A lost request is noticed soon.
const SETTINGS: [(&str, &str); 2] = [("GOYT_PRODUCER_SOCKET_TIMEOUT_MS", "2000"), ("GOYT_CONSUMER_SOCKET_TIMEOUT_MS", "2000")];

#[test]
fn disturbed_requests_lose_and_double_nothing() {
    let (seed, times) = (seed(94), chaos_times("CHAOS_REQUESTS", KINDS.len()));
    let trial = Trial::begin("requests lost, late, doubled, cut (9 kinds)");
    let (stage, mut platform) = (Stage::new("requests", 2), Platform::new(seed));
    let proxy = Proxy::start(broker::advertised());
    let settings = [&SMALL_COMMITS[..], &SETTINGS, &[("KAFKA_BOOTSTRAP_SERVERS", &proxy.address)]].concat();
    let mut goyt = Goyt::start_with(&stage, "a", &settings);
    for n in 0..times {
        let (key, name) = KINDS[n % KINDS.len()];
        let fault = FAULTS[(n % KINDS.len() + n / KINDS.len()) % FAULTS.len()];
        if AT_START.contains(&key) {
            goyt.kill();
            proxy.arm(key, fault);
            goyt = Goyt::start_with(&stage, "a", &settings);
        } else {
            proxy.arm(key, fault);
        }
        send(&stage, &mut platform);
        wait::until(&format!("{name} to meet {fault:?}"), || proxy.is_hit().then_some(()));
        wait_for_all(&stage, &platform);
        assert!(goyt.is_running(), "it ended after {name} met {fault:?}: {:#?}", goyt.lines());
    }
    goyt.stop();
    end(trial, times, &stage, &platform);
}
