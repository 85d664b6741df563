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

mod drain;
mod headers;
mod jwt;
mod limits;
mod observability;
mod routing;
pub mod upstream;

pub use self::drain::{DrainSettings, MAX_GRACE_MS};
pub use self::headers::{ForwardedMode, HeaderEdits, HeaderSettings};
pub use self::jwt::{ClaimHeader, JwtSettings, UserInfoForm};
pub use self::limits::{LimitSettings, bounds};
pub use self::observability::{AccessLogRule, ObservabilitySettings, PerMillion, TracingRule};
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
    /// Alternatives (OR), in document order. Empty: open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<Alternative>,
    /// Where it goes: a place in [`Policy::backends`]; absent: [`Policy::backend`], the path as it is
    /// (format 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<usize>,
    /// Its CORS rule: a place in [`Policy::cors_rules`]; absent: [`Policy::cors`] (format 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<usize>,
}

impl Operation {
    /// Whether nobody is let in without a token: there are alternatives, and none of them is empty.
    pub fn demands_token(&self) -> bool {
        let optional = |Alternative(all): &Alternative| all.is_empty();
        !self.security.is_empty() && !self.security.iter().any(optional)
    }
}

/// What lets a request in: all of its requirements, each by a token of its own, sorted by provider;
/// the first one's claims are told to the backend. Without any (`{}`): no token is needed, but one
/// that is there must be good (format 2).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(from = "AlternativeForm", into = "AlternativeForm")]
pub struct Alternative(pub Vec<Requirement>);

/// One token that is demanded.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// Its provider: a name in [`Policy::providers`].
    pub provider: String,
    /// Scopes it must have, all of them (format 2).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub scopes: BTreeSet<String>,
    /// Audiences that take the place of the provider's (format 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<BTreeSet<String>>,
}

/// How an alternative is written: in the form of format 1 if that says it all.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum AlternativeForm {
    Provider(String),
    All(Vec<Requirement>),
}

/// Where an operation's requests go, and for how long (format 2).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendRule {
    /// `SCHEME://HOST:PORT`, SCHEME being http, https, grpc (h2c) or grpcs; absent:
    /// [`Policy::backend`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// HTTP/2 to an address whose scheme does not say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub http2: bool,
    /// What becomes of the path; absent: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathRule>,
    /// The whole answer must be there by then, in milliseconds; absent: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// What becomes of a request's path (ESPv2's path translation).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum PathRule {
    /// This, without a slash at its end, goes before it.
    Append(String),
    /// This takes its place; path variables go into the query.
    Constant(String),
}

/// One place where a request carries a token (format 2).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum TokenLocation {
    /// A header.
    Header {
        /// Lower-case name.
        name: String,
        /// What stands at the beginning of the value, before the token (`Bearer `), in any case; may
        /// be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        value_prefix: String,
    },
    /// A query parameter, by its decoded name.
    Query(String),
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
    /// Where its tokens are looked for, in this order; empty: ESPv2's defaults (format 2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<TokenLocation>,
}

/// Where keys come from. This, never the issuer, identifies a key set: one tenant's URL must not
/// serve everyone's issuer.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum KeySource {
    /// A JSON Web Key Set at a URL.
    Url(String),
    /// A JSON Web Key Set at the URL that a discovery document names (OpenID Connect Discovery 1.0;
    /// format 2).
    Discovery {
        /// Where the document is.
        url: String,
        /// The issuer that it must name.
        issuer: String,
    },
    /// This cluster's API server, for the issuer named; the operator reads it.
    Kubernetes {
        /// The issuer that must be the cluster's own.
        issuer: String,
    },
    /// A JSON Web Key Set itself, as [`super::key_set::essential`] leaves it: nothing is fetched
    /// (format 3).
    Inline(String),
    /// A URL or a discovery document, by servers that these authorities vouch for and nobody else
    /// (format 3).
    Trusting {
        /// Certificates, in PEM.
        ca_bundle: String,
        /// [`KeySource::Url`] or [`KeySource::Discovery`].
        source: Box<KeySource>,
    },
}

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

impl Alternative {
    /// A token of this provider, with nothing else asked of it.
    pub fn of(provider: impl Into<String>) -> Self {
        Self(vec![Requirement {
            provider: provider.into(),
            scopes: BTreeSet::new(),
            audiences: None,
        }])
    }

    /// Whether format 1 can say it.
    fn is_plain(&self) -> bool {
        matches!(&*self.0, [only] if only.scopes.is_empty() && only.audiences.is_none())
    }
}

impl From<AlternativeForm> for Alternative {
    fn from(form: AlternativeForm) -> Self {
        match form {
            AlternativeForm::Provider(provider) => Self::of(provider),
            AlternativeForm::All(requirements) => Self(requirements),
        }
    }
}

impl From<Alternative> for AlternativeForm {
    fn from(alternative: Alternative) -> Self {
        let plain = alternative.is_plain();
        let Alternative(mut requirements) = alternative;
        match requirements.pop() {
            Some(only) if plain => Self::Provider(only.provider),
            last => {
                requirements.extend(last);
                Self::All(requirements)
            }
        }
    }
}

impl KeySource {
    /// The lowest format that knows this kind of source: an older sidecar cannot even read keys of it.
    pub fn needed_format(&self) -> u32 {
        match self {
            Self::Inline(_) | Self::Trusting { .. } => 3,
            Self::Discovery { .. } => 2,
            Self::Url(_) | Self::Kubernetes { .. } => 1,
        }
    }

    /// Whether keys have to be brought: not where the source holds them itself.
    pub fn is_fetched(&self) -> bool {
        !matches!(self, Self::Inline(_))
    }
}

impl Settings {
    fn is_default(&self) -> bool {
        is_default(self)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
