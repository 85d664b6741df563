//! Logs: one line an event, for people on a terminal, JSON otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Installs the process's logger: `filter` as in `RUST_LOG` (`info`, `endpoints=debug`). To stderr:
/// stdout belongs to output that people asked for. A second call changes nothing.
///
/// # Errors
/// A filter that does not parse.
pub fn init(filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let terminal = std::io::stderr().is_terminal();
    let format = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A logger that is already there (a test's) stays.
    let _ = if terminal {
        registry.with(format.with_target(false)).try_init()
    } else {
        registry.with(format.json().flatten_event(true)).try_init()
    };
    Ok(())
}
