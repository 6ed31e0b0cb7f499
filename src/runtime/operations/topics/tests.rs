//! What becomes of each topic, for what is found on the cluster.

use super::*;

const TOPICS: [(&str, Role, Option<u16>); 6] = [
    ("orders", Role::Input, None),
    ("orders.dlq", Role::DeadLetter, Some(0)),
    ("app-shop-by-buyer-repartition", Role::Repartition, Some(0)),
    ("app-shop-totals-changelog", Role::Changelog, Some(2)),
    ("receipts", Role::Output, Some(0)),
    ("app-mail-seen-changelog", Role::Changelog, Some(4)),
];

fn plan() -> Plan {
    let topic = |(name, role, like): (&str, Role, Option<u16>)| Topic { name: name.into(), role, like: like.map(TopicId) };
    Plan { application_id: "app".into(), descriptions: BTreeMap::default(), topics: TOPICS.map(topic).to_vec(), subtopologies: Vec::new() }
}

fn found(topics: &[(&str, i32, &str)]) -> BTreeMap<String, TopicFound> {
    let config =
        |text: &str| text.split_whitespace().filter_map(|it| it.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect();
    topics
        .iter()
        .map(|(name, partitions, text)| ((*name).to_owned(), TopicFound { partitions: *partitions, config: config(text) }))
        .collect()
}

/// A line a topic: name, wanted, found, status.
fn shown(input_partitions: Option<i32>, topics: &[(&str, i32, &str)]) -> String {
    let creation = Creation { input_partitions, replication: -1, config: &Properties::from([("segment.ms".into(), "1".into())]) };
    let count = |it: Option<i32>| it.map_or("-".to_owned(), |it| it.to_string());
    let line = |it: &TopicState| {
        let status = match &it.status {
            Status::Creatable(new) => {
                format!(
                    "create with {} {}",
                    new.partitions,
                    new.config.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
                )
            }
            Status::Wrong(why) => format!("wrong: {why}"),
            other => format!("{other:?}"),
        };
        format!("{} {}/{} {}\n", it.name, count(it.wanted), count(it.found), status.trim_end())
    };
    compare(&plan(), creation, &found(topics)).iter().map(line).collect()
}

#[test]
fn everything_is_created_with_the_partition_count_of_its_source() {
    insta::assert_snapshot!(shown(None, &[("orders", 12, "cleanup.policy=delete retention.ms=5000 retention.bytes=-1")]), @r"
    orders -/12 Ok
    orders.dlq 12/- create with 12 cleanup.policy=delete retention.bytes=-1 retention.ms=-1
    app-shop-by-buyer-repartition 12/- create with 12 cleanup.policy=delete message.timestamp.type=CreateTime retention.bytes=-1 retention.ms=5000 segment.ms=1
    app-shop-totals-changelog 12/- create with 12 cleanup.policy=compact message.timestamp.type=CreateTime segment.ms=1
    receipts 12/- create with 12
    app-mail-seen-changelog 12/- create with 12 cleanup.policy=compact message.timestamp.type=CreateTime segment.ms=1
    ");
}

#[test]
fn a_missing_input_is_missing_and_all_that_hangs_on_it_waits() {
    insta::assert_snapshot!(shown(None, &[]), @r#"
    orders -/- Missing
    orders.dlq -/- Waits("orders")
    app-shop-by-buyer-repartition -/- Waits("orders")
    app-shop-totals-changelog -/- Waits("orders")
    receipts -/- Waits("orders")
    app-mail-seen-changelog -/- Waits("orders")
    "#);
}

#[test]
fn a_missing_input_is_created_when_that_is_asked_for() {
    insta::assert_snapshot!(shown(Some(6), &[]), @r"
    orders 6/- create with 6
    orders.dlq 6/- create with 6 cleanup.policy=delete retention.bytes=-1 retention.ms=-1
    app-shop-by-buyer-repartition 6/- create with 6 cleanup.policy=delete message.timestamp.type=CreateTime segment.ms=1
    app-shop-totals-changelog 6/- create with 6 cleanup.policy=compact message.timestamp.type=CreateTime segment.ms=1
    receipts 6/- create with 6
    app-mail-seen-changelog 6/- create with 6 cleanup.policy=compact message.timestamp.type=CreateTime segment.ms=1
    ");
}

#[test]
fn an_output_that_is_there_keeps_its_count_and_gives_it_to_what_is_made_after_it() {
    insta::assert_snapshot!(shown(None, &[("orders", 12, ""), ("receipts", 3, "")]), @r"
    orders -/12 Ok
    orders.dlq 12/- create with 12 cleanup.policy=delete retention.bytes=-1 retention.ms=-1
    app-shop-by-buyer-repartition 12/- create with 12 cleanup.policy=delete message.timestamp.type=CreateTime segment.ms=1
    app-shop-totals-changelog 12/- create with 12 cleanup.policy=compact message.timestamp.type=CreateTime segment.ms=1
    receipts -/3 Ok
    app-mail-seen-changelog 3/- create with 3 cleanup.policy=compact message.timestamp.type=CreateTime segment.ms=1
    ");
}

#[test]
fn a_compacted_source_keeps_for_ever_and_so_does_its_repartition_topic() {
    let lines = shown(None, &[("orders", 1, "cleanup.policy=compact retention.ms=5000 retention.bytes=7")]);
    assert!(
        lines.contains(
            "repartition 1/- create with 1 cleanup.policy=delete message.timestamp.type=CreateTime retention.bytes=-1 retention.ms=-1"
        ),
        "{lines}"
    );
}

#[test]
fn topics_that_are_there_but_unfit_are_named_with_what_to_do() {
    insta::assert_snapshot!(shown(None, &[
        ("orders", 12, ""),
        ("orders.dlq", 6, "cleanup.policy=delete"),
        ("app-shop-by-buyer-repartition", 6, "cleanup.policy=delete"),
        ("app-shop-totals-changelog", 6, "cleanup.policy=delete"),
        ("receipts", 3, "cleanup.policy=compact"),
        ("app-mail-seen-changelog", 3, "cleanup.policy=compact,delete"),
    ]), @r"
    orders -/12 Ok
    orders.dlq 12/6 wrong: has 6 partitions, orders has 12: a dead letter goes to the same partition; add partitions
    app-shop-by-buyer-repartition 12/6 wrong: has 6 partitions, orders has 12: give orders its old count back, or begin anew with `goyt reset`
    app-shop-totals-changelog 6/6 wrong: loses state by age: set cleanup.policy=compact
    receipts -/3 Ok
    app-mail-seen-changelog 3/3 wrong: loses state by age: set cleanup.policy=compact
    ");
}

#[test]
fn a_dead_letter_topic_may_have_more_partitions_than_its_source() {
    let lines = shown(None, &[("orders", 2, ""), ("orders.dlq", 6, "cleanup.policy=delete")]);
    assert!(lines.contains("orders.dlq 2/6 Ok"), "{lines}");
}

/// Remembers what it was asked to create.
#[derive(Default)]
struct Cluster {
    found: BTreeMap<String, TopicFound>,
    refuses: Option<&'static str>,
    created: Vec<String>,
}

impl Admin for Cluster {
    fn describe(&mut self, _: &[&str]) -> Result<BTreeMap<String, TopicFound>, AdminError> {
        Ok(self.found.clone())
    }
    fn create(&mut self, topics: &[NewTopic]) -> Result<BTreeMap<String, AdminError>, AdminError> {
        self.created.extend(topics.iter().map(|it| it.name.clone()));
        let refused = AdminError::Refused { code: "TOPIC_AUTHORIZATION_FAILED".into(), message: "not allowed".into() };
        Ok(self.refuses.into_iter().map(|it| (it.to_owned(), refused.clone())).collect())
    }
    fn delete_topics(&mut self, _: &[&str]) -> Result<BTreeMap<String, AdminError>, AdminError> {
        unreachable!("nothing is deleted here")
    }
    fn group(&mut self, _: &str) -> Result<Option<crate::runtime::operations::admin::Group>, AdminError> {
        unreachable!("no group is asked for here")
    }
    fn delete_group(&mut self, _: &str) -> Result<(), AdminError> {
        unreachable!("nothing is deleted here")
    }
}

fn run(cluster: &mut Cluster) -> Vec<TopicState> {
    let creation = Creation { input_partitions: None, replication: -1, config: &Properties::new() };
    let mut states = look(&plan(), creation, cluster).unwrap();
    create(&mut states, cluster).unwrap();
    states
}

#[test]
fn what_is_missing_is_created_and_then_found() {
    let mut cluster = Cluster { found: found(&[("orders", 4, ""), ("receipts", 2, "")]), ..Cluster::default() };
    let states = run(&mut cluster);
    assert_eq!(cluster.created, ["orders.dlq", "app-shop-by-buyer-repartition", "app-shop-totals-changelog", "app-mail-seen-changelog"]);
    assert_eq!(states.iter().map(|it| it.found).collect::<Vec<_>>(), [Some(4), Some(4), Some(4), Some(4), Some(2), Some(2)]);
}

#[test]
fn nothing_is_created_while_a_topic_stands_in_the_way() {
    let mut cluster = Cluster { found: found(&[("orders", 4, ""), ("orders.dlq", 1, "")]), ..Cluster::default() };
    run(&mut cluster);
    assert!(cluster.created.is_empty());
}

#[test]
fn a_topic_that_the_broker_refuses_to_create_is_named() {
    let mut cluster = Cluster { found: found(&[("orders", 4, "")]), refuses: Some("receipts"), ..Cluster::default() };
    let faults: Vec<_> = run(&mut cluster).into_iter().filter(|it| it.status.is_fault()).map(|it| it.name).collect();
    assert_eq!(faults, ["receipts"]);
}
