//! `jwt`: who is believed, for whom, and where the keys come from.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use url::Url;

use super::invalid;
use crate::api::endpoints_service::{AudienceMode, IssuerSpec, JwtSpec, RegisteredClaim};
use crate::openapi::description::{JwtScheme, Scheme};
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Description, Diagnostic, Findings};
use crate::policy::format::{KeySource, Provider};

/// The most entries of `jwt.issuers`; also in the resource's schema.
const MAX_ISSUERS: usize = 64;
/// The longest URL of a key set, in bytes; also in the resource's schema.
const MAX_URI_BYTES: usize = 2048;

/// Claims that every token must carry.
pub(super) fn required_claims(spec: Option<&JwtSpec>) -> BTreeSet<RegisteredClaim> {
    match spec.and_then(|spec| spec.required_claims.as_ref()) {
        Some(claims) => claims.iter().copied().collect(),
        None => BTreeSet::from([RegisteredClaim::Exp]),
    }
}

/// Checks `jwt.issuers` by itself; the sources by issuer.
pub(super) fn check_issuers(
    spec: Option<&JwtSpec>,
    findings: &mut Findings,
) -> BTreeMap<String, KeySource> {
    let entries = spec
        .and_then(|spec| spec.issuers.as_deref())
        .unwrap_or_default();
    let mut sources = BTreeMap::new();
    if entries.len() > MAX_ISSUERS {
        findings.push(invalid(
            "/spec/jwt/issuers",
            format!("there are more than {MAX_ISSUERS} issuers"),
        ));
        return sources;
    }
    for (index, entry) in entries.iter().enumerate() {
        let pointer = format!("/spec/jwt/issuers/{index}");
        if sources.contains_key(&entry.issuer) {
            findings.push(
                invalid(
                    &format!("{pointer}/issuer"),
                    format!("the issuer {} has an entry already", quote(&entry.issuer)),
                )
                .help("keep one"),
            );
        } else if let Some(source) = source(entry, &pointer, findings) {
            sources.insert(entry.issuer.clone(), source);
        }
    }
    sources
}

fn source(entry: &IssuerSpec, pointer: &str, findings: &mut Findings) -> Option<KeySource> {
    match (&entry.jwks_uri, entry.kubernetes.unwrap_or(false)) {
        (None, true) => Some(KeySource::Kubernetes {
            issuer: entry.issuer.clone(),
        }),
        (Some(uri), false) => match key_set_url(uri) {
            Ok(url) => Some(KeySource::Url(url)),
            Err((why, help)) => {
                let message = format!("{} cannot be used: {why}", quote(uri));
                findings.push(invalid(&format!("{pointer}/jwksUri"), message).help(help));
                None
            }
        },
        _ => {
            findings.push(
                invalid(
                    pointer,
                    format!(
                        "the issuer {} needs exactly one source of keys",
                        quote(&entry.issuer)
                    ),
                )
                .help("give `jwksUri` or `kubernetes: true`"),
            );
            None
        }
    }
}

/// A URL in its normal form, so that one key set has one name; or what is wrong and what to write.
/// Which addresses may be asked is the fetcher's rule.
fn key_set_url(written: &str) -> Result<String, (&'static str, &'static str)> {
    const EXAMPLE: &str = "write it like `https://issuer.example.com/.well-known/jwks.json`";
    if written.len() > MAX_URI_BYTES {
        return Err(("it is too long", EXAMPLE));
    }
    let url = Url::parse(written).map_err(|_| ("it is not an absolute URL", EXAMPLE))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(("it is neither https nor http", EXAMPLE));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "it holds credentials",
            "key sets are public: remove the part before `@`",
        ));
    }
    if url.fragment().is_some() {
        return Err(("it has a fragment", "remove the part from `#` on"));
    }
    Ok(url.into())
}

