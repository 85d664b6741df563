//! CORS: the fields of `spec.cors` and of a document's `x-endpoints-cors`, checked here, so that what
//! the policy holds can be sent as it is.

mod origin;
mod origins;
mod overrides;

use super::block::Block;
use super::{duration, is_token};
use crate::api::endpoints_service::{CorsPreset, CorsSpec};
use crate::openapi::Findings;
use crate::openapi::diagnostic::quote;
use crate::policy::format::{CorsMode, CorsPolicy};

pub(in crate::policy) use origin::canonical_origin;
pub use origins::origin_regex;
pub(in crate::policy) use origins::{MAX_ORIGIN_BYTES, NOBODYS_ORIGIN};
pub(super) use overrides::Overrides;

/// ESPv2's default for `--cors_allow_methods`.
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
/// ESPv2's default for `--cors_allow_headers`, and `X-Api-Key`, which is where it looks for keys.
const HEADERS: &str = "DNT,User-Agent,X-User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization,X-Api-Key";
/// ESPv2's default for `--cors_expose_headers`.
const EXPOSED: &str = "Content-Length,Content-Range";
/// ESPv2's default for `--cors_max_age` (`480h`), in seconds.
const MAX_AGE_SECONDS: u64 = 1_728_000;
/// The most names in a list, and bytes in one; the resource's schema has the same or less.
const MAX_NAMES: usize = 128;
const MAX_NAME_BYTES: usize = 256;

/// Who answers.
pub(super) fn mode(policy: Option<CorsPolicy>, allow_cors: bool) -> CorsMode {
    match policy {
        Some(policy) => CorsMode::Owned(policy),
        None if allow_cors => CorsMode::PassThrough,
        None => CorsMode::Off,
    }
}

/// Checks and compiles the fields; `None` when a finding was made.
pub(super) fn compile(
    spec: &CorsSpec,
    block: Block<'_>,
    findings: &mut Findings,
) -> Option<CorsPolicy> {
    check_preset(spec, block, findings);
    let origins = origins::compile(spec, block, findings);
    let allow_credentials = spec.allow_credentials.unwrap_or(false);
    let mut list = |field: &str, values: &Option<Vec<String>>, separator: &str, default: &str| {
        values.as_ref().map_or_else(
            || Some(default.to_owned()),
            |values| tokens(block, field, values, separator, allow_credentials, findings),
        )
    };
    let allow_methods = list("allowMethods", &spec.allow_methods, ", ", METHODS);
    let allow_headers = list("allowHeaders", &spec.allow_headers, ",", HEADERS);
    let expose_headers = list("exposeHeaders", &spec.expose_headers, ",", EXPOSED);
    let max_age_seconds = max_age(spec, block, findings);
    Some(CorsPolicy {
        origins: origins?,
        allow_methods: allow_methods?,
        allow_headers: allow_headers?,
        expose_headers: expose_headers?,
        allow_credentials,
        max_age_seconds: max_age_seconds?,
    })
}

fn max_age(spec: &CorsSpec, block: Block<'_>, findings: &mut Findings) -> Option<u64> {
    let Some(written) = &spec.max_age else {
        return Some(MAX_AGE_SECONDS);
    };
    match duration::parse(written) {
        Ok(max_age) => Some(max_age.as_secs()),
        Err(why) => {
            findings.push(
                block
                    .invalid(
                        "maxAge",
                        format!("{} is not a duration: {why}", quote(written)),
                    )
                    .help("write a number with a unit, like `480h`, `1h30m` or `300s`"),
            );
            None
        }
    }
}

fn check_preset(spec: &CorsSpec, block: Block<'_>, findings: &mut Findings) {
    let error = |message: &str, help: &str| block.invalid("preset", message).help(help);
    match spec.preset {
        Some(CorsPreset::Basic) if spec.allow_origin_regex.is_some() => findings.push(error(
            "preset `basic` compares exact origins, but there is `allowOriginRegex`",
            "drop `allowOriginRegex`, or use preset `cors_with_regex`",
        )),
        Some(CorsPreset::CorsWithRegex) if spec.allow_origin_regex.is_none() => {
            findings.push(error(
                "preset `cors_with_regex` needs `allowOriginRegex`",
                "add it, or use preset `basic`",
            ));
        }
        _ => {}
    }
    if spec.allow_origins.is_some() && spec.allow_origin_regex.is_some() {
        findings.push(
            block
                .invalid_itself("there are both `allowOrigins` and `allowOriginRegex`")
                .help("keep one: an expression can list origins with `|`"),
        );
    }
}

/// Joins a list of tokens (RFC 9110 section 5.6.2) into a header value.
fn tokens(
    block: Block<'_>,
    field: &str,
    values: &[String],
    separator: &str,
    allow_credentials: bool,
    findings: &mut Findings,
) -> Option<String> {
    if values.len() > MAX_NAMES {
        findings.push(
            block
                .invalid(field, format!("there are more than {MAX_NAMES} names"))
                .help("shorten the list: every preflight is answered with it"),
        );
        return None;
    }
    for (index, value) in values.iter().enumerate() {
        let field = format!("{field}/{index}");
        if value == "*" && allow_credentials {
            findings.push(
                block
                    .invalid(
                        &field,
                        "with credentials browsers read `*` as a name, not as everything",
                    )
                    .help("list the names (Fetch standard, CORS protocol and credentials)"),
            );
        } else if !is_token(value) || value.len() > MAX_NAME_BYTES {
            findings.push(
                block
                    .invalid(&field, format!("{} is not one name", quote(value)))
                    .help("write one name an item, without commas and spaces"),
            );
        }
    }
    Some(values.join(separator))
}
