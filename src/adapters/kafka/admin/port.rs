//! [`KafkaAdmin`] as the port that the runtime and the command line use.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{KafkaAdmin, NewTopic};
use crate::runtime::operations::admin::{Admin, AdminError, Group, GroupMember, NewTopic as Wanted, TopicFound};
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

impl Admin for KafkaAdmin {
    fn reach(&mut self, wait: Duration) -> Result<(), AdminError> {
        // Whatever keeps it from answering may pass, but for a setting that is wrong, and that has been told before.
        self.reachable(wait).map_err(|it| AdminError::Unreachable(it.to_string()))
    }

    fn describe(&mut self, topics: &[&str]) -> Result<BTreeMap<String, TopicFound>, AdminError> {
        let names: Vec<String> = topics.iter().map(|it| (*it).to_owned()).collect();
        let found = Self::describe(self, &names).map_err(error)?;
        let there = names.into_iter().zip(found).filter_map(|(name, it)| it.map(|it| (name, it)));
        Ok(there.map(|(name, it)| (name, TopicFound { partitions: it.partitions, config: it.configs })).collect())
    }

    fn create(&mut self, topics: &[Wanted]) -> Result<BTreeMap<String, AdminError>, AdminError> {
        let mut failed = BTreeMap::new();
        let new = |it: &Wanted| NewTopic {
            name: it.name.clone(),
            partitions: it.partitions,
            replication: it.replication,
            configs: it.config.clone(),
        };
        // All at once: the common case. Only when that fails, one by one, to tell which.
        if Self::create(self, &topics.iter().map(new).collect::<Vec<_>>()).is_ok() {
            return Ok(failed);
        }
        for topic in topics {
            match Self::create(self, &[new(topic)]).map_err(error) {
                Ok(()) => {}
                Err(AdminError::Unreachable(message)) => return Err(AdminError::Unreachable(message)),
                Err(refused) => drop(failed.insert(topic.name.clone(), refused)),
            }
        }
        Ok(failed)
    }

    fn delete_topics(&mut self, topics: &[&str]) -> Result<BTreeMap<String, AdminError>, AdminError> {
        let mut failed = BTreeMap::new();
        for topic in topics {
            match self.delete(&[(*topic).to_owned()]).map_err(error) {
                Ok(()) => {}
                Err(AdminError::Unreachable(message)) => return Err(AdminError::Unreachable(message)),
                Err(refused) => drop(failed.insert((*topic).to_owned(), refused)),
            }
        }
        Ok(failed)
    }

    fn group(&mut self, group: &str) -> Result<Option<Group>, AdminError> {
        let found = self.group_named(group).map_err(error)?;
        let member = |id: String| GroupMember { id, client: String::new(), host: String::new() };
        let group = Group { state: found.state, members: found.members.into_iter().map(member).collect() };
        Ok((group.state != "Dead").then_some(group))
    }

    fn delete_group(&mut self, group: &str) -> Result<(), AdminError> {
        self.delete_group_named(group).map_err(error)
    }
}

fn error(it: LogError) -> AdminError {
    match it.reaction {
        Reaction::Retry => AdminError::Unreachable(it.to_string()),
        Reaction::AbortAndRewind
        | Reaction::Recycle
        | Reaction::LeaveTask
        | Reaction::RefuseRecord
        | Reaction::Rejoin
        | Reaction::Renew
        | Reaction::Stop => AdminError::Refused { code: it.code.to_owned(), message: it.message },
    }
}
