//! How backends are talked to (`spec.backend`, but its address and deadline).

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::MAX_DEADLINE_MS;
use super::is_default;
use crate::api::endpoints_service::RetryOn;

/// What [`UpstreamSettings::connect_timeout_ms`] may be.
pub const CONNECT_TIMEOUT_MS: RangeInclusive<u64> = 10..=5 * 60 * 1000;
/// What [`UpstreamSettings::idle_timeout_ms`] and [`RetrySettings::per_try_timeout_ms`] may be.
pub const WAIT_MS: RangeInclusive<u64> = 1..=MAX_DEADLINE_MS;
/// What [`PoolSettings::idle_timeout_ms`] and [`PoolSettings::max_age_ms`] may be.
pub const POOL_MS: RangeInclusive<u64> = 1000..=MAX_DEADLINE_MS;
/// What [`PoolSettings::max_connections`] may be.
pub const MAX_CONNECTIONS: RangeInclusive<u32> = 1..=10_000;
/// What [`RetrySettings::status_codes`] may hold.
pub const STATUS_CODES: RangeInclusive<u16> = 100..=599;
/// What [`RetrySettings::num`] may be.
pub const RETRIES: RangeInclusive<u8> = 0..=10;

/// How backends are talked to. What is absent has its default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpstreamSettings {
    /// Backends with TLS.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: TlsSettings,
    /// How long connecting may take, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout_ms: Option<u64>,
    /// How long a stream may be silent, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// Connections.
    #[serde(skip_serializing_if = "is_default")]
    pub pool: PoolSettings,
    /// Sending again.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: RetrySettings,
}

/// How backends with TLS are talked to.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Certificates of authorities, each DER in base64, in the place of the usual roots; empty: those.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub authorities: BTreeSet<String>,
    /// The backends are shown a certificate, which the sidecar has.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub client_certificate: bool,
    /// Whom the certificate of the service's own backend must name; absent: the address's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// The connections to one address.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PoolSettings {
    /// The most of one worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// How long an unused one is kept, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// How long one is used, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<u64>,
}

/// When a request is sent once more.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetrySettings {
    /// After what; absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<BTreeSet<RetryOn>>,
    /// After answers with one of these codes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub status_codes: BTreeSet<u16>,
    /// How many times, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num: Option<u8>,
    /// How long the head of an answer may take each time, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_try_timeout_ms: Option<u64>,
}

impl RetrySettings {
    /// Whether after a reset.
    pub fn on_reset(&self) -> bool {
        self.is_on(RetryOn::Reset)
    }

    /// Whether where there is no connection.
    pub fn on_connect_failure(&self) -> bool {
        self.is_on(RetryOn::ConnectFailure)
    }

    /// Whether after a stream that the backend refused.
    pub fn on_refused_stream(&self) -> bool {
        self.is_on(RetryOn::RefusedStream)
    }

    fn is_on(&self, what: RetryOn) -> bool {
        self.on.as_ref().is_none_or(|on| on.contains(&what))
    }
}

impl UpstreamSettings {
    /// Whether every bound is one that the compiler writes. (What stands in `authorities` is checked
    /// by [`crate::policy::ca`].)
    pub fn is_in_bounds(&self) -> bool {
        let Self {
            tls: _,
            connect_timeout_ms,
            idle_timeout_ms,
            pool,
            retries,
        } = self;
        let within = |number: &Option<u64>, range: RangeInclusive<u64>| {
            number.is_none_or(|number| range.contains(&number))
        };
        within(connect_timeout_ms, CONNECT_TIMEOUT_MS)
            && within(idle_timeout_ms, WAIT_MS)
            && within(&pool.idle_timeout_ms, POOL_MS)
            && within(&pool.max_age_ms, POOL_MS)
            && pool
                .max_connections
                .is_none_or(|number| MAX_CONNECTIONS.contains(&number))
            && retries
                .status_codes
                .iter()
                .all(|code| STATUS_CODES.contains(code))
            && retries.num.is_none_or(|number| RETRIES.contains(&number))
            && within(&retries.per_try_timeout_ms, WAIT_MS)
    }
}
