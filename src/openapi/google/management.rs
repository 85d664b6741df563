//! `x-google-api-management` (3.x): the named backends and `allowCors`; metrics and quotas count
//! calls, which nothing here does.

use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::lints;
use super::super::source::{Cursor, Kind};
use super::Context;
use super::backend::named_backend;
use super::endpoints::allow_cors;
use super::values::{mapping, text};

/// What it may hold.
const FIELDS: [&str; 7] = [
    "apiName",
    "allowCors",
    "metrics",
    "quota",
    "backends",
    "mcp",
    "ai",
];
/// The most backends.
const MAX_BACKENDS: usize = 1000;
/// How many names a message lists.
const LISTED: usize = 8;
/// The longest name of a backend or of the API, in bytes.
const MAX_NAME: usize = 256;

/// Reads it into the context; without it there are no backends to name.
pub(super) fn read(root: &Cursor<'_>, context: &mut Context, findings: &mut Findings) {
    let Some(at) = root.get("x-google-api-management") else {
        return;
    };
    if matches!(at.kind(), Kind::Null) {
        return;
    }
    if !matches!(at.kind(), Kind::Mapping(_)) {
        context.backends_complete = false;
    }
    // Findings about other fields do not make the backends unknown.
    let _ = mapping(&at, "x-google-api-management", &FIELDS, findings);
    if let Some(name) = at.get("apiName") {
        // It names the API among several of Google's service, of which there is one here.
        let _ = text(&name, "apiName", MAX_NAME, findings);
    }
    context.allow_cors = allow_cors(&at, findings);
    warn_of_absent_features(&at, findings);
    if let Some(backends) = at.get("backends") {
        read_backends(&backends, context, findings);
    }
}

fn warn_of_absent_features(at: &Cursor<'_>, findings: &mut Findings) {
    for (name, what, help) in [
        (
            "quota",
            "quotas are not counted here, so that no request is refused for them",
            "remove it, or limit calls where they are counted",
        ),
        (
            "mcp",
            "operations are not offered as tools of the Model Context Protocol here",
            "remove it: the operations themselves are served as they are",
        ),
        (
            "ai",
            "requests are not routed by the model that they name",
            "remove it, and give each operation an `x-google-backend`",
        ),
    ] {
        let Some(field) = at.get(name) else { continue };
        if matches!(field.kind(), Kind::Null | Kind::Bool(false)) {
            continue;
        }
        findings.push(
            Diagnostic::warning(
                lints::NO_EFFECT,
                field.key_place(),
                format!("`{name}`: {what}"),
            )
            .help(help),
        );
    }
}

fn read_backends(at: &Cursor<'_>, context: &mut Context, findings: &mut Findings) {
    if matches!(at.kind(), Kind::Null) {
        return;
    }
    context.backends_complete = false;
    let Kind::Mapping(entries) = at.kind() else {
        findings.push(
            at.wrong_kind("backends", "a mapping")
                .help("write each backend under its name: `orders:`, and below it `address:`"),
        );
        return;
    };
    if entries.len() > MAX_BACKENDS {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                at.key_place(),
                format!("`backends` has more than {MAX_BACKENDS} entries"),
            )
            .help("split the API into several services"),
        );
        return;
    }
    let mut complete = true;
    for (name, entry) in at.entries() {
        if name.len() > MAX_NAME {
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    entry.key_place(),
                    format!("the name {} is longer than {MAX_NAME} bytes", quote(name)),
                )
                .help("shorten it"),
            );
            complete = false;
            continue;
        }
        match named_backend(&entry, findings) {
            Ok(backend) => {
                context.backends.insert(name.to_owned(), backend);
            }
            Err(_) => complete = false,
        }
    }
    context.backends_complete = complete;
    let mut known: Vec<_> = context.backends.keys().map(String::as_str).collect();
    known.sort_unstable();
    let listed: Vec<_> = known.iter().take(LISTED).map(|name| quote(name)).collect();
    context.known_backends = listed.join(", ");
    if known.len() > LISTED {
        context.known_backends.push_str(", …");
    }
}
