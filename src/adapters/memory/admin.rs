//! Topics and groups of a [`Cluster`], as commands look at them and change them.

use std::collections::BTreeMap;

use crate::adapters::memory::cluster::Cluster;
use crate::runtime::operations::admin::{Admin, AdminError, Group, GroupMember, NewTopic, TopicFound};

/// What a broker answers where nothing else was set.
const DEFAULTS: [(&str, &str); 3] = [("cleanup.policy", "delete"), ("retention.ms", "604800000"), ("retention.bytes", "-1")];

impl Admin for Cluster {
    fn describe(&mut self, topics: &[&str]) -> Result<BTreeMap<String, TopicFound>, AdminError> {
        let state = self.state();
        let describe = |name: &&str| {
            let (partitions, set) = state.topic_config(name)?;
            let mut config: BTreeMap<String, String> = DEFAULTS.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            config.extend(set.clone());
            Some(((*name).to_owned(), TopicFound { partitions, config }))
        };
        Ok(topics.iter().filter_map(describe).collect())
    }

    fn create(&mut self, topics: &[NewTopic]) -> Result<BTreeMap<String, AdminError>, AdminError> {
        let mut failed = BTreeMap::new();
        for topic in topics {
            if topic.partitions < 1 {
                let message = format!("{} partitions: there must be one at least", topic.partitions);
                failed.insert(topic.name.clone(), AdminError::Refused { code: "INVALID_PARTITIONS".to_owned(), message });
            } else {
                self.create_topic_with(&topic.name, topic.partitions, topic.config.clone());
            }
        }
        Ok(failed)
    }

    fn delete_topics(&mut self, topics: &[&str]) -> Result<BTreeMap<String, AdminError>, AdminError> {
        topics.iter().for_each(|topic| self.delete_topic(topic));
        Ok(BTreeMap::new())
    }

    fn group(&mut self, group: &str) -> Result<Option<Group>, AdminError> {
        let mut state = self.state();
        let member = |name: &str| GroupMember { id: name.to_owned(), client: name.to_owned(), host: "memory".to_owned() };
        let found = state.find_group(group);
        Ok(found.map(|it| Group { state: it.state().to_owned(), members: it.member_names().map(member).collect() }))
    }

    fn delete_group(&mut self, group: &str) -> Result<(), AdminError> {
        let mut state = self.state();
        let members = state.find_group(group).map_or(0, |it| it.member_names().count());
        if members > 0 {
            let message = format!("{group} has {members} members");
            return Err(AdminError::Refused { code: "NON_EMPTY_GROUP".to_owned(), message });
        }
        state.delete_group(group);
        Ok(())
    }
}
