//! What a proxy is told at start; everything else comes with the policy.

mod address;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use rustls::RootCertStore;

pub(super) use self::address::Place;
pub use self::address::{BackendAddress, BadBackendAddress};
use crate::policy::limits;

/// What a proxy is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// One for each port taken from the app.
    pub listeners: Vec<Listener>,
    /// How many threads serve requests; each has listeners and connections of its own.
    pub workers: NonZeroUsize,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub admin: Option<SocketAddr>,
    /// Bounds on every connection and request.
    pub limits: Limits,
    /// What backends with `https://` and `grpcs://` are verified by ([`crate::tls::roots`]).
    pub roots: RootCertStore,
    /// The folder with the certificate (`tls.crt`, `tls.key`) that backends are shown where a policy
    /// says so; read again when it changes.
    pub client_certificate: Option<PathBuf>,
}

/// A port and the app behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where clients connect; port 0 takes any free one.
    pub address: SocketAddr,
    /// Where requests go, unless the policy names a backend.
    pub backend: BackendAddress,
}

/// Bounds on every connection and request; [`crate::policy::limits`] says what each is for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// [`limits::HEADER_BYTES`].
    pub header_bytes: usize,
    /// [`limits::HEADER_COUNT`].
    pub header_count: usize,
    /// [`limits::URI_BYTES`].
    pub uri_bytes: usize,
    /// [`limits::CONNECTIONS`].
    pub connections: usize,
    /// [`limits::STREAMS`].
    pub streams: u32,
    /// [`limits::HEAD_TIMEOUT`].
    pub head_timeout: Duration,
    /// [`limits::IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
    /// [`limits::BODY_PROGRESS_TIMEOUT`].
    pub body_progress_timeout: Duration,
    /// [`limits::WRITE_PROGRESS_TIMEOUT`].
    pub write_progress_timeout: Duration,
    /// [`limits::BACKEND_DEADLINE`].
    pub backend_deadline: Duration,
    /// [`limits::BACKEND_CONNECT_TIMEOUT`].
    pub backend_connect_timeout: Duration,
    /// [`limits::BACKEND_IDLE_TIMEOUT`].
    pub backend_idle_timeout: Duration,
    /// [`limits::DRAIN_GRACE`].
    pub drain_grace: Duration,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: limits::HEADER_BYTES,
            header_count: limits::HEADER_COUNT,
            uri_bytes: limits::URI_BYTES,
            connections: limits::CONNECTIONS,
            streams: limits::STREAMS,
            head_timeout: limits::HEAD_TIMEOUT,
            idle_timeout: limits::IDLE_TIMEOUT,
            body_progress_timeout: limits::BODY_PROGRESS_TIMEOUT,
            write_progress_timeout: limits::WRITE_PROGRESS_TIMEOUT,
            backend_deadline: limits::BACKEND_DEADLINE,
            backend_connect_timeout: limits::BACKEND_CONNECT_TIMEOUT,
            backend_idle_timeout: limits::BACKEND_IDLE_TIMEOUT,
            drain_grace: limits::DRAIN_GRACE,
        }
    }
}
