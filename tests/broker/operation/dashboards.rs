//! A real Prometheus watches a real instance: its rules can be evaluated, and no panel of the dashboards is empty.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::goyt::Goyt;
use crate::support::platform::{Load, Platform};
use crate::support::stage::Stage;
use crate::support::traffic::{Traffic, wait_for_outputs};
use crate::support::wait;

/// What stands in the queries for what a person chooses in Grafana.
const CHOICES: [(&str, &str); 3] = [("$job", "goyt"), ("$topology", ".*"), ("$__rate_interval", "15s")];

#[test]
fn no_panel_is_empty() {
    let (stage, mut platform) = (Stage::new("dashboards", 6), Platform::new(71));
    let address = free_address();
    let settings = [("GOYT_HTTP_ADDRESS", address.as_str())];
    // A first process leaves changelogs; without its state, the second has something to restore.
    let first = Goyt::start_with(&stage, "a", &settings);
    first.wait_for_line(" running");
    stage.send(&platform.events(&Load { users: 500, decisions: 500, transactions: 2_000, ..Load::default() }));
    wait_for_outputs(&stage, &platform);
    first.stop();
    fs::remove_dir_all(stage.state("a")).expect("its state");

    let prometheus = Prometheus::start(&address);
    let goyt = Goyt::start_with(&stage, "a", &settings);
    prometheus.wait_for(&["up == 1".to_owned()]);
    let traffic = Traffic::start(&stage, platform);
    let queries = queries();
    assert!(40 <= queries.len(), "queries of the dashboards: {}", queries.len());
    prometheus.wait_for(&queries);
    let failed = prometheus.failed_rules();
    assert!(failed.is_empty(), "rules that can't be evaluated: {failed:?}");
    traffic.end(&stage);
    goyt.stop();
}

/// Each query of each panel, and the metrics that the choices are made from.
fn queries() -> Vec<String> {
    let mut queries = Vec::new();
    let folder = root().join("deploy/grafana/dashboards");
    for file in fs::read_dir(&folder).expect("dashboards").map(|it| it.expect("an entry").path()) {
        let board: Value = serde_json::from_str(&fs::read_to_string(file).expect("a dashboard")).expect("JSON");
        for panel in board["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                queries.push(target["expr"].as_str().expect("a query").to_owned());
            }
        }
        for variable in board["templating"]["list"].as_array().expect("variables") {
            let labels = variable["query"]["query"].as_str().and_then(|it| it.strip_prefix("label_values(")?.rsplit_once(','));
            queries.extend(labels.map(|(metric, _)| metric.to_owned()));
        }
    }
    for query in &mut queries {
        for (variable, choice) in CHOICES {
            *query = query.replace(variable, choice);
        }
        assert!(!query.contains('$'), "a variable is left: {query}");
    }
    queries.sort();
    queries.dedup();
    queries
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An address of the loopback that nobody listens at.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").to_string()
}

/// A Prometheus with the shipped rules, which asks one instance each second.
struct Prometheus {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(instance: &str) -> Self {
        let mut prometheus = Self::spawn(instance);
        wait::until("Prometheus to listen", || {
            // Another program may have taken the port first.
            if prometheus.process.try_wait().expect("its state").is_some() {
                prometheus = Self::spawn(instance);
            }
            prometheus.ask("query", &[("query", "up")]).map(drop)
        });
        prometheus
    }

    fn spawn(instance: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let rules: Vec<PathBuf> = ["rules", "alerts"].map(|it| root().join(format!("deploy/prometheus/{it}.yml"))).into();
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: {rules:?}\n\
             scrape_configs: [{{ job_name: goyt, static_configs: [{{ targets: [\"{instance}\"] }}] }}]\n"
        );
        let (address, file) = (free_address(), folder.path().join("prometheus.yml"));
        fs::write(&file, config).expect("its configuration");
        let log = fs::File::create(folder.path().join("log")).expect("its log");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus: `make setup` installs it");
        Self { process, address, folder }
    }

    /// Waits until each of these queries has at least one value that is a number.
    fn wait_for(&self, queries: &[String]) {
        let mut left = queries.to_vec();
        wait::until_ok(|| {
            left.retain(|query| !self.has_value(query));
            if left.is_empty() { Ok(()) } else { Err(format!("values of\n  {}\nPrometheus says:\n{}", left.join("\n  "), self.log())) }
        });
    }

    fn has_value(&self, query: &str) -> bool {
        let answer = self.ask("query", &[("query", query)]);
        let results = answer.as_ref().and_then(|it| it["result"].as_array());
        results.is_some_and(|it| it.iter().any(|sample| sample["value"][1].as_str().is_some_and(|it| it != "NaN")))
    }

    /// The rules that could not be evaluated, with the reason.
    fn failed_rules(&self) -> Vec<String> {
        let answer = wait::until("all rules to be evaluated", || {
            let rules = self.ask("rules", &[])?;
            let pending = all_rules(&rules).any(|it| it["health"] == "unknown");
            (!pending && all_rules(&rules).next().is_some()).then_some(rules)
        });
        all_rules(&answer).filter(|it| it["health"] != "ok").map(|it| format!("{}: {}", it["name"], it["lastError"])).collect()
    }

    /// What its API answers; `None` while it does not.
    fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let request = ureq::get(format!("http://{}/api/v1/{what}", self.address)).query_pairs(parameters.iter().copied());
        let answer: Value = request.call().ok()?.body_mut().read_json().ok()?;
        Some(answer["data"].clone())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn all_rules(rules: &Value) -> impl Iterator<Item = &Value> {
    rules["groups"].as_array().into_iter().flatten().flat_map(|it| it["rules"].as_array().into_iter().flatten())
}
