//! Tests of the real binary on a real Kafka. One program for all of them, one module for each subject.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests, helpers included")]

#[path = "../support/mod.rs"]
mod support;

mod flows;
mod limits;
mod rebalance;
mod state;
mod transactions;
