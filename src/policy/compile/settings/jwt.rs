//! `spec.jwt`, but issuers, audiences and required claims.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::EndpointsServiceSpec;
use crate::api::endpoints_service::{
    ClaimToHeaderSpec, ForwardPayloadSpec, JwtSpec, PayloadFormat,
};
use crate::openapi::Findings;
use crate::openapi::diagnostic::quote;
use crate::policy::compile::{duration, invalid};
use crate::policy::format::{ClaimHeader, JwtSettings, Provider, TokenLocation, UserInfoForm};
use crate::policy::headers::{DEFAULT_PREFIX, TargetError, check_claim_target};
use crate::policy::limits::{
    CLOCK_SKEW, JWKS_CACHE_DURATION, MAX_KEY_AGE, TOKEN_CACHE_SIZE, TOKEN_CACHE_TTL,
};

const DAY: u64 = 24 * 60 * 60;
/// The most that clocks may be off: further, a token that was withdrawn by its `exp` lives on.
const MAX_SKEW: u64 = 10 * 60;
/// The least time between two fetches of a key set: what unknown keys are granted, too.
const MIN_REFRESH: u64 = 10;
const MAX_KEY_AGE_DAYS: u64 = 30;
/// The bounds of these fields; also in the resource's schema.
const MAX_RETRIES: u32 = 10;
const MAX_CACHED: u32 = 100_000;
const MAX_CLAIM_HEADERS: usize = 32;
const MAX_NAME_BYTES: usize = 256;

/// Compiles the block.
pub(super) fn compile(spec: &EndpointsServiceSpec, findings: &mut Findings) -> JwtSettings {
    let Some(jwt) = &spec.jwt else {
        return JwtSettings::default();
    };
    let mut seconds = |field: &str, written: &Option<String>, least, most, default: Duration| {
        let seconds = seconds(field, written.as_deref()?, least, most, findings)?;
        (seconds != default.as_secs()).then_some(seconds)
    };
    let clock_skew_seconds = seconds("clockSkew", &jwt.clock_skew, 0, MAX_SKEW, CLOCK_SKEW);
    let key_refresh_seconds = seconds(
        "jwksCacheDuration",
        &jwt.jwks_cache_duration,
        MIN_REFRESH,
        DAY,
        JWKS_CACHE_DURATION,
    );
    let refresh = key_refresh_seconds.unwrap_or(JWKS_CACHE_DURATION.as_secs());
    let max_key_age_seconds = seconds(
        "maxKeyAge",
        &jwt.max_key_age,
        refresh,
        MAX_KEY_AGE_DAYS * DAY,
        MAX_KEY_AGE,
    );
    let token_cache_ttl_seconds = seconds(
        "tokenCacheTtl",
        &jwt.token_cache_ttl,
        1,
        DAY,
        TOKEN_CACHE_TTL,
    );
    let mut count = |field: &str, written: Option<i32>, most: u32| {
        let written = written?;
        let count = u32::try_from(written).ok().filter(|count| *count <= most);
        if count.is_none() {
            let message = format!("`{field}` cannot be {written}");
            findings.push(
                invalid(&format!("/spec/jwt/{field}"), message)
                    .help(format!("give a number from 0 to {most}")),
            );
        }
        count
    };
    let fetch_retries = count("jwksFetchRetries", jwt.jwks_fetch_retries, MAX_RETRIES);
    let token_cache_size = count("tokenCacheSize", jwt.token_cache_size, MAX_CACHED);
    let is_default_size = |size: &u32| usize::try_from(*size) == Ok(TOKEN_CACHE_SIZE);
    JwtSettings {
        clock_skew_seconds,
        key_refresh_seconds,
        fetch_retries: fetch_retries.unwrap_or_default(),
        max_key_age_seconds,
        token_cache_size: token_cache_size.filter(|size| !is_default_size(size)),
        token_cache_ttl_seconds,
        user_info: user_info(jwt.forward_payload.as_ref(), findings),
        claim_headers: claim_headers(jwt, spec, findings),
        strip_token: jwt.strip_token.unwrap_or_default(),
        close_streams_at_expiry: jwt.close_streams_at_expiry.unwrap_or_default(),
    }
}

/// A duration of whole seconds: tokens tell time in those.
fn seconds(
    field: &str,
    written: &str,
    least: u64,
    most: u64,
    findings: &mut Findings,
) -> Option<u64> {
    let bounds = format!("give whole seconds, from {least}s to {most}s");
    let why = match duration::parse(written) {
        Err(why) => why,
        Ok(duration) if duration.subsec_nanos() != 0 => String::from("it is not of whole seconds"),
        Ok(duration) if duration.as_secs() < least => format!("it is under {least} seconds"),
        Ok(duration) if duration.as_secs() > most => format!("it is over {most} seconds"),
        Ok(duration) => return Some(duration.as_secs()),
    };
    let message = format!("`{field}` cannot be {}: {why}", quote(written));
    findings.push(invalid(&format!("/spec/jwt/{field}"), message).help(bounds));
    None
}

