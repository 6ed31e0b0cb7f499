//! Connections: how many there may be, and how long one may be silent.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, Sleep};

/// The most connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 128;
/// A connection from which nothing comes for so long is closed.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// Serves until `stopped` fires or its sender is gone, and then at most `within` for what is under way.
pub(super) async fn serve(listener: std::net::TcpListener, router: Router, stopped: oneshot::Receiver<()>, within: Duration) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => Bounded { listener, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)) },
        Err(error) => return tracing::error!("http ended: {error}"),
    };
    let ending = Arc::new(Notify::new());
    let end = Arc::clone(&ending);
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        // A sender that is gone says the same.
        drop(stopped.await);
        end.notify_one();
    });
    let late = async {
        ending.notified().await;
        tokio::time::sleep(within).await;
    };
    tokio::select! {
        ended = server.into_future() => if let Err(error) = ended {
            tracing::error!("http ended: {error}");
        },
        () = late => {}
    }
}

/// A listener with room for so many connections.
struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.room).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let silence = Box::pin(tokio::time::sleep(SILENT_MAX));
        (Connection { stream, silence, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that gives up when nothing comes.
struct Connection {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if read.is_ready() {
            self.silence.as_mut().reset(Instant::now() + SILENT_MAX);
            return read;
        }
        match self.silence.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
