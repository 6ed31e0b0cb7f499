//! Topics and groups, asked for and made outside the record path; each call blocks, bounded.

mod port;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic as NativeNewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::adapters::kafka::client_config::ClientSettings;
use crate::adapters::kafka::errors::{log_error, log_error_at};
use crate::adapters::kafka::log_lines::LogLines;
use crate::adapters::kafka::raw::{Callbacks, Client, Failure, Kind, PartitionList};
use crate::engine::record::Offset;
use crate::runtime::ports::LogError;

/// How long the cluster may take to answer one request.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// How long a topic that was made may take to be seen with all its leaders.
const CREATED_WAIT: Duration = Duration::from_secs(15);
/// Between two looks for it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const UNKNOWN_TOPIC: i32 = RDKafkaErrorCode::UnknownTopicOrPartition as i32;

/// Asks and changes what is beside the records.
pub struct KafkaAdmin {
    settings: ClientSettings,
    client: AdminClient<Lines>,
}

/// A topic as the cluster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// How many partitions it has.
    pub partitions: i32,
    /// Its settings, such as `retention.ms`.
    pub configs: BTreeMap<String, String>,
}

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it gets.
    pub partitions: i32,
    /// On how many brokers it lies; -1: as many as the cluster's default says.
    pub replication: i32,
    /// Its settings, such as `cleanup.policy`.
    pub configs: BTreeMap<String, String>,
}

/// A group as its coordinator has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupState {
    /// `Stable`, `Empty`, …; `Dead` for a group that does not exist.
    pub state: String,
    /// The member ids.
    pub members: Vec<String>,
}

impl KafkaAdmin {
    /// Makes the client; connects to nothing yet.
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn new(settings: &ClientSettings) -> Result<KafkaAdmin, LogError> {
        let config = settings.admin()?;
        let client =
            AdminClient::from_config_and_context(&config, Lines(LogLines::new("admin"))).map_err(|it| of(&it, "make the admin client"))?;
        Ok(KafkaAdmin { settings: settings.clone(), client })
    }

    /// Whether the cluster answers within `wait`.
    ///
    /// # Errors
    /// When it does not, and why.
    pub fn reachable(&self, wait: Duration) -> Result<(), LogError> {
        self.client.inner().fetch_metadata(None, wait).map(drop).map_err(|it| of(&it, "reach Kafka"))
    }

