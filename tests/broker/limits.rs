//! Where limits are: an output that the broker refuses, and memory under a long lag.

use std::collections::BTreeMap;

use crate::support::goyt::Goyt;
use crate::support::platform::{Input, Load, Platform};
use crate::support::random::Random;
use crate::support::reader::{self, Counter};
use crate::support::stage::{Feed, Stage};
use crate::support::{oracle, wait};

const MEBIBYTE: u64 = 1 << 20;

/// A notification that is larger than its topic allows makes a dead letter of the decision that caused it; others are told.
#[test]
fn a_refused_output_is_a_dead_letter() {
    const TOPIC_MAX: usize = 200_000;
    let (stage, mut platform) = (Stage::new("refused", 6), Platform::new(71));
    stage.create_topic("notification-events", &[("max.message.bytes", &TOPIC_MAX.to_string())]);
    let before = platform.events(&Load { decisions: 30, ..Load::default() });
    let expected = platform.expected.clone();
    // Random text, so that compression does not make it small.
    let reason: String = (0..TOPIC_MAX / 16).map(|_| platform.random_hex()).collect();
    let (large, _) = platform.decide(999_999, 7, Some(reason));
    platform.expected = expected;
    let after = platform.events(&Load { decisions: 30, ..Load::default() });

    let goyt = Goyt::start(&stage, "a");
    stage.send(before.iter().chain([&large]).chain(&after));
    let letters = stage.topic("kyc-events.dlq");
    let wanted = BTreeMap::from([(stage.topic("notification-events"), 60), (letters.clone(), 1)]);
    Counter::new(wanted.keys()).wait_for(&wanted);
    goyt.stop();

    platform.expected.dead.insert("kyc-events.dlq", vec![(large.key, large.value)]);
    oracle::check(&stage, &platform);
    let letters = reader::read_all(&letters);
    assert_eq!(letters[0].header("goyt.reason").as_deref(), Some("REFUSED_OUTPUT"), "{:?}", letters[0].headers);
}

/// With 5 million records of lag on 16 partitions, resident memory stays under the sum of the settings that bound its parts,
/// and 64 MB for all else. `GOYT_TEST_LAG` sets another number of records.
#[test]
fn memory_stays_bounded_under_lag() {
    const PARTITIONS: i32 = 16;
    const LAG: u64 = 5_000_000;
    const PROCESSED: usize = 600_000;
    const REST: u64 = 64 * MEBIBYTE;
    // Each bounds a part of the memory; docs/configuration.md says which. RocksDB has half of its defaults.
    const BOUNDS: [(&str, u64); 8] = [
        ("GOYT_COMMIT_MAX_BYTES", 16 * MEBIBYTE),
        ("GOYT_BUFFER_MAX_BYTES", 16 * MEBIBYTE),
        ("GOYT_CONSUMER_QUEUED_MAX_MESSAGES_KBYTES", 8 * 1024),
        ("GOYT_RESTORE_CONSUMER_QUEUED_MAX_MESSAGES_KBYTES", 8 * 1024),
        ("GOYT_PRODUCER_QUEUE_BUFFERING_MAX_KBYTES", 8 * 1024),
        ("GOYT_STATESTORE_CACHE_MAX_BYTES", 32 * MEBIBYTE),
        ("GOYT_ROCKSDB_BLOCK_CACHE_BYTES", 32 * MEBIBYTE),
        ("GOYT_ROCKSDB_WRITE_BUFFER_BYTES", 32 * MEBIBYTE),
    ];
    let lag = std::env::var("GOYT_TEST_LAG").map_or(LAG, |it| it.parse().expect("GOYT_TEST_LAG is a number"));
    let stage = Stage::new("lag", PARTITIONS);
    fill(&stage, lag);

    let settings: Vec<(&str, String)> = BOUNDS.iter().map(|(name, value)| (*name, value.to_string())).collect();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut goyt = Goyt::start_with(&stage, "a", &settings);
    let (balances, mut most) = (stage.topic("balance-events"), 0);
    wait::until("enough of the lag to be processed", || {
        assert!(goyt.is_running(), "it ended: {:?}", goyt.lines());
        most = most.max(goyt.resident_bytes());
        let done: i64 = reader::ends(&balances, "read_committed").iter().sum();
        (PROCESSED.min(usize::try_from(lag).unwrap()) <= usize::try_from(done).unwrap()).then_some(())
    });
    goyt.stop();

    let bytes = |(name, value): &(&str, u64)| if name.ends_with("KBYTES") { value * 1024 } else { *value };
    let bound = BOUNDS.iter().map(bytes).sum::<u64>() + REST;
    println!("resident memory {} MiB at most, of {} MiB", most / MEBIBYTE, bound / MEBIBYTE);
    assert!(most < bound, "{} MiB of resident memory, more than {} MiB", most / MEBIBYTE, bound / MEBIBYTE);
}

/// Deposits for 100,000 wallets.
fn fill(stage: &Stage, records: u64) {
    let (mut feed, mut random, topic) = (Feed::new(), Random::new(72), stage.topic("transaction-events"));
    for id in 1..=records {
        let value = format!(
            r#"{{"eventType":"TRANSACTION_COMPLETED","eventId":"{}","transactionId":{id},"transactionType":"DEPOSIT","amount":"12.34","currency":"KES","fromWalletId":null,"toWalletId":{},"status":"COMPLETED","timestamp":"2025-06-01T10:00:00Z","metadata":{{"source":"ledger-service","version":"1.0"}}}}"#,
            random.uuid(),
            1 + random.below(100_000),
        );
        feed.send(
            &topic,
            &Input { topic: "transaction-events", key: Some(id.to_string().into_bytes()), value: Some(value.into_bytes()), trace: None },
        );
    }
    feed.flush();
}
