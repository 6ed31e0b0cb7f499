//! `/metrics` of a live run: accepted by Prometheus' own tool, and true.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::goyt::Goyt;
use crate::support::platform::{Load, Platform};
use crate::support::reader::{self, Counter};
use crate::support::stage::Stage;
use crate::support::wait;

/// The text is in order, outcomes add up, and what is counted as published is what a reader of committed records finds.
#[test]
fn promtool_accepts_what_a_live_run_tells() {
    const DECISIONS: usize = 40;
    let (stage, mut platform) = (Stage::new("metrics", 2), Platform::new(81));
    let goyt = Goyt::start(&stage, "a");
    stage.send(&platform.events(&Load { decisions: DECISIONS, ..Load::default() }));
    let notifications = stage.topic("notification-events");
    Counter::new([&notifications]).wait_for(&BTreeMap::from([(notifications.clone(), DECISIONS)]));

    let address = goyt.wait_for_line("http at http://").split("http at ").nth(1).expect("an address").trim().to_owned();
    let published = format!(r#"goyt_published_records_total{{topic="{notifications}",role="output"}}"#);
    let text = wait::until("a picture of the last commit", || {
        let text = ureq::get(format!("{address}/metrics")).call().ok()?.body_mut().read_to_string().ok()?;
        (value(&text, &published) == Some(DECISIONS as u64)).then_some(text)
    });
    check(&text);
    let taken_in: u64 = all(&text, "goyt_records_in_total").sum();
    assert!(DECISIONS as u64 <= taken_in, "{taken_in}");
    assert_eq!(all(&text, "goyt_outcomes_total").sum::<u64>(), taken_in);
    assert_eq!(value(&text, "goyt_accounting_errors_total"), Some(0));
    for name in ["goyt_step_duration_seconds_count", "goyt_end_to_end_seconds_count", "goyt_commit_duration_seconds_count"] {
        assert!(all(&text, name).any(|it| 0 < it), "{name}\n{text}");
    }
    for name in ["goyt_store_entries", "goyt_state_memory_bytes", "goyt_source_position", "process_resident_memory_bytes"] {
        assert!(all(&text, name).next().is_some(), "{name}\n{text}");
    }
    goyt.stop();
    assert_eq!(reader::read_all(&notifications).len(), DECISIONS);
}

fn check(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: `make setup` installs it");
    promtool.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    let found = promtool.wait_with_output().expect("its end");
    let said = [found.stdout, found.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    assert!(found.status.success() && said.is_empty(), "{said}\n{text}");
}

/// The values of a metric, whatever its labels.
fn all<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = u64> + 't {
    let of = move |line: &str| {
        let rest = line.strip_prefix(name)?;
        let value = if rest.starts_with('{') { rest.rsplit_once("} ")?.1 } else { rest.strip_prefix(' ')? };
        value.parse().ok()
    };
    text.lines().filter_map(of)
}

fn value(text: &str, series: &str) -> Option<u64> {
    text.lines().find_map(|it| it.strip_prefix(series)?.trim().parse().ok())
}
