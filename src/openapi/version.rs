//! Which version of OpenAPI a document is, and what it is if it is something else.

use super::diagnostic::{Diagnostic, code, quote};
use super::dialect::{self, Dialect};
use super::fields;
use super::source::{Cursor, Kind};

#[cfg(test)]
mod tests;

/// What a document of each version starts with.
const START: &str =
    "an OpenAPI document starts with its version: `openapi: 3.0.3`, or `swagger: \"2.0\"`";
/// What to do about parts of a document.
const BUNDLE: &str = "bundle the document into one file (`npx @redocly/cli bundle openapi.yaml -o bundled.yaml`), and give that one";

/// Keys that schemas have.
const SCHEMA: [&str; 5] = ["properties", "allOf", "oneOf", "anyOf", "$schema"];

/// The version of a document.
///
/// # Errors
/// What it is instead, or what is wrong with its version, and what to write.
pub(super) fn recognise(root: &Cursor<'_>) -> Result<&'static Dialect, Diagnostic> {
    match root.kind() {
        Kind::Mapping(entries) if !entries.is_empty() => {}
        Kind::Null | Kind::Mapping(_) => {
            return Err(invalid(root, "the document is empty").help(START));
        }
        _ => {
            let message = format!("this is {}, not an OpenAPI document", root.kind_name());
            return Err(invalid(root, message).help(START));
        }
    }
    match (root.get("openapi"), root.get("swagger")) {
        (Some(openapi), None) => openapi_version(&openapi),
        (None, Some(swagger)) => swagger_version(&swagger),
        (Some(openapi), Some(swagger)) => Err(invalid(
            &swagger,
            "the document has both `openapi` and `swagger`, which are its version",
        )
        .help("keep the one whose fields it uses: `components` and `servers` are OpenAPI 3, `securityDefinitions` and `host` are 2.0")
        .related(openapi.place(), "the other version")),
        (None, None) => Err(something_else(root)),
    }
}

/// `3.0.x` or `3.1.x`; a number where quotes or the patch version were left out.
fn openapi_version(at: &Cursor<'_>) -> Result<&'static Dialect, Diagnostic> {
    let Some(written) = at.text() else {
        return Err(at
            .wrong_kind("openapi", "a version")
            .help("write `openapi: 3.0.3`"));
    };
    let is_number = matches!(at.kind(), Kind::Number(_));
    let mut parts = written.trim().split('.');
    match (parts.next(), parts.next()) {
        (Some("3"), Some("0")) => Ok(&dialect::V3_0),
        (Some("3"), Some("1")) => Ok(&dialect::V3_1),
        // What is left of `3.0` in structure.
        (Some("3"), None) if is_number => Ok(&dialect::V3_0),
        (Some("3"), Some("2")) => Err(Diagnostic::error(
            code::UNSUPPORTED_FEATURE,
            at.place(),
            "OpenAPI 3.2 is not supported: versions 2.0, 3.0 and 3.1 are read",
        )
        .help("write `openapi: 3.1.1` if the document uses nothing that 3.2 added")),
        (Some("2"), _) => Err(invalid(at, format!("`openapi` is {}", quote(written)))
            .help("OpenAPI 2.0 is written `swagger: \"2.0\"`")),
        _ => Err(invalid(
            at,
            format!("`openapi` is {}, which is no version", quote(written)),
        )
        .help("write `openapi: 3.0.3` or `openapi: 3.1.1`")),
    }
}

/// Only `2.0`. The quotes are often forgotten, and structure that went through an API server may hold
/// the number 2.
fn swagger_version(at: &Cursor<'_>) -> Result<&'static Dialect, Diagnostic> {
    let is_2_0 = match at.kind() {
        Kind::String(version) => version == "2.0",
        Kind::Number(number) => number.parse() == Ok(2.0_f64),
        _ => false,
    };
    if is_2_0 {
        return Ok(&dialect::V2);
    }
    let found = at.text().map_or_else(|| at.kind_name().to_owned(), quote);
    Err(invalid(
        at,
        format!("`swagger` is {found}, but there is only version 2.0"),
    )
    .help(match at.text() {
        Some(version) if version.starts_with('3') => "write `openapi: 3.0.3`",
        Some(version) if version.starts_with('1') => {
            "convert the document: Swagger 1 is read by `api-spec-converter --from=swagger_1 --to=swagger_2`"
        }
        _ => "write `swagger: \"2.0\"`",
    }))
}

/// A document without a version: what it is.
fn something_else(root: &Cursor<'_>) -> Diagnostic {
    if let Some(finding) = other_format(root) {
        return finding;
    }
    if let Some(finding) = part_of_a_document(root) {
        return finding;
    }
    for (key, value) in root.entries() {
        if let Some(near) = fields::nearest(key, ["openapi", "swagger"].into_iter()) {
            return invalid_key(
                &value,
                format!("{} is no field of an OpenAPI document", quote(key)),
            )
            .help(format!("did you mean `{near}`?"));
        }
    }
    invalid(
        root,
        "this is not an OpenAPI document: it has neither `openapi` nor `swagger`",
    )
    .help(START)
}

/// Documents that people mistake for OpenAPI, or take along with it.
fn other_format(root: &Cursor<'_>) -> Option<Diagnostic> {
    let text = |key: &str| root.get(key).and_then(|value| value.string());
    if let Some(at) = root.get("type")
        && at.string() == Some("google.api.Service")
    {
        return Some(
            invalid(
                &at,
                "this is a gRPC service configuration (`type: google.api.Service`), not an OpenAPI document",
            )
            .help("write an OpenAPI document: one path `/PACKAGE.SERVICE/METHOD` with `post` for each gRPC method, and the rules of `authentication` as security schemes"),
        );
    }
    if let (Some(kind), Some(_)) = (text("kind"), text("apiVersion")) {
        let help = match kind {
            "EndpointsService" => {
                "write here what its `spec.openapi` holds: the OpenAPI document itself"
            }
            "ConfigMap" => {
                "name the ConfigMap and the key that holds the document in `openapi.configMapKeyRef`"
            }
            _ => {
                "write the OpenAPI document itself, or name a ConfigMap that holds it in `openapi.configMapKeyRef`"
            }
        };
        return Some(
            invalid(
                root,
                format!(
                    "this is a Kubernetes manifest (`kind:` {}), not an OpenAPI document",
                    quote(kind)
                ),
            )
            .help(help),
        );
    }
    let formats = [
        (
            "swaggerVersion",
            "Swagger 1",
            "convert it to OpenAPI 2.0: `api-spec-converter --from=swagger_1 --to=swagger_2`",
        ),
        (
            "asyncapi",
            "AsyncAPI, which describes messages",
            "write an OpenAPI document for the HTTP requests that the service answers",
        ),
        (
            "arazzo",
            "Arazzo, which describes sequences of calls",
            "give one of the OpenAPI documents under its `sourceDescriptions`",
        ),
        (
            "overlay",
            "an OpenAPI Overlay, which changes another document",
            "apply it, and give the document that results",
        ),
    ];
    for (key, what, help) in formats {
        if let Some(at) = root.get(key) {
            let message = format!("this is {what} (`{key}`), not OpenAPI");
            return Some(invalid_key(&at, message).help(help));
        }
    }
    None
}

/// Documents that other documents refer to.
fn part_of_a_document(root: &Cursor<'_>) -> Option<Diagnostic> {
    let has = |keys: &[&str]| keys.iter().any(|key| root.get(key).is_some());
    let what = if has(&["paths"]) {
        return Some(
            invalid(root, "the document has `paths`, but does not say which version of OpenAPI it is")
                .help("write `openapi: 3.0.3` in front, or `swagger: \"2.0\"` if it has `securityDefinitions` or `basePath`"),
        );
    } else if root.entries().any(|(key, _)| key.starts_with('/')) {
        "it holds paths"
    } else if has(dialect::V3_0.methods) {
        "it holds one path item"
    } else if has(&[
        "components",
        "definitions",
        "securityDefinitions",
        "securitySchemes",
    ]) {
        "it holds definitions"
    } else if has(&SCHEMA) {
        "it holds a schema"
    } else if root
        .entries()
        .any(|(_, value)| SCHEMA.iter().any(|key| value.get(key).is_some()))
    {
        "it holds schemas"
    } else if has(&["$ref"]) {
        "it only refers to another place"
    } else {
        return None;
    };
    Some(
        invalid(
            root,
            format!("this is a part of an OpenAPI document, not one of its own: {what}"),
        )
        .help(BUNDLE),
    )
}

fn invalid(at: &Cursor<'_>, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code::INVALID_OPENAPI, at.place(), message)
}

fn invalid_key(at: &Cursor<'_>, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code::INVALID_OPENAPI, at.key_place(), message)
}
