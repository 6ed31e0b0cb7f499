//! Tests of the real binary on a real Kafka. One program for all of them, one module for each subject.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod crashes;
mod dashboards;
mod dead_letters;
mod demo;
mod flows;
mod http;
mod lag;
mod limits;
mod metrics;
mod rebalance;
mod replay;
mod scale;
mod state;
mod transactions;
