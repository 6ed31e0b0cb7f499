//! The adapter of Kafka does on a real broker what the ports promise. Needs one: see [`world::bootstrap`].

mod cases;
#[path = "../conformance/mod.rs"]
mod conformance;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use conformance::{World, cases as shared_cases};
use world::KafkaWorld;

#[test]
fn kafka_conforms() {
    if std::env::var("KDEBUG").is_ok() {
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).init();
    }
    world::bootstrap(); // Say it once if there is none.
    let only = std::env::var("CASE").unwrap_or_default(); // Part of a case's name, to run it alone.
    let run = |case: fn(&mut dyn World)| catch_unwind(AssertUnwindSafe(|| case(&mut KafkaWorld::new())));
    let chosen = shared_cases().into_iter().filter(|(name, _)| name.contains(&only));
    let failed: Vec<&str> = chosen.filter(|(_, case)| run(*case).is_err()).map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "see above: {failed:#?}");
}
