//! The topics that an application needs: which are there, which are created with what, and which stand in the way.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::Properties;
use crate::engine::plan::{Plan, Role, Topic};
use crate::engine::record::TopicId;
use crate::runtime::operations::admin::{Admin, AdminError, NewTopic, TopicFound};

#[cfg(test)]
mod tests;

/// How topics are created.
#[derive(Debug, Clone, Copy)]
pub struct Creation<'a> {
    /// The partition count of input topics that are missing; `None`: they are not created.
    pub input_partitions: Option<i32>,
    /// `replication.factor`
    pub replication: i32,
    /// `topic.*`: configuration of repartition and changelog topics.
    pub config: &'a Properties,
}

/// A topic of the plan beside what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Its name.
    pub name: String,
    /// What it is to the application.
    pub role: Role,
    /// The partition count that it must have; `None`: any will do, or it can't be known yet.
    pub wanted: Option<i32>,
    /// The partition count that it has; `None`: it is missing.
    pub found: Option<i32>,
    /// What follows.
    pub status: Status,
}

/// What is the matter with a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It can be used.
    Ok,
    /// It will be created like this.
    Creatable(NewTopic),
    /// It has been created.
    Created,
    /// An input that must be there.
    Missing,
    /// It can't be created before this topic is there.
    Waits(String),
    /// It is there, but not as it must be: why, and what to do.
    Wrong(String),
    /// It could not be created.
    Failed(AdminError),
}

impl Status {
    /// Whether the application can't run with this topic.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Ok | Self::Creatable(_) | Self::Created => false,
            Self::Missing | Self::Waits(_) | Self::Wrong(_) | Self::Failed(_) => true,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Creatable(_) => f.write_str("would be created"),
            Self::Created => f.write_str("created"),
            Self::Missing => f.write_str("missing"),
            Self::Waits(topic) => write!(f, "would be created after {topic}"),
            Self::Wrong(why) => f.write_str(why),
            Self::Failed(error) => write!(f, "could not be created: {error}"),
        }
    }
}

/// Looks at the topics of the plan: what is there, beside what is needed, in the order of [`Plan::topics`].
///
/// # Errors
/// When the cluster does not answer.
pub fn look(plan: &Plan, creation: Creation<'_>, admin: &mut dyn Admin) -> Result<Vec<TopicState>, AdminError> {
    let names: Vec<&str> = plan.topics.iter().map(|it| it.name.as_str()).collect();
    Ok(compare(plan, creation, &admin.describe(&names)?))
}

/// Creates what [`look`] found to be creatable, unless a topic stands in the way: then nothing is created.
///
/// # Errors
/// When the cluster does not answer.
pub fn create(states: &mut [TopicState], admin: &mut dyn Admin) -> Result<(), AdminError> {
    if states.iter().any(|it| it.status.is_fault()) {
        return Ok(());
    }
    let new: Vec<NewTopic> =
        states.iter().filter_map(|it| if let Status::Creatable(new) = &it.status { Some(new.clone()) } else { None }).collect();
    if new.is_empty() {
        return Ok(());
    }
    let mut failed = admin.create(&new)?;
    for state in states {
        if let Status::Creatable(new) = &state.status {
            let partitions = new.partitions;
            (state.status, state.found) = match failed.remove(&state.name) {
                Some(error) => (Status::Failed(error), None),
                None => (Status::Created, Some(partitions)),
            };
        }
    }
    Ok(())
}

/// What follows for each topic of the plan from what was found.
#[must_use]
pub fn compare(plan: &Plan, creation: Creation<'_>, found: &BTreeMap<String, TopicFound>) -> Vec<TopicState> {
    let comparison = Comparison { plan, creation, found };
    plan.topics.iter().map(|it| comparison.state(it)).collect()
}

struct Comparison<'a> {
    plan: &'a Plan,
    creation: Creation<'a>,
    found: &'a BTreeMap<String, TopicFound>,
}

