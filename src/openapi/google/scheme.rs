//! Whose tokens a security scheme accepts: `x-google-issuer` and its like, or `x-google-auth` (3.x).

use super::super::description::{JwtScheme, SchemeKind, WrittenLocation};
use super::super::diagnostic::{Diagnostic, Findings, Place, code};
use super::super::source::Cursor;
use super::values::{Found, mapping, text, wrong};
use super::{Context, Level, Spelling, Written, audiences, check_extensions, locations};

/// The longest issuer or URL, in bytes.
const MAX_TEXT: usize = 4096;
/// What `x-google-auth` may hold.
const AUTH_FIELDS: [&str; 4] = ["issuer", "jwksUri", "audiences", "jwtLocations"];

/// What the extensions of a scheme say, each as far as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct TokenRules {
    /// The exact `iss`.
    pub(in super::super) issuer: Option<Written>,
    /// Where the keys are served; not empty.
    pub(in super::super) jwks_uri: Option<Written>,
    /// Whom tokens are for.
    pub(in super::super) audiences: Option<(Vec<String>, Place)>,
    /// Where tokens are looked for.
    pub(in super::super) locations: Option<(Vec<WrittenLocation>, Place)>,
}

/// Reads a scheme that is a JWT scheme if it says whose tokens it accepts (`type: oauth2`).
pub(in super::super) fn jwt_scheme(
    at: &Cursor<'_>,
    context: &Context,
    findings: &mut Findings,
) -> SchemeKind {
    let Some(rules) = token_rules(at, context, findings) else {
        return SchemeKind::Broken;
    };
    let Some(issuer) = rules.issuer.clone() else {
        return SchemeKind::Unenforceable {
            what: String::from(
                "is OAuth 2.0 without `x-google-issuer`: nothing says whose tokens it accepts",
            ),
            help: String::from(match context.spelling {
                Spelling::V2 => "add `x-google-issuer` and `x-google-jwks_uri` to the scheme",
                Spelling::V3 => "add `x-google-auth` with `issuer` and `jwksUri` to the scheme",
            }),
            mends: true,
        };
    };
    SchemeKind::Jwt(Box::new(rules.into_scheme(at, issuer, None)))
}

/// Reads the extensions of a scheme of any type; `None` when they are wrong.
pub(in super::super) fn token_rules(
    at: &Cursor<'_>,
    context: &Context,
    findings: &mut Findings,
) -> Option<TokenRules> {
    check_extensions(at, Level::Scheme, context, findings);
    // Each is read whatever becomes of the others, so that one run shows all findings.
    let flat = flat_rules(at, findings);
    if context.spelling == Spelling::V2 {
        return flat.ok();
    }
    let auth = match at.get("x-google-auth") {
        Some(auth) => auth_rules(&auth, findings),
        None => Ok(TokenRules::default()),
    };
    merged(flat.ok()?, auth.ok()?, findings).ok()
}

impl TokenRules {
    /// The scheme that accepts this issuer's tokens; `discovery_url` is `openIdConnectUrl`.
    pub(in super::super) fn into_scheme(
        self,
        at: &Cursor<'_>,
        issuer: Written,
        discovery_url: Option<String>,
    ) -> JwtScheme {
        let (jwks_uri, jwks_uri_place) = match self.jwks_uri {
            Some((uri, place)) => (Some(uri), place),
            None => (None, at.key_place()),
        };
        let (audiences, audiences_place) = self
            .audiences
            .unwrap_or_else(|| (Vec::new(), at.key_place()));
        JwtScheme {
            issuer: issuer.0,
            issuer_place: issuer.1,
            jwks_uri,
            jwks_uri_place,
            discovery_url,
            audiences,
            audiences_place,
            locations: self
                .locations
                .map_or_else(Vec::new, |(locations, _)| locations),
        }
    }
}

/// One extension a thing: OpenAPI 2.0, and what users write in 3.x today.
fn flat_rules(at: &Cursor<'_>, findings: &mut Findings) -> Result<TokenRules, Found> {
    let issuer = renamed(at, "x-google-issuer", "x-issuer", findings);
    let jwks_uri = renamed(at, "x-google-jwks_uri", "x-jwks_uri", findings);
    let audiences = at
        .get("x-google-audiences")
        .map(|at| Ok((audiences::comma_separated(&at, findings)?, at.place())));
    let locations = at.get("x-google-jwt-locations").map(|at| {
        let list = locations::locations(&at, Spelling::V2, findings)?;
        Ok((list, at.place()))
    });
    Ok(TokenRules {
        issuer: issuer?,
        jwks_uri: jwks_uri?.filter(|(uri, _)| !uri.is_empty()),
        audiences: audiences.transpose()?,
        locations: locations.transpose()?,
    })
}

