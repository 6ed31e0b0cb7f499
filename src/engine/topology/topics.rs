//! The topics of an application: each name once, with what it is for.

use std::collections::BTreeMap;

use super::mistake::{Mistakes, Span};
use super::spec::topic_fault;
use crate::engine::plan::{Role, Topic};
use crate::engine::record::TopicId;

/// The topics so far, in the order in which they were first named.
#[derive(Debug)]
pub struct Topics<'a> {
    application_id: &'a str,
    topics: Vec<Topic>,
    by_name: BTreeMap<String, TopicId>,
}

impl<'a> Topics<'a> {
    /// None yet.
    #[must_use]
    pub fn of(application_id: &'a str) -> Self {
        Self { application_id, topics: Vec::new(), by_name: BTreeMap::new() }
    }

    /// All of them.
    #[must_use]
    pub fn into_topics(self) -> Vec<Topic> {
        self.topics
    }

    /// The topic that a topology reads.
    pub fn input(&mut self, name: &str) -> TopicId {
        self.named(name, Role::Input, None).0
    }

    /// The dead letter topic of an input.
    pub fn dead_letters(&mut self, source: TopicId, input: &str, at: &Span, mistakes: &mut Mistakes<'_>) -> TopicId {
        let name = format!("{input}.dlq");
        self.nameable(&name, at, mistakes);
        let (id, role) = self.named(&name, Role::DeadLetter, Some(source));
        if role == Role::Output {
            mistakes.add(at.clone(), format!("`{name}`, where its dead letters go, is emitted to elsewhere"), "emit to another topic");
        }
        id
    }

    /// A topic that an `emit` writes. One that is read elsewhere is an output all the same: it needs not be there before.
    pub fn output(&mut self, name: &str, like: TopicId, at: &Span, mistakes: &mut Mistakes<'_>) -> TopicId {
        let (id, role) = self.named(name, Role::Output, Some(like));
        match role {
            Role::Input if !self.leads_to(like, id) => {
                if let Some(topic) = self.topics.get_mut(usize::from(id.0)) {
                    *topic = Topic { name: name.to_owned(), role: Role::Output, like: Some(like) };
                }
            }
            Role::Input => {
                let hint = "emit to another topic: a record would go round for ever";
                mistakes.add(at.clone(), format!("`{name}` leads back to this topology's input"), hint);
            }
            Role::Output if self.leads_to(like, id) => {
                let hint = "emit to another topic: a record would go round for ever";
                mistakes.add(at.clone(), format!("`{name}` leads back to this topology's input"), hint);
            }
            Role::Output => {}
            Role::DeadLetter | Role::Repartition | Role::Changelog => {
                mistakes.add(at.clone(), format!("`{name}` is a topic of the engine's own"), "choose another name");
            }
        }
        id
    }

    /// A changelog or repartition topic: `<application.id>-<topology>-<id>-…`.
    pub fn internal(&mut self, topology: &str, id: &str, role: Role, like: TopicId, at: &Span, mistakes: &mut Mistakes<'_>) -> TopicId {
        let suffix = if role == Role::Repartition { "repartition" } else { "changelog" };
        let name = format!("{}-{topology}-{id}-{suffix}", self.application_id);
        self.nameable(&name, at, mistakes);
        if self.by_name.contains_key(&name) {
            mistakes.add(at.clone(), format!("`{id}` would share the topic `{name}` with something else"), "choose another id");
        }
        self.named(&name, role, Some(like)).0
    }

    /// Whether a topic is made like another one, directly or through others.
    fn leads_to(&self, from: TopicId, to: TopicId) -> bool {
        let mut at = Some(from);
        // Each topic at most once: there is no circle so far.
        for _ in 0..=self.topics.len() {
            match at {
                Some(it) if it == to => return true,
                Some(it) => at = self.topics.get(usize::from(it.0)).and_then(|it| it.like),
                None => return false,
            }
        }
        false
    }

    fn nameable(&self, name: &str, at: &Span, mistakes: &mut Mistakes<'_>) {
        if let Some(fault) = topic_fault(name) {
            mistakes.add(at.clone(), format!("the topic `{name}` can't be named so: {fault}"), "choose a shorter name");
        }
    }

    /// The topic of a name, and what it was before.
    fn named(&mut self, name: &str, role: Role, like: Option<TopicId>) -> (TopicId, Role) {
        if let Some(id) = self.by_name.get(name) {
            return (*id, self.topics.get(usize::from(id.0)).map_or(role, |it| it.role));
        }
        let id = TopicId(u16::try_from(self.topics.len()).unwrap_or(u16::MAX));
        self.topics.push(Topic { name: name.to_owned(), role, like });
        self.by_name.insert(name.to_owned(), id);
        (id, role)
    }
}
