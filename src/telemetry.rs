//! Logs: one line an event, for people on a terminal, JSON otherwise.

use std::fmt;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// A filter that does not parse.
#[derive(Debug)]
pub struct BadFilter(String);

/// Installs the process's logger: `filter` as in `RUST_LOG` (`info`, `endpoints=debug`). To stderr:
/// stdout belongs to output that people asked for. A second call changes nothing.
///
/// # Errors
/// A filter that does not parse.
pub fn init(filter: &str) -> Result<(), BadFilter> {
    let parsed = EnvFilter::builder().parse(filter);
    let filter = parsed.map_err(|_| BadFilter(filter.to_owned()))?;
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

impl fmt::Display for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = &self.0;
        write!(
            f,
            "`{filter}` is no filter of log lines: write a level (error, warn, info, debug, trace, off) or "
        )?;
        f.write_str("levels of modules, like endpoints=debug,kube=warn")
    }
}

impl std::error::Error for BadFilter {}