/// Providers for the schemes that operations demand.
pub(super) fn providers(
    description: &Description,
    spec: Option<&JwtSpec>,
    sources: &BTreeMap<String, KeySource>,
    service: &str,
    findings: &mut Findings,
) -> BTreeMap<String, Provider> {
    check_issuers_are_named(description, spec, findings);
    let mode = spec.and_then(|spec| spec.audiences).unwrap_or_default();
    let demanded: HashSet<&str> = description
        .operations
        .iter()
        .flat_map(|operation| &operation.security.alternatives)
        .flat_map(|alternative| &alternative.requirements)
        .map(|requirement| requirement.scheme.as_str())
        .collect();
    let mut providers = BTreeMap::new();
    for (at, scheme) in description.jwt_schemes() {
        if !demanded.contains(at.name.as_str()) {
            continue;
        }
        let Some(keys) = key_source(at, scheme, sources, findings) else {
            continue;
        };
        let provider = Provider {
            issuer: scheme.issuer.clone(),
            keys,
            audiences: audiences(scheme, mode, service),
            locations: Vec::new(),
        };
        providers.insert(at.name.clone(), provider);
    }
    providers
}

/// An entry for nobody's issuer is a typing error that would leave the document's URI in force.
fn check_issuers_are_named(
    description: &Description,
    spec: Option<&JwtSpec>,
    findings: &mut Findings,
) {
    let entries = spec
        .and_then(|spec| spec.issuers.as_deref())
        .unwrap_or_default();
    for (index, entry) in entries.iter().enumerate().take(MAX_ISSUERS) {
        if description
            .jwt_schemes()
            .any(|(_, scheme)| scheme.issuer == entry.issuer)
        {
            continue;
        }
        let known: BTreeSet<_> = description
            .jwt_schemes()
            .map(|(_, scheme)| scheme.issuer.as_str())
            .collect();
        let known: Vec<_> = known.into_iter().take(8).map(quote).collect();
        findings.push(
            invalid(
                &format!("/spec/jwt/issuers/{index}/issuer"),
                format!(
                    "no security scheme of the document has the issuer {}",
                    quote(&entry.issuer)
                ),
            )
            .help(match known.as_slice() {
                [] => String::from(
                    "the document has no issuer: add `x-google-issuer` to a security scheme",
                ),
                known => format!("the document's issuers: {}", known.join(", ")),
            }),
        );
    }
}

fn key_source(
    at: &Scheme,
    scheme: &JwtScheme,
    sources: &BTreeMap<String, KeySource>,
    findings: &mut Findings,
) -> Option<KeySource> {
    if let Some(source) = sources.get(&scheme.issuer) {
        return Some(source.clone());
    }
    let Some(uri) = &scheme.jwks_uri else {
        findings.push(
            Diagnostic::error(
                code::UNSUPPORTED_FEATURE,
                at.place.clone(),
                format!("nothing says where the keys of {} are: this version does not discover them", quote(&at.name)),
            )
            .help("add `x-google-jwks_uri` to the scheme, or an entry for the issuer to jwt.issuers of the EndpointsService"),
        );
        return None;
    };
    match key_set_url(uri) {
        Ok(url) => Some(KeySource::Url(url)),
        Err((why, help)) => {
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    scheme.jwks_uri_place.clone(),
                    format!("`x-google-jwks_uri` {} cannot be used: {why}", quote(uri)),
                )
                .help(help),
            );
            None
        }
    }
}

/// Accepted audiences as they are compared: without scheme and one trailing slash.
fn audiences(scheme: &JwtScheme, mode: AudienceMode, service: &str) -> Option<BTreeSet<String>> {
    let mut audiences = normal_audiences(&scheme.audiences);
    let has_list = !audiences.is_empty();
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

/// Audiences as they are compared.
pub(super) fn normal_audiences(audiences: &[String]) -> BTreeSet<String> {
    audiences
        .iter()
        .map(|audience| normal_audience(audience).to_owned())
        .collect()
}

fn normal_audience(audience: &str) -> &str {
    let without_scheme = audience
        .strip_prefix("https://")
        .or_else(|| audience.strip_prefix("http://"))
        .unwrap_or(audience);
    without_scheme.strip_suffix('/').unwrap_or(without_scheme)
}
