//! What the server shows: the application as the rest of the process hands it over.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::engine::plan::{Plan, Subtopology};
use crate::engine::record::{Millis, TopicId};
use crate::runtime::board::{Board, TaskPicture};
use crate::runtime::operations::access::{Access, StateReader};
use crate::runtime::operations::admin::Admin;
use crate::runtime::ports::LogError;

/// What the server may look at.
pub struct View {
    /// What is run.
    pub plan: Arc<Plan>,
    /// The partition counts of its topics, once they are known.
    pub partitions: Arc<OnceLock<Vec<i32>>>,
    /// `instance.id`
    pub instance: String,
    /// How many workers there are to be.
    pub workers: usize,
    /// What the workers show of themselves.
    pub board: Arc<Board>,
    /// Topics, read outside the group.
    pub access: Arc<dyn Access>,
    /// Makes topics that only operation needs.
    pub admin: Box<dyn Fn() -> Result<Box<dyn Admin>, LogError> + Send + Sync>,
    /// `replication.factor`
    pub replication: i32,
    /// Committed state.
    pub states: Arc<dyn StateReader>,
    /// The text for Prometheus.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Wall-clock time.
    pub now: Arc<dyn Fn() -> Millis + Send + Sync>,
    /// Where state is kept, when it is on a disk.
    pub state_dir: Option<PathBuf>,
}

impl View {
    /// The name of a topic of the plan.
    pub(super) fn topic(&self, topic: TopicId) -> &str {
        self.plan.topics.get(usize::from(topic.0)).map_or("", |it| &it.name)
    }

    /// The partition count of a topic of the plan, once it is known.
    pub(super) fn partitions(&self, topic: TopicId) -> Option<i32> {
        self.partitions.get()?.get(usize::from(topic.0)).copied()
    }

    /// The subtopology of a task.
    pub(super) fn subtopology(&self, task: &TaskPicture) -> Option<&Subtopology> {
        self.plan.subtopologies.get(task.subtopology)
    }
}
