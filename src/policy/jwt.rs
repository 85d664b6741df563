//! Tokens: found, parsed, checked and verified (RFC 7515, 7519, 8725; order of checks as ESPv2).
//!
//! ```text
//! locations ──text──► cache (digest) ──miss──► token (strict) ──► claims (issuer, time, audience) ──► key_set ──► scopes
//!                          └──────────hit──────────────────────────────┘   └─ same key still there? ─┘
//! ```

mod cache;
mod candidate;
mod claims;
mod forwarding;
mod json;
mod locations;
mod refusal;
mod security;
mod strip;
#[cfg(test)]
mod tests;
mod token;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use http::{HeaderMap, HeaderName};

use self::candidate::{Candidate, Means};
use self::claims::{canonical_audience, canonical_issuer};
use self::locations::Location;
use self::refusal::{Failure, Fault};
use self::security::PreparedRequirement;
use super::Prepared;
use super::format::{Policy, Provider};
use super::key_set::KeySet;
use super::verdict::Refusal;
use crate::api::endpoints_service::RegisteredClaim;

pub use self::cache::{TokenCache, TokenCounts};
pub use self::forwarding::{Forwarding, Told};
pub use self::security::Security;

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
    /// Seconds.
    clock_skew: u64,
    /// Where its tokens are looked for.
    locations: Vec<Location>,
    /// Digest of its configuration: what a remembered token was verified for.
    fingerprint: [u8; 32],
}

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

/// The most tokens that are looked at in one request, hence the most that an operation may demand at
/// once. Clients send one; a proxy in front adds one.
pub const MAX_TOKENS: usize = 8;
/// The most keys that are tried for one token: a set of 64 keys must not let a client without `kid`
/// buy 64 verifications with one request.
const MAX_TRIES: usize = 16;

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

/// The headers beside ESPv2's own in which tokens of these providers come, and those in which claims are
/// told: what may not come in trailers.
pub fn token_headers(providers: &[PreparedProvider], forwarding: &Forwarding) -> Arc<[HeaderName]> {
    let locations = providers.iter().flat_map(|provider| &provider.locations);
    let names: BTreeSet<_> = locations
        .filter_map(Location::header)
        .chain(forwarding.headers())
        .map(HeaderName::as_str)
        .collect();
    names
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .collect()
}

impl PreparedProvider {
    /// Makes a provider of a policy ready. `index`: its place in [`Prepared::providers`].
    ///
    /// # Errors
    /// A token location that the compiler never writes.
    pub fn new(
        index: usize,
        name: &str,
        provider: &Provider,
        policy: &Policy,
    ) -> Result<Self, String> {
        let canonical = |list: &BTreeSet<String>| {
            list.iter()
                .map(|a| canonical_audience(a).to_owned())
                .collect()
        };
        let locations = match provider.locations.as_slice() {
            [] => Location::defaults(),
            own => own.iter().map(Location::new).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            name: name.to_owned(),
            index,
            issuer: canonical_issuer(&provider.issuer).to_owned(),
            audiences: provider.audiences.as_ref().map(canonical),
            required_claims: policy.required_claims.clone(),
            clock_skew: policy.settings.jwt.clock_skew(),
            locations,
            fingerprint: fingerprint(provider),
        })
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
    (is_held && claims.grants(&requirement.scopes)).then(|| Verified {
        provider: provider.index,
        told: Arc::clone(&remembered.told),
        expires: claims.expires,
        in_query: location.is_query(),
    })
}

fn check(
    security: &Security,
    headers: &HeaderMap,
    query: Option<&str>,
    means: &mut Means<'_>,
) -> Result<Authentication, Failure> {
    let texts = find(security, headers, query, means.providers)?;
    let mut candidates: Vec<Candidate<'_>> = Vec::with_capacity(texts.len());
    for (text, location) in &texts {
        match candidates.iter_mut().find(|known| known.text() == text) {
            Some(known) => known.locations.push(*location),
            None => candidates.push(Candidate::new(text, *location, means)),
        }
    }
    let mut told = Failure::from(Fault::MISSING);
    for alternative in &security.alternatives {
        match check_all(&mut candidates, alternative, security, means) {
            Ok(authentication) => return Ok(authentication),
            Err(failure) => told = told.or(failure),
        }
    }
    Err(told)
}

