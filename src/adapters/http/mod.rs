//! HTTP: metrics, health, the API and the page. A thread of its own, never on the way of a record.

mod connection;
mod dead_letters;
mod guard;
mod health;
mod lag;
mod openapi;
mod page;
mod peers;
mod problem;
mod routes;
mod served;
mod stores;
mod tasks;
mod topologies;
pub mod view;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::adapters::http::guard::{Gate, Token};
use crate::adapters::http::peers::{Asking, Peers};
use crate::adapters::http::served::Served;
use crate::adapters::http::view::View;

/// How long requests under way may take when the server ends.
const STOP_WITHIN: Duration = Duration::from_millis(500);
/// The shortest token that is taken.
pub const TOKEN_MIN: usize = 16;

/// How the server is reached, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// `http.address`; port 0 is any free one.
    pub address: String,
    /// What `http.token.file` holds.
    pub token: Option<String>,
}

/// Why the server can't be started.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address can't be had.
    #[error("http.address {address} can't be listened at: {error}")]
    Address {
        /// As it was given.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// It is reachable from other machines, and nothing guards it.
    #[error("http.address {0} can be reached from other machines, and there is no http.token.file")]
    Open(String),
    /// The token is too easily guessed.
    #[error("the token of http.token.file has less than {TOKEN_MIN} characters")]
    ShortToken,
    /// The system has no thread for it.
    #[error("no thread for HTTP: {0}")]
    Thread(io::Error),
}

/// A server that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _asking: Asking,
}

impl Server {
    /// Listens and serves from now on.
    ///
    /// # Errors
    /// When the address can't be had, or must not be without a token.
    pub fn start(settings: &HttpSettings, view: View) -> Result<Self, HttpError> {
        let refused = |error| HttpError::Address { address: settings.address.clone(), error };
        let listener = listen(&settings.address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        if settings.token.as_ref().is_some_and(|it| it.len() < TOKEN_MIN) {
            return Err(HttpError::ShortToken);
        }
        let token = settings.token.as_deref().map(Token::new);
        if !address.ip().is_loopback() && token.is_none() {
            return Err(HttpError::Open(settings.address.clone()));
        }
        let gate = Gate::new(address.ip().is_loopback(), token);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(served::THREADS)
            .thread_name("http-read")
            .build()
            .map_err(HttpError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let peers = Arc::new(Peers::default());
        let asking = Asking::start(&view, &peers).map_err(HttpError::Thread)?;
        let router = routes::router(Arc::new(Served::new(view, peers)), Arc::new(gate));
        let serve = move || {
            runtime.block_on(connection::serve(listener, router, stopped, STOP_WITHIN));
            // A call that blocks is not waited for: it only reads.
            runtime.shutdown_background();
        };
        let thread = Builder::new().name("http".to_owned()).spawn(serve).map_err(HttpError::Thread)?;
        tracing::info!("http at http://{address}");
        Ok(Self { address, stop: Some(stop), thread: Some(thread), _asking: asking })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends in bounded time; a panic in it was said already.
            drop(thread.join());
        }
    }
}

/// A listener at the first address that the name stands for and that can be had.
fn listen(address: &str) -> io::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    let listener = TcpListener::bind(&addresses[..])?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
