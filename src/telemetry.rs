//! Logs: one line an event, for people on a terminal, JSON otherwise. Which lines, can be changed
//! while the process runs. (Requests have a log of their own, which is not subject to this.)

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

#[cfg(test)]
mod tests;

/// A filter that cannot be put in place.
#[derive(Debug)]
pub enum BadFilter {
    /// It does not parse.
    Malformed(String),
    /// The process's logger is another one.
    NotOurs,
}

/// Which lines are logged; changes hold at once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    written: Arc<Mutex<String>>,
}

/// Installs the process's logger: `filter` as in `RUST_LOG` (`info`, `endpoints=debug`). To stderr:
/// stdout belongs to output that people asked for. A second call changes nothing.
///
/// # Errors
/// A filter that does not parse.
pub fn init(filter: &str) -> Result<LogFilter, BadFilter> {
    let (layer, handle) = reload::Layer::new(parse(filter)?);
    let registry = tracing_subscriber::registry().with(layer);
    let terminal = std::io::stderr().is_terminal();
    let format = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A logger that is already there (a test's) stays.
    let _ = if terminal {
        registry.with(format.with_target(false)).try_init()
    } else {
        registry.with(format.json().flatten_event(true)).try_init()
    };
    Ok(LogFilter {
        handle,
        written: Arc::new(Mutex::new(filter.to_owned())),
    })
}

/// Makes every panic one line in the log, with none of what it was working on in it.
pub fn log_panics() {
    std::panic::set_hook(Box::new(log_panic));
}

fn parse(filter: &str) -> Result<EnvFilter, BadFilter> {
    let parsed = EnvFilter::builder().parse(filter);
    parsed.map_err(|_| BadFilter::Malformed(filter.to_owned()))
}

/// Only words that stand in the source are told: what is formatted into the others may be a request's.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&'static str>();
    let message = message.unwrap_or(&"not told, since it may hold what was worked on");
    let place = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace =
        matches!(backtrace.status(), BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        place,
        thread = thread.name(),
        cause = message,
        backtrace,
        "a panic: a defect, please report it"
    );
}

impl LogFilter {
    /// The filter, as it was written.
    pub fn get(&self) -> String {
        let written = self.written.lock();
        written.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another one in place.
    ///
    /// # Errors
    /// It does not parse, or the logger is not the one this filter was made for.
    pub fn set(&self, filter: &str) -> Result<(), BadFilter> {
        let parsed = parse(filter)?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let reloaded = self.handle.reload(parsed);
        reloaded.map_err(|_| BadFilter::NotOurs)?;
        filter.clone_into(&mut written);
        Ok(())
    }
}

impl fmt::Display for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = match self {
            Self::Malformed(filter) => filter,
            Self::NotOurs => return f.write_str("the log of this process cannot be changed"),
        };
        write!(
            f,
            "`{filter}` is no filter of log lines: write a level (error, warn, info, debug, trace, off) or "
        )?;
        f.write_str("levels of modules, like endpoints=debug,kube=warn")
    }
}

impl std::error::Error for BadFilter {}
