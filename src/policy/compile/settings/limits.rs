//! `spec.limits`, `spec.timeouts` and `spec.listener`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::check_secret;
use crate::api::EndpointsServiceSpec;
use crate::api::endpoints_service::{LimitsSpec, ListenerSpec, MAX_WORKERS, TimeoutsSpec, Workers};
use crate::openapi::Findings;
use crate::openapi::diagnostic::quote;
use crate::policy::compile::{duration, invalid};
use crate::policy::format::LimitSettings;
use crate::policy::format::bounds::{
    BODY_BYTES, HEADER_BYTES as HEAD, HEADER_COUNT, MANY, STREAMS, URI_BYTES, WAIT_MS,
};
use crate::policy::limits::HEADER_BYTES;

/// Compiles the blocks.
pub(super) fn compile(spec: &EndpointsServiceSpec, findings: &mut Findings) -> LimitSettings {
    let mut settings = LimitSettings::default();
    if let Some(limits) = &spec.limits {
        sizes(limits, &mut settings, findings);
    }
    if let Some(timeouts) = &spec.timeouts {
        waits(timeouts, &mut settings, findings);
    }
    if let Some(listener) = &spec.listener {
        settings.tls = check_listener(listener, findings);
    }
    settings
}

fn sizes(spec: &LimitsSpec, settings: &mut LimitSettings, findings: &mut Findings) {
    let mut bound = |field: &str, written: Option<i32>, range: RangeInclusive<u64>| {
        check_number(field, written.map(i64::from), range, findings);
        written.and_then(|number| u32::try_from(number).ok())
    };
    settings.header_bytes = bound("headerBytes", spec.header_bytes, HEAD);
    settings.header_count = bound("headerCount", spec.header_count, HEADER_COUNT);
    settings.uri_bytes = bound("uriBytes", spec.uri_bytes, URI_BYTES);
    settings.connections = bound("connections", spec.connections, MANY);
    settings.requests_in_flight = bound("requestsInFlight", spec.requests_in_flight, MANY);
    settings.streams = bound("streams", spec.streams, STREAMS);
    check_number("bodyBytes", spec.body_bytes, BODY_BYTES, findings);
    settings.body_bytes = spec.body_bytes.and_then(|bytes| u64::try_from(bytes).ok());

    let head = settings.header_bytes.map_or(HEADER_BYTES as u64, u64::from);
    if let Some(target) = settings.uri_bytes.map(u64::from)
        && target >= head
    {
        findings.push(
            invalid(
                "/spec/limits/uriBytes",
                format!("{target} bytes of target do not fit into {head} bytes of head"),
            )
            .help(format!(
                "write less than {head}, or a larger `headerBytes`: the target is a part of the head"
            )),
        );
    }
}

fn check_number(
    field: &str,
    written: Option<i64>,
    range: RangeInclusive<u64>,
    findings: &mut Findings,
) {
    if let Some(number) = written
        && !u64::try_from(number).is_ok_and(|number| range.contains(&number))
    {
        findings.push(
            invalid(
                &format!("/spec/limits/{field}"),
                format!("{number} is out of bounds"),
            )
            .help(format!(
                "write a number from {} to {}",
                range.start(),
                range.end()
            )),
        );
    }
}

fn waits(spec: &TimeoutsSpec, settings: &mut LimitSettings, findings: &mut Findings) {
    let mut wait = |field: &str, written: &Option<String>| {
        let written = written.as_deref()?;
        let milliseconds = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let why = match duration::parse(written).map(milliseconds) {
            Ok(wait) if WAIT_MS.contains(&wait) => return Some(wait),
            Ok(_) => "is out of bounds".to_owned(),
            Err(why) => format!("is not a duration: {why}"),
        };
        findings.push(
            invalid(
                &format!("/spec/timeouts/{field}"),
                format!("{} {why}", quote(written)),
            )
            .help("write a number with a unit, from `100ms` to `24h`"),
        );
        None
    };
    settings.head_ms = wait("head", &spec.head);
    settings.idle_ms = wait("idle", &spec.idle);
    settings.body_progress_ms = wait("bodyProgress", &spec.body_progress);
    settings.write_progress_ms = wait("writeProgress", &spec.write_progress);
}

/// Whether clients are spoken to by TLS. What else is in the block is for the injector.
fn check_listener(spec: &ListenerSpec, findings: &mut Findings) -> bool {
    if let Some(Workers::Number(number)) = spec.workers
        && !(1..=MAX_WORKERS).contains(&number)
    {
        findings.push(
            invalid(
                "/spec/listener/workers",
                format!("a sidecar does not have {number} workers"),
            )
            .help(format!("write a number from 1 to {MAX_WORKERS}, or `auto`")),
        );
    }
    if let Some(tls) = &spec.tls {
        check_secret("/spec/listener/tls/secretRef", &tls.secret_ref, findings);
    }
    spec.tls.is_some()
}
