//! Stores by key: what is here, and the way to what is not.

use serde_json::json;

use super::site::Site;

#[test]
fn a_key_is_answered_with_its_value_and_its_task() {
    let site = Site::new();
    let task = |partition: i32| format!("shop.by-shop_{partition}");
    let found = site.get("/api/v1/stores/shop.sales/a/tea").json();
    assert_eq!((&found["key"], &found["value"]), (&json!(["a", "tea"]), &json!({ "pieces": 6 })));
    assert_eq!(found["task"], task(i32::try_from(found["partition"].as_i64().unwrap()).unwrap()));
    assert_eq!((&found["store"], &found["instance"]), (&json!("shop.sales"), &json!("here")));
    assert_eq!(site.get("/api/v1/stores/shop.sales/a/salt%2Ffine").json()["value"], json!({ "pieces": 1 }), "a slash in a part");
    let id = "00000000-0000-4000-8000-000000000002";
    let seen = site.get(&format!("/api/v1/stores/shop.dedup/{id}")).json();
    assert_eq!(seen["key"], json!([id]), "of a store whose partition the key does not tell, all tasks are asked: {seen}");
}

#[test]
fn entries_are_handed_out_in_pages_over_all_tasks() {
    let site = Site::new();
    let (mut keys, mut from) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = site.get(&format!("/api/v1/stores/shop.sales?limit=1{from}")).json();
        keys.extend(page["entries"].as_array().unwrap().iter().map(|it| it["key"].clone()));
        let Some(next) = page["next"].as_str() else {
            assert_eq!(page["more"], false);
            break;
        };
        assert_eq!(page["more"], true);
        from = format!("&from={}", next.replace('%', "%25"));
    }
    keys.sort_by_key(ToString::to_string);
    assert_eq!(keys, [json!(["a", "salt/fine"]), json!(["a", "tea"]), json!(["b", "tea"])]);
    let of_a = site.get("/api/v1/stores/shop.sales?prefix=a").json();
    assert_eq!(of_a["entries"].as_array().unwrap().len(), 2);
    let seen = site.get("/api/v1/stores/shop.dedup").json();
    assert_eq!(seen["entries"].as_array().unwrap().len(), 4, "what was rejected left no trace");
}
