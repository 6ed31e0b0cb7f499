//! The API's document is true: it names every route, and real answers are what it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::site::{NOW, Site, TOKEN};
use goyt::runtime::operations::lag::{LagReport, LagStatus};

#[test]
fn the_document_names_every_route_and_no_other() {
    let routes = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/adapters/http/routes.rs")).unwrap();
    let route = |text: &str| {
        let (path, rest) = text.split_once("\", ").unwrap();
        format!("{} {}", &rest[..rest.find('(').unwrap()], path.replace("{*", "{"))
    };
    let served: BTreeSet<String> = routes.split(".route(\"").skip(1).map(route).collect();
    let document = Site::new().get("/openapi.json").json();
    let methods = |(path, of): (&String, &Value)| of.as_object().unwrap().keys().map(|it| format!("{it} {path}")).collect::<Vec<_>>();
    let described: BTreeSet<String> = document["paths"].as_object().unwrap().iter().flat_map(methods).collect();
    assert_eq!(described, served);
    assert!(10 < served.len(), "{served:?}");
}

#[test]
fn answers_are_what_the_document_says() {
    let site = Site::at("127.0.0.1:0", Some(TOKEN));
    let mut picture = site.picture(|_| true);
    picture.tasks[0].restored = Some((3, 9));
    site.board.put(picture);
    site.board.put_lag(vec![lag()]);
    let document = site.get("/openapi.json").json();
    let authorization = format!("Bearer {TOKEN}");
    let token = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let change = |dry| json!({ "filter": { "reason": "PIECES" }, "reason": "try", "dryRun": dry }).to_string();
    for (method, path, body, schema) in [
        ("GET", "/livez", None, "Health"),
        ("GET", "/readyz", None, "Health"),
        ("GET", "/api/v1/topologies", None, "Topologies"),
        ("GET", "/api/v1/tasks", None, "Tasks"),
        ("GET", "/api/v1/topics", None, "Topics"),
        ("GET", "/api/v1/lag", None, "Lag"),
        ("GET", "/api/v1/stores", None, "Stores"),
        ("GET", "/api/v1/stores/shop.sales?limit=1", None, "Entries"),
        ("GET", "/api/v1/stores/shop.sales/a/tea", None, "Entry"),
        ("GET", "/api/v1/dead-letters?group=reason", None, "DeadLetters"),
        ("GET", "/api/v1/nothing", None, "Problem"),
        ("POST", "/api/v1/dead-letters/redrive", Some(change(true)), "Changed"),
        ("POST", "/api/v1/dead-letters/discard", Some(change(false)), "Changed"),
        ("GET", "/api/v1/dead-letters", None, "DeadLetters"),
    ] {
        let answer = site.ask(method, path, &token, body.as_deref()).json();
        let of = &document["components"]["schemas"][schema];
        assert!(of.is_object(), "{schema}");
        fits(&answer, of).unwrap_or_else(|fault| panic!("{method} {path}: {fault}\n{answer:#}"));
    }
}

/// As much of JSON Schema as the document uses.
fn fits(value: &Value, schema: &Value) -> Result<(), String> {
    if let Some(choices) = schema["oneOf"].as_array() {
        let fitting = choices.iter().filter(|it| fits(value, it).is_ok()).count();
        return if fitting == 1 { Ok(()) } else { Err(format!("{fitting} of the choices fit {value}")) };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let is = |of: &str| match of {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    if !types.iter().any(|it| is(it)) {
        return Err(format!("{value} is no {types:?}"));
    }
    if schema["enum"].as_array().is_some_and(|it| !it.contains(value)) {
        return Err(format!("{value} is none of {}", schema["enum"]));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(item, &schema["items"])?;
    }
    let Some(fields) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        fields.get(name).ok_or_else(|| format!("{name} is missing"))?;
    }
    for (name, field) in fields {
        match schema["properties"].get(name) {
            Some(of) => fits(field, of).map_err(|it| format!("{name}: {it}"))?,
            None if schema["additionalProperties"] == false => return Err(format!("{name} is not described")),
            None => {}
        }
    }
    Ok(())
}

fn lag() -> LagReport {
    LagReport {
        application: "app".into(),
        instance: "here".into(),
        address: None,
        topology: "shop".into(),
        task: "shop.orders_0".into(),
        topic: "orders".into(),
        partition: 0,
        position: 7,
        committed: Some(5),
        visible_end: 9,
        records_behind: 2,
        behind: 1_500,
        status: LagStatus::Ok,
        at: NOW,
    }
}
