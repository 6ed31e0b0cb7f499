//! What the routes answer, as a whole.

use super::site::Site;

#[test]
fn the_topologies_are_a_graph_of_topics_steps_and_stores() {
    insta::assert_snapshot!(Site::new().get("/api/v1/topologies").shown());
}

#[test]
fn tasks_say_where_they_stand_and_what_became_of_their_records() {
    let site = Site::new();
    site.board.put(site.picture(|it| it.ends_with("_0")));
    insta::assert_snapshot!(site.get("/api/v1/tasks").shown());
}

#[test]
fn topics_are_counted() {
    insta::assert_snapshot!(Site::new().get("/api/v1/topics").shown());
}

#[test]
fn stores_say_what_their_keys_and_values_are() {
    insta::assert_snapshot!(Site::new().get("/api/v1/stores").shown());
}

#[test]
fn metrics_are_text_for_prometheus() {
    let answer = Site::new().get("/metrics");
    assert_eq!((answer.status, answer.body.as_str()), (200, "# HELP goyt_up 1\n"));
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
}

#[test]
fn the_page_is_served_with_all_its_parts() {
    let site = Site::new();
    let page = site.get("/");
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    let parts = page.body.split('"').filter(|it| it.starts_with("/page/"));
    let kinds: Vec<String> = parts.map(|it| site.get(it).headers["content-type"].clone()).collect();
    assert_eq!(kinds, ["text/css; charset=utf-8", "text/javascript; charset=utf-8"]);
    assert_eq!(site.get("/page/../Cargo.toml").status, 404);
}

#[test]
fn errors_are_problems_that_say_what_to_do() {
    let site = Site::new();
    for (name, method, path) in [
        ("unknown_path", "GET", "/api/v1/nothing"),
        ("wrong_method", "POST", "/api/v1/tasks"),
        ("unknown_query", "GET", "/api/v1/stores/shop.sales?limt=3"),
        ("limit_too_large", "GET", "/api/v1/stores/shop.sales?limit=1001"),
        ("unknown_store", "GET", "/api/v1/stores/sales"),
        ("key_of_another_type", "GET", "/api/v1/stores/shop.sales/a"),
        ("no_such_key", "GET", "/api/v1/stores/shop.sales/a/coffee"),
    ] {
        let answer = site.ask(method, path, &[], None);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
        insta::assert_snapshot!(format!("problem_{name}"), answer.shown());
    }
}
