//! `load topics`: makes topics and deletes them, and waits until that is so.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer as _;

use crate::clients::{self, REQUEST};
use crate::options::Options;

const LOOK_EVERY: Duration = Duration::from_millis(20);

pub fn command(options: &Options) {
    let admin: AdminClient<DefaultClientContext> = clients::client().create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let how = AdminOptions::new().operation_timeout(Some(REQUEST)).request_timeout(Some(REQUEST));
    if options.has("delete-all") {
        let kept = options.list("keep");
        let topics: Vec<String> = all().into_iter().filter(|it| !kept.contains(it)).collect();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        if !names.is_empty() {
            for result in runtime.block_on(admin.delete_topics(&names, &how)).expect("a request") {
                result.unwrap_or_else(|(topic, error)| panic!("delete {topic}: {error}"));
            }
        }
        wait("the topics are gone", || all().iter().all(|it| kept.contains(it)));
    }
    let wanted: Vec<(String, i32)> = options
        .list("create")
        .iter()
        .map(|it| it.split_once(':').map(|(name, count)| (name.to_owned(), count.parse().expect("a count"))).expect("NAME:PARTITIONS"))
        .collect();
    if !wanted.is_empty() {
        let new: Vec<NewTopic<'_>> = wanted.iter().map(|(name, count)| NewTopic::new(name, *count, TopicReplication::Fixed(1))).collect();
        for result in runtime.block_on(admin.create_topics(&new, &how)).expect("a request") {
            result.unwrap_or_else(|(topic, error)| panic!("create {topic}: {error}"));
        }
        let looker = clients::consumer();
        wait("all topics are there", || wanted.iter().all(|(name, count)| clients::partitions(&looker, name).len() as i32 == *count));
    }
    println!("{}", serde_json::json!({"created": wanted.len()}));
}

/// The topics that are not Kafka's own.
pub fn all() -> Vec<String> {
    let metadata = clients::consumer().fetch_metadata(None, REQUEST).expect("metadata");
    metadata.topics().iter().map(|it| it.name().to_owned()).filter(|it| !it.starts_with("__")).collect()
}

fn wait(what: &str, mut probe: impl FnMut() -> bool) {
    let start = Instant::now();
    while !probe() {
        assert!(start.elapsed() < REQUEST, "waited in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
