//! Where the access log goes.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the access log goes. Cheap to clone.
#[derive(Clone)]
pub struct LogOutput(Arc<Mutex<dyn Write + Send>>);

impl LogOutput {
    /// To whoever takes bytes; each write holds whole lines.
    pub fn to(output: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(output)))
    }

    /// To stdout.
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// To stderr, where stdout belongs to output that people asked for.
    pub fn stderr() -> Self {
        Self::to(io::stderr())
    }

    /// To nobody.
    pub fn nowhere() -> Self {
        Self::to(io::sink())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, dyn Write + Send + 'static> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogOutput")
    }
}
