//! The way to the cluster for commands that look at topics and groups.

use std::sync::Arc;
use std::time::Duration;

use crate::adapters::kafka::{ClientSettings, KafkaAccess, KafkaAdmin};
use crate::cli::exit::{Exit, Failure};
use crate::config::Settings;
use crate::runtime::operations::access::Access;
use crate::runtime::operations::admin::{Admin, AdminError};
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// How long a command tries to reach the cluster.
const REACH_WITHIN: Duration = Duration::from_secs(5);

/// A client for topics and groups, of a cluster that has answered.
///
/// # Errors
/// When the client refuses its properties; when the cluster does not answer.
pub fn reach(settings: &Settings) -> Result<Box<dyn Admin>, Failure> {
    let mut admin = connect(settings)?;
    admin.reach(REACH_WITHIN).map_err(|it| failure(&it, settings))?;
    Ok(admin)
}

/// A client for topics and groups. Nothing is asked of the cluster yet.
///
/// # Errors
/// When the client refuses its properties.
pub fn connect(settings: &Settings) -> Result<Box<dyn Admin + Send>, Failure> {
    let admin = KafkaAdmin::new(&clients(settings, "admin")).map_err(|it| Failure::new(Exit::CONFIGURATION, it.to_string()))?;
    Ok(Box::new(admin))
}

/// Topics by name.
#[must_use]
pub fn access(settings: &Settings) -> Arc<dyn Access> {
    Arc::new(KafkaAccess::new(&clients(settings, "cli")))
}

/// The settings as the Kafka clients of an instance take them.
#[must_use]
pub fn clients(settings: &Settings, instance: &str) -> ClientSettings {
    let mut clients = ClientSettings::new(&settings.bootstrap_servers, &settings.application_id, instance);
    clients.session_timeout = settings.session_timeout;
    clients.consumer.clone_from(&settings.consumer);
    clients.restore.clone_from(&settings.restore_consumer);
    clients.producer.clone_from(&settings.producer);
    clients.admin.clone_from(&settings.admin);
    // Settings of ours that are properties of one client; the queues' bounds are among the properties already.
    let millis = |it: Duration| it.as_millis().to_string();
    clients.consumer.insert("max.poll.interval.ms".to_owned(), millis(settings.max_poll_interval));
    clients.producer.insert("transaction.timeout.ms".to_owned(), millis(settings.transaction_timeout));
    clients
}

/// An error of the cluster as the end of a command.
#[must_use]
pub fn failure(error: &AdminError, settings: &Settings) -> Failure {
    match error {
        AdminError::Unreachable(_) => {
            let brokers = &settings.bootstrap_servers;
            Failure::new(Exit::UNREACHABLE, format!("{error}\n  hint: is a broker running at {brokers} (bootstrap.servers)?"))
        }
        AdminError::Refused { .. } => Failure::new(Exit::FAILED, format!("Kafka refused: {error}")),
    }
}

/// An error of a reader or writer as the end of a command.
#[must_use]
pub fn log_failure(error: &LogError, settings: &Settings) -> Failure {
    if error.reaction == Reaction::Retry {
        return failure(&AdminError::Unreachable(error.to_string()), settings);
    }
    Failure::new(Exit::FAILED, error.to_string())
}
