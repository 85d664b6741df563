//! `spec.jwt`: how tokens are checked.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
}

/// One issuer and the source of its keys: exactly one of `jwksUri` and `kubernetes`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[x_kube(validation = Rule::new(
        "has(self.jwksUri) != (has(self.kubernetes) && self.kubernetes)")
    .message("give exactly one of jwksUri and kubernetes: true"))]
#[serde(rename_all = "camelCase")]
pub struct IssuerSpec {
    /// The issuer, as the document's `x-google-issuer` spells it.
    #[schemars(length(min = 1, max = 1024))]
    pub issuer: String,
    /// Where its JSON Web Key Set is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub jwks_uri: Option<String>,
    /// The issuer is this cluster's API server: its keys are read with the operator's own token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<bool>,
}

/// What a token's `aud` must hold.
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

/// What becomes of the scopes that the document's `security` lists.
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
