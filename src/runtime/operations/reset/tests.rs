//! What a reset does and in which order, and when it is refused.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;
use crate::engine::plan::Topic;
use crate::engine::record::TopicId;
use crate::runtime::operations::admin::{GroupMember, NewTopic, TopicFound};

/// A cluster and a directory that note what is done to them.
#[derive(Default)]
struct World {
    group: Option<Group>,
    topics: Vec<&'static str>,
    tasks: Vec<&'static str>,
    done: RefCell<Vec<String>>,
}

impl Admin for World {
    fn describe(&mut self, topics: &[&str]) -> Result<BTreeMap<String, TopicFound>, AdminError> {
        Ok(topics.iter().filter(|it| self.topics.contains(it)).map(|it| ((*it).to_owned(), TopicFound::default())).collect())
    }
    fn create(&mut self, _: &[NewTopic]) -> Result<BTreeMap<String, AdminError>, AdminError> {
        unreachable!("a reset creates nothing")
    }
    fn delete_topics(&mut self, topics: &[&str]) -> Result<BTreeMap<String, AdminError>, AdminError> {
        self.done.borrow_mut().extend(topics.iter().map(|it| format!("topic {it}")));
        Ok(BTreeMap::new())
    }
    fn group(&mut self, _: &str) -> Result<Option<Group>, AdminError> {
        Ok(self.group.clone())
    }
    fn delete_group(&mut self, group: &str) -> Result<(), AdminError> {
        self.done.borrow_mut().push(format!("group {group}"));
        Ok(())
    }
}

struct Directory<'a>(&'a [&'static str]);

impl LocalState for Directory<'_> {
    fn tasks(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.0.iter().map(|it| (*it).to_owned()).collect())
    }
    fn remove(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

fn plan() -> Plan {
    let topic = |(name, role): (&str, Role)| Topic { name: name.into(), role, like: Some(TopicId(0)) };
    let topics = [
        ("orders", Role::Input),
        ("orders.dlq", Role::DeadLetter),
        ("receipts", Role::Output),
        ("app-shop-by-buyer-repartition", Role::Repartition),
        ("app-shop-totals-changelog", Role::Changelog),
    ];
    Plan { application_id: "app".into(), descriptions: BTreeMap::default(), topics: topics.map(topic).to_vec(), subtopologies: Vec::new() }
}

fn group(members: usize) -> Option<Group> {
    let member = |n: usize| GroupMember { id: format!("m{n}"), client: format!("goyt-{n}"), host: "/10.0.0.7".into() };
    Some(Group { state: "Stable".into(), members: (1..=members).map(member).collect() })
}

const ALL_TOPICS: [&str; 6] =
    ["orders", "orders.dlq", "receipts", "app-shop-by-buyer-repartition", "app-shop-totals-changelog", "app-2-shop-totals-changelog"];

#[test]
fn offsets_go_first_then_internal_topics_then_local_state_and_nothing_else() {
    let mut world = World { group: group(0), topics: ALL_TOPICS.to_vec(), tasks: vec!["shop.orders_0"], ..World::default() };
    let tasks = world.tasks.clone();
    let steps = look(&plan(), &mut world, &Directory(&tasks)).unwrap();
    let shown: Vec<_> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["offsets of group app", "topic app-shop-by-buyer-repartition", "topic app-shop-totals-changelog", "state of task shop.orders_0"]
    );
    assert!(world.done.borrow().is_empty(), "looking changes nothing");
    for step in &steps {
        carry_out(step, &mut world, &Directory(&tasks)).unwrap();
    }
    assert_eq!(*world.done.borrow(), ["group app", "topic app-shop-by-buyer-repartition", "topic app-shop-totals-changelog"]);
}

#[test]
fn an_application_that_never_ran_has_nothing_to_reset() {
    assert_eq!(look(&plan(), &mut World::default(), &Directory(&[])).unwrap(), []);
}

#[test]
fn it_is_refused_while_the_group_has_members_and_names_them() {
    let mut world = World { group: group(2), topics: ALL_TOPICS.to_vec(), ..World::default() };
    let refused = look(&plan(), &mut world, &Directory(&[])).unwrap_err();
    assert_eq!(refused.to_string(), "group app has 2 members: goyt-1 on /10.0.0.7, goyt-2 on /10.0.0.7");
}