impl Comparison<'_> {
    fn state(&self, topic: &Topic) -> TopicState {
        let found = self.found.get(&topic.name);
        let wanted = self.wanted(topic);
        let status = match (found, wanted, topic.role) {
            (Some(found), ..) => self.fault(topic, found, wanted).map_or(Status::Ok, Status::Wrong),
            (None, Some(partitions), _) => Status::Creatable(self.new_topic(topic, partitions)),
            (None, None, Role::Input) => Status::Missing,
            (None, None, _) => Status::Waits(self.model(topic).map(|it| it.name.clone()).unwrap_or_default()),
        };
        TopicState { name: topic.name.clone(), role: topic.role, wanted, found: found.map(|it| it.partitions), status }
    }

    /// The count that a topic must have, or gets. An input or output that is there may have any.
    fn wanted(&self, topic: &Topic) -> Option<i32> {
        let of_its_own = matches!(topic.role, Role::Input | Role::Output);
        match (of_its_own, self.found.get(&topic.name), topic.like) {
            (true, Some(_), _) => None,
            (_, _, None) => self.creation.input_partitions,
            (..) => self.count(self.model(topic)?),
        }
    }

    /// The count that a model has, or will have when it has been created.
    fn count(&self, model: &Topic) -> Option<i32> {
        match self.found.get(&model.name) {
            Some(found) => Some(found.partitions),
            None => self.wanted(model),
        }
    }

    /// The topic after which one is made, where it is there; else the one at the head of the chain.
    fn model(&self, topic: &Topic) -> Option<&Topic> {
        let mut model = self.topic(topic.like?)?;
        // A chain is never longer than the list; a ring would be a fault of the plan, and ends here, too.
        for _ in 0..self.plan.topics.len() {
            match model.like {
                Some(next) if !self.found.contains_key(&model.name) => model = self.topic(next)?,
                _ => break,
            }
        }
        Some(model)
    }

    fn topic(&self, id: TopicId) -> Option<&Topic> {
        self.plan.topics.get(usize::from(id.0))
    }

    /// Why a topic that is there can't be used.
    fn fault(&self, topic: &Topic, found: &TopicFound, wanted: Option<i32>) -> Option<String> {
        let policy = found.config.get("cleanup.policy").map_or("", String::as_str);
        let model = self.model(topic).map_or("", |it| it.name.as_str());
        let count = found.partitions;
        match (topic.role, wanted) {
            (Role::Repartition | Role::Changelog, Some(wanted)) if count != wanted => Some(format!(
                "has {count} partitions, {model} has {wanted}: give {model} its old count back, or begin anew with `goyt reset`"
            )),
            (Role::DeadLetter, Some(wanted)) if count < wanted => {
                Some(format!("has {count} partitions, {model} has {wanted}: a dead letter goes to the same partition; add partitions"))
            }
            (Role::Changelog, _) if policy.contains("delete") => Some("loses state by age: set cleanup.policy=compact".to_owned()),
            (Role::Repartition | Role::DeadLetter, _) if policy.contains("compact") => {
                Some("loses records by key: set cleanup.policy=delete".to_owned())
            }
            _ => None,
        }
    }

    fn new_topic(&self, topic: &Topic, partitions: i32) -> NewTopic {
        let mut config = Properties::new();
        let mut set = |name: &str, value: &str| config.insert(name.to_owned(), value.to_owned());
        match topic.role {
            Role::Input | Role::Output => {}
            // People look at dead letters when they have time.
            Role::DeadLetter => {
                set("cleanup.policy", "delete");
                set("retention.ms", "-1");
                set("retention.bytes", "-1");
            }
            Role::Repartition => {
                set("cleanup.policy", "delete");
                // Dedup and replay go by the stamps that the records carry, not by the time at which they arrive.
                set("message.timestamp.type", "CreateTime");
                for (name, value) in self.retention(topic) {
                    set(name, &value);
                }
            }
            Role::Changelog => {
                set("cleanup.policy", "compact");
                set("message.timestamp.type", "CreateTime");
            }
        }
        if matches!(topic.role, Role::Repartition | Role::Changelog) {
            config.extend(self.creation.config.clone());
        }
        NewTopic { name: topic.name.clone(), partitions, replication: self.creation.replication, config }
    }

    /// The retention of the topic that a repartition topic comes from; one that is only compacted keeps for ever.
    fn retention(&self, topic: &Topic) -> Vec<(&'static str, String)> {
        let Some(source) = self.model(topic).and_then(|it| self.found.get(&it.name)) else { return Vec::new() };
        let ages = source.config.get("cleanup.policy").is_none_or(|it| it.contains("delete"));
        let of_source = |name: &'static str| if ages { source.config.get(name).cloned() } else { Some("-1".to_owned()) };
        ["retention.ms", "retention.bytes"].into_iter().filter_map(|name| Some((name, of_source(name)?))).collect()
    }
}
