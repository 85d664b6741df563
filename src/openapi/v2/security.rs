//! `securityDefinitions`.

use super::super::description::{Scheme, SchemeKind};
use super::super::diagnostic::Findings;
use super::super::source::Cursor;
use super::super::{google, schemes};

/// The schemes of a document, in its order.
pub(super) fn schemes(
    root: &Cursor<'_>,
    google: &google::Context,
    findings: &mut Findings,
) -> Vec<Scheme> {
    let Some(definitions) = root.get("securityDefinitions") else {
        return Vec::new();
    };
    schemes::read(
        &definitions,
        "securityDefinitions",
        findings,
        |name, at, findings| definition_kind(name, at, google, findings),
    )
}

fn definition_kind(
    name: &str,
    at: &Cursor<'_>,
    google: &google::Context,
    findings: &mut Findings,
) -> SchemeKind {
    let help = "a scheme for JSON Web Tokens has `type: oauth2` and `x-google-issuer`";
    let Some(scheme_type) = schemes::scheme_type(name, at, help, findings) else {
        return SchemeKind::Broken;
    };
    match scheme_type.string() {
        Some("oauth2") => google::jwt_scheme(at, google, findings),
        Some(kind @ ("apiKey" | "basic")) => SchemeKind::Unenforceable {
            what: format!("has `type: {kind}`, which this version does not check"),
            help: String::from(
                "demand a JWT scheme (`type: oauth2` with `x-google-issuer`), or `security: []` to leave it to the backend",
            ),
            mends: false,
        },
        _ => schemes::unknown_type(
            &scheme_type,
            "OpenAPI 2.0 knows `oauth2`, `apiKey` and `basic`",
            findings,
        ),
    }
}
