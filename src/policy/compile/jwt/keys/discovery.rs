//! Keys that are found by their issuer (OpenID Connect Discovery 1.0), as ESPv2 finds them.

use url::Url;

use super::key_set_url;
use crate::openapi::Place;
use crate::openapi::description::JwtScheme;
use crate::openapi::diagnostic::quote;
use crate::policy::compile::address::is_name;
use crate::policy::format::KeySource;

/// Where Google serves the keys of a service account, before its address.
const SERVICE_ACCOUNT_KEYS: &str = "https://www.googleapis.com/service_accounts/v1/jwk/";
/// Google's tokens have either issuer; its discovery document, the longer one.
const GOOGLE: &str = "https://accounts.google.com";
/// The document below an issuer (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";
/// What to do where keys are not discovered.
const WAY_OUT: &str = "name the keys: `x-google-jwks_uri` (in OpenAPI 3 `jwksUri`) in the scheme, or `jwt.issuers[].jwksUri` of the EndpointsService";

/// A place, what is wrong there, and what to write.
pub(super) type Mistake = (Place, String, &'static str);

/// Keys by `openIdConnectUrl`.
pub(super) fn discovered_at(scheme: &JwtScheme, url: &str) -> Result<KeySource, Mistake> {
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
pub(super) fn discovered(scheme: &JwtScheme) -> Result<KeySource, Mistake> {
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
