//! `cors`: checked here, so that what the policy holds can be sent as it is.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use super::origin::canonical_origin;
use super::{duration, invalid};
use crate::api::endpoints_service::{CorsPreset, CorsSpec};
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, Place, lints};
use crate::policy::format::{CorsMode, CorsPolicy, OriginRule};

/// ESPv2's default for `--cors_allow_methods`.
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
/// ESPv2's default for `--cors_allow_headers`, and `X-Api-Key`, which is where it looks for keys.
const HEADERS: &str = "DNT,User-Agent,X-User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization,X-Api-Key";
/// ESPv2's default for `--cors_expose_headers`.
const EXPOSED: &str = "Content-Length,Content-Range";
/// ESPv2's default for `--cors_max_age` (`480h`), in seconds.
const MAX_AGE_SECONDS: u64 = 1_728_000;
/// The most memory that a compiled expression may take, in bytes.
const REGEX_SIZE_LIMIT: usize = 256 * 1024;
/// The longest expression, in bytes; also in the resource's schema.
const MAX_REGEX_BYTES: usize = 1024;
/// A site that nobody names on purpose (RFC 6761): a regex that matches it matches everybody.
pub(in crate::policy) const NOBODYS_ORIGIN: &str = "https://a.invalid";

/// The whole-origin form of `allowOriginRegex`, compiled within bounds.
///
/// # Errors
/// What is wrong with the expression, on one line.
pub fn origin_regex(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_REGEX_BYTES {
        return Err(format!("it is longer than {MAX_REGEX_BYTES} bytes"));
    }
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(REGEX_SIZE_LIMIT)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => String::from("it is too large once compiled"),
                other => last_line(&other.to_string()),
            })
    };
    // Alone first: `a)|(?:b` would be well-formed inside the group, and match parts of origins.
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

