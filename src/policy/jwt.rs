//! Tokens: found, parsed, checked and verified (RFC 7515, 7519, 8725; order of checks as ESPv2).
//!
//! ```text
//! locations ──text──► cache (digest) ──miss──► token (strict) ──► claims (issuer, time, audience) ──► key_set
//!                          └──────────hit──────────────────────────────┘   └─ same key still there? ─┘
//! ```

mod cache;
mod claims;
mod json;
mod locations;
mod refusal;
#[cfg(test)]
mod tests;
mod token;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use http::{HeaderMap, HeaderValue};

use self::cache::{Proof, Remembered};
use self::claims::{Claims, canonical_audience, canonical_issuer};
use self::locations::Found;
use self::refusal::Fault;
use self::token::Token;
use super::Prepared;
use super::format::{Policy, Provider};
use super::key_set::KeySet;
use super::verdict::Refusal;
use crate::api::endpoints_service::RegisteredClaim;

pub use self::cache::TokenCache;

/// A provider made ready.
#[derive(Debug)]
pub struct PreparedProvider {
    /// Its scheme name.
    pub name: String,
    /// Its place in [`Prepared::providers`].
    pub index: usize,
    issuer: String,
    audiences: Option<BTreeSet<String>>,
    required_claims: BTreeSet<RegisteredClaim>,
    /// Digest of its configuration: what a remembered token was verified for.
    fingerprint: [u8; 32],
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

/// The most tokens that are looked at in one request. Clients send one; a proxy in front adds one.
const MAX_TOKENS: usize = 8;
/// The most keys that are tried for one token: a set of 64 keys must not let a client without `kid`
/// buy 64 verifications with one request.
const MAX_TRIES: usize = 16;

/// Checks the tokens of a request against the alternatives of an operation. `query`: raw query
/// string (without `?`) of the request; `keys`: per provider, in the order of
/// [`Prepared::providers`]; `now`: seconds since 1970.
///
/// An alternative passes when each token found verifies under its provider; the first that passes
/// supplies `X-Endpoint-API-UserInfo`.
pub fn authenticate(
    prepared: &Prepared,
    operation: usize,
    headers: &HeaderMap,
    query: Option<&str>,
    keys: &[Option<Arc<KeySet>>],
    cache: &mut TokenCache,
    now: u64,
) -> Authentication {
    // An index that the policy does not have would be a defect of ours: it must not open anything.
    let Some(alternatives) = prepared.security.get(operation) else {
        return Authentication::Refused(Fault::MISSING.into());
    };
    if alternatives.is_empty() {
        return Authentication::Open;
    }
    check_alternatives(
        &prepared.providers,
        alternatives,
        headers,
        query,
        keys,
        cache,
        now,
    )
}

impl PreparedProvider {
    /// Makes a provider of a policy ready. `index`: its place in [`Prepared::providers`].
    pub fn new(index: usize, name: &str, provider: &Provider, policy: &Policy) -> Self {
        let canonical = |list: &BTreeSet<String>| {
            list.iter()
                .map(|a| canonical_audience(a).to_owned())
                .collect()
        };
        Self {
            name: name.to_owned(),
            index,
            issuer: canonical_issuer(&provider.issuer).to_owned(),
            audiences: provider.audiences.as_ref().map(canonical),
            required_claims: policy.required_claims.clone(),
            fingerprint: fingerprint(provider),
        }
    }
}

fn check_alternatives(
    providers: &[PreparedProvider],
    alternatives: &[usize],
    headers: &HeaderMap,
    query: Option<&str>,
    keys: &[Option<Arc<KeySet>>],
    cache: &mut TokenCache,
    now: u64,
) -> Authentication {
    let mut found = locations::find(headers, query);
    if found.len() > MAX_TOKENS {
        return Authentication::Refused(Fault::TOO_MANY.into());
    }
    found.retain(|found| !found.assertion || concerns_us(&found.text, providers));
    let mut candidates: Vec<_> = found
        .into_iter()
        .map(|found| Candidate::new(found, cache, now))
        .collect();

    let mut told = Fault::MISSING;
    let mut unknown_key = None;
    for provider in alternatives
        .iter()
        .filter_map(|index| providers.get(*index))
    {
        let keys = keys.get(provider.index).and_then(Option::as_deref);
        match check_all(&mut candidates, provider, keys, cache, now) {
            Ok(user_info) => {
                return Authentication::Verified {
                    provider: provider.index,
                    user_info,
                };
            }
            Err(failure) => {
                if failure.fault.weight() >= told.weight() {
                    told = failure.fault;
                }
                if failure.refetch && unknown_key.is_none() {
                    unknown_key = Some(provider.index);
                }
            }
        }
    }
    match unknown_key {
        Some(provider) => Authentication::UnknownKey {
            provider,
            refusal: told.into(),
        },
        None => Authentication::Refused(told.into()),
    }
}

/// A token of the request and what is known of it, over all alternatives.
struct Candidate<'r> {
    text: Cow<'r, str>,
    digest: Option<cache::Digest>,
    remembered: Option<Arc<Remembered>>,
}

