//! The policy as it travels: serialisable, canonical, versioned.
//!
//! Canonical: maps are ordered, lists sorted by the compiler, so that equal policies have equal
//! bytes and hence equal hashes, whatever the order or formatting of the document. Keys are not in
//! it: a [`KeySource`] names where they come from.
//!
//! Versioned: a policy says the lowest format that has all its forms ([`Policy::needed_format`]), so
//! that older sidecars run everything they can, and refuse the rest instead of half-applying it.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::api::endpoints_service::RegisteredClaim;

mod cors;
mod drain;
mod headers;
mod jwt;
mod limits;
mod observability;
mod operation;
mod provider;
mod routing;
pub mod upstream;

pub use self::cors::{CorsMode, CorsPolicy, OriginRule};
pub use self::drain::{DrainSettings, MAX_GRACE_MS};
pub use self::headers::{ForwardedMode, HeaderEdits, HeaderSettings};
pub use self::jwt::{ClaimHeader, JwtSettings, UserInfoForm};
pub use self::limits::{LimitSettings, bounds};
pub use self::observability::{AccessLogRule, ObservabilitySettings, PerMillion, TracingRule};
pub use self::operation::{Alternative, BackendRule, Operation, PathRule, Requirement};
pub use self::provider::{KeySource, Provider, TokenLocation};
pub use self::routing::{EscapedSlashes, RoutingSettings};
pub use self::upstream::UpstreamSettings;

#[cfg(test)]
mod tests;

/// The newest format this build reads and writes.
///
/// - 1: alternatives of one scheme each, the service's own backend, one CORS rule.
/// - 2: schemes demanded together and optional tokens, scopes, audiences of an operation, token
///   locations, discovered keys, backends and CORS rules of operations, variables inside segments.
/// - 3: settings of the data path ([`Settings`]), a service's own backend that is not `http://`.
pub const FORMAT: u32 = 3;
/// The most bytes a policy may take: what the largest document can come to.
pub const MAX_POLICY_BYTES: usize = 16 * 1024 * 1024;

/// The longest deadline of an operation: a day, in milliseconds.
pub const MAX_DEADLINE_MS: u64 = 24 * 60 * 60 * 1000;

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
    /// `SCHEME://HOST[:PORT]` as for a [`BackendRule`], or `unix:` and the path of a socket, or `@` and
    /// its abstract name (but `http://`, format 3); absent: the app in the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// A path answered 200 by the proxy, normalised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthz: Option<String>,
    /// Backends of operations, sorted, none twice (format 2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<BackendRule>,
    /// CORS rules of operations, sorted, none twice (format 2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors_rules: Vec<CorsMode>,
    /// Settings of the data path (format 3).
    #[serde(default, skip_serializing_if = "Settings::is_default")]
    pub settings: Settings,
}

/// Settings of the data path, one block a topic; a block that says nothing is not written (format 3).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Bounds on connections, requests and waits.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: LimitSettings,
    /// How backends are talked to.
    #[serde(skip_serializing_if = "is_default")]
    pub upstream: UpstreamSettings,
    /// How tokens are checked.
    #[serde(skip_serializing_if = "is_default")]
    pub jwt: JwtSettings,
    /// How requests are read and matched.
    #[serde(skip_serializing_if = "is_default")]
    pub routing: RoutingSettings,
    /// Headers that the proxy sets.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: HeaderSettings,
    /// What is told of requests.
    #[serde(skip_serializing_if = "is_default")]
    pub observability: ObservabilitySettings,
    /// The end of a sidecar.
    #[serde(skip_serializing_if = "is_default")]
    pub drain: DrainSettings,
}

/// Why bytes are not a policy for this build.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Over [`MAX_POLICY_BYTES`].
    #[error("the policy takes {0} bytes, at most {MAX_POLICY_BYTES} are read")]
    TooLarge(usize),
    /// Written by a newer operator.
    #[error(
        "the policy has format {found}, this build reads up to {FORMAT}: restart the pod to upgrade its sidecar"
    )]
    TooNew {
        /// The policy's format.
        found: u32,
    },
    /// Not a policy at all.
    #[error("the policy cannot be read")]
    Malformed(#[from] serde_json::Error),
}

impl Policy {
    /// The lowest format that has all forms in use here: what [`Policy::format`] should be.
    pub fn needed_format(&self) -> u32 {
        let is_http = |backend: &String| backend.starts_with("http://");
        let of_keys = self.providers.values().map(|it| it.keys.needed_format());
        if !self.settings.is_default()
            || !self.backend.as_ref().is_none_or(is_http)
            || of_keys.max() == Some(3)
        {
            return 3;
        }
        let newer = !self.backends.is_empty()
            || !self.cors_rules.is_empty()
            || self.providers.values().any(|provider| {
                !provider.locations.is_empty() || provider.keys.needed_format() > 1
            })
            || self.operations.iter().any(|operation| {
                operation.backend.is_some()
                    || operation.cors.is_some()
                    || !operation.security.iter().all(Alternative::is_plain)
                    || super::route::has_partial_segment(&operation.path)
            });
        if newer { 2 } else { 1 }
    }

    /// The policy as it travels and is hashed: JSON, fields in the order of the type.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a policy holds only text keys, numbers and text")
    }

    /// Hexadecimal SHA-256 of [`Policy::canonical_bytes`]: its name in acknowledgements and status.
    pub fn hash(&self) -> String {
        hash(&self.canonical_bytes())
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// See [`FormatError`]. A newer format is told from garbage, whatever it looks like inside.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(FormatError::TooLarge(bytes.len()));
        }
        let Header { format } = serde_json::from_slice(bytes)?;
        if format > FORMAT {
            return Err(FormatError::TooNew { found: format });
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// Hexadecimal SHA-256 of a policy's bytes, for those who hold bytes already.
pub fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write;
    digest(&SHA256, bytes)
        .as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

impl Settings {
    fn is_default(&self) -> bool {
        is_default(self)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
