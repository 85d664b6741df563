//! Tokens: found, parsed, checked and verified (RFC 7515, 7519, 8725; order of checks as ESPv2).
//!
//! ```text
//! locations ──text──► cache (digest) ──miss──► token (strict) ──► claims (issuer, time, audience) ──► key_set ──► scopes
//!                          └──────────hit──────────────────────────────┘   └─ same key still there? ─┘
//! ```

mod alternatives;
mod cache;
mod candidate;
mod claims;
mod forwarding;
mod json;
mod locations;
mod provider;
mod refusal;
mod security;
mod strip;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use http::HeaderMap;

use self::alternatives::check;
use self::candidate::{MAX_TRIES, Means};
use self::refusal::{Failure, Fault};
use super::Prepared;
use super::key_set::KeySet;
use super::verdict::Refusal;

pub use self::alternatives::MAX_TOKENS;
pub use self::cache::{TokenCache, TokenCounts};
pub use self::forwarding::{Forwarding, Told};
pub use self::provider::{PreparedProvider, token_headers};
pub use self::security::Security;

/// What the token check says.
#[derive(Debug)]
pub enum Authentication {
    /// No token is asked for, or none has come where none is needed (`{}`).
    Open,
    /// The tokens of an alternative passed.
    Verified(Verified),
    /// No alternative passed.
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

/// The tokens of an alternative passed.
#[derive(Debug)]
pub struct Verified {
    /// Index in [`Prepared::providers`] of the first that the alternative demands a token of.
    pub provider: usize,
    /// What the backend is told of that token.
    pub told: Arc<Told>,
    /// When the first of the tokens expires, seconds since 1970, if one does.
    pub expires: Option<u64>,
    /// One of them came in the query: the answer is for nobody else (RFC 6750 section 2.3).
    pub in_query: bool,
}

/// The key sets of a policy's providers.
pub trait Keyring {
    /// The keys of the provider with this index in [`Prepared::providers`]; `None`: none are known, or
    /// they are too old.
    fn keys(&self, provider: usize) -> Option<Arc<KeySet>>;
}

impl Keyring for Vec<Option<Arc<KeySet>>> {
    fn keys(&self, provider: usize) -> Option<Arc<KeySet>> {
        self.get(provider)?.clone()
    }
}

/// Checks the tokens of a request against the alternatives of an operation. `query`: raw query
/// string (without `?`) of the request; `now`: seconds since 1970.
///
/// An alternative passes when each token found where its schemes look for theirs meets one of its
/// requirements, and each requirement has a token of its own. The token of the first requirement
/// supplies `X-Endpoint-API-UserInfo`. An alternative without requirements (`{}`) passes when no
/// token is found where any of the operation's schemes look.
pub fn authenticate(
    prepared: &Prepared,
    operation: usize,
    headers: &HeaderMap,
    query: Option<&str>,
    keys: &dyn Keyring,
    cache: &mut TokenCache,
    now: u64,
) -> Authentication {
    // An index that the policy does not have would be a defect of ours: it must not open anything.
    let Some(security) = prepared.security.get(operation) else {
        return Authentication::Refused(Failure::from(Fault::MISSING).into());
    };
    if security.is_open() {
        return Authentication::Open;
    }
    let mut means = Means {
        providers: &prepared.providers,
        keys,
        cache,
        forwarding: &prepared.forwarding,
        now,
        tries: MAX_TRIES,
    };
    if let Some(verified) = recall(security, headers, query, &mut means) {
        return Authentication::Verified(verified);
    }
    match check(security, headers, query, &mut means) {
        Ok(authentication) => authentication,
        Err(failure) => match failure.refetch {
            Some(provider) => Authentication::UnknownKey {
                provider,
                refusal: failure.into(),
            },
            None => Authentication::Refused(failure.into()),
        },
    }
}

/// What most requests are: one token, that the first alternative alone asks for, and that is
/// remembered. The same checks as [`check`] makes, without room for several of anything; `None` says
/// nothing but that this is not the case.
fn recall(
    security: &Security,
    headers: &HeaderMap,
    query: Option<&str>,
    means: &mut Means<'_>,
) -> Option<Verified> {
    let [requirement] = security.alternatives.first()?.as_slice() else {
        return None;
    };
    let mut found = None;
    let mut number = 0;
    for (place, location) in security.locations.iter().enumerate() {
        location.find(headers, query, |text| {
            number += 1;
            found = Some((text, place, location));
        });
    }
    let (text, place, location) = found.filter(|_| number == 1)?;
    if location.is_assertion() || !requirement.locations.contains(&place) || means.cache.is_off() {
        return None;
    }
    let digest = means.cache.digest(&text)?;
    let id = &means.forwarding.id;
    let remembered = means.cache.recall(&digest, id, means.now)?;
    let provider = means.providers.get(requirement.provider)?;
    let audiences = requirement.audiences.as_ref();
    let audiences = audiences.or(provider.audiences.as_ref());
    let claims = &remembered.claims;
    claims.check(provider, audiences, means.now).ok()?;
    let key = remembered.key(&provider.fingerprint)?;
    let is_held = means.keys.keys(provider.index)?.holds(key);
    if !is_held || !claims.grants(&requirement.scopes) {
        return None;
    }
    means.cache.note(true);
    Some(Verified {
        provider: provider.index,
        told: Arc::clone(&remembered.told),
        expires: claims.expires,
        in_query: location.is_query(),
    })
}

/// Takes the tokens out of a request that they let in, wherever the operation looks for them; what is
/// left of its query, if that held one.
pub fn strip(
    prepared: &Prepared,
    operation: usize,
    headers: &mut HeaderMap,
    query: Option<&str>,
) -> Option<String> {
    let security = prepared.security.get(operation)?;
    security.strip_headers(headers, &prepared.providers);
    security.strip_query(query?)
}

/// Whether a token of this operation stands in the query.
pub fn is_in_query(prepared: &Prepared, operation: usize, query: Option<&str>) -> bool {
    let security = prepared.security.get(operation);
    let stripped = security.and_then(|security| security.strip_query(query?));
    stripped.is_some()
}
