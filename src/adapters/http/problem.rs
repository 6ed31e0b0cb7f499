//! Errors as problem details (RFC 9457): what is wrong, and what to do.

use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer that is an error. Small, since every answer may be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    hint: String,
    more: BTreeMap<&'static str, String>,
    header: Option<(HeaderName, String)>,
}

/// As it is written.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    hint: &'a str,
    #[serde(flatten)]
    more: &'a BTreeMap<&'static str, String>,
}

impl Problem {
    /// `kind` is the last part of its `type`; `detail` is about this one case.
    pub(super) fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts { status, kind, title, detail: detail.into(), hint: String::new(), more: BTreeMap::new(), header: None }))
    }

    /// With what to do.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// With a member of its own.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.more.insert(name, value.into());
        self
    }

    /// With a header of its own.
    #[must_use]
    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.0.header = Some((name, value.into()));
        self
    }

    /// A part of the path, the query or the body can't be used.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "the request can't be understood", detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is no such thing", detail)
    }

    /// It may be there in a moment.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "this can't be answered now", detail);
        problem.hint("try again in a moment; /readyz says what is missing").header(header::RETRY_AFTER, "1")
    }

    /// It stands against what is there.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "this can't be done as things stand", detail)
    }

    /// It would take too long.
    pub(super) fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "too-slow", "the answer takes too long", detail)
    }

    /// Something failed that is not the caller's doing.
    pub(super) fn failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request failed", detail).hint("the log may say more")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: format!("urn:goyt:problem:{}", self.0.kind),
            title: self.0.title,
            status: self.0.status.as_u16(),
            detail: &self.0.detail,
            hint: &self.0.hint,
            more: &self.0.more,
        };
        // A struct of texts and a number can always be written.
        let text = serde_json::to_string_pretty(&body).unwrap_or_default();
        let mut response = (self.0.status, [(header::CONTENT_TYPE, "application/problem+json")], text).into_response();
        if let Some((name, Ok(value))) = self.0.header.map(|(name, value)| (name, HeaderValue::from_str(&value))) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
