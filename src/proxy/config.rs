//! What a proxy is told at start; everything else comes with the policy.

mod address;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::RootCertStore;

pub(super) use self::address::Place;
pub use self::address::{BackendAddress, BadBackendAddress};
use super::access_log::LogOutput;
use super::app_probes::AppProbe;
use crate::policy::format::LimitSettings;
use crate::policy::limits;
use crate::telemetry::LogFilter;

/// What a proxy is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// One for each port taken from the app.
    pub listeners: Vec<Listener>,
    /// How many threads serve requests; each has listeners and connections of its own.
    pub workers: NonZeroUsize,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub admin: Option<SocketAddr>,
    /// Probes of the app that the admin server asks for kubelet.
    pub app_probes: Vec<AppProbe>,
    /// Bounds on every connection and request.
    pub limits: Limits,
    /// Where the access log goes.
    pub access_log: LogOutput,
    /// What `/log` of the admin server shows and changes.
    pub log_filter: Option<LogFilter>,
    /// What backends with `https://` and `grpcs://` are verified by ([`crate::tls::roots`]).
    pub roots: RootCertStore,
    /// What backends are shown where a policy says so.
    pub client_certificate: Option<CertificateFiles>,
    /// What clients are shown where the policy says TLS. None: there its connections are refused.
    pub certificate: Option<CertificateFiles>,
}

/// A certificate chain and its private key, both PEM; read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A port and the app behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where clients connect; port 0 takes any free one.
    pub address: SocketAddr,
    /// Where requests go, unless the policy names a backend.
    pub backend: BackendAddress,
}

/// Bounds on every connection and request, where the policy in force says nothing else;
/// [`crate::policy::limits`] says what each is for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// [`limits::HEADER_BYTES`].
    pub header_bytes: usize,
    /// [`limits::HEADER_COUNT`].
    pub header_count: usize,
    /// [`limits::URI_BYTES`].
    pub uri_bytes: usize,
    /// The most bytes of a request body; over it 413.
    pub body_bytes: Option<u64>,
    /// [`limits::CONNECTIONS`].
    pub connections: usize,
    /// The most requests that a worker answers at one time; over it 503.
    pub requests_in_flight: Option<u64>,
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
    /// [`limits::CONNECTION_AGE`].
    pub connection_age: Duration,
    /// [`limits::BACKEND_DEADLINE`].
    pub backend_deadline: Duration,
    /// [`limits::BACKEND_CONNECT_TIMEOUT`].
    pub backend_connect_timeout: Duration,
    /// [`limits::BACKEND_IDLE_TIMEOUT`].
    pub backend_idle_timeout: Duration,
    /// [`limits::DRAIN_GRACE`].
    pub drain_grace: Duration,
}

// === impl CertificateFiles ===

impl CertificateFiles {
    /// Those of a mounted Secret of type `kubernetes.io/tls`.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
        }
    }
}

// === impl Limits ===

impl Limits {
    /// These bounds, where the policy says nothing else.
    pub(super) fn under(&self, policy: &LimitSettings) -> Self {
        // A count of 32 bits fits wherever there is a network.
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let or = |written: Option<u32>, default| written.map_or(default, count);
        let wait = |written: Option<u64>, default| written.map_or(default, Duration::from_millis);
        Self {
            header_bytes: or(policy.header_bytes, self.header_bytes),
            header_count: or(policy.header_count, self.header_count),
            uri_bytes: or(policy.uri_bytes, self.uri_bytes),
            body_bytes: policy.body_bytes.or(self.body_bytes),
            connections: or(policy.connections, self.connections),
            requests_in_flight: policy
                .requests_in_flight
                .map(u64::from)
                .or(self.requests_in_flight),
            streams: policy.streams.unwrap_or(self.streams),
            head_timeout: wait(policy.head_ms, self.head_timeout),
            idle_timeout: wait(policy.idle_ms, self.idle_timeout),
            body_progress_timeout: wait(policy.body_progress_ms, self.body_progress_timeout),
            write_progress_timeout: wait(policy.write_progress_ms, self.write_progress_timeout),
            ..self.clone()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: limits::HEADER_BYTES,
            header_count: limits::HEADER_COUNT,
            uri_bytes: limits::URI_BYTES,
            body_bytes: None,
            connections: limits::CONNECTIONS,
            requests_in_flight: None,
            streams: limits::STREAMS,
            head_timeout: limits::HEAD_TIMEOUT,
            idle_timeout: limits::IDLE_TIMEOUT,
            body_progress_timeout: limits::BODY_PROGRESS_TIMEOUT,
            write_progress_timeout: limits::WRITE_PROGRESS_TIMEOUT,
            connection_age: limits::CONNECTION_AGE,
            backend_deadline: limits::BACKEND_DEADLINE,
            backend_connect_timeout: limits::BACKEND_CONNECT_TIMEOUT,
            backend_idle_timeout: limits::BACKEND_IDLE_TIMEOUT,
            drain_grace: limits::DRAIN_GRACE,
        }
    }
}
