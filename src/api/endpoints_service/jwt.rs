//! `spec.jwt`: how tokens are checked.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigMapKeyReference;

/// How tokens are checked.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtSpec {
    /// Where an issuer's keys come from, instead of the document's `x-google-jwks_uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub issuers: Option<Vec<IssuerSpec>>,
    /// What `aud` must hold. Absent: `Additive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<AudienceMode>,
    /// Registered claims a token must carry. Absent: `[exp]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub required_claims: Option<Vec<RegisteredClaim>>,
    /// What becomes of the scopes that the document's `security` lists. Absent: `Enforce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<ScopeMode>,
    /// How far the clocks of issuers may be off, for `exp` and `nbf`, as a Go duration of whole seconds;
    /// at most 10 minutes. Absent: `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub clock_skew: Option<String>,
    /// How often keys are fetched again, as a Go duration of whole seconds, from `10s` to a day. Of
    /// services that share a key set, the shortest counts. Absent: `300s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub jwks_cache_duration: Option<String>,
    /// How often a failed fetch is repeated at once (after 200 ms, doubled each time) before it counts
    /// as failed. Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub jwks_fetch_retries: Option<i32>,
    /// How long keys are believed while their issuer cannot be reached, as a Go duration of whole
    /// seconds, from `jwksCacheDuration` to 30 days; then tokens are answered 503. Absent: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub max_key_age: Option<String>,
    /// How many verified tokens each worker remembers (those of up to 4 KiB); 0: none. Absent: 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub token_cache_size: Option<i32>,
    /// How long a verified token is remembered, as a Go duration of whole seconds, from `1s` to a day;
    /// never beyond its `exp`. Absent: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub token_cache_ttl: Option<String>,
    /// What `X-Endpoint-API-UserInfo` holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_payload: Option<ForwardPayloadSpec>,
    /// Claims that the backend gets as headers, of tokens that passed. Clients cannot send these
    /// headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub claim_to_headers: Option<Vec<ClaimToHeaderSpec>>,
    /// Tokens that passed are not forwarded. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_token: Option<bool>,
    /// Answers that stream, and upgraded connections, end when the token that let them in expires.
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_streams_at_expiry: Option<bool>,
}

/// One issuer and the source of its keys: exactly one of `jwksUri`, `jwks`, `jwksConfigMapKeyRef` and
/// `kubernetes`; or `caBundle` alone, for the source that the document names.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[x_kube(validation = Rule::new(
        "(has(self.jwksUri) ? 1 : 0) + (has(self.jwks) ? 1 : 0) + (has(self.jwksConfigMapKeyRef) ? 1 : 0) + (has(self.kubernetes) && self.kubernetes ? 1 : 0) + (has(self.caBundle) && !has(self.jwksUri) ? 1 : 0) == 1")
    .message("give exactly one of jwksUri, jwks, jwksConfigMapKeyRef and kubernetes: true; caBundle stands beside jwksUri or alone"))]
#[serde(rename_all = "camelCase")]
pub struct IssuerSpec {
    /// The issuer, as the document's `x-google-issuer` spells it.
    #[schemars(length(min = 1, max = 1024))]
    pub issuer: String,
    /// Where its JSON Web Key Set is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub jwks_uri: Option<String>,
    /// Its JSON Web Key Set itself, as JSON text: nothing is fetched. Public keys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    pub jwks: Option<String>,
    /// Its JSON Web Key Set as the text of a ConfigMap's key, of 64 KiB at most: nothing is fetched, and
    /// an edit of it counts like one of this resource. Public keys only. The operator must be allowed to
    /// read ConfigMaps (chart value `configMaps.read`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_config_map_key_ref: Option<ConfigMapKeyReference>,
    /// Certificates (PEM) of the authorities that the server of the keys is recognised by, instead of
    /// the well-known ones; for `jwksUri`, or for what the document names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    pub ca_bundle: Option<String>,
    /// The issuer is this cluster's API server: its keys are read with the operator's own token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<bool>,
}

/// What `X-Endpoint-API-UserInfo` holds.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new(
        "!(has(self.format) && self.format == 'esp' && has(self.pad) && !self.pad)")
    .message("the format esp is always padded"))]
#[serde(rename_all = "camelCase")]
pub struct ForwardPayloadSpec {
    /// Absent: `espv2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<PayloadFormat>,
    /// Whether base64url ends in `=` where its length asks for it. Absent: false; `esp` always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad: Option<bool>,
}

/// What `X-Endpoint-API-UserInfo` holds, in base64url: the token's payload as it came (`espv2`), or the
/// first ESP's form (`esp`: JSON of `issuer`, `id`, `email`, `audiences`, and the payload in `claims`).
/// Absent: `espv2`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PayloadFormat {
    /// The token's payload as it came (ESPv2).
    #[default]
    Espv2,
    /// JSON with `issuer`, `id`, `email`, `audiences` and, as a text, the payload in `claims` (the first
    /// ESP).
    Esp,
}

/// A claim that the backend gets as a header.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimToHeaderSpec {
    /// The claim's name; with dots, of a claim inside of others (`address.country`), unless there is one
    /// of that whole name.
    #[schemars(length(min = 1, max = 256))]
    pub claim: String,
    /// The header's name.
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
    )]
    pub header: String,
}

/// What a token's `aud` must hold. `Additive`: `https://SERVICE`, or what the issuer's list
/// (`x-google-audiences`) names. `Exclusive`: what the list names, where there is one, as in ESPv2.
/// `Unchecked`: anything, where there is no list. Absent: `Additive`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum AudienceMode {
    /// `https://SERVICE` is always accepted; the issuer's list adds to it.
    #[default]
    Additive,
    /// The issuer's list, when written, replaces `https://SERVICE` (what ESPv2 does).
    Exclusive,
    /// An issuer without a list is not checked; a written list always is.
    Unchecked,
}

/// What becomes of the scopes that the document's `security` lists. `Enforce`: a token must have all of
/// them, in `scope` or `scp`. `Ignore`: they are not looked at, as in ESPv2. Absent: `Enforce`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ScopeMode {
    /// A token must have all of them, in `scope` or `scp`.
    #[default]
    Enforce,
    /// They are not looked at (what ESPv2 does).
    Ignore,
}

/// A registered claim (RFC 7519 section 4.1) that can be required.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RegisteredClaim {
    /// Audience.
    Aud,
    /// Expiration time.
    Exp,
    /// Issued at.
    Iat,
    /// Token identifier.
    Jti,
    /// Not before.
    Nbf,
    /// Subject.
    Sub,
}
