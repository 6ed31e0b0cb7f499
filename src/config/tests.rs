//! Which source of a setting wins, what is refused, and that the declarations themselves are sound.

use std::time::Duration;

use super::*;

fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)], file: Option<&str>) -> Sources {
    let flag = |(name, value): &(&str, &str)| Flag { flag: "--set".into(), name: (*name).into(), value: (*value).into() };
    Sources {
        flags: flags.iter().map(flag).collect(),
        environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        file: file.map(|text| FileText { path: "goyt.yaml".into(), text: text.into() }),
    }
}

fn mistakes(sources: &Sources) -> String {
    let line = |it: &Mistake| format!("{}: {}\n  hint: {}\n", it.place, it.reason, it.hint);
    load(sources).unwrap_err().iter().map(line).collect()
}

#[test]
fn the_strongest_source_wins() {
    let flag = &[("commit.interval.ms", "1")][..];
    let environment = &[("GOYT_COMMIT_INTERVAL_MS", "2")][..];
    let file = Some("commit.interval.ms: 3");
    for (flags, environment, file, expected) in [
        (flag, environment, file, 1),
        (flag, &[], file, 1),
        (&[], environment, file, 2),
        (&[], &[], file, 3),
        (&[], &[], None, 100),
        (&[("commit.interval.ms", "8"), ("commit.interval.ms", "9")], environment, file, 9),
    ] {
        let settings = load(&sources(flags, environment, file)).unwrap();
        assert_eq!(settings.commit_interval, Duration::from_millis(expected), "{flags:?} {environment:?} {file:?}");
    }
}

#[test]
fn every_default_can_be_read_and_keeps_within_its_limits() {
    load(&Sources::default()).unwrap();
    for setting in SETTINGS {
        if let Fallback::Is(text) = setting.fallback {
            setting.limits.check(text).unwrap_or_else(|why| panic!("{} = {text} {why}", setting.name));
        }
    }
}

#[test]
fn the_defaults_that_others_rely_on() {
    let settings = load(&Sources::default()).unwrap();
    assert_eq!(settings.bootstrap_servers, "localhost:9092");
    assert_eq!(settings.application_id, "goyt");
    assert_eq!(settings.instance_id, None);
    assert_eq!(settings.state_dir.to_str(), Some("state"));
    assert_eq!(settings.num_stream_threads, 1);
    assert_eq!(settings.processing_guarantee, ProcessingGuarantee::ExactlyOnceV2);
    assert_eq!(settings.http_address, "127.0.0.1:8080");
    assert_eq!(settings.session_timeout, Duration::from_secs(10));
    assert_eq!(settings.transaction_timeout, Duration::from_secs(10));
    assert_eq!(settings.state_cleanup_delay, Duration::from_secs(600));
}

