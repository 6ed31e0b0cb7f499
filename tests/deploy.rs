//! What is shipped for deployment: Prometheus' rules and their tests, dashboards, manifests. `make check-deploy` asks kubectl and systemd.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const RULES: &str = "deploy/kubernetes/base/prometheus-rule.yaml";

#[test]
fn prometheus_takes_the_configuration_and_the_rules() {
    succeeds("promtool", &["check", "config", "deploy/prometheus/prometheus.yml"]);
    // In its container the rules lie beside it.
    let beside = tempfile::tempdir().expect("a temporary directory");
    for file in ["deploy/docker/prometheus.yml", "deploy/prometheus/rules.yml", "deploy/prometheus/alerts.yml"] {
        fs::copy(root().join(file), beside.path().join(Path::new(file).file_name().expect("a name"))).expect("a copy");
    }
    let config = beside.path().join("prometheus.yml").display().to_string();
    succeeds("promtool", &["check", "config", "--syntax-only", &config]);
}

#[test]
fn each_alert_fires_when_it_should_and_is_silent_otherwise() {
    succeeds("promtool", &["test", "rules", "deploy/prometheus/tests.yml"]);
    let tested: BTreeSet<String> = after_each(&read("deploy/prometheus/tests.yml"), "alertname: ", is_word);
    assert_eq!(tested, alerts(), "alerts with a test, and alerts");
}

#[test]
fn each_alert_has_a_severity_and_its_section_in_the_runbook() {
    let (runbook, rules) = (read("docs/runbook.md"), read("deploy/prometheus/alerts.yml"));
    let sections: BTreeSet<String> = runbook.lines().filter_map(|it| Some(it.strip_prefix("## ")?.to_owned())).collect();
    assert_eq!(sections, alerts(), "sections of the runbook, and alerts");
    for alert in rules.split("- alert: ").skip(1) {
        let name = alert.lines().next().expect("a name");
        assert!(alert.contains("severity: critical") || alert.contains("severity: warning"), "{name}: severity");
        assert!(alert.contains(&format!("runbook_url: docs/runbook.md#{}\n", name.to_lowercase())), "{name}: runbook_url");
        assert!(alert.contains("summary: ") && alert.contains("description: "), "{name}: summary and description");
    }
}

