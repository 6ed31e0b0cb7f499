//! What the application asks of the cluster besides records: its topics and its consumer group. Implemented by the adapters.

use std::collections::BTreeMap;
use std::time::Duration;

/// Looks at topics and groups and changes them. Every call blocks, for a bounded time, and does not retry by itself beyond it.
pub trait Admin: Send {
    /// Whether the cluster answers within `wait`; a cluster within the process always does.
    ///
    /// # Errors
    /// [`AdminError::Unreachable`] when it does not.
    fn reach(&mut self, wait: Duration) -> Result<(), AdminError> {
        let _ = wait;
        Ok(())
    }

    /// Those of these topics that exist, by name. A name that is not in the answer does not exist.
    ///
    /// # Errors
    /// When the cluster does not answer in time, or refuses.
    fn describe(&mut self, topics: &[&str]) -> Result<BTreeMap<String, TopicFound>, AdminError>;

    /// Creates topics, each on its own: one that fails does not hinder the others. A topic that exists already counts as created,
    /// since another instance may have been faster. Returns what failed, by topic; returns when the created ones can be used.
    ///
    /// # Errors
    /// When the cluster does not answer in time.
    fn create(&mut self, topics: &[NewTopic]) -> Result<BTreeMap<String, AdminError>, AdminError>;

    /// Deletes topics, each on its own; one that does not exist counts as deleted. Returns what failed, by topic.
    ///
    /// # Errors
    /// When the cluster does not answer in time.
    fn delete_topics(&mut self, topics: &[&str]) -> Result<BTreeMap<String, AdminError>, AdminError>;

    /// The consumer group, with all its members whatever their state; `None` when there is no such group.
    ///
    /// # Errors
    /// When the cluster does not answer in time, or refuses.
    fn group(&mut self, group: &str) -> Result<Option<Group>, AdminError>;

    /// Deletes the consumer group with its offsets; one that does not exist counts as deleted.
    ///
    /// # Errors
    /// [`AdminError::Refused`] while it has members; when the cluster does not answer in time.
    fn delete_group(&mut self, group: &str) -> Result<(), AdminError>;
}

/// A topic that exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicFound {
    /// The number of its partitions.
    pub partitions: i32,
    /// Its configuration as it is in force (the broker's defaults included), at least `cleanup.policy`, `retention.ms`
    /// and `retention.bytes`.
    pub config: BTreeMap<String, String>,
}

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// The number of its partitions.
    pub partitions: i32,
    /// The number of replicas; -1: the broker's default.
    pub replication: i32,
    /// Its configuration, where it differs from the broker's.
    pub config: BTreeMap<String, String>,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// As the broker names it: `Stable`, `Empty`, `PreparingRebalance`, …
    pub state: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The member id that the broker gave it.
    pub id: String,
    /// `client.id`.
    pub client: String,
    /// The host that it is connected from.
    pub host: String,
}

/// Why the cluster did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// No answer in time; to be tried again.
    #[error("Kafka can't be reached: {0}")]
    Unreachable(String),
    /// The answer was no.
    #[error("{code}: {message}")]
    Refused {
        /// The broker's name of the error, such as `TOPIC_AUTHORIZATION_FAILED`.
        code: String,
        /// In words.
        message: String,
    },
}