    /// All topics and how many partitions they have. (Asking for single ones makes some brokers create them.)
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn partitions(&self) -> Result<BTreeMap<String, i32>, LogError> {
        let metadata = self.client.inner().fetch_metadata(None, ANSWER_WAIT).map_err(|it| of(&it, "list the topics"))?;
        let ready =
            metadata.topics().iter().filter(|topic| topic.error().is_none() && topic.partitions().iter().all(|it| it.error().is_none()));
        Ok(ready.map(|topic| (topic.name().to_owned(), i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX))).collect())
    }

    /// Each of these topics, or `None` where there is none.
    ///
    /// # Errors
    /// When the cluster doesn't answer, or may not be asked.
    pub fn describe(&self, names: &[String]) -> Result<Vec<Option<TopicDescription>>, LogError> {
        let partitions = self.partitions()?;
        let known: Vec<&String> = names.iter().filter(|it| partitions.contains_key(*it)).collect();
        let specifiers = known.iter().map(|it| ResourceSpecifier::Topic(it));
        let answers = if known.is_empty() {
            Vec::new()
        } else {
            block_on(self.client.describe_configs(specifiers.collect::<Vec<_>>().iter(), &options()))
                .map_err(|it| of(&it, "describe the topics"))?
        };
        let mut configs = BTreeMap::new();
        for (name, answer) in known.into_iter().zip(answers) {
            let resource = answer.map_err(|code| about(code, "describe the topic", name))?;
            let entries = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            configs.insert(name, entries.collect());
        }
        Ok(names
            .iter()
            .map(|name| Some(TopicDescription { partitions: *partitions.get(name)?, configs: configs.remove(name).unwrap_or_default() }))
            .collect())
    }

    /// Makes topics and waits until all their partitions have leaders. One that is there already is left as it is.
    ///
    /// # Errors
    /// The first that could not be made, and why.
    pub fn create(&self, topics: &[NewTopic]) -> Result<(), LogError> {
        let native: Vec<_> = topics.iter().map(native).collect();
        for answer in block_on(self.client.create_topics(&native, &options())).map_err(|it| of(&it, "create the topics"))? {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(about(code, "create the topic", &name)),
            }
        }
        let until = Instant::now() + CREATED_WAIT;
        loop {
            let there = self.partitions()?;
            let Some(missing) = topics.iter().find(|it| !there.contains_key(&it.name)) else { return Ok(()) };
            if until < Instant::now() {
                return Err(about(RDKafkaErrorCode::OperationTimedOut, "wait for the topic to be there", &missing.name));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Deletes topics; one that is not there is no error.
    ///
    /// # Errors
    /// The first that could not be deleted, and why.
    pub fn delete(&self, names: &[String]) -> Result<(), LogError> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for answer in block_on(self.client.delete_topics(&names, &options())).map_err(|it| of(&it, "delete the topics"))? {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => return Err(about(code, "delete the topic", &name)),
            }
        }
        Ok(())
    }

    /// The application's group: whether it is active, and who is in it.
    ///
    /// # Errors
    /// When the cluster doesn't answer, or may not be asked.
    pub fn group(&self) -> Result<GroupState, LogError> {
        self.group_named(&self.settings.application_id)
    }

    /// As [`KafkaAdmin::group`], of any group.
    ///
    /// # Errors
    /// When the cluster doesn't answer, or may not be asked.
    pub fn group_named(&self, group: &str) -> Result<GroupState, LogError> {
        let list = self.client.inner().fetch_group_list(Some(group), ANSWER_WAIT).map_err(|it| of(&it, "describe the group"))?;
        let group = list
            .groups()
            .first()
            .map(|it| GroupState { state: it.state().into(), members: it.members().iter().map(|member| member.id().into()).collect() });
        Ok(group.unwrap_or(GroupState { state: "Dead".into(), members: Vec::new() }))
    }

    /// The group's committed offsets, in the order of `partitions`; a topic that is gone has none.
    ///
    /// # Errors
    /// When the cluster doesn't answer, or may not be asked.
    pub fn committed(&self, partitions: &[(String, i32)]) -> Result<Vec<Option<Offset>>, LogError> {
        let mut list = list(partitions);
        self.group_reader()?.committed(&mut list, ANSWER_WAIT).map_err(|it| log_error(&it, "ask for the committed offsets"))?;
        let mut found = BTreeMap::new();
        for entry in list.entries() {
            if entry.code != 0 && entry.code != UNKNOWN_TOPIC {
                return Err(log_error(&Failure::of(entry.code), "ask for the committed offsets"));
            }
            if 0 <= entry.offset {
                found.insert((entry.topic.to_string_lossy().into_owned(), entry.partition), entry.offset);
            }
        }
        Ok(partitions.iter().map(|at| found.get(at).copied()).collect())
    }

    /// Makes the group forget its offsets of these partitions. It must not be reading their topics.
    ///
    /// # Errors
    /// `GROUP_SUBSCRIBED_TO_TOPIC` when it does; when the cluster doesn't answer.
    pub fn delete_committed(&self, partitions: &[(String, i32)]) -> Result<(), LogError> {
        let group = c_name(&self.settings.application_id);
        self.group_reader()?
            .delete_offsets(&group, &list(partitions), ANSWER_WAIT)
            .map_err(|it| log_error(&it, "delete the group's offsets"))
    }

    /// Deletes the group with all its offsets; one that is not there is no error. It must have no members.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP` when it has; when the cluster doesn't answer.
    pub fn delete_group(&self) -> Result<(), LogError> {
        self.delete_group_named(&self.settings.application_id)
    }

    /// As [`KafkaAdmin::delete_group`], of any group.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP` when it has members; when the cluster doesn't answer.
    pub fn delete_group_named(&self, group: &str) -> Result<(), LogError> {
        for answer in block_on(self.client.delete_groups(&[group], &options())).map_err(|it| of(&it, "delete the group"))? {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
                Err((name, code)) => return Err(about(code, "delete the group", &name)),
            }
        }
        Ok(())
    }

    fn group_reader(&self) -> Result<Client, LogError> {
        let lines = Arc::new(Lines(LogLines::new("group")));
        Client::new(Kind::Consumer, &self.settings.group_reader()?, lines).map_err(|it| log_error(&it, "make the reader of offsets"))
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_WAIT)).operation_timeout(Some(ANSWER_WAIT))
}

fn native(topic: &NewTopic) -> NativeNewTopic<'_> {
    let plain = NativeNewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(topic.replication));
    topic.configs.iter().fold(plain, |it, (name, value)| it.set(name, value))
}

fn c_name(name: &str) -> CString {
    CString::new(name.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

fn list(partitions: &[(String, i32)]) -> PartitionList {
    let mut list = PartitionList::new(partitions.len());
    for (topic, partition) in partitions {
        list.add(&c_name(topic), *partition, 0);
    }
    list
}

/// An error of the crate.
fn of(error: &KafkaError, doing: &str) -> LogError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these carry a code that the crate's own method does not give")]
    let code = match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    };
    let failure = match code {
        Some(code) => Failure::of(code as i32),
        None => Failure { text: error.to_string(), ..Failure::of(RDKafkaErrorCode::InvalidArgument as i32) },
    };
    log_error(&failure, doing)
}

/// An error about one topic or group.
fn about(code: RDKafkaErrorCode, doing: &str, name: &str) -> LogError {
    log_error_at(&Failure::of(code as i32), doing, Some(name.into()), None)
}

/// Where the lines of the client's log go.
struct Lines(LogLines);

impl ClientContext for Lines {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.say(level as i32, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}"); // Each call returns its own.
    }
}

impl Callbacks for Lines {
    fn log(&self, level: i32, facility: &str, line: &str) {
        self.0.say(level, facility, line);
    }

    fn error(&self, failure: Failure) {
        tracing::debug!(target: "librdkafka", "{}", failure.text); // Each call returns its own.
    }
}

/// Waits for a future of the crate, which its own thread completes; the request's timeout bounds it.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}