#[test]
fn all_mistakes_of_all_sources_are_shown_at_once() {
    let given = sources(
        &[("commit.intervall.ms", "50"), ("num.stream.threads", "0"), ("consumer.isolation.level", "read_uncommitted")],
        &[("GOYT_SESSION_TIMEOUT_MS", "soon"), ("GOYT_STATE_DRI", "/data"), ("KAFKA_BOOTSTRAP_SERVERS", "kafka")],
        Some(
            "application.id: my app\nlog.format: json\nproducer:\n  linger.ms: 5\nlog.format: text\nwindow: 7\nprocessing.guarantee: at_least_once\n",
        ),
    );
    insta::assert_snapshot!(mistakes(&given), @r#"
    goyt.yaml:1:1: application.id = "my app" must be 1 to 100 of letters, digits, `.`, `_` and `-`
      hint: 1 to 100 of letters, digits, `.`, `_` and `-`; the default is goyt
    goyt.yaml:3:1: producer has no single value
      hint: settings are flat: `producer.part: value`, without anchors and tags
    goyt.yaml:5:1: log.format stands twice
      hint: it was given in line 2 already; keep one of them
    goyt.yaml:6:1: there is no setting "window"
      hint: `goyt run --help` lists the settings; client properties begin with consumer., producer. or admin.
    goyt.yaml:7:1: processing.guarantee = "at_least_once" is not offered: events are processed exactly once or not at all
      hint: `exactly_once_v2`; the default is exactly_once_v2
    GOYT_SESSION_TIMEOUT_MS: session.timeout.ms = "soon" is not a whole number of milliseconds
      hint: milliseconds, from 1000 to 1800000; the default is 10000
    GOYT_STATE_DRI: there is no such setting
      hint: did you mean GOYT_STATE_DIR?
    KAFKA_BOOTSTRAP_SERVERS: bootstrap.servers = "kafka" must be host:port, or several joined by commas
      hint: host:port, or several joined by commas; the default is localhost:9092
    --set: there is no setting "commit.intervall.ms"
      hint: did you mean commit.interval.ms?
    --set: num.stream.threads = "0" must be from 1 to 64
      hint: integer, from 1 to 64; the default is 1
    --set: consumer.isolation.level can't be set
      hint: it is always `read_committed`
    "#);
}

#[test]
fn a_value_that_is_overridden_is_checked_as_well() {
    insta::assert_snapshot!(mistakes(&sources(&[("log.format", "json")], &[], Some("log.format: xml"))), @r#"
    goyt.yaml:1:1: log.format = "xml" is not known
      hint: `text` or `json`; by default text on a terminal, else json
    "#);
}

#[test]
fn settings_that_do_not_fit_each_other_are_refused() {
    insta::assert_snapshot!(mistakes(&sources(&[("commit.interval.ms", "20000"), ("max.poll.interval.ms", "5000")], &[], None)), @r"
    --set: commit.interval.ms must be less than transaction.timeout.ms
      hint: make commit.interval.ms smaller or transaction.timeout.ms greater
    --set: session.timeout.ms must be at most max.poll.interval.ms
      hint: make session.timeout.ms smaller or max.poll.interval.ms greater
    ");
}

#[test]
fn a_file_that_is_no_flat_mapping_is_refused_with_its_place() {
    for (text, expected) in [
        ("- a\n- b\n", "goyt.yaml:1:1: the file is not a mapping"),
        ("a: [1\nb: 2\n", "goyt.yaml:2:2: not YAML"),
        ("state.dir: &here /data\n", "goyt.yaml:1:1: state.dir has no single value"),
        ("log.format: text\n---\nlog.format: json\n", "goyt.yaml:2:1: a second document"),
    ] {
        let shown = mistakes(&sources(&[], &[], Some(text)));
        assert!(shown.contains(expected), "{text:?} gave {shown}");
    }
}

#[test]
fn an_empty_file_says_nothing() {
    for text in ["", "# nothing yet\n", "---\n", "{}"] {
        assert_eq!(load(&sources(&[], &[], Some(text))).unwrap(), load(&Sources::default()).unwrap(), "{text:?}");
    }
}

#[test]
fn what_kubernetes_puts_into_the_environment_is_no_mistake() {
    let given = [("GOYT_PORT", "tcp://10.0.0.1:80"), ("GOYT_SERVICE_HOST", "10.0.0.1"), ("GOYT", "/src"), ("KAFKA_PORT", "9092")];
    load(&sources(&[], &given, None)).unwrap();
}

#[test]
fn client_properties_go_to_the_client_that_they_name() {
    let settings = load(&sources(
        &[("consumer.fetch.min.bytes", "1"), ("restore.consumer.fetch.min.bytes", "2"), ("topic.min.insync.replicas", "2")],
        &[("KAFKA_SASL_USERNAME", "goyt"), ("GOYT_PRODUCER_COMPRESSION_TYPE", "lz4"), ("GOYT_ADMIN_SASL_USERNAME", "root")],
        Some("ssl.ca.location: /ca.pem\n"),
    ))
    .unwrap();
    let shown = |name: &str, it: &Properties| it.iter().map(|(key, value)| format!("{name} {key} = {value}\n")).collect::<String>();
    let all = [
        shown("consumer", &settings.consumer),
        shown("restore", &settings.restore_consumer),
        shown("producer", &settings.producer),
        shown("admin", &settings.admin),
        shown("topic", &settings.topic),
    ]
    .concat();
    insta::assert_snapshot!(all, @r"
    consumer fetch.min.bytes = 1
    consumer queued.max.messages.kbytes = 8192
    consumer sasl.username = goyt
    consumer ssl.ca.location = /ca.pem
    restore fetch.min.bytes = 2
    restore queued.max.messages.kbytes = 8192
    restore sasl.username = goyt
    restore ssl.ca.location = /ca.pem
    producer compression.type = lz4
    producer queue.buffering.max.kbytes = 8192
    producer sasl.username = goyt
    producer ssl.ca.location = /ca.pem
    admin sasl.username = root
    admin ssl.ca.location = /ca.pem
    topic min.insync.replicas = 2
    ");
}

#[test]
fn what_is_given_to_all_workers_counts_for_each_in_the_memory_budget() {
    let sum = |threads: &str| {
        let settings = load(&sources(&[("num.stream.threads", threads)], &[], None)).unwrap();
        memory_budget(&settings, None).iter().map(|it| it.times * it.bytes).sum::<u64>()
    };
    let (one, three) = (sum("1"), sum("3"));
    let of_a_worker = 2 * 16 * 1024 * 1024 + 3 * 8192 * 1024;
    assert_eq!(three - one, 2 * of_a_worker);
    for part in memory_budget(&load(&Sources::default()).unwrap(), None) {
        assert!(SETTINGS.iter().any(|it| it.name == part.setting), "{} is no setting", part.setting);
    }
}

#[test]
fn state_may_take_a_quarter_of_the_memory_when_nothing_is_said() {
    let bytes = |given: &[(&str, &str)], usable| state_cache_bytes(&load(&sources(given, &[], None)).unwrap(), usable);
    for (usable, expected) in [(None, 64 << 20), (Some(100 << 20), 64 << 20), (Some(512 << 20), 128 << 20), (Some(16 << 30), 4 << 30)] {
        assert_eq!(bytes(&[], usable), expected, "{usable:?}");
        assert_eq!(bytes(&[("statestore.cache.max.bytes", "0")], usable), 0);
    }
}
