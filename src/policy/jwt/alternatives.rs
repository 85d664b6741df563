//! The tokens of a request against the alternatives of an operation.

use std::borrow::Cow;

use http::HeaderMap;

use super::candidate::{Candidate, Means};
use super::locations::Location;
use super::refusal::{Failure, Fault};
use super::security::PreparedRequirement;
use super::{Authentication, PreparedProvider, Security, Verified, token};

/// The most tokens that are looked at in one request, hence the most that an operation may demand at
/// once. Clients send one; a proxy in front adds one.
pub const MAX_TOKENS: usize = 8;
/// Everything: what is found, each alternative in order.
pub(super) fn check(
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
pub(super) fn concerns_us(assertion: &str, providers: &[PreparedProvider]) -> bool {
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
