//! How tokens are checked (`spec.jwt`, but issuers, audiences and required claims).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::is_default;
use crate::policy::limits::{
    CLOCK_SKEW, JWKS_CACHE_DURATION, MAX_KEY_AGE, TOKEN_CACHE_SIZE, TOKEN_CACHE_TTL,
};

/// How tokens are checked and what becomes of them. What is absent has its default, and what has its
/// default is absent.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtSettings {
    /// Tolerance for `exp` and `nbf`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<u64>,
    /// How often keys are fetched again, in seconds; for whoever fetches them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_refresh_seconds: Option<u64>,
    /// How often a failed fetch is repeated before it counts as failed; likewise.
    #[serde(skip_serializing_if = "is_default")]
    pub fetch_retries: u32,
    /// How long keys may outlive an unreachable issuer, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_key_age_seconds: Option<u64>,
    /// Verified tokens that a worker remembers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_cache_size: Option<u32>,
    /// For how long, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_cache_ttl_seconds: Option<u64>,
    /// What `X-Endpoint-API-UserInfo` holds.
    #[serde(skip_serializing_if = "is_default")]
    pub user_info: UserInfoForm,
    /// Claims as headers, in this order; no header twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claim_headers: Vec<ClaimHeader>,
    /// Tokens that passed are not forwarded.
    #[serde(skip_serializing_if = "is_default")]
    pub strip_token: bool,
    /// Streams end when their token expires.
    #[serde(skip_serializing_if = "is_default")]
    pub close_streams_at_expiry: bool,
}

/// What `X-Endpoint-API-UserInfo` holds.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum UserInfoForm {
    /// The payload section as it came: base64url without padding.
    #[default]
    Payload,
    /// The same, padded.
    PaddedPayload,
    /// The first ESP's JSON, base64url with padding.
    Esp,
}

/// A claim that the backend gets as a header.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimHeader {
    /// A member of the payload, or with dots one inside of others.
    pub claim: String,
    /// Lower-case name.
    pub header: String,
}

impl JwtSettings {
    /// Tolerance for `exp` and `nbf`, in seconds.
    pub fn clock_skew(&self) -> u64 {
        self.clock_skew_seconds.unwrap_or(CLOCK_SKEW.as_secs())
    }

    /// How long keys may outlive an unreachable issuer, in seconds.
    pub fn max_key_age(&self) -> u64 {
        self.max_key_age_seconds.unwrap_or(MAX_KEY_AGE.as_secs())
    }

    /// How often keys are fetched again.
    pub fn key_refresh(&self) -> Duration {
        self.key_refresh_seconds
            .map_or(JWKS_CACHE_DURATION, Duration::from_secs)
    }

    /// Verified tokens that a worker remembers.
    pub fn token_cache_size(&self) -> usize {
        self.token_cache_size
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(TOKEN_CACHE_SIZE)
    }

    /// For how long, in seconds.
    pub fn token_cache_ttl(&self) -> u64 {
        self.token_cache_ttl_seconds
            .unwrap_or(TOKEN_CACHE_TTL.as_secs())
    }
}
