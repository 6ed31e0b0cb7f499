//! SIGTERM and Ctrl-C: the first asks for an orderly stop, the second ends the process at once.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::exit::Exit;
use crate::cli::out;

/// Whether the process has been asked to stop.
pub type Stop = Arc<AtomicBool>;

/// Sets the flag at the first signal.
///
/// # Errors
/// When the operating system refuses a thread or the signals.
pub fn listen() -> io::Result<Stop> {
    let stop = Stop::default();
    let flag = Arc::clone(&stop);
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let (terminate, interrupt) =
        runtime.block_on(async { Ok::<_, io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)) })?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(wait(terminate, interrupt, &flag)))?;
    Ok(stop)
}

async fn wait(mut terminate: Signal, mut interrupt: Signal, flag: &AtomicBool) {
    let either = async |terminate: &mut Signal, interrupt: &mut Signal| {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };
    let name = either(&mut terminate, &mut interrupt).await;
    tracing::info!(signal = name, "told to stop; a second signal ends the process at once");
    flag.store(true, Ordering::Release);
    either(&mut terminate, &mut interrupt).await;
    out::say("stopped without the last commit; nothing is lost by that");
    process::exit(Exit::UNCOMMITTED.0.into());
}
