//! The policy as it travels: serialisable, canonical, versioned.
//!
//! Canonical: maps are ordered, lists sorted by the compiler, so that equal policies have equal
//! bytes and hence equal hashes, whatever the order or formatting of the document. Keys are not in
//! it: a [`KeySource`] names where they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::api::endpoints_service::RegisteredClaim;

/// The newest format this build reads and writes.
pub const FORMAT: u32 = 1;

/// Everything a sidecar needs to decide, but the keys.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// Format of this value; a sidecar refuses one newer than [`FORMAT`].
    pub format: u32,
    /// The name audiences are built from.
    pub service: String,
    /// Sorted by path template, then method; no two with one route.
    pub operations: Vec<Operation>,
    /// Providers by scheme name.
    pub providers: BTreeMap<String, Provider>,
    /// Who answers for CORS.
    pub cors: CorsMode,
    /// Registered claims that every token must carry.
    pub required_claims: BTreeSet<RegisteredClaim>,
    /// `http://HOST[:PORT]`; absent: the app in the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// A path answered 200 by the proxy, normalised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthz: Option<String>,
}

/// One method of one path template.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    /// Upper-case method.
    pub method: String,
    /// Path template, base path included, as the document writes it.
    pub path: String,
    /// `operationId`, else made from method and path; for logs and metrics.
    pub name: String,
    /// Alternatives (OR), in document order: names in [`Policy::providers`]. Empty: open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<String>,
}

/// A JWT scheme.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// Exact `iss` (`accounts.google.com` and `https://accounts.google.com` count as one).
    pub issuer: String,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Accepted audiences, without scheme prefix and trailing slash compared; absent: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<BTreeSet<String>>,
}

/// Where keys come from. This, never the issuer, identifies a key set: one tenant's URL must not
/// serve everyone's issuer.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub enum KeySource {
    /// A JSON Web Key Set at a URL.
    Url(String),
    /// This cluster's API server, for the issuer named; the operator reads it.
    Kubernetes {
        /// The issuer that must be the cluster's own.
        issuer: String,
    },
}

/// Who answers for CORS.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
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
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
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
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum OriginRule {
    /// Any; answered with a literal `*` without credentials, reflected (never `null`) with them.
    Any,
    /// One of these, scheme and host lower-cased, default port dropped; `null` only if listed.
    Exact(BTreeSet<String>),
    /// The whole origin matches; never `null`.
    Regex(String),
}

impl Policy {
    /// The one text of this policy.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps have string keys, and no part of a policy refuses")
    }

    /// Hexadecimal SHA-256 of [`Self::canonical_bytes`].
    pub fn hash(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.canonical_bytes());
        let mut hash = String::with_capacity(2 * digest.as_ref().len());
        for byte in digest.as_ref() {
            // Writing to a string never fails.
            let _ = write!(hash, "{byte:02x}");
        }
        hash
    }
}
