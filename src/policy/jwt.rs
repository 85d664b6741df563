//! Tokens: found, parsed, checked and verified (RFC 7515, 7519, 8725; order of checks as ESPv2).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::Prepared;
use super::format::{Policy, Provider};
use super::key_set::KeySet;
use super::verdict::Refusal;

/// Signature algorithms that are accepted; HS* and none never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

/// A provider made ready.
#[derive(Debug)]
pub struct PreparedProvider {
    /// Its scheme name.
    pub name: String,
    /// Its place in [`Prepared::providers`].
    pub index: usize,
}

impl PreparedProvider {
    /// Prepares one.
    pub fn new(index: usize, name: &str, _provider: &Provider, _policy: &Policy) -> Self {
        Self {
            name: name.to_owned(),
            index,
        }
    }
}

/// What the token check says.
#[derive(Debug)]
pub enum Authentication {
    /// The operation is open.
    Open,
    /// A token passed.
    Verified {
        /// Index of the provider in [`Prepared::providers`].
        provider: usize,
        /// `X-Endpoint-API-UserInfo`.
        user_info: HeaderValue,
    },
    /// No token passed.
    Refused(Refusal),
    /// A token passed issuer, time and audience, but no key of this provider fits: one bounded
    /// refetch may help; `refusal` holds if it does not.
    UnknownKey {
        /// Index of the provider in [`Prepared::providers`].
        provider: usize,
        /// What to answer when no refetch is possible.
        refusal: Refusal,
    },
}

/// A worker's memory of verified tokens. An entry proves only (token digest, provider
/// configuration, key) → claims: issuer, time, audience are checked on every hit.
#[derive(Debug, Default)]
pub struct TokenCache {}

/// Checks the tokens of a request against the alternatives of an operation. `query`: raw query
/// string (without `?`) of the request; `keys`: per provider, in the order of
/// [`Prepared::providers`]; `now`: seconds since 1970.
pub fn authenticate(
    _prepared: &Prepared,
    _operation: usize,
    _headers: &HeaderMap,
    _query: Option<&str>,
    _keys: &[Option<Arc<KeySet>>],
    _cache: &mut TokenCache,
    _now: u64,
) -> Authentication {
    todo!("jwt helper")
}
