//! The page, as a browser shows it.

use std::process::{Command, Stdio};

use crate::site::{Site, TOKEN};

/// Chromium, by the name that it has here.
fn browser() -> &'static str {
    let answers = |it: &&str| Command::new(it).arg("--version").stdout(Stdio::null()).status().is_ok_and(|it| it.success());
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(answers).expect("Chromium is installed: `make setup`")
}

/// What the page holds when it has drawn itself. The browser's clock runs ahead until nothing is asked any more, or these milliseconds are over.
fn seen(site: &Site, path: &str) -> String {
    const BUDGET: &str = "--virtual-time-budget=5000";
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", BUDGET, "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{}{path}", site.address()))
        .output()
        .expect("the browser starts");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_shows_topologies_tasks_dead_letters_and_stores() {
    let site = Site::new();
    let page = seen(&site, "/");
    for (what, part) in [
        ("who it is", "app · instance here"),
        ("that all is well", "all 6 tasks run"),
        ("a topic", ">orders</text>"),
        ("a repartition topic by its step", ">by-shop</text>"),
        ("a step that rejects", " dead</text>"),
        ("a store beside its step", "▤ sales"),
        ("the tasks of this instance", "here (this one)"),
        ("a dead letter's reason", ">PIECES</td>"),
        ("a dead letter's source", "orders["),
        ("the choice of stores", "shop.sales (aggregate"),
        ("entries of a store", "shop.by-shop_"),
    ] {
        assert!(page.contains(part), "{what}: `{part}` is missing in\n{page}");
    }
}

#[test]
fn a_filter_in_the_address_holds_for_dead_letters() {
    let site = Site::new();
    let page = seen(&site, "/?reason=NOT_JSON");
    assert!(page.contains("None that fit."), "{page}");
}

#[test]
fn an_instance_that_others_can_reach_asks_for_its_token_and_shows_nothing_without_it() {
    let site = Site::at("0.0.0.0:0", Some(TOKEN));
    let page = seen(&site, "/");
    assert!(page.contains("closed to those without its token"), "{page}");
    assert!(page.contains(r#"<form id="token-form" class="bar">"#), "the form is not hidden any more: {page}");
    assert!(!page.contains(">orders</text>"), "{page}");
}
