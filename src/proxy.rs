//! The data path: listener, connections, forwarding, drain. I/O around the decisions of
//! [`crate::policy`]; it does not know where a policy came from.
//!
//! ```text
//! worker accepts ─► guard (socket) ─► service ─► policy decides ─► upstream ─► response headers ─► access_log, metrics
//!                                        └─ respond: every answer of our own
//! ```
//!
//! One current-thread runtime per worker, with its own listeners and its own connections to the
//! backend: no lock and no cross-thread wake-up on the request path. Metrics and probes are served
//! by a thread of their own, so that a scrape never delays a request.

mod config;
mod snapshot;

pub use config::{BackendAddress, BadBackendAddress, Config, Limits, Listener};
pub use snapshot::{PolicyCell, Snapshot, SnapshotError};

use std::net::SocketAddr;

use crate::readiness::Readiness;
use crate::shutdown::Shutdown;

/// The data path of one process.
#[derive(Debug)]
pub struct Proxy;

/// A proxy that runs, until the shutdown it was started with.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
}

/// Why a proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address cannot be taken; most often another process has it.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread or its runtime cannot be made.
    #[error("cannot start a worker thread")]
    Thread(#[source] std::io::Error),
}

impl Proxy {
    /// Binds all listeners, then starts the workers and the admin server on threads of their own.
    /// Needs no runtime around it. Until `policies` holds a policy every request is answered 503.
    ///
    /// # Errors
    /// An address that cannot be taken, or a thread that cannot be made; nothing runs on then.
    pub fn start(
        _config: Config,
        _policies: PolicyCell,
        _readiness: Readiness,
        _shutdown: Shutdown,
    ) -> Result<Running, StartError> {
        todo!("proxy helper")
    }
}

impl Running {
    /// Where the listeners are, in the order of [`Config::listeners`] (a port 0 is resolved).
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the admin server listens, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Waits, blocking, until the shutdown has come and every worker has drained.
    pub fn join(self) {
        todo!("proxy helper")
    }
}
