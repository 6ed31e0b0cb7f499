//! The stores of an instance that runs, by its HTTP API.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;
use ureq::Agent;
use ureq::http::{Response, StatusCode, header};

use crate::cli::exit::{Exit, Failure};
use crate::runtime::operations::queries::keys;

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to reach an instance.
const REACH_WITHIN: Duration = Duration::from_secs(2);
/// Entries asked for at a time.
const PAGE: usize = 1_000;
/// How often a key may be elsewhere.
const REDIRECTS_MAX: usize = 3;

/// An instance.
pub(super) struct Instance {
    agent: Agent,
    base: String,
    token: Option<String>,
}

impl Instance {
    pub(super) fn at(address: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let token = token_file.map(|path| {
            let unreadable = |error| Failure::new(Exit::CONFIGURATION, format!("{}: can't be read: {error}", path.display()));
            fs::read_to_string(path).map(|it| it.trim().to_owned()).map_err(unreadable)
        });
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here: the token goes with the request, since all instances of an application have the same.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(REACH_WITHIN))
            .timeout_global(Some(ANSWER_WITHIN))
            .build();
        // An address to listen on is none to ask at.
        let address = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
        let base = if address.contains("://") { address } else { format!("http://{address}") };
        Ok(Self { agent: agent.into(), base: base.trim_end_matches('/').to_owned(), token: token.transpose()? })
    }

    /// Whether somebody is there.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn answers(&self) -> Result<(), String> {
        match self.send(&format!("{}/livez", self.base)) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("nobody answers at {} ({error})", self.base)),
        }
    }

    pub(super) fn stores(&self) -> Result<Vec<Json>, Failure> {
        let mut found = self.ask("/api/v1/stores")?;
        Ok(found.get_mut("stores").and_then(Json::as_array_mut).map(std::mem::take).unwrap_or_default())
    }

    pub(super) fn get(&self, store: &str, key: &str) -> Result<Json, Failure> {
        self.ask(&format!("/api/v1/stores/{}/{}", keys::in_path(store), keys::in_path(key)))
    }

    /// Entries, and whether there are more.
    pub(super) fn scan(&self, store: &str, prefix: &str, limit: usize) -> Result<(Vec<Json>, bool), Failure> {
        let (mut entries, mut from) = (Vec::new(), None);
        loop {
            let page = PAGE.min(limit - entries.len());
            // In a query a `%` of the key's own is one character more to be written so.
            let in_query = |it: &str| keys::in_path(&it.replace('%', "%25"));
            let after = from.map(|it: String| format!("&from={}", in_query(&it))).unwrap_or_default();
            let path = format!("/api/v1/stores/{}?limit={page}&prefix={}{after}", keys::in_path(store), in_query(prefix));
            let mut found = self.ask(&path)?;
            let more = found.get("more").and_then(Json::as_bool).unwrap_or(false);
            from = found.get("next").and_then(Json::as_str).map(str::to_owned);
            entries.extend(found.get_mut("entries").and_then(Json::as_array_mut).map(std::mem::take).unwrap_or_default());
            if !more || from.is_none() || limit <= entries.len() {
                return Ok((entries, more));
            }
        }
    }

    fn ask(&self, path: &str) -> Result<Json, Failure> {
        let mut url = format!("{}{path}", self.base);
        for _ in 0..=REDIRECTS_MAX {
            let mut response = self.send(&url).map_err(|it| Failure::new(Exit::FAILED, format!("{url}: {it}")))?;
            if response.status().is_redirection()
                && let Some(owner) = response.headers().get(header::LOCATION).and_then(|it| it.to_str().ok())
            {
                url = owner.to_owned();
                continue;
            }
            let status = response.status();
            let body: Json = response.body_mut().read_json().map_err(|it| Failure::new(Exit::FAILED, format!("{url}: {status}: {it}")))?;
            return if status.is_success() { Ok(body) } else { Err(problem(status, &body)) };
        }
        Err(Failure::new(Exit::FAILED, format!("{url}: sent from one instance to the next; partitions are moving, ask again")))
    }

    fn send(&self, url: &str) -> Result<Response<ureq::Body>, ureq::Error> {
        let request = self.agent.get(url);
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")).call(),
            None => request.call(),
        }
    }
}

/// A problem document as the end of a command.
fn problem(status: StatusCode, body: &Json) -> Failure {
    let text = |name: &str| body.get(name).and_then(Json::as_str).filter(|it| !it.is_empty());
    let detail = text("detail").map_or_else(|| format!("the instance answers {status}"), str::to_owned);
    let hint = match (status, text("hint")) {
        (StatusCode::UNAUTHORIZED, _) => "\n  hint: --token-file names the file that has the token".to_owned(),
        (_, hint) => hint.map(|it| format!("\n  hint: {it}")).unwrap_or_default(),
    };
    Failure::new(Exit::FAILED, format!("{detail}{hint}"))
}
