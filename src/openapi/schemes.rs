//! Security schemes, as far as they are alike in every version: how many there may be, and that each is a
//! mapping with a `type`.

use super::description::{Scheme, SchemeKind};
use super::diagnostic::{Diagnostic, Findings, code, quote};
use super::source::{Cursor, Kind};

/// The most schemes in a document.
const MAX_SCHEMES: usize = 256;
/// The longest name of a scheme, in bytes.
const MAX_NAME: usize = 256;

/// The schemes of a document, in its order. `kind` reads one, by its `type`, which may be of any kind.
pub(super) fn read<'t>(
    definitions: &Cursor<'t>,
    field: &str,
    findings: &mut Findings,
    mut kind: impl FnMut(&str, &Cursor<'t>, &mut Findings) -> SchemeKind,
) -> Vec<Scheme> {
    if !matches!(definitions.kind(), Kind::Mapping(_) | Kind::Null) {
        findings.push(definitions.wrong_kind(field, "a mapping"));
    }
    if definitions.entries().count() > MAX_SCHEMES {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                definitions.key_place(),
                format!("there are more than {MAX_SCHEMES} security schemes"),
            )
            .help("keep those that operations demand"),
        );
        return Vec::new();
    }
    let mut schemes = Vec::new();
    for (name, definition) in definitions.entries() {
        if name.len() > MAX_NAME {
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    definition.key_place(),
                    format!("the name {} is longer than {MAX_NAME} bytes", quote(name)),
                )
                .help("shorten it"),
            );
            continue;
        }
        schemes.push(Scheme {
            name: name.to_owned(),
            kind: kind(name, &definition, findings),
            place: definition.key_place(),
        });
    }
    schemes
}

/// The `type` of a scheme, whatever it is; `None` after a finding. `help` says what schemes for tokens
/// look like.
pub(super) fn scheme_type<'t>(
    name: &str,
    at: &Cursor<'t>,
    help: &str,
    findings: &mut Findings,
) -> Option<Cursor<'t>> {
    if !matches!(at.kind(), Kind::Mapping(_)) {
        findings.push(at.wrong_kind(name, "a mapping").help(help));
        return None;
    }
    let found = at.get("type");
    if found.is_none() {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                at.key_place(),
                format!("the security scheme {} has no `type`", quote(name)),
            )
            .help(help),
        );
    }
    found
}

/// The finding for a `type` that the version does not know.
pub(super) fn unknown_type(at: &Cursor<'_>, help: &str, findings: &mut Findings) -> SchemeKind {
    let found = at.text().map_or_else(|| at.kind_name().to_owned(), quote);
    findings.push(
        Diagnostic::error(
            code::INVALID_OPENAPI,
            at.place(),
            format!("the `type` of a security scheme is {found}"),
        )
        .help(help),
    );
    SchemeKind::Broken
}
