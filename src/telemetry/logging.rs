//! Log lines: where they go, what they look like and which are written.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people; with colours.
    Coloured,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Writes log lines to stderr from now on. `RUST_LOG` chooses which; without it those of level info and above.
/// The first call counts; later ones change nothing.
pub fn init(format: Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let set = match format {
        Format::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        Format::Text | Format::Coloured => lines.with_ansi(format == Format::Coloured).with_target(false).try_init(),
    };
    // A second subscriber is refused: the first goes on, which is what is wanted.
    drop(set);
}
