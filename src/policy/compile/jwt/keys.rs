//! Where the keys of issuers come from.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::super::address::is_name;
use super::super::{ConfigMapTexts, invalid, references};
use crate::api::endpoints_service::{IssuerSpec, JwtSpec};
use crate::openapi::description::{JwtScheme, Scheme};
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Description, Diagnostic, Findings, Place, lints};
use crate::policy::ca;
use crate::policy::format::KeySource;
use crate::policy::key_set;

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
/// Where Google serves the keys of a service account, before its address.
const SERVICE_ACCOUNT_KEYS: &str = "https://www.googleapis.com/service_accounts/v1/jwk/";
/// Google's tokens have either issuer; its discovery document, the longer one.
const GOOGLE: &str = "https://accounts.google.com";
/// The document below an issuer (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";
/// What to do where keys are not discovered.
const WAY_OUT: &str = "name the keys: `x-google-jwks_uri` (in OpenAPI 3 `jwksUri`) in the scheme, or `jwt.issuers[].jwksUri` of the EndpointsService";

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
        (None, Some(url)) => discovered_at(scheme, url),
        (None, None) => discovered(scheme),
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

/// A place, what is wrong there, and what to write.
type Mistake = (Place, String, &'static str);

/// Keys by `openIdConnectUrl`.
fn discovered_at(scheme: &JwtScheme, url: &str) -> Result<KeySource, Mistake> {
    match key_set_url(url) {
        Ok(url) => Ok(KeySource::Discovery {
            url,
            issuer: discovery_issuer(&scheme.issuer),
        }),
        Err((why, help)) => Err((
            scheme.issuer_place.clone(),
            format!(
                "the discovery document {} cannot be used: {why}",
                quote(url)
            ),
            help,
        )),
    }
}

/// Keys by the issuer alone, as ESPv2 finds them.
fn discovered(scheme: &JwtScheme) -> Result<KeySource, Mistake> {
    let issuer = scheme.issuer.as_str();
    let mistake = |why: &str, help: &'static str| {
        let issuer = quote(issuer);
        let message = format!("the keys of the issuer {issuer} cannot be discovered: {why}");
        Err((scheme.issuer_place.clone(), message, help))
    };
    if is_email(issuer) {
        return Ok(KeySource::Url(format!("{SERVICE_ACCOUNT_KEYS}{issuer}")));
    }
    let address = match issuer.split_once("://") {
        Some(_) => issuer.to_owned(),
        None => format!("https://{issuer}"),
    };
    let is_host_name = |url: &Url| {
        let name = url.host_str().unwrap_or_default();
        // One word is hardly a host, and `team:app` no host with a port.
        is_name(name) && name.contains('.') && !issuer.contains([':', '@'])
    };
    let url = match Url::parse(&address) {
        Ok(url) if issuer.contains("://") || is_host_name(&url) => url,
        _ => {
            return mistake("it is no URL, no host name and no email address", WAY_OUT);
        }
    };
    if issuer.contains(['{', '}', '<', '>']) {
        return mistake(
            "it holds a placeholder, which no token does",
            "write the issuer as tokens hold it as `iss` (of Entra: with the tenant's id), or name the keys in `jwt.issuers[].jwksUri` of the EndpointsService",
        );
    }
    if is_common_tenant(&url) {
        return mistake(
            "tokens hold the id of their tenant in its place, and so does its discovery document",
            "write the tenant's id into the issuer, or name the keys in `jwt.issuers[].jwksUri` of the EndpointsService",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return mistake("it has a query or a fragment", WAY_OUT);
    }
    let document = format!(
        "{}{DISCOVERY_PATH}",
        address.strip_suffix('/').unwrap_or(&address)
    );
    match key_set_url(&document) {
        Ok(url) => Ok(KeySource::Discovery {
            url,
            issuer: discovery_issuer(issuer),
        }),
        Err((why, _)) => mistake(why, WAY_OUT),
    }
}

/// The issuer that the discovery document must name.
fn discovery_issuer(issuer: &str) -> String {
    match issuer {
        "accounts.google.com" => GOOGLE.to_owned(),
        other => other.to_owned(),
    }
}

/// Entra's endpoints for any tenant: their discovery document has `{tenantid}` in its issuer.
fn is_common_tenant(url: &Url) -> bool {
    let tenant = url.path_segments().and_then(|mut segments| segments.next());
    url.host_str() == Some("login.microsoftonline.com")
        && matches!(tenant, Some("common" | "organizations" | "consumers"))
}

/// Whether it is the address of a service account, or could be.
fn is_email(issuer: &str) -> bool {
    issuer.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && local
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte))
            && is_name(domain)
    })
}