/// Why an alternative did not pass.
struct Failure {
    fault: Fault,
    /// Newer keys may change that.
    refetch: bool,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            refetch: false,
        }
    }
}

/// Whether an assertion of Identity-Aware Proxy is of an issuer that the document names. What names
/// no issuer because it is no token is refused like any other.
fn concerns_us(assertion: &str, providers: &[PreparedProvider]) -> bool {
    token::issuer(assertion).map_or(true, |issuer| providers.iter().any(|p| p.issuer == issuer))
}

/// Checks every token against one provider; the first token's payload is what the backend learns.
fn check_all(
    candidates: &mut [Candidate<'_>],
    provider: &PreparedProvider,
    keys: Option<&KeySet>,
    cache: &mut TokenCache,
    now: u64,
) -> Result<HeaderValue, Failure> {
    let mut user_info = None;
    for candidate in candidates {
        let own = candidate.check(provider, keys, cache, now)?;
        user_info.get_or_insert(own);
    }
    user_info.ok_or(Fault::MISSING.into())
}

impl<'r> Candidate<'r> {
    fn new(found: Found<'r>, cache: &mut TokenCache, now: u64) -> Self {
        let digest = TokenCache::digest(&found.text);
        let remembered = digest.as_ref().and_then(|digest| cache.recall(digest, now));
        Self {
            text: found.text,
            digest,
            remembered,
        }
    }

    fn check(
        &self,
        provider: &PreparedProvider,
        keys: Option<&KeySet>,
        cache: &mut TokenCache,
        now: u64,
    ) -> Result<HeaderValue, Failure> {
        if let Some(remembered) = &self.remembered {
            let keys = usable(&remembered.claims, provider, keys, now)?;
            if remembered
                .key(&provider.fingerprint)
                .is_some_and(|key| keys.holds(key))
            {
                return Ok(remembered.user_info.clone());
            }
        }
        let token = Token::parse(&self.text)?;
        let keys = usable(&token.claims, provider, keys, now)?;
        let key = verify(&token, keys)?;
        if let Some(digest) = self.digest {
            cache.remember(
                digest,
                &token,
                Proof {
                    provider: provider.fingerprint,
                    key,
                },
                now,
            );
        }
        Ok(token.user_info)
    }
}

/// The keys to verify with, once the claims let a token through.
fn usable<'k>(
    claims: &Claims,
    provider: &PreparedProvider,
    keys: Option<&'k KeySet>,
    now: u64,
) -> Result<&'k KeySet, Fault> {
    claims.check(provider, now)?;
    keys.ok_or(Fault::KEYS_UNAVAILABLE)
}

/// The id of the key that verifies the token.
fn verify(token: &Token<'_>, keys: &KeySet) -> Result<[u8; 32], Failure> {
    let mut fault = Fault::KEY_UNKNOWN;
    let mut named = false;
    for key in keys
        .candidates(token.kid.as_deref(), token.algorithm)
        .take(MAX_TRIES)
    {
        if key.verify(token.algorithm, token.signed, &token.signature) {
            return Ok(key.id);
        }
        fault = Fault::SIGNATURE;
        named |= token.kid.is_some() && key.kid == token.kid;
    }
    // Where the key that the token names is here, newer keys do not help; where keys were only tried
    // because one side has no `kid`, the right one may be missing.
    Err(Failure {
        fault,
        refetch: !named,
    })
}

fn fingerprint(provider: &Provider) -> [u8; 32] {
    let bytes = serde_json::to_vec(provider).expect("strings and sets of strings make JSON");
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&SHA256, &bytes).as_ref());
    digest
}
