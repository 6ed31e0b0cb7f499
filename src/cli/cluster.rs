//! The way to the cluster for commands that look at topics and groups.

use crate::adapters::kafka::{ClientSettings, KafkaAdmin};
use crate::cli::exit::{Exit, Failure};
use crate::config::Settings;
use crate::runtime::admin::{Admin, AdminError};

/// A client for topics and groups. Nothing is asked of the cluster yet.
///
/// # Errors
/// When the client refuses its properties.
pub fn connect(settings: &Settings) -> Result<Box<dyn Admin>, Failure> {
    let mut clients = ClientSettings::new(&settings.bootstrap_servers, &settings.application_id, "admin");
    clients.admin = settings.admin.clone();
    let admin = KafkaAdmin::new(&clients).map_err(|it| Failure::new(Exit::CONFIGURATION, it.to_string()))?;
    Ok(Box::new(admin))
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
