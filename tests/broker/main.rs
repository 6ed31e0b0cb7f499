//! Tests of the real binary on a real Kafka. One program for all of them, one module for each subject.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod chaos;
mod commands;
mod crashes;
mod flows;
mod limits;
mod operation;
mod rebalance;
mod scale;
mod state;
mod transactions;