/// Everything that is found where the operation's schemes look, with the place.
fn find<'r>(
    security: &Security,
    headers: &'r HeaderMap,
    query: Option<&'r str>,
    providers: &[PreparedProvider],
) -> Result<Vec<(Cow<'r, str>, usize)>, Fault> {
    let mut found = Vec::new();
    for (place, location) in security.locations.iter().enumerate() {
        location.find(headers, query, |text| found.push((text, place)));
    }
    if found.len() > MAX_TOKENS {
        return Err(Fault::TOO_MANY);
    }
    let assertion = |place: usize| {
        let location = security.locations.get(place);
        location.is_some_and(Location::is_assertion)
    };
    found.retain(|(text, place)| !assertion(*place) || concerns_us(text, providers));
    Ok(found)
}

/// Whether an assertion of Identity-Aware Proxy is of an issuer that the document names. What names
/// no issuer because it is no token is refused like any other.
fn concerns_us(assertion: &str, providers: &[PreparedProvider]) -> bool {
    token::issuer(assertion).map_or(true, |issuer| providers.iter().any(|p| p.issuer == issuer))
}

/// Checks the tokens against one alternative.
fn check_all(
    candidates: &mut [Candidate<'_>],
    requirements: &[PreparedRequirement],
    security: &Security,
    means: &mut Means<'_>,
) -> Result<Authentication, Failure> {
    let Some(first) = requirements.first() else {
        // No token passes; one that is there must be good, which only the others can say.
        return match candidates {
            [] => Ok(Authentication::Open),
            _ => Err(Fault::MISSING.into()),
        };
    };
    // Per requirement, the tokens that meet it, as bits: there are `MAX_TOKENS` at most.
    let mut fitting = vec![0_u8; requirements.len()];
    let (mut expires, mut in_query) = (None, false);
    for at in 0..candidates.len() {
        let mut met = false;
        let mut told: Option<Failure> = None;
        let same = candidates
            .iter()
            .position(|other| other.identity() == candidates[at].identity())
            .unwrap_or(at);
        let candidate = &mut candidates[at];
        for (requirement, fitting) in requirements.iter().zip(&mut fitting) {
            if !candidate.concerns(requirement) {
                continue;
            }
            match candidate.check(requirement, means) {
                Ok(()) => {
                    met = true;
                    *fitting |= 1 << same;
                    expires = earlier(expires, candidate.expires());
                    let of_query = |place: &usize| {
                        let location = security.locations.get(*place);
                        location.is_some_and(Location::is_query)
                    };
                    in_query |= candidate.locations.iter().any(of_query);
                }
                Err(failure) => {
                    told = Some(match told {
                        Some(first) => first.or(failure),
                        None => failure,
                    });
                }
            }
        }
        if let Some(failure) = told
            && !met
        {
            return Err(failure);
        }
    }
    let own = assign(&fitting).ok_or(Fault::MISSING)?;
    let told = candidates.get(own).and_then(Candidate::told);
    Ok(Authentication::Verified(Verified {
        provider: first.provider,
        told: told.ok_or(Fault::MISSING)?,
        expires,
        in_query,
    }))
}

fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
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

/// The first token that meets the first requirement while each other requirement has another one.
fn assign(fitting: &[u8]) -> Option<usize> {
    let (first, others) = fitting.split_first()?;
    let mut hopeless = [false; 1 << MAX_TOKENS];
    (0..MAX_TOKENS)
        .find(|token| first & 1 << token != 0 && assignable(others, 1 << token, &mut hopeless))
}

/// Whether each requirement has a token that is not `used`. What is left to do follows from what is
/// used, so each set is looked at once.
fn assignable(fitting: &[u8], used: u8, hopeless: &mut [bool; 1 << MAX_TOKENS]) -> bool {
    let Some((first, others)) = fitting.split_first() else {
        return true;
    };
    if hopeless[usize::from(used)] {
        return false;
    }
    let free = first & !used;
    let found = (0..MAX_TOKENS)
        .map(|token| 1_u8 << token)
        .any(|token| free & token != 0 && assignable(others, used | token, hopeless));
    hopeless[usize::from(used)] = !found;
    found
}

fn fingerprint(provider: &Provider) -> [u8; 32] {
    let bytes = serde_json::to_vec(provider).expect("strings and sets of strings make JSON");
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&SHA256, &bytes).as_ref());
    digest
}
