//! Bounds: what is too much is refused, and never waited for.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::site::{Site, TOKEN};
use super::wait;

/// Connections that say nothing take no request's place, and the server ends in spite of them.
#[test]
fn silent_connections_hold_nothing_up() {
    let site = Site::new();
    let silent: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(site.address()).unwrap()).collect();
    assert_eq!(site.get("/livez").status, 200);
    let address = site.address();
    drop(site);
    wait::until("the port to be free", || TcpStream::connect(address).is_err().then_some(()));
    drop(silent);
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let site = Site::at("127.0.0.1:0", Some(TOKEN));
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let answer = site.ask("POST", "/api/v1/dead-letters/discard", &headers, Some(&" ".repeat((256 << 10) + 1)));
    assert_eq!(answer.status, 413, "{}", answer.body);
}

#[test]
fn a_head_that_never_ends_is_refused() {
    let site = Site::new();
    let mut connection = TcpStream::connect(site.address()).unwrap();
    // The other end may close while we write.
    drop(write!(connection, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)));
    let mut answer = String::new();
    drop(connection.read_to_string(&mut answer));
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}
