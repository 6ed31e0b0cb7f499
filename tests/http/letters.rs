//! Dead letters: shown, counted, sent back once, discarded.

use serde_json::{Value, json};

use super::site::{Answer, Site, TOKEN};

const LETTERS: &str = "/api/v1/dead-letters";

fn post(site: &Site, action: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    site.ask("POST", &format!("{LETTERS}/{action}"), &headers, Some(&body.to_string()))
}

fn site() -> Site {
    Site::at("127.0.0.1:0", Some(TOKEN))
}

#[test]
fn dead_letters_are_shown_with_their_reason_and_counted() {
    insta::assert_snapshot!(site().get(&format!("{LETTERS}?group=reason,step")).shown());
}

#[test]
fn letters_are_filtered_and_their_number_is_bounded() {
    let site = site();
    for (query, count) in [
        ("", 1),
        ("topic=orders", 1),
        ("topic=orders.dlq", 1),
        ("topic=sold", 0),
        ("reason=PIECES&step=positive&key=a", 1),
        ("reason=NOT_JSON", 0),
        ("since=2027-01-15T08:00:00Z", 1),
        ("since=1800000000001", 0),
        ("state=done", 0),
    ] {
        let found = site.get(&format!("{LETTERS}?{query}"));
        assert_eq!(found.json()["deadLetters"].as_array().map(Vec::len), Some(count), "{query}: {}", found.body);
    }
    for query in ["limit=0", "limit=501", "since=yesterday", "group=colour", "state=lost", "colour=red"] {
        assert_eq!(site.get(&format!("{LETTERS}?{query}")).status, 400, "{query}");
    }
}

#[test]
fn a_letter_is_sent_back_once() {
    let site = site();
    let before = site.driver.cluster.read_all("orders").unwrap().len();
    let rehearsed = post(&site, "redrive", &json!({ "filter": { "reason": "PIECES" }, "reason": "try", "dryRun": true })).json();
    assert_eq!((&rehearsed["matched"], &rehearsed["letters"][0]["passes"]), (&json!(1), &json!(false)), "{rehearsed}");
    assert_eq!(site.driver.cluster.read_all("orders").unwrap().len(), before, "nothing was done");
    let order = json!({ "filter": { "reason": "PIECES" }, "reason": "the shop is mended", "by": "ann" });
    assert_eq!(post(&site, "redrive", &order).json()["done"], 1);
    assert_eq!(site.driver.cluster.read_all("orders").unwrap().len(), before + 1);
    let again = post(&site, "redrive", &order).json();
    assert_eq!((&again["done"], &again["already"]), (&json!(0), &json!(1)));
    let letter = &site.get(LETTERS).json()["deadLetters"][0];
    let done = &letter["done"];
    assert_eq!((&done["action"], &done["by"], &done["reason"]), (&json!("redrive"), &json!("ann"), &json!("the shop is mended")));
}

#[test]
fn a_letter_is_discarded_by_its_id() {
    let site = site();
    let id = site.get(LETTERS).json()["deadLetters"][0]["id"].clone();
    assert_eq!(post(&site, "discard", &json!({ "ids": [id], "reason": "a test of ours" })).json()["done"], 1);
    assert_eq!(site.get(&format!("{LETTERS}?state=open")).json()["deadLetters"], json!([]));
}

#[test]
fn a_change_says_which_letters_are_meant_and_why() {
    let site = site();
    for body in [
        json!({}),
        json!({ "reason": "all of them" }),
        json!({ "reason": "all of them", "filter": {} }),
        json!({ "reason": " ", "filter": { "reason": "PIECES" } }),
        json!({ "filter": { "reason": "PIECES" } }),
        json!({ "reason": "x", "filter": { "colour": "red" } }),
        json!({ "reason": "x", "ids": ["orders.dlq"] }),
        json!({ "reason": "x", "filter": { "reason": "PIECES" }, "limit": 2001 }),
        json!({ "reason": "x", "ids": vec!["orders.dlq/0/0"; 501] }),
        json!({ "reason": "x".repeat(1_001), "filter": { "reason": "PIECES" } }),
    ] {
        for action in ["redrive", "discard"] {
            let answer = post(&site, action, &body);
            assert_eq!(
                (answer.status, answer.headers["content-type"].as_str()),
                (400, "application/problem+json"),
                "{body}: {}",
                answer.body
            );
        }
    }
}
