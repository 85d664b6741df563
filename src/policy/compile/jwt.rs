//! `jwt`: who is believed, and for whom.

mod keys;
mod locations;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::api::endpoints_service::{AudienceMode, JwtSpec, RegisteredClaim};
use crate::openapi::description::JwtScheme;
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Description, Diagnostic, Findings, Place};
use crate::policy::format::Provider;

use keys::Written;

pub(super) use keys::check_issuers;

/// Claims that every token must carry.
pub(super) fn required_claims(spec: Option<&JwtSpec>) -> BTreeSet<RegisteredClaim> {
    match spec.and_then(|spec| spec.required_claims.as_ref()) {
        Some(claims) => claims.iter().copied().collect(),
        None => BTreeSet::from([RegisteredClaim::Exp]),
    }
}

/// Providers for the schemes that the policy's operations demand.
pub(super) fn providers(
    description: &Description,
    spec: Option<&JwtSpec>,
    written: &BTreeMap<String, Written>,
    service: &str,
    demanded: &HashSet<&str>,
    findings: &mut Findings,
) -> BTreeMap<String, Provider> {
    keys::check_issuers_are_named(description, spec, findings);
    let mode = spec.and_then(|spec| spec.audiences).unwrap_or_default();
    let mut providers = BTreeMap::new();
    for (at, scheme) in description.jwt_schemes() {
        if !demanded.contains(at.name.as_str()) {
            continue;
        }
        let locations = locations::compile(&scheme.locations, findings);
        let audiences = audiences(scheme, mode, service, findings);
        let Some(keys) = keys::source_of(at, scheme, written, findings) else {
            continue;
        };
        let provider = Provider {
            issuer: scheme.issuer.clone(),
            keys,
            audiences,
            locations,
        };
        providers.insert(at.name.clone(), provider);
    }
    providers
}

/// Accepted audiences as they are compared: without scheme and one trailing slash.
fn audiences(
    scheme: &JwtScheme,
    mode: AudienceMode,
    service: &str,
    findings: &mut Findings,
) -> Option<BTreeSet<String>> {
    let mut audiences = normal_audiences(&scheme.audiences, &scheme.audiences_place, findings);
    let has_list = !scheme.audiences.is_empty();
    match mode {
        AudienceMode::Unchecked if !has_list => return None,
        AudienceMode::Additive => {
            audiences.insert(normal_audience(service).to_owned());
        }
        AudienceMode::Exclusive if !has_list => {
            audiences.insert(normal_audience(service).to_owned());
        }
        AudienceMode::Exclusive | AudienceMode::Unchecked => {}
    }
    Some(audiences)
}

/// Audiences as they are compared. One that is nothing but a scheme would be compared as nothing.
pub(super) fn normal_audiences(
    audiences: &[String],
    place: &Place,
    findings: &mut Findings,
) -> BTreeSet<String> {
    let mut normal = BTreeSet::new();
    for audience in audiences {
        match normal_audience(audience) {
            "" => findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    place.clone(),
                    format!("{} names no audience", quote(audience)),
                )
                .help("write what tokens hold as `aud`, or remove it"),
            ),
            // Read once more it would be another audience, perhaps that of somebody else's tokens.
            once if normal_audience(once) != once => findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    place.clone(),
                    format!(
                        "the audience {} begins with two schemes, or ends in two slashes",
                        quote(audience)
                    ),
                )
                .help("write one scheme or none, and no slash at the end"),
            ),
            audience => {
                normal.insert(audience.to_owned());
            }
        }
    }
    normal
}

fn normal_audience(audience: &str) -> &str {
    let without_scheme = audience
        .strip_prefix("https://")
        .or_else(|| audience.strip_prefix("http://"))
        .unwrap_or(audience);
    without_scheme.strip_suffix('/').unwrap_or(without_scheme)
}
