//! Where the keys of issuers come from.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::super::{ConfigMapTexts, invalid, references};
use crate::api::endpoints_service::{IssuerSpec, JwtSpec};
use crate::openapi::description::{JwtScheme, Scheme};
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Description, Diagnostic, Findings, Place, lints};
use crate::policy::ca;
use crate::policy::format::KeySource;
use crate::policy::key_set;

mod discovery;

/// What `jwt.issuers` says of one issuer.
pub(in super::super) struct Written {
    /// Its source; absent: the document's.
    source: Option<KeySource>,
    /// The authorities that the source's server is recognised by.
    ca_bundle: Option<String>,
}

/// What to do about an issuer with none or several.
const SOURCES: &str = "give `jwksUri`, `jwks`, `jwksConfigMapKeyRef` or `kubernetes: true`; `caBundle` stands beside `jwksUri` or alone";
/// The most bytes of a key set in a resource; also in its schema.
const MAX_INLINE_BYTES: usize = 64 * 1024;
/// The most entries of `jwt.issuers`; also in the resource's schema.
const MAX_ISSUERS: usize = 64;
/// The longest URL of a key set, in bytes; also in the resource's schema.
const MAX_URI_BYTES: usize = 2048;

/// Checks `jwt.issuers` by itself; what it says by issuer.
pub(in super::super) fn check_issuers(
    spec: Option<&JwtSpec>,
    texts: &ConfigMapTexts,
    findings: &mut Findings,
) -> BTreeMap<String, Written> {
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
        } else if let Some(written) = written(entry, texts, &pointer, findings) {
            sources.insert(entry.issuer.clone(), written);
        }
    }
    sources
}

fn written(
    entry: &IssuerSpec,
    texts: &ConfigMapTexts,
    pointer: &str,
    findings: &mut Findings,
) -> Option<Written> {
    let mut refuse = |field: &str, message: String, help: &str| {
        let pointer = format!("{pointer}{field}");
        findings.push(invalid(&pointer, message).help(help.to_owned()));
        None
    };
    if let Some(bundle) = &entry.ca_bundle
        && let Err(why) = ca::certificates(bundle)
    {
        return refuse(
            "/caBundle",
            format!("the certificates of authorities cannot be used: {why}"),
            "write them in PEM form, one after the other",
        );
    }
    let kubernetes = entry.kubernetes.unwrap_or(false);
    let mut jwks = entry.jwks.as_deref().map(|text| ("/jwks", text));
    if let Some(reference) = &entry.jwks_config_map_key_ref {
        let others = [kubernetes, entry.jwks_uri.is_some(), jwks.is_some()];
        match texts.get(reference) {
            _ if others.contains(&true) || entry.ca_bundle.is_some() => {
                let issuer = quote(&entry.issuer);
                return refuse(
                    "",
                    format!("the issuer {issuer} needs exactly one source of keys"),
                    SOURCES,
                );
            }
            Some(text) => jwks = Some(("/jwksConfigMapKeyRef", text)),
            None => {
                let pointer = format!("{pointer}/jwksConfigMapKeyRef");
                findings.push(references::missing(&pointer, reference));
                // Nothing comes of the spec; that no other keys are found either is no finding.
                return Some(Written {
                    source: Some(KeySource::Inline(String::new())),
                    ca_bundle: None,
                });
            }
        }
    }
    let source = match (&entry.jwks_uri, jwks, kubernetes, &entry.ca_bundle) {
        (None, None, true, None) => Some(KeySource::Kubernetes {
            issuer: entry.issuer.clone(),
        }),
        (None, None, false, Some(_)) => None,
        (None, Some((field, text)), false, None) => match inline(text) {
            Ok(source) => {
                if let Some((number, why)) = key_set::passed_over(text.as_bytes()) {
                    let place = Place::resource(format!("{pointer}{field}"));
                    let message = format!("{number} of the keys cannot be used: {why}");
                    findings.push(
                        Diagnostic::warning(lints::NO_EFFECT, place, message)
                            .help("remove what is not used"),
                    );
                }
                Some(source)
            }
            Err(why) => {
                let message = format!("the key set cannot be used: {why}");
                return refuse(
                    field,
                    message,
                    "write a JSON Web Key Set of public keys: `{\"keys\": [{\"kty\": \"EC\", …}]}`",
                );
            }
        },
        (Some(uri), None, false, _) => match key_set_url(uri) {
            Ok(url) => Some(KeySource::Url(url)),
            Err((why, help)) => {
                let message = format!("{} cannot be used: {why}", quote(uri));
                return refuse("/jwksUri", message, help);
            }
        },
        _ => {
            let issuer = quote(&entry.issuer);
            return refuse(
                "",
                format!("the issuer {issuer} needs exactly one source of keys"),
                SOURCES,
            );
        }
    };
    Some(Written {
        source,
        ca_bundle: entry.ca_bundle.clone(),
    })
}

/// A key set written down, as every sidecar gets it.
fn inline(text: &str) -> Result<KeySource, String> {
    if text.len() > MAX_INLINE_BYTES {
        return Err(String::from("it is larger than 64 KiB"));
    }
    key_set::check_public(text.as_bytes())?;
    let essential = key_set::essential(text.as_bytes()).map_err(|error| error.to_string())?;
    let text = String::from_utf8(essential).map_err(|_| "it is not text")?;
    Ok(KeySource::Inline(text))
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

/// An entry for nobody's issuer is a typing error that would leave the document's URI in force.
pub(super) fn check_issuers_are_named(
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

/// The keys of a scheme that operations demand: those that the resource names, else the document's
/// URL, else discovered; `None` when a finding was made.
pub(super) fn source_of(
    at: &Scheme,
    scheme: &JwtScheme,
    written: &BTreeMap<String, Written>,
    findings: &mut Findings,
) -> Option<KeySource> {
    let written = written.get(&scheme.issuer);
    let source = match written.and_then(|written| written.source.clone()) {
        Some(source) => source,
        None => of_document(at, scheme, findings)?,
    };
    let Some(ca_bundle) = written.and_then(|written| written.ca_bundle.clone()) else {
        return Some(source);
    };
    if let KeySource::Url(url) | KeySource::Discovery { url, .. } = &source
        && url.starts_with("http:")
    {
        let message = format!(
            "the keys of {} are fetched without TLS, where no `caBundle` counts",
            quote(&scheme.issuer)
        );
        findings.push(
            invalid("/spec/jwt/issuers", message)
                .help("name an https URL, or remove `caBundle`")
                .related(at.place.clone(), "the scheme"),
        );
        return None;
    }
    Some(KeySource::Trusting {
        ca_bundle,
        source: Box::new(source),
    })
}

/// The keys that the document names, or by which issuer they are discovered.
fn of_document(at: &Scheme, scheme: &JwtScheme, findings: &mut Findings) -> Option<KeySource> {
    let source = match (&scheme.jwks_uri, &scheme.discovery_url) {
        (Some(uri), _) => key_set_url(uri).map(KeySource::Url).map_err(|(why, help)| {
            let message = format!("the key set {} cannot be used: {why}", quote(uri));
            (scheme.jwks_uri_place.clone(), message, help)
        }),
        (None, Some(url)) => discovery::discovered_at(scheme, url),
        (None, None) => discovery::discovered(scheme),
    };
    match source {
        Ok(source) => Some(source),
        Err((place, message, help)) => {
            findings.push(
                Diagnostic::error(code::INVALID_OPENAPI, place, message)
                    .help(help)
                    .related(at.place.clone(), "the scheme"),
            );
            None
        }
    }
}
