//! What keeps `goyt run --null` away from topics that mean something: its name, and what is written already.

use std::sync::Arc;

use crate::cli::cluster;
use crate::cli::exit::{Exit, Failure};
use crate::config::Settings;
use crate::engine::plan::{Plan, Role};
use crate::runtime::operations::access::{Access, Place};

/// Said at the start.
pub const WARNING: &str = "WITHOUT THE LOGIC OF THE TOPOLOGIES (--null): nothing that is written means anything";
/// With this ends the `application.id` of what may run without logic.
const SUFFIX: &str = "-null";

/// An application that people use has another name.
///
/// # Errors
/// When it is not named for it.
pub fn check_name(settings: &Settings) -> Result<(), Failure> {
    let id = &settings.application_id;
    if id.ends_with(SUFFIX) {
        return Ok(());
    }
    let what = format!("--null writes records that mean nothing, and {id} (application.id) may be in use");
    Err(Failure::new(
        Exit::USAGE,
        format!("{what}\n  hint: give it a name of its own that ends in {SUFFIX}: --application-id {id}{SUFFIX}"),
    ))
}

/// Nothing is mixed with records that mean something: all that topologies write to is empty.
///
/// # Errors
/// When a topic has records; when the cluster does not answer.
pub fn check_topics(settings: &Settings, plan: &Plan, partitions: &[i32], access: &dyn Access) -> Result<(), Failure> {
    let written = plan.topics.iter().zip(partitions).filter(|(it, _)| matches!(it.role, Role::Output | Role::DeadLetter));
    let places: Vec<Place> = written
        .flat_map(|(topic, count)| {
            let topic: Arc<str> = topic.name.as_str().into();
            (0..*count).map(move |partition| Place { topic: Arc::clone(&topic), partition })
        })
        .collect();
    let failure = |it| cluster::log_failure(&it, settings);
    let ends = access.reader(&settings.application_id).map_err(failure)?.ends(&places).map_err(failure)?;
    match places.iter().zip(&ends).find(|(_, it)| it.first < it.high) {
        None => Ok(()),
        Some((place, _)) => {
            let what = format!("--null writes records that mean nothing, and {} has records already", place.topic);
            let hint = "run it on a cluster, or with topologies, whose outputs and dead letters are empty";
            Err(Failure::new(Exit::FAILED, format!("{what}\n  hint: {hint}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::access::MemoryAccess;
    use crate::adapters::memory::cluster::Cluster;
    use crate::adapters::memory::partition::Content;
    use crate::cli::settings::SettingFlags;
    use crate::engine::plan::Topic;

    #[test]
    fn outputs_with_records_are_left_alone() {
        let topic = |name: &str, role| Topic { name: name.to_owned(), role, like: None };
        let topics = vec![topic("in", Role::Input), topic("out", Role::Output), topic("in.dlq", Role::DeadLetter)];
        let plan = Plan { application_id: "a-null".to_owned(), descriptions: Default::default(), topics, subtopologies: Vec::new() };
        let settings = SettingFlags::default().load(&[]).unwrap();
        let cluster = Cluster::new();
        plan.topics.iter().for_each(|it| cluster.create_topic(&it.name, 2));
        let check = || check_topics(&settings, &plan, &[2, 2, 2], &MemoryAccess::new(&cluster));
        let write = |topic: &str| {
            let content = Content { key: None, value: Some(b"{}".to_vec()), headers: Vec::new(), timestamp: 0 };
            cluster.append(topic, Some(1), content).unwrap();
        };
        write("in");
        check().unwrap();
        write("in.dlq");
        let refused = check().unwrap_err();
        assert!(refused.message.contains("in.dlq has records already"), "{}", refused.message);
    }
}