/// Regex errors draw a picture; their last line says what is wrong.
fn last_line(message: &str) -> String {
    let line = message.lines().next_back().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Who answers.
pub(super) fn mode(policy: Option<CorsPolicy>, allow_cors: bool) -> CorsMode {
    match policy {
        Some(policy) => CorsMode::Owned(policy),
        None if allow_cors => CorsMode::PassThrough,
        None => CorsMode::Off,
    }
}

/// Checks and compiles the field; `None` when a finding was made.
pub(super) fn compile(spec: &CorsSpec, findings: &mut Findings) -> Option<CorsPolicy> {
    check_preset(spec, findings);
    let origins = origins(spec, findings);
    let allow_credentials = spec.allow_credentials.unwrap_or(false);
    let any_with_credentials = spec.allow_any_origin_with_credentials.unwrap_or(false);
    if let Some(origins) = &origins {
        check_credentials(origins, allow_credentials, any_with_credentials, findings);
    }
    let mut list = |field: &str, values: &Option<Vec<String>>, separator: &str, default: &str| {
        values.as_ref().map_or_else(
            || default.to_owned(),
            |values| tokens(field, values, separator, allow_credentials, findings),
        )
    };
    let allow_methods = list("allowMethods", &spec.allow_methods, ", ", METHODS);
    let allow_headers = list("allowHeaders", &spec.allow_headers, ",", HEADERS);
    let expose_headers = list("exposeHeaders", &spec.expose_headers, ",", EXPOSED);
    let max_age_seconds = match spec.max_age.as_deref().map(duration::parse) {
        None => MAX_AGE_SECONDS,
        Some(Ok(max_age)) => max_age.as_secs(),
        Some(Err(why)) => {
            let written = quote(spec.max_age.as_deref().unwrap_or_default());
            findings.push(
                invalid(
                    "/spec/cors/maxAge",
                    format!("{written} is not a duration: {why}"),
                )
                .help("write a number with a unit, like `480h`, `1h30m` or `300s`"),
            );
            return None;
        }
    };
    Some(CorsPolicy {
        origins: origins?,
        allow_methods,
        allow_headers,
        expose_headers,
        allow_credentials,
        max_age_seconds,
    })
}

fn check_preset(spec: &CorsSpec, findings: &mut Findings) {
    let error = |message: &str, help: &str| invalid("/spec/cors/preset", message).help(help);
    match spec.preset {
        Some(CorsPreset::Basic) if spec.allow_origin_regex.is_some() => findings.push(error(
            "preset `basic` compares exact origins, but there is `allowOriginRegex`",
            "drop `allowOriginRegex`, or use preset `cors_with_regex`",
        )),
        Some(CorsPreset::CorsWithRegex) if spec.allow_origin_regex.is_none() => {
            findings.push(error(
                "preset `cors_with_regex` needs `allowOriginRegex`",
                "add it, or use preset `basic`",
            ))
        }
        _ => {}
    }
    if spec.allow_origins.is_some() && spec.allow_origin_regex.is_some() {
        findings.push(
            invalid(
                "/spec/cors",
                "there are both `allowOrigins` and `allowOriginRegex`",
            )
            .help("keep one: an expression can list origins with `|`"),
        );
    }
}

fn origins(spec: &CorsSpec, findings: &mut Findings) -> Option<OriginRule> {
    if let Some(pattern) = &spec.allow_origin_regex {
        return match origin_regex(pattern) {
            Ok(_) => Some(OriginRule::Regex(pattern.clone())),
            Err(why) => {
                findings.push(
                    invalid(
                        "/spec/cors/allowOriginRegex",
                        format!("{} is not a regular expression that can be used: {why}", quote(pattern)),
                    )
                    .help("it must match a whole origin, like `https://(.+\\.)?example\\.com`; look-around and back-references are not supported"),
                );
                None
            }
        };
    }
    let Some(written) = &spec.allow_origins else {
        return Some(OriginRule::Any);
    };
    if written.is_empty() {
        findings.push(
            invalid(
                "/spec/cors/allowOrigins",
                "the list is empty: no origin would match",
            )
            .help("list origins, or leave `allowOrigins` out to allow every one"),
        );
        return None;
    }
    if written.iter().any(|origin| origin == "*") {
        if written.iter().any(|origin| origin != "*") {
            findings.push(
                invalid(
                    "/spec/cors/allowOrigins",
                    "`*` allows every origin, so the others change nothing",
                )
                .help("keep `*` alone, or drop it and keep the list"),
            );
            return None;
        }
        return Some(OriginRule::Any);
    }
    let mut origins = BTreeSet::new();
    let mut complete = true;
    for (index, written) in written.iter().enumerate() {
        match canonical_origin(written) {
            Ok(origin) => {
                origins.insert(origin);
            }
            Err((why, help)) => {
                complete = false;
                findings.push(
                    invalid(
                        &format!("/spec/cors/allowOrigins/{index}"),
                        format!("{} is not an origin: {why}", quote(written)),
                    )
                    .help(help),
                );
            }
        }
    }
    complete.then_some(OriginRule::Exact(origins))
}

fn check_credentials(
    origins: &OriginRule,
    allow_credentials: bool,
    any_with_credentials: bool,
    findings: &mut Findings,
) {
    let matches_anybody = match origins {
        OriginRule::Any => true,
        OriginRule::Exact(_) => false,
        OriginRule::Regex(pattern) => {
            origin_regex(pattern).is_ok_and(|regex| regex.is_match(NOBODYS_ORIGIN))
        }
    };
    if allow_credentials && matches_anybody && !any_with_credentials {
        let what = match origins {
            OriginRule::Regex(_) => "`allowOriginRegex` matches every origin",
            _ => "every origin is allowed (`*`)",
        };
        findings.push(
            Diagnostic::error(
                lints::WILDCARD_WITH_CREDENTIALS,
                Place::resource("/spec/cors/allowCredentials"),
                format!("{what}, and with credentials every web site could act as your user"),
            )
            .help(
                "list the origins in `allowOrigins`, or say `allowAnyOriginWithCredentials: true`",
            ),
        );
    }
    if any_with_credentials && !(allow_credentials && matches_anybody) {
        findings.push(
            Diagnostic::warning(
                lints::NO_EFFECT,
                Place::resource("/spec/cors/allowAnyOriginWithCredentials"),
                "it changes nothing: it speaks of `*` together with `allowCredentials: true`",
            )
            .help("remove it"),
        );
    }
}

/// Joins a list of tokens (RFC 9110 section 5.6.2) into a header value.
fn tokens(
    field: &str,
    values: &[String],
    separator: &str,
    allow_credentials: bool,
    findings: &mut Findings,
) -> String {
    for (index, value) in values.iter().enumerate() {
        let pointer = format!("/spec/cors/{field}/{index}");
        if value == "*" && allow_credentials {
            findings.push(
                invalid(
                    &pointer,
                    "with credentials browsers read `*` as a name, not as everything",
                )
                .help("list the names (Fetch standard, CORS protocol and credentials)"),
            );
        } else if !is_token(value) {
            findings.push(
                invalid(&pointer, format!("{} is not one name", quote(value)))
                    .help("write one name an item, without commas and spaces"),
            );
        }
    }
    values.join(separator)
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
