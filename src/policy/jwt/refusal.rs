//! What is wrong with a token, in ESPv2's sentences; none of them holds a part of the token.

use std::sync::Arc;

use http::StatusCode;

use crate::policy::verdict::{Challenge, Facts, Reason, Refusal};

/// A fault of a token, or of our means to judge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    message: &'static str,
}

/// Why a token, or an alternative, did not pass.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    /// The scopes that are demanded, where one is missing.
    pub(super) scope: Option<Arc<str>>,
    /// Newer keys of this provider may change that.
    pub(super) refetch: Option<usize>,
    /// Whose token it is: a provider of the policy, by its place.
    pub(super) provider: Option<usize>,
}

impl Failure {
    /// The scopes that are demanded are not all there.
    pub(super) fn scope(demanded: Arc<str>) -> Self {
        Self {
            scope: Some(demanded),
            ..Fault::SCOPE.into()
        }
    }

    /// The same, of a token of this provider; one of another issuer is nobody's.
    pub(super) fn of(self, provider: usize) -> Self {
        let named = self.fault.reason != Reason::TokenIssuer;
        Self {
            provider: named.then_some(provider),
            ..self
        }
    }

    /// Which failure is told when every alternative has one: one of the token itself before an unknown
    /// issuer before a missing token; of equals the later (ESPv2).
    pub(super) fn or(self, later: Self) -> Self {
        let refetch = self.refetch.or(later.refetch);
        let told = match later.fault.weight() >= self.fault.weight() {
            true => later,
            false => self,
        };
        Self { refetch, ..told }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            scope: None,
            refetch: None,
            provider: None,
        }
    }
}

impl Fault {
    pub(super) const MISSING: Self = Self::new(Reason::TokenMissing, "Jwt is missing");
    pub(super) const ISSUER: Self = Self::new(Reason::TokenIssuer, "Jwt issuer is not configured");
    pub(super) const NOT_YET_VALID: Self = Self::new(Reason::TokenNotYetValid, "Jwt not yet valid");
    pub(super) const EXPIRED: Self = Self::new(Reason::TokenExpired, "Jwt is expired");
    pub(super) const AUDIENCE: Self =
        Self::new(Reason::TokenAudience, "Audiences in Jwt are not allowed");
    const SCOPE: Self = Self::new(Reason::TokenScope, "Jwt does not have the scopes required");
    pub(super) const KEYS_UNAVAILABLE: Self =
        Self::new(Reason::KeysUnavailable, "Jwks remote fetch is failed");
    pub(super) const KEY_UNKNOWN: Self = Self::new(
        Reason::TokenKeyUnknown,
        "Jwks doesn't have key to match kid or alg from Jwt",
    );
    pub(super) const SIGNATURE: Self = Self::signature("Jwt verification fails");
    pub(super) const TOO_MANY: Self =
        Self::malformed("The request carries more tokens than are looked at");

    pub(super) const fn malformed(message: &'static str) -> Self {
        Self::new(Reason::TokenMalformed, message)
    }

    pub(super) const fn algorithm(message: &'static str) -> Self {
        Self::new(Reason::TokenAlgorithm, message)
    }

    pub(super) const fn signature(message: &'static str) -> Self {
        Self::new(Reason::TokenSignature, message)
    }

    pub(super) const fn claim_missing(message: &'static str) -> Self {
        Self::new(Reason::TokenClaimMissing, message)
    }

    const fn new(reason: Reason, message: &'static str) -> Self {
        Self { reason, message }
    }

    fn weight(self) -> u8 {
        match self.reason {
            Reason::TokenMissing => 0,
            Reason::TokenIssuer => 1,
            _ => 2,
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let Failure {
            fault,
            scope,
            provider,
            ..
        } = failure;
        let (status, challenge) = match fault.reason {
            // Not the client's fault, so nothing that it could bring instead (RFC 6750 section 3).
            Reason::KeysUnavailable => (StatusCode::SERVICE_UNAVAILABLE, None),
            Reason::TokenAudience => (StatusCode::FORBIDDEN, Some(Challenge::InvalidToken)),
            Reason::TokenScope => (
                StatusCode::FORBIDDEN,
                Some(Challenge::InsufficientScope {
                    scope: scope.unwrap_or_default(),
                }),
            ),
            Reason::TokenMissing => (StatusCode::UNAUTHORIZED, Some(Challenge::Missing)),
            _ => (StatusCode::UNAUTHORIZED, Some(Challenge::InvalidToken)),
        };
        Self {
            status,
            reason: fault.reason,
            message: fault.message.to_owned(),
            allow: None,
            challenge,
            facts: provider.map_or(Facts::None, |index| Facts::Provider { index }),
        }
    }
}
