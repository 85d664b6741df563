//! Google's extensions of OpenAPI 2.0 (`x-google-*`, and the older `x-issuer`, `x-jwks_uri`).
//!
//! What decides about access and is not understood is an error; `x-google-management` and
//! `x-google-quota` are passed over: nothing here counts calls.

use std::sync::Arc;

use super::description::{Backend, CorsOverride, JwtScheme, SchemeKind, Security};
use super::diagnostic::{Diagnostic, Findings, Place, code, quote};
use super::dialect::Dialect;
use super::lints;
use super::source::{Cursor, Kind};

/// The longest issuer, URL or list of audiences, in bytes.
const MAX_TEXT: usize = 4096;

/// What the extensions of the document say to those below it.
#[derive(Debug)]
pub(super) struct Context<'t> {
    /// The document.
    #[expect(dead_code, reason = "backends of 3.x stand there")]
    root: Cursor<'t>,
    /// Its version.
    #[expect(dead_code, reason = "versions spell backends differently")]
    dialect: &'static Dialect,
}

/// Where an extension stands: defaults differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The document.
    Document,
    /// A path item.
    PathItem,
    /// An operation.
    Operation,
}

impl<'t> Context<'t> {
    /// Reads what stands at the document.
    pub(super) fn new(
        root: &Cursor<'t>,
        dialect: &'static Dialect,
        findings: &mut Findings,
    ) -> Self {
        operation_audiences(root, &mut Security::default(), findings);
        Self {
            root: root.clone(),
            dialect,
        }
    }
}

/// `x-google-backend`, where it stands; it takes the place of any further up as a whole.
pub(super) fn backend(
    at: &Cursor<'_>,
    _level: Level,
    _context: &Context<'_>,
    findings: &mut Findings,
) -> Option<Arc<Backend>> {
    unsupported(
        at,
        "x-google-backend",
        "sends requests elsewhere",
        "remove it, and set backend.address of the EndpointsService",
        findings,
    );
    None
}

/// `x-endpoints-cors` of a path item or an operation.
pub(super) fn cors(_at: &Cursor<'_>, _findings: &mut Findings) -> Option<Arc<CorsOverride>> {
    None
}

/// `x-security` of an operation: audiences in place of the schemes'.
pub(super) fn operation_audiences(
    at: &Cursor<'_>,
    _security: &mut Security,
    findings: &mut Findings,
) {
    unsupported(
        at,
        "x-security",
        "sets audiences per operation",
        "remove it, and use a security scheme with these `x-google-audiences`",
        findings,
    );
}

fn unsupported(at: &Cursor<'_>, name: &str, what: &str, help: &str, findings: &mut Findings) {
    if let Some(extension) = at.get(name) {
        findings.push(
            Diagnostic::error(
                code::UNSUPPORTED_FEATURE,
                extension.key_place(),
                format!("`{name}` {what}, which this version does not do"),
            )
            .help(help),
        );
    }
}

/// `x-google-allow: configured` is the default; `all` lets undefined paths through without a token.
pub(super) fn check_allow(root: &Cursor<'_>, findings: &mut Findings) {
    let Some(allow) = root.get("x-google-allow") else {
        return;
    };
    match allow.string() {
        Some("configured") => {}
        Some("all") => findings.push(
            Diagnostic::error(
                code::UNSUPPORTED_FEATURE,
                allow.place(),
                "`x-google-allow: all` lets requests to undefined paths through unchecked, which this version does not do",
            )
            .help("remove it, and define the paths"),
        ),
        _ => {
            let found = allow.text().map_or_else(|| allow.kind_name().to_owned(), quote);
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    allow.place(),
                    format!("`x-google-allow` is {found}"),
                )
                .help("write `x-google-allow: configured`, or remove it"),
            );
        }
    }
}

/// `x-google-endpoints`: a list of at most one entry, whose name is the host. Where it says
/// `allowCors: true`.
pub(super) fn read_allow_cors(
    root: &Cursor<'_>,
    host: Option<&str>,
    findings: &mut Findings,
) -> Option<Place> {
    let endpoints = root.get("x-google-endpoints")?;
    let Kind::Sequence(_) = endpoints.kind() else {
        findings.push(
            endpoints
                .wrong_kind("x-google-endpoints", "a list")
                .help("write its entry with a `-` in front: `- name: …`"),
        );
        return None;
    };
    let mut entries = endpoints.items();
    let endpoint = entries.next()?;
    if let Some(second) = entries.next() {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                second.place(),
                "`x-google-endpoints` has more than one entry",
            )
            .help("keep the one whose name is the `host`"),
        );
        return None;
    }
    let Kind::Mapping(_) = endpoint.kind() else {
        findings.push(endpoint.wrong_kind("x-google-endpoints", "a list of mappings"));
        return None;
    };
    check_endpoint_name(&endpoint, host, findings);
    let allow_cors = endpoint.get("allowCors")?;
    match allow_cors.kind() {
        Kind::Bool(true) => Some(allow_cors.key_place()),
        Kind::Bool(false) => None,
        // Google's compiler takes the quoted form too.
        Kind::String(text) if text == "true" => Some(allow_cors.key_place()),
        Kind::String(text) if text == "false" => None,
        _ => {
            findings.push(allow_cors.wrong_kind("allowCors", "true or false"));
            None
        }
    }
}

