//! `x-endpoints-cors`: the fields of the resource's `cors`, for one path item or operation, or `false`.
//! The extension is ours. Kinds and sizes are checked here, as the resource's schema checks them
//! there; what the values mean is the compiler's business in both places.

use std::sync::Arc;

use super::super::description::CorsOverride;
use super::super::diagnostic::{Findings, quote};
use super::super::source::{Cursor, Kind};
use super::Context;
use super::values::{Found, boolean, mapping, sequence, text, wrong};
use crate::api::endpoints_service::{CorsPreset, CorsSpec};

/// The extension.
const NAME: &str = "x-endpoints-cors";
/// The fields of [`CorsSpec`].
const FIELDS: [&str; 9] = [
    "preset",
    "allowOrigins",
    "allowOriginRegex",
    "allowMethods",
    "allowHeaders",
    "exposeHeaders",
    "allowCredentials",
    "allowAnyOriginWithCredentials",
    "maxAge",
];

/// Reads the extension of a path item or operation; `None` if it has none.
pub(in super::super) fn cors(
    at: &Cursor<'_>,
    context: &Context,
    findings: &mut Findings,
) -> Option<Arc<CorsOverride>> {
    let extension = at.get(NAME)?;
    let key = std::ptr::from_ref(extension.node());
    if let Some(known) = context.seen_cors.borrow().get(&key) {
        return known.clone();
    }
    let rules = match extension.kind() {
        Kind::Bool(false) => Ok(None),
        Kind::Mapping(_) => rules(&extension, findings).map(Some),
        _ => {
            findings.push(
                extension
                    .wrong_kind(NAME, "a mapping or `false`")
                    .help("write the fields of `cors` below it, `{}` for their defaults, or `false` for no CORS here"),
            );
            Err(Found)
        }
    };
    let read = rules.ok().map(|rules| {
        Arc::new(CorsOverride {
            rules,
            place: extension.key_place(),
        })
    });
    context.seen_cors.borrow_mut().insert(key, read.clone());
    read
}

fn rules(at: &Cursor<'_>, findings: &mut Findings) -> Result<CorsSpec, Found> {
    let known = mapping(at, NAME, &FIELDS, findings);
    let preset = at.get("preset").map(|at| preset(&at, findings));
    let mut names = |field: &str, most, longest| {
        at.get(field)
            .map(|at| list(&at, field, most, longest, findings))
    };
    let allow_origins = names("allowOrigins", 64, 512);
    let allow_methods = names("allowMethods", 64, 64);
    let allow_headers = names("allowHeaders", 128, 256);
    let expose_headers = names("exposeHeaders", 128, 256);
    let mut words = |field: &str, longest| {
        at.get(field)
            .map(|at| some_text(&at, field, longest, findings))
    };
    let allow_origin_regex = words("allowOriginRegex", 1024);
    let max_age = words("maxAge", 32);
    let mut flag = |field: &str| at.get(field).map(|at| boolean(&at, field, findings));
    let allow_credentials = flag("allowCredentials");
    let allow_any_origin_with_credentials = flag("allowAnyOriginWithCredentials");
    known?;
    Ok(CorsSpec {
        preset: preset.transpose()?,
        allow_origins: allow_origins.transpose()?,
        allow_origin_regex: allow_origin_regex.transpose()?,
        allow_methods: allow_methods.transpose()?,
        allow_headers: allow_headers.transpose()?,
        expose_headers: expose_headers.transpose()?,
        allow_credentials: allow_credentials.transpose()?,
        allow_any_origin_with_credentials: allow_any_origin_with_credentials.transpose()?,
        max_age: max_age.transpose()?,
    })
}

fn preset(at: &Cursor<'_>, findings: &mut Findings) -> Result<CorsPreset, Found> {
    match text(at, "preset", 64, findings)? {
        "basic" => Ok(CorsPreset::Basic),
        "cors_with_regex" => Ok(CorsPreset::CorsWithRegex),
        other => {
            findings.push(
                wrong(at, format!("`preset` is {}", quote(other)))
                    .help("write `basic` or `cors_with_regex`, or leave it out"),
            );
            Err(Found)
        }
    }
}

fn list(
    at: &Cursor<'_>,
    field: &str,
    most: usize,
    longest: usize,
    findings: &mut Findings,
) -> Result<Vec<String>, Found> {
    sequence(at, field, most, findings)?;
    at.items()
        .map(|item| some_text(&item, field, longest, findings))
        .collect()
}

fn some_text(
    at: &Cursor<'_>,
    field: &str,
    longest: usize,
    findings: &mut Findings,
) -> Result<String, Found> {
    let text = text(at, field, longest, findings)?;
    if text.is_empty() {
        findings.push(
            wrong(at, format!("`{field}` has an empty text")).help("write a value, or remove it"),
        );
        return Err(Found);
    }
    Ok(text.to_owned())
}
