//! The real binary: what it prints where, and how it ends.

#![cfg(test)]

mod demo;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Goyt in a folder, with an environment of nothing but `environment`.
fn command(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goyt"));
    command.current_dir(folder).args(arguments).env_clear().envs(environment.iter().copied()).env("COLUMNS", "120");
    command
}

fn goyt(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command(folder, arguments, environment).output().unwrap()
}

/// Exit code, stdout and stderr, to be compared as a whole.
fn shown(output: &Output) -> String {
    let part = |name: &str, bytes: &[u8]| match String::from_utf8_lossy(bytes).trim_end() {
        "" => String::new(),
        text => format!("--- {name}\n{text}\n"),
    };
    format!("exit {}\n{}{}", output.status.code().unwrap(), part("stdout", &output.stdout), part("stderr", &output.stderr))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn help_shows_the_commands_with_examples_and_exit_codes() {
    insta::assert_snapshot!(shown(&goyt(root(), &["--help"], &[])));
}

#[test]
fn help_of_each_command_shows_its_flags_with_examples() {
    for command in
        ["demo", "run", "validate", "test", "sim", "topics", "dlq", "replay", "reset", "store", "graph", "config", "completions", "man"]
    {
        insta::assert_snapshot!(format!("help_{command}"), shown(&goyt(root(), &[command, "-h"], &[])));
    }
}

#[test]
fn without_its_name_null_is_refused() {
    insta::assert_snapshot!(shown(&goyt(root(), &["run", "--null", "--application-id", "shop"], &[])), @r"
    exit 2
    --- stderr
    --null writes records that mean nothing, and shop (application.id) may be in use
      hint: give it a name of its own that ends in -null: --application-id shop-null
    ");
}

#[test]
fn long_help_of_run_lists_every_setting() {
    let output = goyt(root(), &["run", "--help"], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for setting in goyt::config::SETTINGS {
        assert!(text.contains(setting.name) && text.contains(&setting.environment()), "{} is missing", setting.name);
    }
}

#[test]
fn an_unknown_command_or_flag_is_a_usage_error() {
    for arguments in [&["rnu"][..], &["run", "--nul"], &["run", "--set", "commit.interval.ms"], &["topics", "--partitions", "0"]] {
        let output = goyt(root(), arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn mistakes_in_the_settings_are_shown_all_at_once_each_with_its_place() {
    let folder = folder();
    fs::write(folder.path().join("goyt.yaml"), "aplication.id: shop\ncommit.interval.ms: fast\n").unwrap();
    let output = goyt(folder.path(), &["validate", "--set", "num.stream.threads=0", "--state-dir", ""], &[("GOYT_HTTP_ADDRESS", "8080")]);
    insta::assert_snapshot!(shown(&output));
}

#[test]
fn a_property_that_the_kafka_client_does_not_know_is_a_mistake() {
    let output = goyt(root(), &["validate", "--set", "consumer.fetch.max.bytez=1", "--set", "producer.linger.ms=soon"], &[]);
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("consumer.fetch.max.bytez") && text.contains("producer.linger.ms"), "{text}");
}

#[test]
fn a_settings_file_that_is_named_must_be_there() {
    let output = goyt(folder().path(), &["validate", "--config", "other.yaml"], &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("other.yaml: can't be read:"));
}

#[test]
fn a_folder_without_topologies_is_a_configuration_error() {
    let folder = folder();
    for arguments in [&["validate", "."][..], &["validate"], &["run", "nowhere"], &["topics", "missing.yaml"]] {
        let output = goyt(folder.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn reset_says_to_look_first() {
    let output = goyt(root(), &["reset"], &[]);
    insta::assert_snapshot!(shown(&output), @r"
    exit 2
    --- stderr
    goyt reset deletes things: look with --dry-run first, then use --execute
    ");
}

#[test]
fn validate_says_of_each_topology_what_it_becomes() {
    insta::assert_snapshot!(shown(&goyt(root(), &["validate"], &[])), @r"
    exit 0
    --- stdout
    ok: topology customer-wallet: 1 subtopology, 2 stores
    ok: topology kyc-notify: 1 subtopology, 1 store
    ok: topology transaction-balance: 2 subtopologies, 2 stores
    ok: topology user-customer: 1 subtopology, 2 stores
    ");
}

#[test]
fn validate_draws_the_topologies_when_asked() {
    let output = goyt(root(), &["validate", "--describe", "topologies/kyc-notify.yaml"], &[]);
    insta::assert_snapshot!(shown(&output), @r"
    exit 0
    --- stdout
    ok: topology kyc-notify: 1 subtopology, 1 store
    Topologies:
       Sub-topology: 0 for kyc-notify.kyc-events
        Source: source/kyc-notify.kyc-events (topics: [kyc-events])
          --> dedup/kyc-notify.dedup
        Processor: dedup/kyc-notify.dedup (stores: [kyc-notify.dedup])
          --> branch/kyc-notify.outcome
          <-- source/kyc-notify.kyc-events
        Processor: branch/kyc-notify.outcome (stores: [])
          --> emit/kyc-notify.verified, emit/kyc-notify.rejected
          <-- dedup/kyc-notify.dedup
        Sink: emit/kyc-notify.verified (topic: notification-events)
          <-- branch/kyc-notify.outcome
        Sink: emit/kyc-notify.rejected (topic: notification-events)
          <-- branch/kyc-notify.outcome
    ");
}

#[test]
fn validate_as_json_lists_topologies_or_mistakes() {
    let output = goyt(root(), &["validate", "--output", "json", "topologies/kyc-notify.yaml"], &[]);
    insta::assert_snapshot!(shown(&output), @r#"
    exit 0
    --- stdout
    {"mistakes":[],"ok":true,"topologies":[{"name":"kyc-notify","subtopologies":[{"name":"kyc-events","reads":"kyc-events","stores":["dedup"],"writes":["notification-events","kyc-events.dlq"]}]}]}
    "#);
    let output = goyt(with_mistakes().path(), &["validate", "--output", "json"], &[]);
    insta::assert_snapshot!(shown(&output), @r#"
    exit 78
    --- stdout
    {"mistakes":[{"column":5,"file":"topologies/told.yaml","hint":"did you mean `filter`?","line":6,"reason":"there is no operator `fliter`"},{"column":82,"file":"topologies/told.yaml","hint":"did you mean `customerId`?","line":7,"reason":"there is no field `customer`"},{"column":99,"file":"topologies/told.yaml","hint":"add `template: …`","line":7,"reason":"the event's schema requires `template`"}],"ok":false,"topologies":[]}
    "#);
}

#[test]
fn mistakes_in_a_topology_are_shown_in_its_text_with_what_to_do() {
    insta::assert_snapshot!(shown(&goyt(with_mistakes().path(), &["validate"], &[])), @r"
    exit 78
    --- stderr
      × there is no operator `fliter`
       ╭─[topologies/told.yaml:6:5]
     5 │ steps:
     6 │   - fliter: { id: big, that: event.kycCheckId > 7 }
       ·     ──────
     7 │   - emit: { to: notification-events, event: NOTIFICATION_REQUESTED@1, key: event.customer, value: {} }
       ╰────
      help: did you mean `filter`?

      × there is no field `customer`
       ╭─[topologies/told.yaml:7:82]
     6 │   - fliter: { id: big, that: event.kycCheckId > 7 }
     7 │   - emit: { to: notification-events, event: NOTIFICATION_REQUESTED@1, key: event.customer, value: {} }
       ·                                                                                  ────────
       ╰────
      help: did you mean `customerId`?

      × the event's schema requires `template`
       ╭─[topologies/told.yaml:7:99]
     6 │   - fliter: { id: big, that: event.kycCheckId > 7 }
     7 │   - emit: { to: notification-events, event: NOTIFICATION_REQUESTED@1, key: event.customer, value: {} }
       ·                                                                                                   ───
       ╰────
      help: add `template: …`

    3 mistakes in 1 file
    ");
}

#[test]
fn no_command_does_anything_with_a_topology_that_has_mistakes() {
    let folder = with_mistakes();
    for arguments in [&["run"][..], &["topics", "--create"], &["reset", "--execute"]] {
        let output = goyt(folder.path(), arguments, &[("KAFKA_BOOTSTRAP_SERVERS", NOBODY)]);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
    }
    assert!(!folder.path().join("state").exists(), "nothing is left behind");
}

#[test]
fn the_tests_of_the_shipped_topologies_pass() {
    let output = goyt(root(), &["test"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.ends_with(" passed, 0 failed\n"), "{text}");
}

#[test]
fn a_test_that_fails_shows_what_differs() {
    let folder = copy_of_topologies();
    let topology = folder.path().join("topologies/kyc-notify.yaml");
    let text = fs::read_to_string(&topology).unwrap();
    fs::write(&topology, text.replace("kyc-verified", "kyc-rejected")).unwrap();
    let output = goyt(folder.path(), &["test", "topologies/kyc-notify.yaml"], &[]);
    insta::assert_snapshot!(shown(&output), @r#"
    exit 1
    --- stdout
    topologies/tests/kyc-notify.yaml
      FAILED  a verified customer is told (line 38)
                notification-events: record 1 (line 44): /template: expected "kyc-verified", found "kyc-rejected"
      ok      a rejected customer is told why
      FAILED  nobody is told twice (line 63)
                notification-events: record 1 (line 72): /template: expected "kyc-verified", found "kyc-rejected"
      ok      a check that has only begun is passed by
      ok      a rejection without a reason is a dead letter
    3 passed, 2 failed
    "#);
    let output = goyt(folder.path(), &["test", "topologies/tests/kyc-notify.yaml", "--only", "verified", "--output", "json"], &[]);
    insta::assert_snapshot!(shown(&output), @r#"
    exit 1
    --- stdout
    {"file":"topologies/tests/kyc-notify.yaml","tests":[{"differences":["notification-events: record 1 (line 44): /template: expected \"kyc-verified\", found \"kyc-rejected\""],"line":38,"name":"a verified customer is told","ok":false}]}
    {"failed":1,"passed":0}
    "#);
}

#[test]
fn without_kafka_one_shot_commands_say_so_and_end_with_69() {
    let folder = copy_of_topologies();
    let start = |arguments: &[&str]| {
        let mut command = command(folder.path(), arguments, &[("KAFKA_BOOTSTRAP_SERVERS", NOBODY)]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running = [start(&["topics"]), start(&["reset", "--dry-run"])];
    for process in running {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(69), "{text}");
        assert!(text.contains(NOBODY) && output.stdout.is_empty(), "{text}");
    }
}

#[test]
fn an_address_for_http_that_cannot_be_had_or_must_not_be_is_told_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = copy_of_topologies();
    fs::write(folder.path().join("short"), "secret\n").unwrap();
    for (settings, code, said) in [
        (&[("GOYT_HTTP_ADDRESS", address.as_str())][..], 1, format!("http.address {address} can't be listened at: Address already in use")),
        (&[("GOYT_HTTP_ADDRESS", "0.0.0.0:0")], 78, "http.address 0.0.0.0:0 can be reached from other machines".to_owned()),
        (&[("GOYT_HTTP_TOKEN_FILE", "none")], 78, "http.token.file none: can't be read".to_owned()),
        (&[("GOYT_HTTP_TOKEN_FILE", "short"), ("GOYT_HTTP_ADDRESS", "127.0.0.1:0")], 78, "has less than 16 characters".to_owned()),
    ] {
        let with_kafka = [&[("KAFKA_BOOTSTRAP_SERVERS", NOBODY), ("GOYT_LOG_FORMAT", "text")][..], settings].concat();
        let output = goyt(folder.path(), &["run"], &with_kafka);
        let shown = shown(&output);
        assert_eq!(output.status.code(), Some(code), "{shown}");
        assert!(shown.contains(&said) && shown.contains("hint: "), "{shown}");
    }
}

#[test]
fn without_kafka_run_says_what_it_will_do_waits_and_still_stops_when_told() {
    let folder = copy_of_topologies();
    let http = ("GOYT_HTTP_ADDRESS", "127.0.0.1:0");
    let memory = ("GOYT_STATESTORE_CACHE_MAX_BYTES", "268435456");
    let settings = [("KAFKA_BOOTSTRAP_SERVERS", NOBODY), ("GOYT_LOG_FORMAT", "text"), ("GOYT_INSTANCE_ID", "a"), http, memory];
    let mut process = command(folder.path(), &["run"], &settings).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    let said = lines.by_ref().take_while(|it| !it.contains("waiting for Kafka"));
    // Log lines begin with a time.
    let (logged, said): (Vec<String>, Vec<String>) = said.partition(|it| it.starts_with("20"));
    assert!(logged.iter().any(|it| it.contains("http at http://127.0.0.1:")), "who probes is answered from now on: {logged:?}");
    insta::assert_snapshot!(said.join("\n").replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r"
    goyt VERSION: application goyt, instance a, 1 worker
    Kafka at 127.0.0.1:1, state in state, up to 256 MB of it in memory
    topology customer-wallet
      customer-events: reads customer-events; keeps customers, wallet-ids; writes wallet-events, customer-events.dlq
    topology kyc-notify
      kyc-events: reads kyc-events; keeps dedup; writes notification-events, kyc-events.dlq
    topology transaction-balance
      transaction-events: reads transaction-events; keeps dedup; writes goyt-transaction-balance-by-wallet-repartition, transaction-events.dlq
      by-wallet: reads goyt-transaction-balance-by-wallet-repartition; keeps balances; writes notification-events, balance-events
    topology user-customer
      user-events: reads user-events; keeps users, customer-ids; writes customer-events, user-events.dlq
    topics: 3 input, 4 output, 4 dead letters, 1 repartition, 7 changelog
    ");
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().all(|it| !it.contains("waiting for Kafka")), "it is said once: {rest:?}");
    assert_eq!(process.wait().unwrap().code(), Some(0), "{rest:?}");
}

/// An address at which nobody listens.
const NOBODY: &str = "127.0.0.1:1";

/// A folder with a copy of the shipped topologies.
fn copy_of_topologies() -> tempfile::TempDir {
    let folder = folder();
    for part in ["", "events", "tests", "demo"] {
        let (from, to) = (root().join("topologies").join(part), folder.path().join("topologies").join(part));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|it| it.path().is_file()) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
    folder
}

/// A folder with a topology that has mistakes.
fn with_mistakes() -> tempfile::TempDir {
    let folder = copy_of_topologies();
    for entry in fs::read_dir(folder.path().join("topologies")).unwrap().map(Result::unwrap).filter(|it| it.path().is_file()) {
        fs::remove_file(entry.path()).unwrap();
    }
    let text = "topology: told\ninputs:\n  - topic: kyc-events\n    events: [KYC_VERIFIED@1]\nsteps:\n  - fliter: { id: big, that: event.kycCheckId > 7 }\n  - emit: { to: notification-events, event: NOTIFICATION_REQUESTED@1, key: event.customer, value: {} }\n";
    fs::write(folder.path().join("topologies/told.yaml"), text).unwrap();
    folder
}

#[test]
fn the_shipped_topologies_are_drawn_for_graphviz_and_mermaid() {
    for format in ["dot", "mermaid"] {
        let output = goyt(root(), &["graph", "--format", format], &[]);
        insta::assert_snapshot!(format!("graph_{format}"), shown(&output));
    }
}

#[test]
fn graphviz_draws_what_the_graph_says() {
    let drawing = goyt(root(), &["graph", "--format", "dot"], &[]).stdout;
    let mut dot = match Command::new("dot").arg("-Tsvg").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(dot) => dot,
        Err(error) => return eprintln!("skipped: Graphviz is not installed: {error}"),
    };
    std::io::Write::write_all(&mut dot.stdin.take().unwrap(), &drawing).unwrap();
    let output = dot.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let svg = String::from_utf8(output.stdout).unwrap().replace("&#45;", "-");
    for name in ["transaction-events.dlq", "by-wallet", "balances", "kyc-notify"] {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}");
    }
}

#[test]
fn config_shows_where_each_setting_comes_from_and_no_secret() {
    let folder = folder();
    fs::write(folder.path().join("goyt.yaml"), "# ours\napplication.id: shop\nconsumer.fetch.min.bytes: 2\nssl.key.password: inthefile\n")
        .unwrap();
    let environment = [("KAFKA_BOOTSTRAP_SERVERS", "broker:9092"), ("KAFKA_SASL_PASSWORD", "intheenvironment")];
    let output = goyt(folder.path(), &["config", "--given", "--state-dir", "here", "--set", "num.stream.threads=2"], &environment);
    insta::assert_snapshot!(shown(&output), @r"
    exit 0
    --- stdout
    SETTING                   VALUE        FROM
    bootstrap.servers         broker:9092  KAFKA_BOOTSTRAP_SERVERS
    application.id            shop         goyt.yaml:2
    state.dir                 here         --state-dir
    num.stream.threads        2            --set
    consumer.fetch.min.bytes  2            goyt.yaml:3
    sasl.password             ********     KAFKA_SASL_PASSWORD
    ssl.key.password          ********     goyt.yaml:4
    ");
    let output = goyt(folder.path(), &["config", "--output", "json"], &environment);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("inthefile") && !text.contains("intheenvironment"));
    let settings: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let of = |name: &str| settings.iter().find(|it| it["name"] == name).unwrap().to_string();
    assert_eq!(of("application.id"), r#"{"at":"goyt.yaml:2","from":"file","name":"application.id","value":"shop"}"#);
    assert_eq!(of("commit.interval.ms"), r#"{"at":null,"from":"default","name":"commit.interval.ms","value":"100"}"#);
    assert!(goyt::config::SETTINGS.iter().all(|it| settings.iter().any(|shown| shown["name"] == it.name)));
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let script = String::from_utf8(goyt(root(), &["completions", "bash"], &[]).stdout).unwrap();
    let folder = folder();
    let pages = goyt(folder.path(), &["man", "pages"], &[]);
    assert!(pages.status.success());
    for command in ["run", "validate", "store", "graph", "config"] {
        assert!(script.contains(&format!("goyt__subcmd__{command}")) || script.contains(&format!("goyt__{command}")), "{command}");
        assert!(folder.path().join(format!("pages/goyt-{command}.1")).is_file(), "{command}");
    }
}

#[test]
fn a_store_of_nobody_is_said_to_be_so() {
    let output = goyt(root(), &["store", "ls", "--address", "127.0.0.1:1"], &[]);
    insta::assert_snapshot!(shown(&output), @r"
    exit 1
    --- stderr
    nobody answers at http://127.0.0.1:1 (io: Connection refused (os error 111))
      hint: is an instance running there? --offline reads the files of one that is stopped
    ");
    let folder = folder();
    let state = folder.path().join("state");
    let output = goyt(root(), &["store", "ls", "--offline", "--state-dir", state.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!state.exists(), "looking leaves nothing behind");
}

#[test]
fn a_simulation_of_few_seeds_says_what_happened_and_that_nothing_was_lost() {
    let output = goyt(root(), &["sim", "topologies", "--seeds", "3", "--records", "50", "--twice"], &[]);
    let text = shown(&output);
    assert!(output.status.success(), "{text}");
    for part in
        ["TIMES", "FAULT", "3 seeds from 1 in", "run twice: 3 of 3 did the same", "nothing lost, nothing doubled, nothing out of order"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_simulation_that_finds_a_violation_shows_the_seed_and_how_it_came_about() {
    let folder = copy_of_topologies();
    let tests = folder.path().join("topologies/tests/kyc-notify.yaml");
    let wrong = "topologies: [kyc-notify]\ninvariants:\n  - name: everybody is told twice\n    made-of:\n      - { topic: notification-events, count: 2 }\n    compare:\n      - { topic: notification-events, count: 1 }\n";
    std::fs::write(tests, wrong).unwrap();
    let topology = folder.path().join("topologies/kyc-notify.yaml");
    let output = goyt(folder.path(), &["sim", topology.to_str().unwrap(), "--seeds", "5"], &[]);
    let text = shown(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["violate what must hold", "of commit", "VIOLATION S6: ", "everybody is told twice", "all of it: goyt sim "] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
