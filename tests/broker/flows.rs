//! The platform's four flows: as they should be, and in trouble, with copies, broken records and a `kill -9`.

#![expect(non_snake_case, reason = "the platform's people know the flows by these names")]

use std::collections::BTreeMap;

use crate::support::goyt::Goyt;
use crate::support::oracle;
use crate::support::platform::{Load, Platform};
use crate::support::reader::Counter;
use crate::support::stage::Stage;

const PARTITIONS: i32 = 6;

/// A registration makes a customer. The same user registered again does not.
#[test]
fn UserOnboardingFlow() {
    let (stage, mut platform) = (Stage::new("onboarding", PARTITIONS), Platform::new(11));
    let events = platform.events(&Load { users: 2_000, ..Load::default() });
    let again = platform.again("user-2");
    assert!(platform.expected.customers.contains_key("user-2"));
    plain(&stage, &platform, events.iter().chain([&again]));
}

/// As [`UserOnboardingFlow`], with 5 % copies, 2 % broken records and a `kill -9`.
#[test]
fn UserOnboardingFlow_in_trouble() {
    in_trouble("onboarding-trouble", 12, Load { users: 20_000, ..Load::default() });
}

/// A customer gets a wallet, with the default limits.
#[test]
fn WalletCreationFlow() {
    let (stage, mut platform) = (Stage::new("creation", PARTITIONS), Platform::new(21));
    let events = platform.events(&Load { users: 1_000, transactions: 1_000, ..Load::default() });
    plain(&stage, &platform, &events);
}

/// As [`WalletCreationFlow`], with 5 % copies, 2 % broken records and a `kill -9`.
#[test]
fn WalletCreationFlow_in_trouble() {
    in_trouble("creation-trouble", 22, Load { users: 15_000, transactions: 5_000, ..Load::default() });
}

/// A completed transaction moves money and tells the people concerned; one that is not completed does not.
#[test]
fn BalanceUpdateFlow() {
    let (stage, mut platform) = (Stage::new("balance", PARTITIONS), Platform::new(31));
    let mut events = platform.events(&Load { transactions: 5_000, ..Load::default() });
    events.insert(100, platform.not_completed());
    plain(&stage, &platform, &events);
}

/// As [`BalanceUpdateFlow`], with 5 % copies, 2 % broken records and a `kill -9`.
#[test]
fn BalanceUpdateFlow_in_trouble() {
    in_trouble("balance-trouble", 32, Load { transactions: 60_000, ..Load::default() });
}

/// A decision is told to the customer, a rejection with its reason.
#[test]
fn KycVerificationFlow() {
    let (stage, mut platform) = (Stage::new("kyc", PARTITIONS), Platform::new(41));
    let events = platform.events(&Load { decisions: 2_000, ..Load::default() });
    plain(&stage, &platform, &events);
}

/// As [`KycVerificationFlow`], with 5 % copies, 2 % broken records and a `kill -9`.
#[test]
fn KycVerificationFlow_in_trouble() {
    in_trouble("kyc-trouble", 42, Load { decisions: 30_000, ..Load::default() });
}

fn plain<'a>(stage: &Stage, platform: &Platform, events: impl IntoIterator<Item = &'a crate::support::platform::Input>) {
    let goyt = Goyt::start(stage, "a");
    stage.send(events);
    wait_for_outputs(stage, platform, 100);
    goyt.stop();
    oracle::check(stage, platform);
}

/// The first half is being processed when the process is killed; the second is there when it comes back.
fn in_trouble(test: &str, seed: u64, load: Load) {
    let (stage, mut platform) = (Stage::new(test, PARTITIONS), Platform::new(seed));
    let events = platform.events(&Load { copies: 50, bad: 20, ..load });
    let (first, second) = events.split_at(events.len() / 2);
    let goyt = Goyt::start(&stage, "a");
    stage.send(first);
    wait_for_outputs(&stage, &platform, 10);
    goyt.kill();
    stage.send(second);
    let goyt = Goyt::start(&stage, "a");
    wait_for_outputs(&stage, &platform, 100);
    goyt.stop();
    oracle::check(&stage, &platform);
}

/// Waits until this share of all that is expected is committed.
fn wait_for_outputs(stage: &Stage, platform: &Platform, percent: usize) {
    let expected = platform.expected.counts();
    let wanted: BTreeMap<String, usize> = expected.iter().map(|(topic, count)| (stage.topic(topic), count * percent / 100)).collect();
    Counter::new(wanted.keys()).wait_for(&wanted);
}
