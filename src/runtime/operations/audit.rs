//! The audit topic: one event for everything that a person changed, kept for ever.

use std::collections::BTreeMap;

use super::admin::{Admin, AdminError, NewTopic, TopicFound};

/// Its settings: what was done is never forgotten, since it also tells what must not be done again.
const SETTINGS: [(&str, &str); 3] = [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")];

/// Why the audit topic can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The cluster does not answer, or refuses.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// It is not as it must be.
    #[error("{topic} {fault}: it tells what must not be done again\n  hint: {hint}")]
    Unfit {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        fault: String,
        /// What to do.
        hint: String,
    },
}

/// The name of an application's audit topic.
#[must_use]
pub fn topic(application_id: &str) -> String {
    format!("{application_id}-audit")
}

/// Creates the audit topic when there is none; `replication` -1: the broker's default.
///
/// # Errors
/// When it can't be created, or one that is there could forget.
pub fn prepare(admin: &mut dyn Admin, application_id: &str, replication: i32) -> Result<(), AuditError> {
    let name = topic(application_id);
    if let Some(found) = admin.describe(&[&name])?.remove(&name) {
        return fault(&found).map_or(Ok(()), |(fault, hint)| Err(AuditError::Unfit { topic: name, fault, hint }));
    }
    let config = SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let new = NewTopic { name: name.clone(), partitions: 1, replication, config };
    let mut failed: BTreeMap<String, AdminError> = admin.create(&[new])?;
    failed.remove(&name).map_or(Ok(()), |it| Err(it.into()))
}

/// What is wrong with a topic that is there, and what to do.
fn fault(found: &TopicFound) -> Option<(String, String)> {
    if found.partitions != 1 {
        let hint = "delete it if nothing was done yet; its events stand in one partition".to_owned();
        return Some((format!("has {} partitions, not 1", found.partitions), hint));
    }
    SETTINGS.iter().find_map(|(key, wanted)| {
        let is = found.config.get(*key).filter(|it| it.as_str() != *wanted)?;
        Some((format!("has {key}={is} and would forget"), format!("set {key}={wanted} on it")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_would_forget_is_refused() {
        let found = |partitions, set: Option<(&str, &str)>| {
            let mut config: BTreeMap<String, String> = SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            config.extend(set.map(|(key, value)| (key.to_owned(), value.to_owned())));
            fault(&TopicFound { partitions, config }).map(|it| it.0)
        };
        assert_eq!(found(1, None), None);
        assert_eq!(found(3, None).as_deref(), Some("has 3 partitions, not 1"));
        assert_eq!(found(1, Some(("retention.ms", "604800000"))).as_deref(), Some("has retention.ms=604800000 and would forget"));
        assert_eq!(found(1, Some(("cleanup.policy", "compact"))).as_deref(), Some("has cleanup.policy=compact and would forget"));
    }
}
