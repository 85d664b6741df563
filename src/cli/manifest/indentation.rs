//! Manifests whose indentation was lost: what belongs below a key stands beside it, or beside one
//! above that, and the key itself is empty.

use crate::openapi::diagnostic::{Place, code, quote};
use crate::openapi::source::{Cursor, Kind};
use crate::openapi::{Diagnostic, lost_indentation};
use crate::policy::spec_form;

/// Keys that OpenAPI documents have at their top.
pub(super) const DOCUMENT_KEYS: [&str; 10] = [
    "swagger",
    "info",
    "paths",
    "host",
    "basePath",
    "components",
    "definitions",
    "servers",
    "security",
    "securityDefinitions",
];
/// What the metadata of people's manifests has.
const METADATA: [&str; 4] = ["name", "namespace", "labels", "annotations"];
/// What has text or structure that may have slid out of it.
const HOMES: [&str; 5] = [
    "/metadata",
    "/spec",
    "/spec/openapi",
    "/spec/openapi/inline",
    "/spec/openapi/document",
];

/// The finding for a manifest without indentation: the first key that stands beside what it belongs
/// into.
pub(super) fn lost(object: &Cursor<'_>) -> Option<Diagnostic> {
    let empty: Vec<_> = HOMES
        .iter()
        .filter_map(|home| object.follow(home))
        .chain(slid(object))
        .filter(is_empty)
        .collect();
    let levels = ["", "/spec", "/spec/openapi"];
    levels
        .iter()
        .filter_map(|level| object.follow(level))
        .find_map(|level| {
            level.entries().find_map(|(key, at)| {
                let home = empty.iter().find(|home| belongs(key, &at, home))?;
                Some(finding(key, &at, home))
            })
        })
}

/// Those homes that have slid out of theirs.
fn slid<'t>(object: &Cursor<'t>) -> impl Iterator<Item = Cursor<'t>> {
    [
        "/openapi",
        "/openapi/inline",
        "/openapi/document",
        "/inline",
        "/document",
        "/spec/inline",
        "/spec/document",
    ]
    .into_iter()
    .filter_map(|at| object.follow(at))
}

fn is_empty(home: &Cursor<'_>) -> bool {
    match home.kind() {
        Kind::Null => true,
        Kind::String(text) => text.value.trim().is_empty(),
        _ => false,
    }
}

/// Whether `key`, at `at`, is a stray that belongs into the empty `home`.
fn belongs(key: &str, at: &Cursor<'_>, home: &Cursor<'_>) -> bool {
    let home_pointer = home.pointer();
    let name = home_pointer.rsplit('/').next().unwrap_or_default();
    let is_inside = |pointer: &str| {
        let parent = at
            .pointer()
            .rsplit_once('/')
            .map_or("", |(parent, _)| parent);
        parent == pointer
    };
    let is_known_there = match at
        .pointer()
        .rsplit_once('/')
        .map_or("", |(parent, _)| parent)
    {
        "" => matches!(key, "apiVersion" | "kind" | "metadata" | "spec" | "status"),
        parent => spec_form::fields(parent.strip_prefix("/spec").unwrap_or(parent))
            .any(|field| field == key),
    };
    if is_known_there || is_inside(home_pointer) || at.pointer() == home_pointer {
        return false;
    }
    match name {
        "metadata" => METADATA.contains(&key),
        "spec" => spec_form::fields("").any(|field| field == key),
        "openapi" => spec_form::fields("/openapi").any(|field| field == key),
        _ => DOCUMENT_KEYS.contains(&key) || (key == "openapi" && at.text().is_some()),
    }
}

fn finding(key: &str, at: &Cursor<'_>, home: &Cursor<'_>) -> Diagnostic {
    let place = |at: &Cursor<'_>| Place {
        position: at.key_place().position,
        ..Place::resource(at.pointer())
    };
    let name = home.pointer().rsplit('/').next().unwrap_or_default();
    let mut finding = lost_indentation(place(at), key, &quote(name), Some(place(home)));
    finding.code = code::INVALID_SPEC;
    finding
}
