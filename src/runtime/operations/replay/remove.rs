//! Removes what a replay left: its shadow topics, its group, its state.

use super::shadow::Shadow;
use super::{Error, Site, TOPICS_EVERY, TOPICS_WITHIN};
use crate::runtime::operations::admin::Admin;
use crate::runtime::operations::reset::LocalState;
use crate::runtime::ports::{Clock, StoreError};

/// What a replay left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// Its consumer group.
    pub group: Option<String>,
    /// Its topics, sorted.
    pub topics: Vec<String>,
    /// Its tasks that have state here, sorted.
    pub tasks: Vec<String>,
}

impl Leftovers {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an earlier replay of the topology left.
///
/// # Errors
/// While one is running; when the cluster does not answer or the directory can't be read.
pub fn leftovers(shadow: &Shadow, admin: &mut dyn Admin, local: &dyn LocalState) -> Result<Leftovers, Error> {
    let group = &shadow.plan.application_id;
    let found = admin.group(group)?;
    if let Some(member) = found.as_ref().and_then(|it| it.members.first()) {
        return Err(Error::Refused {
            reason: format!("a replay of {} is running: group {group} has the member {}", shadow.topology, member.id),
            hint: "wait for its end; one that was killed counts as a member for session.timeout.ms more".to_owned(),
        });
    }
    let names: Vec<&str> = shadow.twins.iter().map(|it| it.shadow.as_str()).collect();
    let topics = admin.describe(&names)?.into_keys().collect();
    let tasks = local.tasks().map_err(failed)?;
    Ok(Leftovers { group: found.map(|_| group.clone()), topics, tasks })
}

/// Removes them. The group goes first: the broker refuses that while somebody is in it.
///
/// # Errors
/// What could not be removed; it may be tried again.
pub fn remove(left: &Leftovers, admin: &mut dyn Admin, local: &dyn LocalState, clock: &dyn Clock) -> Result<(), Error> {
    if let Some(group) = &left.group {
        admin.delete_group(group)?;
    }
    let names: Vec<&str> = left.topics.iter().map(String::as_str).collect();
    if !names.is_empty() {
        if let Some((topic, error)) = admin.delete_topics(&names)?.into_iter().next() {
            return Err(Error::Failed(format!("topic {topic} could not be deleted: {error}")));
        }
        wait(&names, false, admin, clock)?;
    }
    left.tasks.iter().try_for_each(|it| local.remove(it)).map_err(failed)
}

/// Waits until these topics are there, or are not.
pub(super) fn wait_for_topics(names: &[&str], there: bool, site: &mut Site<'_>) -> Result<(), Error> {
    let clock = site.worlds.clock();
    wait(names, there, site.admin, &*clock)
}

fn wait(names: &[&str], there: bool, admin: &mut dyn Admin, clock: &dyn Clock) -> Result<(), Error> {
    let until = clock.elapsed() + TOPICS_WITHIN;
    loop {
        let found = admin.describe(names)?;
        if names.iter().all(|it| found.contains_key(*it) == there) {
            return Ok(());
        }
        if until < clock.elapsed() {
            let what = if there { "are not there" } else { "are still there" };
            return Err(Error::Failed(format!("shadow topics {what} after {} s", TOPICS_WITHIN.as_secs())));
        }
        clock.sleep(TOPICS_EVERY);
    }
}

fn failed(error: StoreError) -> Error {
    Error::Failed(error.to_string())
}
