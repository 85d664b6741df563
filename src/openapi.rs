//! Reads an OpenAPI document into one [`Description`], with a place for every finding.
//!
//! Pure: no I/O, no Kubernetes. `source` turns text (or structure) into a tree with places; the
//! version readers turn the tree into the description; `google` reads the `x-google-*` extensions.

pub mod description;
pub mod diagnostic;
mod dialect;
mod fields;
mod google;
pub mod lints;
mod paths;
mod references;
mod security;
pub mod source;
mod v2;

pub use description::Description;
pub use diagnostic::{Diagnostic, Findings, Place, Severity};

use diagnostic::{code, quote};
use source::{Cursor, Kind, Node};

#[cfg(test)]
mod tests;

/// Reads a document given as text, YAML or JSON.
///
/// # Errors
/// All findings, at least one of them an error, in document order.
pub fn read_text(text: &str) -> Result<(Description, Vec<Diagnostic>), Vec<Diagnostic>> {
    let root = source::parse(text).map_err(|finding| vec![finding])?;
    read(&root)
}

/// Reads a document given as structure (`openapi.document`): places are pointers only.
///
/// # Errors
/// All findings, at least one of them an error, in document order.
pub fn read_value(
    document: &serde_json::Value,
) -> Result<(Description, Vec<Diagnostic>), Vec<Diagnostic>> {
    let root = source::from_value(document).map_err(|finding| vec![finding])?;
    read(&root)
}

fn read(root: &Node) -> Result<(Description, Vec<Diagnostic>), Vec<Diagnostic>> {
    let root = Cursor::root(root);
    check_version(&root).map_err(|finding| vec![finding])?;
    let mut findings = Findings::default();
    let description = v2::read(&root, &mut findings);
    if findings.has_errors() {
        return Err(findings.into_vec());
    }
    Ok((description, findings.into_vec()))
}

/// Only `swagger: "2.0"` goes on. The quotes are often forgotten, and structure that went through
/// an API server may hold the number 2.
fn check_version(root: &Cursor<'_>) -> Result<(), Diagnostic> {
    if !matches!(root.kind(), Kind::Mapping(_)) {
        return Err(Diagnostic::error(
            code::INVALID_OPENAPI,
            root.place(),
            format!("this is {}, not an OpenAPI document", root.kind_name()),
        )
        .help("an OpenAPI document is a mapping that starts with `swagger: \"2.0\"`"));
    }
    if let Some(openapi) = root.get("openapi") {
        return Err(Diagnostic::error(
            code::UNSUPPORTED_FEATURE,
            openapi.place(),
            format!(
                "OpenAPI {} is not supported: this version reads OpenAPI 2.0, the next one reads OpenAPI 3",
                openapi.text().map_or_else(|| String::from("3"), quote)
            ),
        )
        .help("convert the document to OpenAPI 2.0 (`swagger: \"2.0\"`)"));
    }
    let Some(swagger) = root.get("swagger") else {
        return Err(Diagnostic::error(
            code::INVALID_OPENAPI,
            root.place(),
            "this is not an OpenAPI document: it has no `swagger`",
        )
        .help("an OpenAPI 2.0 document starts with `swagger: \"2.0\"`"));
    };
    let is_2_0 = match swagger.kind() {
        Kind::String(version) => version == "2.0",
        Kind::Number(number) => number.parse() == Ok(2.0_f64),
        _ => false,
    };
    if is_2_0 {
        return Ok(());
    }
    let found = swagger
        .text()
        .map_or_else(|| swagger.kind_name().to_owned(), quote);
    Err(Diagnostic::error(
        code::INVALID_OPENAPI,
        swagger.place(),
        format!("`swagger` is {found}, but there is only one such version"),
    )
    .help("write `swagger: \"2.0\"`"))
}
