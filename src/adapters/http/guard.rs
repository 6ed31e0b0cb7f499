//! Who may ask for what, and how much at a time: host, token, content type, concurrency, time.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use crate::adapters::http::problem::Problem;

/// The most requests at a time, beside probes.
pub(super) const REQUESTS_MAX: usize = 32;
/// The longest that a request may take.
pub(super) const REQUEST_WITHIN: Duration = Duration::from_secs(30);

/// Where the page may take what from.
const CONTENT_FROM: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

/// What requests are held against.
pub(super) struct Gate {
    loopback: bool,
    token: Option<Token>,
    room: Semaphore,
}

impl Gate {
    pub(super) fn new(loopback: bool, token: Option<Token>) -> Self {
        Self { loopback, token, room: Semaphore::new(REQUESTS_MAX) }
    }

    /// Whether the request carries the token.
    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.token else {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "no-token-configured",
                "changes are switched off",
                "this instance has no token, and nothing is changed without one",
            )
            .hint("write a token of at least 16 characters to a file, name it by http.token.file, and start the instance again"));
        };
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|it| {
            let (scheme, rest) = it.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii())
        });
        let refused = |detail: &str| {
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "the token is missing or wrong", detail)
                .hint("send `Authorization: Bearer <token>`, with what http.token.file holds")
                .header(WWW_AUTHENTICATE, "Bearer realm=\"goyt\"")
        };
        match given {
            None => Err(refused("the request has no bearer token")),
            Some(given) if token.is(given) => Ok(()),
            Some(_) => Err(refused("the token is not the one of http.token.file")),
        }
    }
}

/// A secret that is compared in a time that does not depend on it.
pub(super) struct Token(Vec<u8>);

impl Token {
    pub(super) fn new(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    fn is(&self, given: &[u8]) -> bool {
        // The time tells the length of what was given, which the caller knows.
        let differing = given.iter().enumerate().fold(self.0.len() ^ given.len(), |sum, (at, byte)| {
            let own = self.0.get(at.checked_rem(self.0.len()).unwrap_or(0)).copied().unwrap_or(0);
            black_box(sum | usize::from(own ^ byte))
        });
        differing == 0
    }
}

/// A page of another site must not reach a server on loopback by a name that it made point there: only names of this machine are taken.
pub(super) async fn host(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|it| it.to_str().ok());
    if gate.loopback && !host.is_some_and(is_local) {
        return Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign-host",
            "the request was sent to another name",
            format!("the Host header is {:?}, and http.address is on loopback", host.unwrap_or("")),
        )
        .hint("ask for localhost or 127.0.0.1; to be reached by other names, set http.address and http.token.file")
        .into_response();
    }
    next.run(request).await
}

/// Whether a Host header names this machine's loopback.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

/// Reads: by anyone on loopback, else with the token.
pub(super) async fn read(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if !gate.loopback
        && let Err(problem) = gate.check_token(request.headers())
    {
        return problem.into_response();
    }
    bounded(&gate, request, next).await
}

/// Changes: always with the token, and as JSON, which no form of another site can send.
pub(super) async fn write(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if let Err(problem) = gate.check_token(request.headers()) {
        return problem.into_response();
    }
    let json = request.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).is_some_and(|it| {
        let kind = it.split(';').next().unwrap_or("").trim();
        kind.eq_ignore_ascii_case("application/json")
    });
    if !json {
        return Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "the body must be JSON",
            "the Content-Type is not application/json",
        )
        .hint("send `Content-Type: application/json`")
        .into_response();
    }
    bounded(&gate, request, next).await
}

/// Runs a request when there is room for it, for a bounded time.
async fn bounded(gate: &Gate, request: Request, next: Next) -> Response {
    let Ok(_permit) = gate.room.try_acquire() else {
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many requests at a time",
            format!("{REQUESTS_MAX} requests are under way"),
        )
        .hint("try again in a moment")
        .header(RETRY_AFTER, "1")
        .into_response();
    };
    tokio::time::timeout(REQUEST_WITHIN, next.run(request)).await.unwrap_or_else(|_| {
        let seconds = REQUEST_WITHIN.as_secs();
        Problem::too_slow(format!("there was none after {seconds} s"))
            .hint("ask for less at a time: a smaller limit, a narrower filter")
            .into_response()
    })
}

/// Headers that every answer has: nothing is guessed, kept or framed.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_FROM));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_local_and_no_others() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:8080", "127.9.9.9:1", "[::1]", "[::1]:8080"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["", "example.com", "localhost.example.com", "10.0.0.1:8080", "127.0.0.1.example.com", "[::2]:8080", "0.0.0.0:8080"] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn only_the_token_is_the_token() {
        let token = Token::new("0123456789abcdef");
        assert!(token.is(b"0123456789abcdef"));
        for other in [&b""[..], b"0123456789abcde", b"0123456789abcdeF", b"0123456789abcdef0123456789abcdef", b"0"] {
            assert!(!token.is(other), "{other:?}");
        }
    }
}
