//! How the policy in force wants backends to be talked to.

use std::time::Duration;

use http::StatusCode;
use rustls::RootCertStore;

use crate::policy::ca::anchors;
use crate::policy::format::UpstreamSettings;
use crate::policy::format::upstream::RetrySettings;
use crate::proxy::config::Limits;

/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How many times a request is sent once more.
const RETRIES: u8 = 1;

/// What a policy says about all of its backends; backends are shared by policies that say the same.
#[derive(Debug, Default)]
pub(in crate::proxy) struct UpstreamPolicy {
    /// As the policy has it.
    pub(in crate::proxy) settings: UpstreamSettings,
    /// The policy's own authorities, ready; None: the proxy's.
    pub(super) roots: Option<RootCertStore>,
}

/// What holds for one backend.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) connect_timeout: Duration,
    /// How long a stream may be silent.
    pub(super) idle_timeout: Duration,
    pub(super) max_connections: Option<usize>,
    /// How long an unused connection is kept.
    pub(super) keep: Duration,
    /// How long a connection is used.
    pub(super) max_age: Option<Duration>,
    pub(super) retries: Retries,
}

/// When a request is sent once more.
#[derive(Debug)]
pub(super) struct Retries {
    /// How many times, at most.
    pub(super) most: u8,
    pub(super) on_reset: bool,
    pub(super) on_connect_failure: bool,
    pub(super) on_refused_stream: bool,
    status_codes: Box<[u16]>,
    pub(super) per_try_timeout: Option<Duration>,
}

impl UpstreamPolicy {
    /// Makes it ready.
    ///
    /// # Errors
    /// Authorities that the compiler never writes.
    pub(in crate::proxy) fn new(settings: &UpstreamSettings) -> Result<Self, String> {
        let authorities = &settings.tls.authorities;
        let roots = match authorities.is_empty() {
            true => None,
            false => Some(RootCertStore {
                roots: anchors(authorities)?,
            }),
        };
        Ok(Self {
            settings: settings.clone(),
            roots,
        })
    }
}

impl Options {
    /// What the policy says; for the rest, what the proxy was started with.
    pub(super) fn new(settings: &UpstreamSettings, limits: &Limits) -> Self {
        let milliseconds = |written: Option<u64>| written.map(Duration::from_millis);
        let or = |written: Option<u64>, default: Duration| milliseconds(written).unwrap_or(default);
        let pool = &settings.pool;
        Self {
            connect_timeout: or(settings.connect_timeout_ms, limits.backend_connect_timeout),
            idle_timeout: or(settings.idle_timeout_ms, limits.backend_idle_timeout),
            max_connections: pool
                .max_connections
                .and_then(|most| usize::try_from(most).ok()),
            keep: or(pool.idle_timeout_ms, IDLE_TIMEOUT),
            max_age: milliseconds(pool.max_age_ms),
            retries: Retries::new(&settings.retries),
        }
    }
}

impl Retries {
    fn new(settings: &RetrySettings) -> Self {
        Self {
            most: settings.num.unwrap_or(RETRIES),
            on_reset: settings.on_reset(),
            on_connect_failure: settings.on_connect_failure(),
            on_refused_stream: settings.on_refused_stream(),
            status_codes: settings.status_codes.iter().copied().collect(),
            per_try_timeout: settings.per_try_timeout_ms.map(Duration::from_millis),
        }
    }

    /// Whether an answer with this status calls for another attempt.
    pub(super) fn on_status(&self, status: StatusCode) -> bool {
        !self.status_codes.is_empty() && self.status_codes.contains(&status.as_u16())
    }
}
