//! The real binary: what it prints where, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that can't run has failed")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs goyt in a folder, with an environment of nothing but `environment`.
fn goyt(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goyt"));
    command.current_dir(folder).args(arguments).env_clear().envs(environment.iter().copied()).env("COLUMNS", "120");
    command.output().unwrap()
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
    for command in ["run", "validate", "test", "topics", "reset"] {
        insta::assert_snapshot!(format!("help_{command}"), shown(&goyt(root(), &[command, "-h"], &[])));
    }
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
    std::fs::write(folder.path().join("goyt.yaml"), "aplication.id: shop\ncommit.interval.ms: fast\n").unwrap();
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