/// `x-google-auth`.
fn auth_rules(at: &Cursor<'_>, findings: &mut Findings) -> Result<TokenRules, Found> {
    mapping(at, "x-google-auth", &AUTH_FIELDS, findings)?;
    let issuer = at.get("issuer").map(|at| issuer(&at, "issuer", findings));
    let jwks_uri = at.get("jwksUri").map(|at| {
        let uri = text(&at, "jwksUri", MAX_TEXT, findings)?;
        Ok((uri.to_owned(), at.place()))
    });
    let audiences = at.get("audiences").map(|at| {
        let list = audiences::listed(&at, "audiences", findings)?;
        Ok((list, at.place()))
    });
    let locations = at.get("jwtLocations").map(|at| {
        let list = locations::locations(&at, Spelling::V3, findings)?;
        Ok((list, at.place()))
    });
    Ok(TokenRules {
        issuer: issuer.transpose()?,
        jwks_uri: jwks_uri
            .transpose()?
            .filter(|(uri, _): &Written| !uri.is_empty()),
        audiences: audiences.transpose()?,
        locations: locations.transpose()?,
    })
}

/// What both spellings say together: each thing once, or twice the same.
fn merged(
    flat: TokenRules,
    auth: TokenRules,
    findings: &mut Findings,
) -> Result<TokenRules, Found> {
    let issuer = one("issuer", flat.issuer, auth.issuer, String::eq, findings);
    let jwks_uri = one(
        "jwksUri",
        flat.jwks_uri,
        auth.jwks_uri,
        String::eq,
        findings,
    );
    let audiences = one(
        "audiences",
        flat.audiences,
        auth.audiences,
        Vec::eq,
        findings,
    );
    let locations = one(
        "jwtLocations",
        flat.locations,
        auth.locations,
        |one, other| same_locations(one, other),
        findings,
    );
    Ok(TokenRules {
        issuer: issuer?,
        jwks_uri: jwks_uri?,
        audiences: audiences?,
        locations: locations?,
    })
}

fn same_locations(one: &[WrittenLocation], other: &[WrittenLocation]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| one.location == other.location)
}

/// The one that is written, `x-google-auth`'s if both are; a finding if they differ.
fn one<T>(
    field: &str,
    flat: Option<(T, Place)>,
    auth: Option<(T, Place)>,
    same: impl Fn(&T, &T) -> bool,
    findings: &mut Findings,
) -> Result<Option<(T, Place)>, Found> {
    let extension = match field {
        "issuer" => "x-google-issuer",
        "jwksUri" => "x-google-jwks_uri",
        "audiences" => "x-google-audiences",
        _ => "x-google-jwt-locations",
    };
    match (flat, auth) {
        (Some((flat, place)), Some((auth, auth_place))) if !same(&flat, &auth) => {
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    place,
                    format!("`{extension}` and `x-google-auth.{field}` differ"),
                )
                .help(format!(
                    "keep `{field}` of `x-google-auth`, and remove `{extension}`"
                ))
                .related(auth_place, "the other"),
            );
            Err(Found)
        }
        (flat, auth) => Ok(auth.or(flat)),
    }
}

/// Text under a new or an old name; an error when both are there and differ.
fn renamed(
    at: &Cursor<'_>,
    name: &str,
    old: &str,
    findings: &mut Findings,
) -> Result<Option<Written>, Found> {
    let mut read = |name: &str| {
        at.get(name)
            .map(|at| match name.ends_with("issuer") {
                true => issuer(&at, name, findings),
                false => Ok((text(&at, name, MAX_TEXT, findings)?.to_owned(), at.place())),
            })
            .transpose()
    };
    let (new_text, old_text) = (read(name), read(old));
    match (new_text?, old_text?) {
        (Some((new_text, _)), Some((old_text, _))) if new_text != old_text => {
            // Both are there: the old one is what to remove.
            if let Some(at) = at.get(old) {
                findings.push(
                    wrong(&at, format!("`{old}` and `{name}` differ"))
                        .help(format!("keep `{name}`")),
                );
            }
            Err(Found)
        }
        (new_text, old_text) => Ok(new_text.or(old_text)),
    }
}

/// An issuer is compared byte by byte: spaces around it are a typing error.
fn issuer(at: &Cursor<'_>, name: &str, findings: &mut Findings) -> Result<Written, Found> {
    let issuer = text(at, name, MAX_TEXT, findings)?;
    if issuer.is_empty() || issuer.trim() != issuer {
        findings.push(
            wrong(at, format!("`{name}` is empty, or has spaces around it"))
                .help("write exactly what tokens hold as `iss`"),
        );
        return Err(Found);
    }
    Ok((issuer.to_owned(), at.place()))
}
