//! `components.securitySchemes`.

use super::super::description::{Scheme, SchemeKind};
use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::google::{self, Context, TokenRules};
use super::super::references::References;
use super::super::schemes;
use super::super::source::Cursor;

/// Where a discovery document stands below its issuer (OpenID Connect Discovery 1.0, section 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// The longest URL, in bytes.
const MAX_URL: usize = 4096;
/// What a scheme for tokens looks like.
const JWT_SCHEME: &str = "a scheme for JSON Web Tokens has `type: oauth2` and `x-google-auth` with `issuer` and `jwksUri`";
/// What says whose tokens a scheme accepts.
const ADD_ISSUER: &str = "add `x-google-auth` with `issuer` and `jwksUri` to the scheme";
/// What to do about schemes that are not tokens.
const DEMAND_JWT: &str = "demand a JWT scheme (`type: oauth2` with `x-google-auth`), or `security: []` to leave it to the backend";

/// The schemes of a document, in its order.
pub(super) fn schemes<'t>(
    root: &Cursor<'t>,
    references: &mut References<'_, 't>,
    context: &Context,
    findings: &mut Findings,
) -> Vec<Scheme> {
    let Some(definitions) = root
        .get("components")
        .and_then(|components| components.get("securitySchemes"))
    else {
        return Vec::new();
    };
    schemes::read(
        &definitions,
        "securitySchemes",
        findings,
        |name, at, findings| {
            let what = format!("the security scheme {}", quote(name));
            let chain = references.chain(at, &what, findings);
            for at in chain.iter().filter(|at| at.get("$ref").is_some()) {
                check_beside_reference(at, &what, findings);
            }
            match chain.last() {
                Some(at) if at.get("$ref").is_none() => kind(name, at, context, findings),
                // What the `$ref` names was not found, which was said.
                _ => SchemeKind::Broken,
            }
        },
    )
}

/// Nothing beside a `$ref` is read (OpenAPI 3.1, section Reference Object), so what decides whose tokens
/// are accepted must not stand there.
fn check_beside_reference(at: &Cursor<'_>, what: &str, findings: &mut Findings) {
    const PASSED_OVER: [&str; 3] = ["$ref", "summary", "description"];
    let decides = |key: &str| match key.strip_prefix("x-") {
        Some(name) => ["google-", "issuer", "jwks_uri"]
            .iter()
            .any(|own| name.starts_with(own)),
        None => !PASSED_OVER.contains(&key),
    };
    if let Some((key, value)) = at.entries().find(|(key, _)| decides(key)) {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                value.key_place(),
                format!(
                    "{} stands beside the `$ref` of {what}, where nothing reads it",
                    quote(key)
                ),
            )
            .help("write the scheme out here, or remove what stands beside the `$ref`"),
        );
    }
}

fn kind(name: &str, at: &Cursor<'_>, context: &Context, findings: &mut Findings) -> SchemeKind {
    let Some(scheme_type) = schemes::scheme_type(name, at, JWT_SCHEME, findings) else {
        return SchemeKind::Broken;
    };
    match scheme_type.string() {
        Some("oauth2") => google::jwt_scheme(at, context, findings),
        Some("openIdConnect") => open_id_connect(name, at, context, findings),
        Some("http") => http(name, at, context, findings),
        Some(kind @ ("apiKey" | "mutualTLS")) => {
            no_token(&format!("`type: {kind}`"), at, context, findings)
        }
        _ => schemes::unknown_type(
            &scheme_type,
            "OpenAPI 3 knows `oauth2`, `openIdConnect`, `http`, `apiKey` and `mutualTLS`",
            findings,
        ),
    }
}

/// A scheme whose credentials are no JSON Web Tokens.
fn no_token(what: &str, at: &Cursor<'_>, context: &Context, findings: &mut Findings) -> SchemeKind {
    let Some(rules) = google::token_rules(at, context, findings) else {
        return SchemeKind::Broken;
    };
    let mends = rules != TokenRules::default();
    SchemeKind::Unenforceable {
        what: format!("has {what}, which this version does not check"),
        help: String::from(match mends {
            true => "if clients send JSON Web Tokens, write `type: http` and `scheme: bearer`",
            false => DEMAND_JWT,
        }),
        mends,
    }
}

