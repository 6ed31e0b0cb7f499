//! The adapter of Kafka does on a real broker what the ports promise.

#![cfg(test)]

mod cases;
#[path = "../conformance/mod.rs"]
mod conformance;
mod late_requests;
mod world;

/// What is shared with the other tests.
#[path = "../support"]
mod support {
    pub mod broker;
    #[expect(dead_code, reason = "a broker that goes away is for tests of the binary")]
    pub mod proxy;
    pub mod trial;
    pub mod wait;
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use conformance::World;
use world::KafkaWorld;

/// The same cases as for the log in memory. `CASE=part-of-a-name` runs some of them alone.
#[test]
fn kafka_conforms() {
    support::broker::bootstrap(); // If there is none, that is said once.
    let only = std::env::var("CASE").unwrap_or_default();
    let run = |case: fn(&mut dyn World)| catch_unwind(AssertUnwindSafe(|| case(&mut KafkaWorld::new())));
    let chosen = conformance::cases().into_iter().filter(|(name, _)| name.contains(&only));
    let failed: Vec<&str> = chosen.filter(|(_, case)| run(*case).is_err()).map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "see above: {failed:#?}");
}
