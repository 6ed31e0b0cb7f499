//! A stage: what one test has for itself on the common broker. Its topics and application have a name of their own, so that tests
//! run side by side; the shipped topologies are copied and name those topics instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::util::Timeout;

use super::platform::{Input, TRACE};
use super::{broker, reader, wait};

/// The topics of the contract that others write.
const INPUTS: [&str; 3] = ["user-events", "kyc-events", "transaction-events"];
/// The topics that the shipped topologies write.
const OUTPUTS: [&str; 4] = ["customer-events", "wallet-events", "balance-events", "notification-events"];

/// See the module. What it made is deleted when it is dropped, but for the topics of a test that failed.
pub struct Stage {
    name: String,
    folder: tempfile::TempDir,
    partitions: i32,
}

impl Stage {
    /// A stage with the input topics, and a copy of the shipped topologies.
    pub fn new(test: &str, partitions: i32) -> Self {
        let stage = Self { name: unique(test), folder: tempfile::tempdir().expect("a temporary directory"), partitions };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies");
        stage.copy(&shipped, &stage.topologies());
        for topic in INPUTS {
            stage.create_topic(topic, &[]);
        }
        stage
    }

    /// The application's id, with which all its topics begin.
    pub fn application(&self) -> &str {
        &self.name
    }

    /// The name that a topic of the contract has here.
    pub fn topic(&self, contract: &str) -> String {
        format!("{}-{contract}", self.name)
    }

    /// The folder with the topologies.
    pub fn topologies(&self) -> PathBuf {
        self.folder.path().join("topologies")
    }

    /// The state directory of an instance.
    pub fn state(&self, instance: &str) -> PathBuf {
        self.folder.path().join("state").join(instance)
    }

    /// Creates a topic of the contract.
    pub fn create_topic(&self, contract: &str, settings: &[(&str, &str)]) {
        create_topic(&self.topic(contract), self.partitions, settings);
    }

    /// Changes a topology of this stage. Panics when the text does not occur.
    pub fn edit(&self, topology: &str, from: &str, to: &str) {
        let path = self.topologies().join(format!("{topology}.yaml"));
        let text = fs::read_to_string(&path).expect("a topology");
        assert!(text.contains(from), "{} does not say `{from}`", path.display());
        fs::write(&path, text.replace(from, to)).expect("write a topology");
    }

    /// Writes records as the platform's other programs do, all of them before it returns.
    pub fn send<'a>(&self, inputs: impl IntoIterator<Item = &'a Input>) {
        let mut feed = Feed::new();
        for input in inputs {
            feed.send(&self.topic(input.topic), input);
        }
        feed.flush();
    }

    /// The topics that now exist here.
    pub fn topics(&self) -> Vec<String> {
        reader::topics().into_iter().filter(|it| it.starts_with(&self.name)).collect()
    }

    fn copy(&self, from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
            let path = entry.expect("an entry").path();
            let copy = to.join(path.file_name().expect("a name"));
            if path.is_dir() {
                // The tests of topologies stay behind.
                if path.file_name().is_some_and(|it| it != "tests") {
                    self.copy(&path, &copy);
                }
                continue;
            }
            let mut text = fs::read_to_string(&path).expect("a file of text");
            if path.extension().is_some_and(|it| it == "yaml") {
                for topic in INPUTS.iter().chain(&OUTPUTS) {
                    text = text.replace(topic, &self.topic(topic));
                }
            }
            fs::write(copy, text).expect("a copy");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("topics kept; where each partition is:\n{}", reader::places(&self.name).unwrap_or_else(|error| error));
            return;
        }
        let topics = self.topics();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        // The broker may be away, and the test has its result already.
        drop(broker::block_on(broker::admin().delete_topics(&names, &broker::admin_options())));
    }
}

/// A name that no other run of the tests has.
pub fn unique(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_millis();
    format!("{name}-{:x}-{:x}", std::process::id(), now & 0xFFFF_FFFF)
}

/// Creates a topic and waits until it is known.
pub fn create_topic(name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (setting, value) in settings {
        topic = topic.set(setting, value);
    }
    let made = broker::block_on(broker::admin().create_topics(&[topic], &broker::admin_options())).expect("a request");
    for result in made {
        result.unwrap_or_else(|(topic, error)| panic!("create {topic}: {error}"));
    }
    wait::until(&format!("the topic {name}"), || (!reader::partitions(name).is_empty()).then_some(()));
}

/// How long the producer is served before it is asked again for room.
const ROOM_WAIT: Duration = Duration::from_millis(100);

/// Records that could not be written, with the reasons.
#[derive(Default)]
struct Failures(Mutex<Vec<String>>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            self.0.lock().expect("no thread panicked").push(format!("{} of {}: {error}", message.topic(), message.partition()));
        }
    }
}

/// Writes records in order, partitioned by key as Java clients do.
pub struct Feed(BaseProducer<Failures>);

impl Feed {
    pub fn new() -> Self {
        let mut config = broker::client();
        config
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", "10")
            .set("delivery.report.only.error", "true");
        Self(config.create_with_context(Failures::default()).expect("a producer"))
    }

    /// Queues a record; waits when the queue is full.
    pub fn send(&mut self, topic: &str, input: &Input) {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        record.key = input.key.as_deref();
        record.payload = input.value.as_deref();
        record.headers = input.trace.as_ref().map(|trace| OwnedHeaders::new().insert(Header { key: TRACE, value: Some(trace) }));
        let mut pending = Some(record);
        wait::until("room in the producer's queue", || match self.0.send(pending.take()?) {
            Ok(()) => Some(()),
            Err((error, record)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                pending = Some(record);
                self.0.poll(ROOM_WAIT);
                None
            }
            Err((error, _)) => panic!("send to {topic}: {error}"),
        });
    }

    /// Waits until the broker has all.
    pub fn flush(&self) {
        self.0.flush(Timeout::After(wait::LONG)).expect("all records are written");
        let failures = self.0.context().0.lock().expect("no thread panicked");
        assert!(failures.is_empty(), "{} records were not written, the first: {:?}", failures.len(), failures.first());
    }
}