#[test]
fn rules_and_dashboards_ask_for_metrics_that_exist() {
    let known = known_metrics();
    let rules = ["rules", "alerts"].map(|it| read(&format!("deploy/prometheus/{it}.yml")));
    let recorded: BTreeSet<String> = after_each(&rules[0], "record: ", |it| !it.is_whitespace());
    let mut faults = Vec::new();
    for (place, text) in rules.iter().map(|it| ("rules".to_owned(), it.clone())).chain(queries()) {
        for name in metrics_in(&text) {
            let of_histogram = ["_bucket", "_sum", "_count"].iter().any(|it| name.strip_suffix(it).is_some_and(|it| known.contains(it)));
            if !known.contains(&name) && !of_histogram && !recorded.iter().any(|it| it.contains(&format!(":{name}:"))) {
                faults.push(format!("{place}: {name} is not in docs/metrics.md"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn dashboards_are_what_grafana_reads() {
    for (file, board) in dashboards() {
        let panels = board["panels"].as_array().unwrap_or_else(|| panic!("{file}: panels"));
        let ids: BTreeSet<i64> = panels.iter().map(|it| it["id"].as_i64().expect("an id")).collect();
        assert_eq!(ids.len(), panels.len(), "{file}: ids of panels differ");
        let mut taken = BTreeMap::new();
        for panel in panels {
            let at = |side: &str| panel["gridPos"][side].as_i64().unwrap_or_else(|| panic!("{file}: gridPos of {panel}"));
            assert!(at("x") + at("w") <= 24, "{file}: {} is within the width", panel["title"]);
            for cell in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
                let other = taken.insert(cell, panel["title"].to_string());
                assert_eq!(other, None, "{file}: {} covers it", panel["title"]);
            }
        }
    }
}

#[test]
fn kubernetes_has_the_rules_and_topologies_of_this_repository() {
    let wanted = prometheus_rule();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(root().join(RULES), &wanted).expect("write the rules");
    }
    assert!(read(RULES) == wanted, "{RULES} is out of date: UPDATE_REFERENCE=1 cargo test --release --test deploy");
    let example = read("deploy/kubernetes/example/kustomization.yaml");
    for (name, _) in files("topologies").into_iter().chain(files("topologies/events")) {
        assert!(example.lines().any(|it| it.ends_with(&format!("/{name}"))), "{name} is in the example");
    }
}

/// As the kubelet does it: what is mounted are links into a folder whose name begins with two dots.
#[test]
fn topologies_are_read_from_config_maps() {
    let mount = tempfile::tempdir().expect("a temporary directory");
    let data = mount.path().join("..2026_01_01");
    fs::create_dir_all(data.join("events")).expect("a folder");
    let items = read("deploy/kubernetes/example/events.yaml");
    for (name, file) in files("topologies/events") {
        assert!(items.contains(&format!("{{ key: {}, path: events/{name} }}", name.replace('@', "."))), "{name} is in the example");
        fs::copy(file, data.join("events").join(name)).expect("a copy");
    }
    std::os::unix::fs::symlink("..2026_01_01", mount.path().join("..data")).expect("a link");
    std::os::unix::fs::symlink("..data/events", mount.path().join("events")).expect("a link");
    for (name, file) in files("topologies") {
        fs::copy(file, data.join(&name)).expect("a copy");
        std::os::unix::fs::symlink(format!("..data/{name}"), mount.path().join(&name)).expect("a link");
    }
    succeeds(env!("CARGO_BIN_EXE_goyt"), &["validate", &mount.path().display().to_string()]);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files that lie directly in a folder, by name.
fn files(folder: &str) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder").map(|it| it.expect("an entry"));
    entries.filter(|it| it.path().is_file()).map(|it| (it.file_name().to_string_lossy().into_owned(), it.path())).collect()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let run = Command::new(program).args(arguments).current_dir(root()).output();
    run.unwrap_or_else(|error| panic!("{program}: {error}; `make setup` installs it"))
}

/// Runs a program that must succeed; its output.
fn succeeds(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let (out, messages) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {}\n{out}{messages}", arguments.join(" "));
    out.into_owned()
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The words that stand after each place with this text.
fn after_each(text: &str, before: &str, is_part: impl Fn(char) -> bool) -> BTreeSet<String> {
    text.split(before).skip(1).map(|it| it.chars().take_while(|it| is_part(*it)).collect()).collect()
}

fn alerts() -> BTreeSet<String> {
    after_each(&read("deploy/prometheus/alerts.yml"), "alert: ", is_word)
}

/// The names of the reference: the first column of its tables.
fn known_metrics() -> BTreeSet<String> {
    after_each(&read("docs/metrics.md"), "\n| `", is_word)
}

/// Our metrics and those of the process that a text names.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.lines().filter(|it| !it.trim_start().starts_with('#')).flat_map(|it| it.split(|letter| !is_word(letter)));
    words.filter(|it| it.starts_with("goyt_") || it.starts_with("process_")).map(str::to_owned).collect()
}

fn dashboards() -> BTreeMap<String, Value> {
    let read = |(name, path): (String, PathBuf)| {
        let board = serde_json::from_str(&fs::read_to_string(path).expect("a dashboard")).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, board)
    };
    files("deploy/grafana/dashboards").into_iter().map(read).collect()
}

/// The queries of all panels and variables, with their places.
fn queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, board) in dashboards() {
        for panel in board["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                found.push((format!("{file}, {}", panel["title"]), target["expr"].as_str().expect("a query").to_owned()));
            }
        }
        for variable in board["templating"]["list"].as_array().expect("variables") {
            found.push((format!("{file}, {}", variable["name"]), variable["query"].to_string()));
        }
    }
    found
}

/// The rules and alerts as a resource of the Prometheus operator.
fn prometheus_rule() -> String {
    let mut text = "# Made from deploy/prometheus/; `UPDATE_REFERENCE=1 cargo test --release --test deploy` writes it anew.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: goyt\nspec:\n  groups:\n"
        .to_owned();
    for file in ["rules", "alerts"] {
        let rules = read(&format!("deploy/prometheus/{file}.yml"));
        let (_, groups) = rules.split_once("groups:\n").expect("groups");
        for line in groups.lines() {
            text += &if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") };
        }
    }
    text
}