fn check_endpoint_name(endpoint: &Cursor<'_>, host: Option<&str>, findings: &mut Findings) {
    let Some(name) = endpoint.get("name") else {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                endpoint.place(),
                "the entry of `x-google-endpoints` has no `name`",
            )
            .help("write `name:` with the document's `host`"),
        );
        return;
    };
    let Some(written) = name.string() else {
        findings.push(name.wrong_kind("name", "text"));
        return;
    };
    if let Some(host) = host
        && !written.eq_ignore_ascii_case(host)
    {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                name.place(),
                format!(
                    "the endpoint {} is not the `host` of the document",
                    quote(written)
                ),
            )
            .help(format!("write `name: {host}`")),
        );
    }
}

/// Reads the extensions of a scheme with `type: oauth2`.
pub(super) fn read_jwt_scheme(at: &Cursor<'_>, findings: &mut Findings) -> SchemeKind {
    let mut broken = false;
    if let Some(locations) = at.get("x-google-jwt-locations") {
        broken = true;
        findings.push(
            Diagnostic::error(
                code::UNSUPPORTED_FEATURE,
                locations.key_place(),
                "`x-google-jwt-locations` moves the token elsewhere, which this version does not do",
            )
            .help("remove it: tokens are taken from `Authorization: Bearer` and the query parameter `access_token`"),
        );
    }
    for (key, extension) in at.entries() {
        let known = [
            "x-google-issuer",
            "x-google-jwks_uri",
            "x-google-audiences",
            "x-google-jwt-locations",
        ];
        if key.starts_with("x-google-") && !known.contains(&key) {
            findings.push(
                Diagnostic::warning(
                    lints::UNKNOWN_EXTENSION,
                    extension.key_place(),
                    format!("{} is not known and changes nothing", quote(key)),
                )
                .help(format!("a scheme may have {}", known[..3].join(", "))),
            );
        }
    }
    let (Ok(issuer), Ok(jwks_uri), Ok(audiences)) = (
        text(at, &["x-google-issuer", "x-issuer"], findings),
        text(at, &["x-google-jwks_uri", "x-jwks_uri"], findings),
        audiences(at, findings),
    ) else {
        return SchemeKind::Broken;
    };
    let Some((issuer, issuer_at)) = issuer else {
        return if broken {
            SchemeKind::Broken
        } else {
            SchemeKind::Unenforceable {
                what: String::from(
                    "is OAuth 2.0 without `x-google-issuer`: nothing says whose tokens it accepts",
                ),
                help: String::from("add `x-google-issuer` and `x-google-jwks_uri` to the scheme"),
            }
        };
    };
    if issuer.is_empty() || issuer.trim() != issuer {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                issuer_at.place(),
                "`x-google-issuer` is empty, or has spaces around it",
            )
            .help("write exactly what tokens hold as `iss`"),
        );
        return SchemeKind::Broken;
    }
    if broken {
        return SchemeKind::Broken;
    }
    let jwks_uri = jwks_uri.filter(|(uri, _)| !uri.is_empty());
    SchemeKind::Jwt(Box::new(JwtScheme {
        issuer: issuer.to_owned(),
        issuer_place: issuer_at.place(),
        jwks_uri_place: jwks_uri
            .as_ref()
            .map_or_else(|| at.key_place(), |(_, at)| at.place()),
        jwks_uri: jwks_uri.map(|(uri, _)| uri.to_owned()),
        discovery_url: None,
        audiences,
        audiences_place: at
            .get("x-google-audiences")
            .map_or_else(|| at.key_place(), |audiences| audiences.place()),
        locations: Vec::new(),
    }))
}

/// Text, and where it stands.
type Written<'t> = (&'t str, Cursor<'t>);

/// Text under a new or an old name; an error when both are there and differ.
fn text<'t>(
    at: &Cursor<'t>,
    names: &[&str; 2],
    findings: &mut Findings,
) -> Result<Option<Written<'t>>, ()> {
    let mut found: Option<Written<'t>> = None;
    for name in names {
        let Some(extension) = at.get(name) else {
            continue;
        };
        let Some(value) = extension.string() else {
            findings.push(extension.wrong_kind(name, "text"));
            return Err(());
        };
        if value.len() > MAX_TEXT {
            findings.push(too_long(&extension, name));
            return Err(());
        }
        match &found {
            Some((earlier, _)) if *earlier != value => {
                findings.push(
                    Diagnostic::error(
                        code::INVALID_OPENAPI,
                        extension.place(),
                        format!("`{name}` and `{}` differ", names[0]),
                    )
                    .help(format!("keep `{}`", names[0])),
                );
                return Err(());
            }
            Some(_) => {}
            None => found = Some((value, extension)),
        }
    }
    Ok(found)
}

fn too_long(at: &Cursor<'_>, name: &str) -> Diagnostic {
    let message = format!("`{name}` is longer than {MAX_TEXT} bytes");
    Diagnostic::error(code::INVALID_OPENAPI, at.place(), message).help("shorten it")
}

/// `x-google-audiences`: comma-separated.
fn audiences(at: &Cursor<'_>, findings: &mut Findings) -> Result<Vec<String>, ()> {
    let Some(extension) = at.get("x-google-audiences") else {
        return Ok(Vec::new());
    };
    let Some(list) = extension.string() else {
        findings.push(
            extension
                .wrong_kind("x-google-audiences", "text")
                .help("write the audiences in one text, with commas between them"),
        );
        return Err(());
    };
    if list.len() > MAX_TEXT {
        findings.push(too_long(&extension, "x-google-audiences"));
        return Err(());
    }
    let audiences: Vec<_> = list
        .split(',')
        .map(str::trim)
        .filter(|audience| !audience.is_empty())
        .map(str::to_owned)
        .collect();
    Ok(audiences)
}
