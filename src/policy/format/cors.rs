//! CORS rules.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Who answers for CORS.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub enum CorsMode {
    /// Nobody: OPTIONS is a method like others.
    Off,
    /// `allowCors`: the backend; preflights are forwarded without a token.
    PassThrough,
    /// The proxy.
    Owned(CorsPolicy),
}

/// The proxy's CORS rules, checked: what is written here can be sent as it is.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CorsPolicy {
    /// Which origins match.
    pub origins: OriginRule,
    /// `Access-Control-Allow-Methods`, comma-separated; empty: not sent.
    pub allow_methods: String,
    /// `Access-Control-Allow-Headers`.
    pub allow_headers: String,
    /// `Access-Control-Expose-Headers`.
    pub expose_headers: String,
    /// Whether `Access-Control-Allow-Credentials: true` is sent.
    pub allow_credentials: bool,
    /// `Access-Control-Max-Age`, in seconds.
    pub max_age_seconds: u64,
}

/// Which origins match.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub enum OriginRule {
    /// Any; answered with a literal `*` without credentials, reflected (never `null`) with them.
    Any,
    /// One of these, scheme and host lower-cased, default port dropped; `null` only if listed.
    Exact(BTreeSet<String>),
    /// The whole origin matches; never `null`.
    Regex(String),
}
