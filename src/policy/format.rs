//! The policy as it travels: serialisable, canonical, versioned.
//!
//! Canonical: maps are ordered, lists sorted by the compiler, so that equal policies have equal
//! bytes and hence equal hashes, whatever the order or formatting of the document. Keys are not in
//! it: a [`KeySource`] names where they come from.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::api::endpoints_service::RegisteredClaim;

#[cfg(test)]
mod tests;

/// The newest format this build reads and writes.
pub const FORMAT: u32 = 1;
/// The most bytes a policy may take: what the largest document can come to.
pub const MAX_POLICY_BYTES: usize = 32 * 1024 * 1024;

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
