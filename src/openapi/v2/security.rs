//! `securityDefinitions`.

use super::super::description::{Scheme, SchemeKind};
use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::google;
use super::super::source::{Cursor, Kind};

/// The most schemes in a document.
const MAX_SCHEMES: usize = 256;
/// The longest name of a scheme, in bytes.
const MAX_NAME: usize = 256;

/// The schemes of a document, in its order.
pub(super) fn schemes(
    root: &Cursor<'_>,
    google: &google::Context,
    findings: &mut Findings,
) -> Vec<Scheme> {
    let Some(definitions) = root.get("securityDefinitions") else {
        return Vec::new();
    };
    if !matches!(definitions.kind(), Kind::Mapping(_) | Kind::Null) {
        findings.push(definitions.wrong_kind("securityDefinitions", "a mapping"));
    }
    if definitions.entries().count() > MAX_SCHEMES {
        findings.push(Diagnostic::error(
            code::INVALID_OPENAPI,
            definitions.key_place(),
            format!("there are more than {MAX_SCHEMES} security schemes"),
        ));
        return Vec::new();
    }
    let mut schemes = Vec::new();
    for (name, definition) in definitions.entries() {
        if name.len() > MAX_NAME {
            findings.push(Diagnostic::error(
                code::INVALID_OPENAPI,
                definition.key_place(),
                format!("the name {} is longer than {MAX_NAME} bytes", quote(name)),
            ));
            continue;
        }
        schemes.push(Scheme {
            name: name.to_owned(),
            kind: definition_kind(name, &definition, google, findings),
            place: definition.key_place(),
        });
    }
    schemes
}

fn definition_kind(
    name: &str,
    at: &Cursor<'_>,
    google: &google::Context,
    findings: &mut Findings,
) -> SchemeKind {
    if !matches!(at.kind(), Kind::Mapping(_)) {
        findings.push(at.wrong_kind(name, "a mapping"));
        return SchemeKind::Broken;
    }
    let Some(scheme_type) = at.get("type") else {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                at.key_place(),
                format!("the security scheme {} has no `type`", quote(name)),
            )
            .help("a scheme for JSON Web Tokens has `type: oauth2` and `x-google-issuer`"),
        );
        return SchemeKind::Broken;
    };
    match scheme_type.string() {
        Some("oauth2") => google::jwt_scheme(at, google, findings),
        Some(kind @ ("apiKey" | "basic")) => SchemeKind::Unenforceable {
            what: format!("has `type: {kind}`, which this version does not check"),
            help: String::from(
                "demand a JWT scheme (`type: oauth2` with `x-google-issuer`), or `security: []` to leave it to the backend",
            ),
        },
        _ => {
            let found = scheme_type
                .text()
                .map_or_else(|| scheme_type.kind_name().to_owned(), quote);
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    scheme_type.place(),
                    format!("the `type` of a security scheme is {found}"),
                )
                .help("OpenAPI 2.0 knows `oauth2`, `apiKey` and `basic`"),
            );
            SchemeKind::Broken
        }
    }
}
