//! The extensions as documents write them, one file a topic.

mod audiences;
mod backend;
mod cors;
mod endpoints;
mod known;
mod legacy_security;
mod locations;
mod management;
mod parameter;
mod scheme;

use super::super::description::{JwtScheme, Operation};
use super::super::diagnostic::code;
use super::super::{Description, Diagnostic, read_text};

/// A document of OpenAPI 2.0 with these fields at its top.
fn v2(top: &str) -> String {
    format!("swagger: '2.0'\n{top}\npaths: {{/a: {{get: {{}}}}}}\n")
}

/// A document of OpenAPI 3.0 with these fields at its top.
fn v3(top: &str) -> String {
    format!("openapi: 3.0.3\n{top}\npaths: {{/a: {{get: {{}}}}}}\n")
}

/// A document of OpenAPI 2.0 with one operation that has this field.
fn v2_operation(field: &str) -> String {
    format!("swagger: '2.0'\npaths:\n  /a:\n    get:\n      {field}\n")
}

/// A document of OpenAPI 3.0 with one operation that has this field.
fn v3_operation(field: &str) -> String {
    format!("openapi: 3.0.3\npaths:\n  /a:\n    get:\n      {field}\n")
}

/// A document of OpenAPI 2.0 with one scheme of these fields.
fn v2_scheme(fields: &str) -> String {
    v2(&format!(
        "securityDefinitions: {{s: {{type: oauth2, {fields}}}}}"
    ))
}

/// A document of OpenAPI 3.0 with one scheme of these fields.
fn v3_scheme(fields: &str) -> String {
    v3(&format!(
        "components: {{securitySchemes: {{s: {{type: oauth2, {fields}}}}}}}"
    ))
}

/// What a document says, when nothing is odd about it.
fn description(text: &str) -> Description {
    let (description, warnings) = read_text(text).unwrap_or_else(|e| panic!("{text}: {e:#?}"));
    assert_eq!(warnings, [], "{text}");
    description
}

fn operation(text: &str) -> Operation {
    description(text).operations.remove(0)
}

fn scheme(text: &str) -> JwtScheme {
    description(text).jwt_scheme("s").unwrap().clone()
}

fn findings(text: &str) -> Vec<Diagnostic> {
    match read_text(text) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    }
}

/// Asserts that a document has exactly one finding: its name, where it stands, what it says, and what
/// it says to do.
#[track_caller]
fn assert_found(text: &str, code: &str, pointer: &str, words: &str, help: &str) {
    let findings = findings(text);
    assert_eq!(findings.len(), 1, "{text}: {findings:#?}");
    let finding = &findings[0];
    assert_eq!(finding.code, code, "{text}: {finding}");
    assert_eq!(finding.place.pointer, pointer, "{text}: {finding}");
    assert!(finding.message.contains(words), "{text}: {finding}");
    let remedy = finding.help.as_deref().unwrap_or_default();
    assert!(
        !help.is_empty() && remedy.contains(help),
        "{text}: {finding}"
    );
    assert!(finding.place.position.is_some(), "{text}: {finding}");
}

#[track_caller]
fn assert_invalid(text: &str, pointer: &str, words: &str, help: &str) {
    assert_found(text, code::INVALID_OPENAPI, pointer, words, help);
}
