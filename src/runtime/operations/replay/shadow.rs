//! The shadow of a topology: it reads what the live one reads, and writes to topics of its own. An ordinary application otherwise.

use std::collections::BTreeMap;

use crate::config::Properties;
use crate::engine::plan::{Plan, Role, Topic};
use crate::engine::record::TopicId;
use crate::runtime::operations::admin::{NewTopic, TopicFound};

/// Kafka's limit on the length of a topic's name.
const TOPIC_NAME_MAX: usize = 249;

/// A topology's shadow.
#[derive(Debug, Clone, PartialEq)]
pub struct Shadow {
    /// The topology.
    pub topology: String,
    /// The live `application.id`.
    pub live: String,
    /// What is run: `application.id` is `<live>-replay-<topology>`.
    pub plan: Plan,
    /// What it writes, beside what the live topology writes.
    pub twins: Vec<Twin>,
}

/// A topic that the live topology writes, and the one that its shadow writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The live one's name.
    pub live: String,
    /// The shadow's.
    pub shadow: String,
    /// What they are for.
    pub role: Role,
}

impl Shadow {
    /// The shadow of the one topology of which this is the plan.
    ///
    /// # Errors
    /// When a topic can't be named so.
    pub fn of(plan: &Plan) -> Result<Self, String> {
        let topology = plan.subtopologies.first().map(|it| it.topology.clone()).unwrap_or_default();
        let application_id = format!("{}-replay-{topology}", plan.application_id);
        let mut shadow = plan.clone();
        shadow.application_id.clone_from(&application_id);
        let mut twins = Vec::new();
        for topic in shadow.topics.iter_mut().filter(|it| it.role != Role::Input) {
            let name = format!("{application_id}-{}", topic.name);
            if TOPIC_NAME_MAX < name.len() {
                return Err(format!("the shadow topic {name} would have a name of more than {TOPIC_NAME_MAX} characters"));
            }
            twins.push(Twin { live: std::mem::replace(&mut topic.name, name.clone()), shadow: name, role: topic.role });
        }
        for subtopology in &mut shadow.subtopologies {
            let Some(live) = plan.topics.get(usize::from(subtopology.source.0)) else { continue };
            if live.role != Role::Input {
                // Rule of the design: what the live subtopology behind a repartition read is recorded, and is read once more.
                subtopology.source = TopicId(u16::try_from(shadow.topics.len()).unwrap_or(u16::MAX));
                shadow.topics.push(Topic { name: live.name.clone(), role: live.role, like: None });
            }
        }
        Ok(Self { topology, live: plan.application_id.clone(), plan: shadow, twins })
    }

    /// The name of a topic of the shadow's plan.
    #[must_use]
    pub fn name(&self, topic: TopicId) -> &str {
        self.plan.topics.get(usize::from(topic.0)).map_or("", |it| it.name.as_str())
    }

    /// The live topic whose shadow this is.
    #[must_use]
    pub fn live_name(&self, shadow: &str) -> &str {
        self.twins.iter().find(|it| it.shadow == shadow).map_or("", |it| it.live.as_str())
    }

    /// All live topics that a replay reads.
    #[must_use]
    pub fn live_topics(&self) -> Vec<&str> {
        let sources = self.plan.subtopologies.iter().map(|it| self.name(it.source));
        let mut all: Vec<&str> = sources.chain(self.twins.iter().map(|it| it.live.as_str())).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The shadow topics as they are to be made: with the partitions of their twins, and kept until they are discarded, however old
    /// their records are.
    ///
    /// # Errors
    /// The live topics that are missing.
    pub fn topics(
        &self,
        found: &BTreeMap<String, TopicFound>,
        replication: i32,
        config: &Properties,
    ) -> Result<Vec<NewTopic>, Vec<String>> {
        let missing: Vec<String> = self.live_topics().into_iter().filter(|it| !found.contains_key(*it)).map(str::to_owned).collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let new = |twin: &Twin| {
            let live = found.get(&twin.live)?;
            let mut properties = Properties::new();
            let mut set = |name: &str, value: &str| properties.insert(name.to_owned(), value.to_owned());
            set("message.timestamp.type", "CreateTime");
            if twin.role == Role::Changelog {
                set("cleanup.policy", "compact");
            } else {
                set("cleanup.policy", "delete");
                set("retention.ms", "-1");
                set("retention.bytes", "-1");
            }
            if let Some(bytes) = live.config.get("max.message.bytes") {
                // What the broker refused there, it must refuse here.
                set("max.message.bytes", bytes);
            }
            properties.extend(config.clone());
            Some(NewTopic { name: twin.shadow.clone(), partitions: live.partitions, replication, config: properties })
        };
        Ok(self.twins.iter().filter_map(new).collect())
    }

    /// The partition counts of the topics of the plan, given those of the live topics.
    #[must_use]
    pub fn partitions(&self, live: &BTreeMap<String, i32>) -> Vec<i32> {
        let twin = |name: &str| self.twins.iter().find(|it| it.shadow == name).map_or(name.to_owned(), |it| it.live.clone());
        self.plan.topics.iter().map(|it| live.get(&twin(&it.name)).copied().unwrap_or(0)).collect()
    }
}
