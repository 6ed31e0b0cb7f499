//! The broker is killed and started again with the same data, under load.

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::{Command, Stdio};

use ::goyt::adapters::kafka::{ClientSettings, KafkaAdmin, KafkaLog, NewTopic};
use ::goyt::engine::record::{TopicId, TopicPartition};
use ::goyt::runtime::ports::Log;

use super::{end, progress, seed};
use crate::support::goyt::{self, Goyt};
use crate::support::platform::Platform;
use crate::support::random::Random;
use crate::support::stage::Stage;
use crate::support::traffic::Traffic;
use crate::support::trial::{Trial, chaos_times};
use crate::support::{reader, wait};

/// How often.
const KILLS: &str = "CHAOS_BROKER_KILLS";
/// As in a cluster, the controller lives on and notices that the broker is gone. A node that is both, and back before its old session has
/// ended, leads its partitions for a moment and loses them again; Kafka then leaves out markers of transactions that it is ending
/// (`TransactionMarkerChannelManager`: "these partitions are likely deleted already"), which no client can mend.
const CLUSTER: [(&str, &str); 2] =
    [("KAFKA_CONTROLLER", "apart"), ("KAFKA_EXTRA", "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=200")];
/// Says to the inner run where the data of its broker are.
const DATA: &str = "CHAOS_BROKER_DATA";

/// A broker of this test's own, for the other tests need theirs. The test runs itself once more with that broker as the common one.
#[test]
fn a_killed_broker_loses_and_doubles_nothing() {
    if let Ok(data) = env::var(DATA) {
        return under_load(&Broker { data });
    }
    let name = "chaos::brokers::a_killed_broker_loses_and_doubles_nothing";
    with_broker(|broker, address| {
        let inner = Command::new(env::current_exe().expect("this program"))
            .args([name, "--exact", "--nocapture"])
            .envs([(DATA, broker.data.as_str()), ("KAFKA_BOOTSTRAP_SERVERS", address)])
            .status();
        assert!(inner.expect("the inner run").success(), "see above");
    });
}

/// A client remembers in which term a partition's leader leads. To ask in a former one is refused, for ever if it does not learn the new one.
#[test]
fn offsets_are_found_behind_a_restarted_broker() {
    with_broker(|broker, address| {
        let settings = ClientSettings::new(address, "terms", "nobody");
        let topic = NewTopic { name: "changelog".to_owned(), partitions: 1, replication: 1, configs: BTreeMap::new() };
        KafkaAdmin::new(&settings).unwrap().create(&[topic]).unwrap();
        let mut log = KafkaLog::new(&settings, vec!["changelog".to_owned()], 0).unwrap();
        let asked = [TopicPartition { topic: TopicId(0), partition: 0 }];
        assert_eq!(log.parts().changelogs.bounds(&asked), Ok(vec![(0, 0)]));
        broker.restart(address.rsplit(':').next().expect("a port"));
        wait::until_ok(|| log.parts().changelogs.bounds(&asked).map_err(|it| it.to_string()));
    });
}

/// Runs a test with a broker of its own, whose logs and data are kept if it fails.
fn with_broker(test: impl FnOnce(&Broker, &str)) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker { data: folder.path().join("kafka").display().to_string() };
    let address = broker.start("0");
    if let Err(failure) = catch_unwind(AssertUnwindSafe(|| test(&broker, &address))) {
        broker.script("stop", "0");
        println!("the broker's logs and data are in {}", folder.keep().display());
        resume_unwind(failure);
    }
    broker.script("clean", "0");
}

fn under_load(broker: &Broker) {
    let (seed, times) = (seed(93), chaos_times(KILLS, 1));
    let trial = Trial::begin("broker killed (kill -9) and restarted");
    let (stage, mut random) = (Stage::new("brokers", 6), Random::new(seed));
    stage.create_topic("notification-events", &[]);
    let address = env::var("KAFKA_BOOTSTRAP_SERVERS").expect("the broker's address");
    let port = address.rsplit(':').next().expect("a port");
    let traffic = Traffic::start(&stage, Platform::new(seed));
    let goyt = Goyt::start(&stage, "a");
    for n in 0..times {
        let goal = progress(&stage) + 1 + i64::try_from(random.below(3_000)).expect("a small number");
        wait::until(&format!("progress before kill {n}"), || (goal <= progress(&stage)).then_some(()));
        broker.restart(port);
        wait::until_ok(reader::try_topics);
    }
    let (platform, _) = traffic.end(&stage);
    let lines = goyt.stop();
    assert_eq!(goyt::tasks(&lines, "stopped"), Vec::<String>::new(), "tasks that stopped: {lines:#?}");
    end(trial, times, &stage, &platform);
}

struct Broker {
    data: String,
}

impl Broker {
    fn restart(&self, port: &str) {
        self.script("kill", port);
        self.start(port);
    }

    /// Its address.
    fn start(&self, port: &str) -> String {
        self.script("start", port).trim().to_owned()
    }

    fn script(&self, command: &str, port: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka.sh");
        let done = Command::new(script)
            .arg(command)
            .envs([("KAFKA_DATA", self.data.as_str()), ("KAFKA_PORT", port)])
            .envs(CLUSTER)
            .stderr(Stdio::inherit())
            .output()
            .expect("scripts/kafka.sh");
        assert!(done.status.success(), "kafka.sh {command}");
        String::from_utf8(done.stdout).expect("text")
    }
}
