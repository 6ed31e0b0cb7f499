//! Tests of the real binary on a real Kafka. One program for all of them, one module for each subject.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod crashes;
mod dashboards;
mod demo;
mod flows;
mod http;
mod lag;
mod limits;
mod metrics;
mod rebalance;
mod scale;
mod state;
mod transactions;
