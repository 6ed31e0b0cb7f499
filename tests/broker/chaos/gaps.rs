//! Records that should be there are not, or partitions are that should not: each such gap stops what is concerned, by name and with what
//! to do, and all else goes on. Nothing is skipped, and nothing begins anew by itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rdkafka::admin::{AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{seed, send, wait_for_all};
use crate::support::goyt::Goyt;
use crate::support::platform::{Load, Platform};
use crate::support::reader::{self, Counter};
use crate::support::stage::{self, Stage};
use crate::support::trial::Trial;
use crate::support::{broker, oracle, wait};

const PARTITIONS: i32 = 2;
/// Decisions go through another topology than all that is disturbed here.
const DECISIONS: Load = Load { users: 0, decisions: 50, transactions: 0, copies: 0, bad: 0 };
/// Added partitions and topics made anew are seen soon.
const SETTINGS: [(&str, &str); 2] =
    [("GOYT_CONSUMER_TOPIC_METADATA_REFRESH_INTERVAL_MS", "500"), ("GOYT_CONSUMER_FETCH_WAIT_MAX_MS", "10")];

/// An application that has processed a round.
struct Place {
    stage: Stage,
    platform: Platform,
    trial: Trial,
}

impl Place {
    fn new(name: &'static str, test: &str) -> (Self, Goyt) {
        let (trial, seed) = (Trial::begin(name), seed(97));
        let mut place = Self { stage: Stage::new(test, PARTITIONS), platform: Platform::new(seed), trial };
        let goyt = place.start();
        send(&place.stage, &mut place.platform);
        wait_for_all(&place.stage, &place.platform);
        (place, goyt)
    }

    fn start(&self) -> Goyt {
        Goyt::start_with(&self.stage, "a", &SETTINGS)
    }

    /// Sends transactions that are never to be processed, at least one to each partition.
    fn send_for_nothing(&mut self) {
        let expected = self.platform.expected.clone();
        send(&self.stage, &mut self.platform);
        self.platform.expected = expected;
    }

    /// The task that is concerned has stopped with these words, the process runs, and another topology goes on.
    fn stopped(mut self, mut goyt: Goyt, task: &str, words: &[&str]) {
        let line = goyt.wait_for_line(&format!("task {task} stopped: "));
        for word in words {
            assert!(line.contains(word), "no `{word}` in: {line}");
        }
        let before = notified(&self.stage);
        let decisions = self.platform.events(&DECISIONS);
        self.stage.send(&decisions);
        let wanted = BTreeMap::from([(self.stage.topic("notification-events"), before + DECISIONS.decisions)]);
        Counter::new(wanted.keys()).wait_for(&wanted);
        assert!(goyt.is_running());
        drop(goyt);
        self.trial.end_with(1, &line[line.find("stopped: ").expect("the word")..]);
    }
}

fn notified(stage: &Stage) -> usize {
    reader::read_all(&stage.topic("notification-events")).len()
}

#[test]
fn input_deleted_before_it_was_processed_while_stopped() {
    let (mut place, goyt) = Place::new("gap: DeleteRecords below position, stopped", "gap-deleted");
    goyt.stop();
    place.send_for_nothing();
    let topic = place.stage.topic("transaction-events");
    delete_records(&topic);
    let goyt = place.start();
    let task = format!("transaction-balance.{topic}_0");
    place.stopped(goyt, &task, &["lacks records", "goyt reset"]);
}

#[test]
fn input_deleted_before_it_was_processed_while_frozen() {
    let (mut place, goyt) = Place::new("gap: DeleteRecords below position, running", "gap-deleted-running");
    goyt.freeze();
    place.send_for_nothing();
    let topic = place.stage.topic("transaction-events");
    delete_records(&topic);
    goyt.thaw();
    let task = format!("transaction-balance.{topic}_0");
    place.stopped(goyt, &task, &["deleted before they were read", "nothing is skipped"]);
}

#[test]
fn input_made_anew_while_stopped() {
    let (place, goyt) = Place::new("gap: input topic recreated, stopped", "gap-recreated");
    goyt.stop();
    let topic = place.stage.topic("transaction-events");
    delete_and_create(&topic, &[]);
    let goyt = place.start();
    let task = format!("transaction-balance.{topic}_0");
    place.stopped(goyt, &task, &["has no offset of", "made anew", "goyt reset"]);
}

#[test]
fn input_made_anew_under_a_running_process() {
    let (place, goyt) = Place::new("gap: input topic recreated, running", "gap-recreated-running");
    let topic = place.stage.topic("transaction-events");
    delete_and_create(&topic, &[]);
    // Who hears of it first decides: the task that reads it, or the group's member, whose process then ends.
    let task = format!("task transaction-balance.{topic}_0 stopped: ");
    let told = |it: &String| (it.contains(&task) || it.contains("failed for good")) && it.contains(&topic) && it.contains("deleted");
    let line = wait::until("that the topic was deleted to be told", || goyt.lines().into_iter().find(told));
    drop(goyt);
    place.trial.end_with(1, line.trim());
}

#[test]
fn partitions_added_under_a_running_process() {
    let (place, goyt) = Place::new("gap: partitions added to an input, running", "gap-added-running");
    let topic = place.stage.topic("transaction-events");
    add_partition(&topic);
    let task = format!("transaction-balance.{topic}_{PARTITIONS}");
    place.stopped(goyt, &task, &["had 2 partitions", "goyt reset"]);
}