/// `type: http` (RFC 9110 section 11.1: names of schemes are compared in any case).
fn http(name: &str, at: &Cursor<'_>, context: &Context, findings: &mut Findings) -> SchemeKind {
    let Some(scheme) = at.get("scheme") else {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                at.key_place(),
                format!(
                    "the security scheme {} has `type: http` and no `scheme`",
                    quote(name)
                ),
            )
            .help("write `scheme: bearer` for tokens"),
        );
        return SchemeKind::Broken;
    };
    let Some(written) = scheme.string() else {
        findings.push(
            scheme
                .wrong_kind("scheme", "text")
                .help("write `scheme: bearer` for tokens"),
        );
        return SchemeKind::Broken;
    };
    if !written.eq_ignore_ascii_case("bearer") {
        let what = format!("`type: http` with {}", quote(&format!("scheme: {written}")));
        return no_token(&what, at, context, findings);
    }
    let Some(rules) = google::token_rules(at, context, findings) else {
        return SchemeKind::Broken;
    };
    match rules.issuer.clone() {
        Some(issuer) => SchemeKind::Jwt(Box::new(rules.into_scheme(at, issuer, None))),
        None => SchemeKind::Unenforceable {
            what: String::from(
                "has `scheme: bearer` without `x-google-auth`: nothing says whose tokens it accepts",
            ),
            help: String::from(ADD_ISSUER),
            mends: true,
        },
    }
}

/// `type: openIdConnect`: the URL says who issues the tokens, unless an extension does.
fn open_id_connect(
    name: &str,
    at: &Cursor<'_>,
    context: &Context,
    findings: &mut Findings,
) -> SchemeKind {
    let Some(rules) = google::token_rules(at, context, findings) else {
        return SchemeKind::Broken;
    };
    let Some(url_at) = at.get("openIdConnectUrl") else {
        // With an issuer the URL is not needed, though OpenAPI wants one.
        return match rules.issuer.clone() {
            Some(issuer) => SchemeKind::Jwt(Box::new(rules.into_scheme(at, issuer, None))),
            None => {
                findings.push(
                    Diagnostic::error(
                        code::INVALID_OPENAPI,
                        at.key_place(),
                        format!(
                            "the security scheme {} has `type: openIdConnect` and no `openIdConnectUrl`",
                            quote(name)
                        ),
                    )
                    .help(format!("write `openIdConnectUrl: https://ISSUER{WELL_KNOWN}`")),
                );
                SchemeKind::Broken
            }
        };
    };
    let Some(url) = url_at.string() else {
        findings.push(url_at.wrong_kind("openIdConnectUrl", "text").help(format!(
            "write `openIdConnectUrl: https://ISSUER{WELL_KNOWN}`"
        )));
        return SchemeKind::Broken;
    };
    if url.len() > MAX_URL {
        let message = format!("`openIdConnectUrl` is longer than {MAX_URL} bytes");
        findings.push(
            Diagnostic::error(code::INVALID_OPENAPI, url_at.place(), message).help("shorten it"),
        );
        return SchemeKind::Broken;
    }
    let derived = url
        .strip_suffix(WELL_KNOWN)
        .filter(|issuer| issuer.contains("://"));
    let issuer = match (rules.issuer.clone(), derived) {
        (Some(issuer), _) => issuer,
        (None, Some(derived)) => (derived.to_owned(), url_at.place()),
        (None, None) => {
            return SchemeKind::Unenforceable {
                what: format!(
                    "has the `openIdConnectUrl` {}, which does not say whose tokens it accepts: it does not end in `{WELL_KNOWN}`",
                    quote(url)
                ),
                help: String::from("add `x-google-auth` with `issuer` to the scheme"),
                mends: true,
            };
        }
    };
    let is_usual = derived.is_some_and(|derived| derived == issuer.0.trim_end_matches('/'));
    let is_needed = !is_usual && !url.is_empty() && rules.jwks_uri.is_none();
    let discovery_url = is_needed.then(|| url.to_owned());
    SchemeKind::Jwt(Box::new(rules.into_scheme(at, issuer, discovery_url)))
}
