//! Who may ask for what.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use goyt::adapters::http::HttpError;

use super::site::{Site, TOKEN};

const RIGHT: &str = "Bearer 0123456789abcdef";
const WRONG: &str = "Bearer 0123456789abcdeF";

#[test]
fn reads_are_free_on_loopback_and_need_the_token_elsewhere() {
    let (loopback, open) = (Site::at("127.0.0.1:0", Some(TOKEN)), Site::at("0.0.0.0:0", Some(TOKEN)));
    for (path, free) in [
        ("/livez", true),
        ("/readyz", true),
        ("/", true),
        ("/page/main.js", true),
        ("/metrics", false),
        ("/openapi.json", false),
        ("/api/v1/topologies", false),
        ("/api/v1/tasks", false),
        ("/api/v1/topics", false),
        ("/api/v1/lag", false),
        ("/api/v1/dead-letters", false),
        ("/api/v1/stores", false),
        ("/api/v1/stores/shop.sales", false),
        ("/api/v1/stores/shop.sales/a/tea", false),
    ] {
        let allowed = |site: &Site, token: Option<&str>| {
            let headers: Vec<(&str, &str)> = token.iter().map(|it| ("authorization", *it)).collect();
            site.ask("GET", path, &headers, None).status != 401
        };
        assert!(allowed(&loopback, None), "{path} on loopback");
        assert_eq!(allowed(&open, None), free, "{path} without a token");
        assert_eq!(allowed(&open, Some(WRONG)), free, "{path} with another token");
        assert!(allowed(&open, Some(RIGHT)), "{path} with the token");
    }
    let refused = open.get("/api/v1/tasks");
    assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"goyt\"");
    insta::assert_snapshot!(refused.shown());
}

#[test]
fn changes_always_need_the_token_and_json() {
    let sites = [Site::new(), Site::at("127.0.0.1:0", Some(TOKEN)), Site::at("0.0.0.0:0", Some(TOKEN))];
    let json = ("content-type", "application/json");
    for action in ["redrive", "discard"] {
        let statuses = |headers: &[(&str, &str)]| {
            let path = format!("/api/v1/dead-letters/{action}");
            sites.each_ref().map(|it| it.ask("POST", &path, headers, Some("{}")).status)
        };
        // No token is configured, one is, one is and others can reach it. 400: let in, and the body says nothing.
        assert_eq!(statuses(&[json]), [403, 401, 401], "{action} without a token");
        assert_eq!(statuses(&[json, ("authorization", WRONG)]), [403, 401, 401], "{action} with another token");
        assert_eq!(statuses(&[json, ("authorization", RIGHT)]), [403, 400, 400], "{action} with the token");
        assert_eq!(statuses(&[("content-type", "text/plain"), ("authorization", RIGHT)]), [403, 415, 415], "{action} as a form");
        assert_eq!(statuses(&[("authorization", RIGHT)]), [403, 415, 415], "{action} without a type");
    }
}

#[test]
fn an_address_that_others_can_reach_needs_a_token_and_a_short_one_is_none() {
    assert!(matches!(Site::try_at("0.0.0.0:0", None), Err(HttpError::Open(_))));
    assert!(matches!(Site::try_at("0.0.0.0:0", Some("short")), Err(HttpError::ShortToken)));
}

#[test]
fn a_taken_port_is_named() {
    let site = Site::new();
    let address = site.address().to_string();
    let error = Site::try_at(&address, None).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("http.address {address} can't be listened at: Address already in use")), "{error}");
}

/// DNS rebinding: a page of a foreign site whose name points here.
#[test]
fn on_loopback_requests_to_other_names_are_refused() {
    let site = Site::new();
    for (host, status) in [("localhost", 200), ("127.0.0.1:1", 200), ("[::1]", 200), ("evil.example", 421), ("169.254.0.1", 421)] {
        let mut connection = TcpStream::connect(site.address()).unwrap();
        write!(connection, "GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
    }
}

#[test]
fn answers_are_not_guessed_framed_or_kept() {
    let answer = Site::new().get("/api/v1/tasks");
    for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")] {
        assert_eq!(answer.headers[name], value);
    }
}