/// What the input's partitions must fit to is named, and nothing starts: which task would be right can't be known.
#[test]
fn partitions_added_while_stopped() {
    let (place, goyt) = Place::new("gap: partitions added to an input, stopped", "gap-added");
    goyt.stop();
    let topic = place.stage.topic("transaction-events");
    add_partition(&topic);
    let end = place.start().wait();
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    let line = end.lines.iter().find(|it| it.contains("-changelog: has 2 partitions")).unwrap_or_else(|| panic!("{:#?}", end.lines));
    assert!(line.contains(&format!("{topic} has 3")) && line.contains("goyt reset"), "{line}");
    place.trial.end_with(1, line.trim());
}

/// The changelog's beginning was deleted, and the store is gone: what was in it would be missing in each balance.
#[test]
fn changelog_cut_and_no_store() {
    let (place, goyt) = Place::new("gap: changelog cut by DeleteRecords, no store", "gap-cut");
    goyt.stop();
    cut_changelogs(&place.stage);
    fs::remove_dir_all(place.stage.state("a")).expect("the state is deleted");
    let goyt = place.start();
    place.stopped(goyt, "transaction-balance.by-wallet_0", &["changelog", "its beginning is missing", "goyt reset"]);
}

/// As [`changelog_cut_and_no_store`], with a store of a time before the cut.
#[test]
fn changelog_cut_behind_the_store() {
    let (mut place, goyt) = Place::new("gap: changelog cut by DeleteRecords, old store", "gap-cut-behind");
    goyt.stop();
    let (state, old) = (place.stage.state("a"), place.stage.state("old"));
    copy(&state, &old);
    let goyt = place.start();
    send(&place.stage, &mut place.platform);
    wait_for_all(&place.stage, &place.platform);
    goyt.stop();
    oracle::check(&place.stage, &place.platform);
    cut_changelogs(&place.stage);
    fs::remove_dir_all(&state).expect("the state is deleted");
    fs::rename(&old, &state).expect("the old state");
    let goyt = place.start();
    place.stopped(goyt, "transaction-balance.by-wallet_0", &["changelog", "lacks what the store needs", "goyt reset"]);
}

#[test]
fn changelog_made_anew() {
    let (place, goyt) = Place::new("gap: changelog deleted", "gap-changelog");
    goyt.stop();
    for changelog in by_wallet_changelogs(&place.stage) {
        delete(&changelog);
    }
    let goyt = place.start();
    place.stopped(goyt, "transaction-balance.by-wallet_0", &["changelog", "shorter than the store", "goyt reset"]);
}

#[test]
fn repartition_topic_made_anew() {
    let (place, goyt) = Place::new("gap: repartition topic recreated", "gap-repartition");
    goyt.stop();
    let topic = place.stage.topics().into_iter().find(|it| it.ends_with("-repartition")).expect("a repartition topic");
    delete_and_create(&topic, &[]);
    let goyt = place.start();
    place.stopped(goyt, "transaction-balance.by-wallet_0", &["-repartition[0]", "made anew", "goyt reset"]);
}

fn by_wallet_changelogs(stage: &Stage) -> Vec<String> {
    let of_balances = |it: &String| it.ends_with("-changelog") && (it.contains("-balances-"));
    let found: Vec<String> = stage.topics().into_iter().filter(of_balances).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found
}

/// Deletes all records of the changelogs of balances. A broker does so only for topics that are not compacted alone.
fn cut_changelogs(stage: &Stage) {
    for changelog in by_wallet_changelogs(stage) {
        set_policy(&changelog, "delete");
        delete_records(&changelog);
        set_policy(&changelog, "compact");
    }
}

fn set_policy(topic: &str, policy: &str) {
    let resource = ResourceSpecifier::Topic(topic);
    let config = AlterConfig::new(resource).set("cleanup.policy", policy);
    let done = broker::block_on(broker::admin().alter_configs(&[config], &broker::admin_options())).expect("a request");
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    // The controller has it; who asks a broker right now may still be told the old policy.
    wait::until("the policy", || {
        let shown = broker::block_on(broker::admin().describe_configs(&[resource], &broker::admin_options())).expect("a request");
        let shown = shown[0].as_ref().expect("the topic").get("cleanup.policy")?.value.as_deref();
        (shown == Some(policy)).then_some(())
    });
}

fn delete_records(topic: &str) {
    let mut list = TopicPartitionList::new();
    for partition in reader::partitions(topic) {
        list.add_partition_offset(topic, partition, Offset::End).expect("a place");
    }
    // A partition's leader refuses until it has heard of the policy.
    wait::until_ok(|| {
        broker::block_on(broker::admin().delete_records(&list, &broker::admin_options()))
            .and_then(|done| done.elements().iter().try_for_each(|it| it.error()))
            .map_err(|error| format!("{topic}: {error}"))
    });
    assert!(reader::read_all(topic).is_empty(), "{topic} has records");
}

fn delete(topic: &str) {
    let deleted = broker::block_on(broker::admin().delete_topics(&[topic], &broker::admin_options())).expect("a request");
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    wait::until("the topic to be gone", || reader::partitions(topic).is_empty().then_some(()));
}

fn delete_and_create(topic: &str, settings: &[(&str, &str)]) {
    delete(topic);
    stage::create_topic(topic, PARTITIONS, settings);
}

fn add_partition(topic: &str) {
    let count = usize::try_from(PARTITIONS).expect("a count") + 1;
    let added = broker::block_on(broker::admin().create_partitions(&[NewPartitions::new(topic, count)], &broker::admin_options()));
    assert!(added.expect("a request").iter().all(Result::is_ok));
    // The controller has it; who asks a broker right now may still be told the old count.
    wait::until("the new partition", || (reader::partitions(topic).len() == count).then_some(()));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let copied = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, copied).expect("a copy");
        }
    }
}