fn user_info(written: Option<&ForwardPayloadSpec>, findings: &mut Findings) -> UserInfoForm {
    let Some(written) = written else {
        return UserInfoForm::default();
    };
    match (written.format.unwrap_or_default(), written.pad) {
        (PayloadFormat::Espv2, Some(true)) => UserInfoForm::PaddedPayload,
        (PayloadFormat::Espv2, _) => UserInfoForm::Payload,
        (PayloadFormat::Esp, pad) => {
            if pad == Some(false) {
                findings.push(
                    invalid(
                        "/spec/jwt/forwardPayload/pad",
                        "the format `esp` is always padded",
                    )
                    .help("remove `pad`"),
                );
            }
            UserInfoForm::Esp
        }
    }
}

/// A claim must not take the place of the token that it is from: a header in which tokens come is not
/// free.
pub(in super::super) fn check_token_headers(
    settings: &JwtSettings,
    providers: &BTreeMap<String, Provider>,
    findings: &mut Findings,
) {
    let locations = || providers.values().flat_map(|provider| &provider.locations);
    for (index, ClaimHeader { header, .. }) in settings.claim_headers.iter().enumerate() {
        let is_taken = |location: &TokenLocation| match location {
            TokenLocation::Header { name, .. } => {
                name.replace('_', "-") == header.replace('_', "-")
            }
            TokenLocation::Query(_) => false,
        };
        if locations().any(is_taken) {
            findings.push(
                invalid(
                    &format!("/spec/jwt/claimToHeaders/{index}/header"),
                    format!("tokens are read from {}", quote(header)),
                )
                .help("choose a name in which no token comes"),
            );
        }
    }
}

fn claim_headers(
    jwt: &JwtSpec,
    spec: &EndpointsServiceSpec,
    findings: &mut Findings,
) -> Vec<ClaimHeader> {
    let names = Names::of(spec);
    let written = jwt.claim_to_headers.as_deref().unwrap_or_default();
    if written.len() > MAX_CLAIM_HEADERS {
        findings.push(
            invalid(
                "/spec/jwt/claimToHeaders",
                format!("there are more than {MAX_CLAIM_HEADERS} entries"),
            )
            .help("forward the payload as a whole: X-Endpoint-API-UserInfo holds it"),
        );
        return Vec::new();
    }
    let mut headers: Vec<ClaimHeader> = Vec::with_capacity(written.len());
    for (index, written) in written.iter().enumerate() {
        let pointer = |field: &str| format!("/spec/jwt/claimToHeaders/{index}/{field}");
        let entry = ClaimHeader {
            claim: written.claim.clone(),
            header: written.header.to_ascii_lowercase(),
        };
        if let Some((field, message, help)) = mistake(written, &names, &headers) {
            findings.push(invalid(&pointer(field), message).help(help));
        } else {
            headers.push(entry);
        }
    }
    headers
}

/// Names that are taken.
struct Names {
    /// What generated ones begin with.
    prefix: String,
    /// Those that `headers.request` sets, in lower case.
    set: Vec<String>,
}

impl Names {
    fn of(spec: &EndpointsServiceSpec) -> Self {
        let headers = spec.headers.as_ref();
        let prefix = headers.and_then(|headers| headers.generated_prefix.as_deref());
        let edits = headers.and_then(|headers| headers.request.as_ref());
        let lists = edits
            .into_iter()
            .flat_map(|edits| [&edits.set, &edits.append]);
        let names = lists.flatten().flat_map(|list| list.keys());
        Self {
            prefix: prefix.unwrap_or(DEFAULT_PREFIX).to_ascii_lowercase(),
            set: names.map(|name| name.to_ascii_lowercase()).collect(),
        }
    }
}

/// The field, what is wrong with it, and what to do.
fn mistake(
    written: &ClaimToHeaderSpec,
    names: &Names,
    known: &[ClaimHeader],
) -> Option<(&'static str, String, &'static str)> {
    let ClaimToHeaderSpec { claim, header } = written;
    let bad_claim = claim.is_empty()
        || claim.len() > MAX_NAME_BYTES
        || claim.chars().any(char::is_control)
        || claim.split('.').any(str::is_empty);
    if bad_claim {
        return Some((
            "claim",
            format!("{} is not the name of a claim", quote(claim)),
            "write a name like `email`, or with dots `address.country`",
        ));
    }
    let checked = match check_claim_target(header, &names.prefix) {
        Ok(_) if header.len() > MAX_NAME_BYTES => Err(TargetError::NotAName),
        checked => checked,
    };
    if let Err(why) = checked {
        return Some((
            "header",
            format!("{} cannot be set from a claim: {why}", quote(header)),
            "take a name of your own, like `X-User-Email`",
        ));
    }
    let name = header.to_ascii_lowercase();
    if names.set.iter().any(|own| alike(own, &name)) {
        return Some((
            "header",
            format!("{} is set by `headers.request`, too", quote(header)),
            "take another name here, or remove it there",
        ));
    }
    if known.iter().any(|own| alike(&own.header, &name)) {
        return Some((
            "header",
            format!("the header {} is set by another claim", quote(header)),
            "give each claim a header of its own; `_` and `-` count as equal",
        ));
    }
    None
}

fn alike(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .all(|(a, b)| a == b || (matches!(a, b'-' | b'_') && matches!(b, b'-' | b'_')))
}
