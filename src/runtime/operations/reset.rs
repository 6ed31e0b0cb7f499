//! Beginning anew: the offsets, the internal topics and the local state of an application go together, or none of them does.

use std::fmt;

use crate::engine::plan::{Plan, Role};
use crate::runtime::operations::admin::{Admin, AdminError, Group};
use crate::runtime::ports::StoreError;

#[cfg(test)]
mod tests;

/// The state directory of this instance, held so that no other process uses it.
pub trait LocalState {
    /// The tasks that have state here.
    ///
    /// # Errors
    /// When the directory can't be read.
    fn tasks(&self) -> Result<Vec<String>, StoreError>;

    /// Removes a task's state.
    ///
    /// # Errors
    /// When it can't be removed.
    fn remove(&self, task: &str) -> Result<(), StoreError>;
}

/// One thing that a reset does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Deletes the consumer group and with it the committed offsets.
    Offsets(String),
    /// Deletes an internal topic.
    Topic(String),
    /// Removes the local state of a task.
    State(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offsets(group) => write!(f, "offsets of group {group}"),
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::State(task) => write!(f, "state of task {task}"),
        }
    }
}

/// Why a reset was not done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Instances are running.
    #[error("group {group} has {} member{}: {}", .found.members.len(), if .found.members.len() == 1 { "" } else { "s" }, members(.found))]
    Active {
        /// The group.
        group: String,
        /// With its members.
        found: Group,
    },
    /// The cluster.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StoreError),
}

fn members(group: &Group) -> String {
    // What is not known is empty; the member id begins with the client's name.
    let shown = |it: &crate::runtime::operations::admin::GroupMember| {
        if it.host.is_empty() { it.id.clone() } else { format!("{} on {}", it.client, it.host) }
    };
    group.members.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// What a reset has to do, in this order: the broker refuses to delete the group while somebody is in it, so when another
/// instance joins in between, nothing has been touched yet. And without offsets but with its dedup sets, an application that
/// runs after a reset broken off half-way takes each event for a duplicate; the other way round it would lose its state.
///
/// # Errors
/// While the group has members; when the cluster does not answer or the directory can't be read.
pub fn look(plan: &Plan, admin: &mut dyn Admin, local: &dyn LocalState) -> Result<Vec<Step>, Error> {
    let group = plan.application_id.clone();
    let mut steps = Vec::new();
    match admin.group(&group)? {
        Some(found) if !found.members.is_empty() => return Err(Error::Active { group, found }),
        Some(_) => steps.push(Step::Offsets(group)),
        None => {}
    }
    // Only topics of the plan: another application's name may begin like ours.
    let internal: Vec<&str> =
        plan.topics.iter().filter(|it| matches!(it.role, Role::Repartition | Role::Changelog)).map(|it| it.name.as_str()).collect();
    steps.extend(admin.describe(&internal)?.into_keys().map(Step::Topic));
    steps.extend(local.tasks()?.into_iter().map(Step::State));
    Ok(steps)
}

/// Does one step.
///
/// # Errors
/// When it could not be done; it may be tried again.
pub fn carry_out(step: &Step, admin: &mut dyn Admin, local: &dyn LocalState) -> Result<(), Error> {
    match step {
        Step::Offsets(group) => Ok(admin.delete_group(group)?),
        Step::Topic(name) => match admin.delete_topics(&[name])?.remove(name) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        },
        Step::State(task) => Ok(local.remove(task)?),
    }
}
