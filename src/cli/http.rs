//! Starts HTTP as the settings say, and makes what stands in the way a message for people.

use std::fs;
use std::sync::Arc;

use crate::adapters::http::view::View;
use crate::adapters::http::{HttpError, HttpSettings, Server};
use crate::cli::exit::{Exit, Failure};
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::runtime::board::Board;
use crate::runtime::operations::access::StateReader;
use crate::runtime::operations::exposition::exposition;

/// A server that shows this.
///
/// # Errors
/// When the address can't be had, or must not be without a token; when the token can't be read.
pub fn start(settings: &Settings, view: View) -> Result<Server, Failure> {
    let http = HttpSettings { address: settings.http_address.clone(), token: token(settings)? };
    Server::start(&http, view).map_err(|error| failure(&error))
}

/// The first line of the token's file.
fn token(settings: &Settings) -> Result<Option<String>, Failure> {
    let Some(file) = &settings.http_token_file else { return Ok(None) };
    let text = fs::read_to_string(file).map_err(|error| {
        let hint = "write a token of at least 16 characters to it, readable by this process alone";
        Failure::new(Exit::CONFIGURATION, format!("http.token.file {}: can't be read: {error}\n  hint: {hint}", file.display()))
    })?;
    Ok(Some(text.lines().next().unwrap_or("").trim().to_owned()))
}

fn failure(error: &HttpError) -> Failure {
    let (exit, hint) = match error {
        // Whoever has it may be gone in a moment, as after a restart: no mistake in the settings.
        HttpError::Address { .. } => {
            (Exit::FAILED, "does another instance run here? choose a free port, such as --set http.address=127.0.0.1:8081; 0 takes any")
        }
        HttpError::Open(_) => (Exit::CONFIGURATION, "name a file with a token by http.token.file, or listen at 127.0.0.1"),
        HttpError::ShortToken => (Exit::CONFIGURATION, "make a long one: head -c 24 /dev/urandom | base64"),
        HttpError::Thread(_) => (Exit::FAILED, "the system's limit of threads is reached"),
    };
    Failure::new(exit, format!("{error}\n  hint: {hint}"))
}

/// The text of `/metrics`, made when it is asked for.
pub fn metrics(board: &Arc<Board>, plan: &Arc<Plan>, states: Arc<dyn StateReader>) -> Box<dyn Fn() -> String + Send + Sync> {
    let (board, plan) = (Arc::clone(board), Arc::clone(plan));
    Box::new(move || exposition(&board, &plan, Some(&*states)))
}
