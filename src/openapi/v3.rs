//! OpenAPI 3.0 and 3.1, as much of it as decides who may call what.
//!
//! Schemas, bodies, responses, examples, callbacks and webhooks are passed over.

mod security;

use super::description::Description;
use super::diagnostic::{Diagnostic, Findings, code};
use super::dialect::{Dialect, Version};
use super::references::References;
use super::source::{Cursor, Kind};
use super::{fields, google, paths, servers};

#[cfg(test)]
mod tests;

/// Fields of `components`.
const COMPONENTS: [&str; 10] = [
    "schemas",
    "responses",
    "parameters",
    "examples",
    "requestBodies",
    "headers",
    "securitySchemes",
    "links",
    "callbacks",
    "pathItems",
];

/// Reads a document whose version was checked. What it returns counts only if no error is found.
pub(super) fn read(
    root: &Cursor<'_>,
    dialect: &'static Dialect,
    findings: &mut Findings,
) -> Description {
    let what = format!("an {} document", dialect.name);
    let names = dialect.document.iter().copied();
    fields::check(root, &what, names, dialect.foreign, findings);
    check_components(root, dialect, findings);
    let google = google::Context::new(root, dialect, findings);
    let servers = servers::read(root, &google, findings).unwrap_or_default();
    let mut references = References::new(root);
    let schemes = security::schemes(root, &mut references, &google, findings);
    let marked = servers.marked.as_ref();
    let host = marked.and_then(|marked| marked.host.clone());
    let allow_cors = marked.and_then(|marked| marked.endpoint.allow_cors.clone());
    let operations = match is_without_paths(root, dialect, findings) {
        true => Vec::new(),
        false => {
            let mut reader = paths::Reader::new(
                root, dialect, &google, &schemes, references, servers, findings,
            );
            reader.read();
            reader.operations
        }
    };
    Description {
        host_place: host.as_ref().map(|(_, place)| place.clone()),
        host: host.map(|(host, _)| host),
        endpoint_name: None,
        operations,
        schemes,
        allow_cors: allow_cors.or(google.allow_cors),
        allow_all: None,
    }
}

fn check_components(root: &Cursor<'_>, dialect: &Dialect, findings: &mut Findings) {
    let Some(components) = root.get("components") else {
        return;
    };
    match components.kind() {
        Kind::Mapping(_) => {
            let names = COMPONENTS.into_iter();
            fields::check(
                &components,
                "`components`",
                names,
                dialect.foreign,
                findings,
            );
        }
        Kind::Null => {}
        _ => findings.push(components.wrong_kind("components", "a mapping")),
    }
}

/// 3.1 allows documents without `paths`: they describe calls in the other direction, or parts for
/// other documents. True after a finding.
fn is_without_paths(root: &Cursor<'_>, dialect: &Dialect, findings: &mut Findings) -> bool {
    if root.get("paths").is_some() || dialect.version < Version::V3_1 {
        return false;
    }
    let (what, help) = if root.get("webhooks").is_some() {
        (
            "the document has `webhooks` and no `paths`: they are calls that the API makes, and none that it answers",
            "list what the API answers under `paths`",
        )
    } else if root.get("components").is_some() {
        (
            "the document has `components` and no `paths`: it holds parts for other documents",
            "bundle it into the document that has the `paths`, and give that one",
        )
    } else {
        return false;
    };
    findings.push(Diagnostic::error(code::UNSUPPORTED_FEATURE, root.place(), what).help(help));
    true
}
