//! Which origins match, and whether credentials may go to them.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use super::super::block::Block;
use super::origin::canonical_origin;
use crate::api::endpoints_service::CorsSpec;
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, lints};
use crate::policy::format::OriginRule;

/// The most memory that a compiled expression may take, in bytes.
const REGEX_SIZE_LIMIT: usize = 256 * 1024;
/// The longest expression, in bytes; also in the resource's schema.
const MAX_REGEX_BYTES: usize = 1024;
/// The most origins in a list; also in the resource's schema.
const MAX_ORIGINS: usize = 64;
/// The longest origin, in bytes; also in the resource's schema. No longer one of a request matches.
pub(in crate::policy) const MAX_ORIGIN_BYTES: usize = 512;
const TOO_LONG: &str = "it is too long";
/// A site that nobody names on purpose (RFC 6761): a regex that matches it matches everybody.
pub(in crate::policy) const NOBODYS_ORIGIN: &str = "https://a.invalid";

/// The whole-origin form of `allowOriginRegex`, compiled within bounds.
///
/// # Errors
/// What is wrong with the expression, on one line.
pub fn origin_regex(pattern: &str) -> Result<Regex, String> {
    if pattern.is_empty() {
        return Err(String::from("it is empty"));
    }
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

/// Checks and compiles the fields about origins; `None` when a finding was made.
pub(super) fn compile(
    spec: &CorsSpec,
    block: Block<'_>,
    findings: &mut Findings,
) -> Option<OriginRule> {
    let (rule, matches_anybody) = match &spec.allow_origin_regex {
        Some(pattern) => {
            let regex = pattern_of(pattern, block, findings)?;
            let matches_anybody = regex.is_match(NOBODYS_ORIGIN);
            (OriginRule::Regex(pattern.clone()), matches_anybody)
        }
        None => {
            let rule = listed(spec.allow_origins.as_deref(), block, findings)?;
            let matches_anybody = rule == OriginRule::Any;
            (rule, matches_anybody)
        }
    };
    check_credentials(spec, matches_anybody, block, findings);
    Some(rule)
}

fn pattern_of(pattern: &str, block: Block<'_>, findings: &mut Findings) -> Option<Regex> {
    match origin_regex(pattern) {
        Ok(regex) => Some(regex),
        Err(why) => {
            findings.push(
                block
                    .invalid(
                        "allowOriginRegex",
                        format!(
                            "{} is not a regular expression that can be used: {why}",
                            quote(pattern)
                        ),
                    )
                    .help("it must match a whole origin, like `https://(.+\\.)?example\\.com`; look-around and back-references are not supported"),
            );
            None
        }
    }
}

fn listed(
    written: Option<&[String]>,
    block: Block<'_>,
    findings: &mut Findings,
) -> Option<OriginRule> {
    const FIELD: &str = "allowOrigins";
    let Some(written) = written else {
        return Some(OriginRule::Any);
    };
    if written.is_empty() {
        findings.push(
            block
                .invalid(FIELD, "the list is empty: no origin would match")
                .help("list origins, or leave `allowOrigins` out to allow every one"),
        );
        return None;
    }
    if written.len() > MAX_ORIGINS {
        findings.push(
            block
                .invalid(FIELD, format!("there are more than {MAX_ORIGINS} origins"))
                .help("use `allowOriginRegex` for origins that have a pattern"),
        );
        return None;
    }
    if written.iter().any(|origin| origin == "*") {
        if written.iter().any(|origin| origin != "*") {
            findings.push(
                block
                    .invalid(
                        FIELD,
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
        let origin = match written.len() > MAX_ORIGIN_BYTES {
            true => Err((TOO_LONG, String::from("no site has such a name"))),
            false => canonical_origin(written),
        };
        match origin {
            Ok(origin) => {
                origins.insert(origin);
            }
            Err((why, help)) => {
                complete = false;
                findings.push(
                    block
                        .invalid(
                            &format!("{FIELD}/{index}"),
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
    spec: &CorsSpec,
    matches_anybody: bool,
    block: Block<'_>,
    findings: &mut Findings,
) {
    let allow_credentials = spec.allow_credentials.unwrap_or(false);
    let any_with_credentials = spec.allow_any_origin_with_credentials.unwrap_or(false);
    if allow_credentials && matches_anybody && !any_with_credentials {
        let what = match spec.allow_origin_regex {
            Some(_) => "`allowOriginRegex` matches every origin",
            None => "every origin is allowed (`*`)",
        };
        findings.push(
            Diagnostic::error(
                lints::WILDCARD_WITH_CREDENTIALS,
                block.at("allowCredentials"),
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
                block.at("allowAnyOriginWithCredentials"),
                "it changes nothing: it speaks of `*` together with `allowCredentials: true`",
            )
            .help("remove it"),
        );
    }
}
