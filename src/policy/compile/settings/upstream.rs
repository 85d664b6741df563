//! `spec.backend`, but its address and deadline.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::check_secret;
use crate::api::EndpointsServiceSpec;
use crate::api::endpoints_service::{BackendPoolSpec, BackendTlsSpec, RetriesSpec};
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, Place, lints};
use crate::policy::ca;
use crate::policy::compile::address::is_name;
use crate::policy::compile::{duration, invalid};
use crate::policy::format::upstream::{
    CONNECT_TIMEOUT_MS, MAX_CONNECTIONS, POOL_MS, PoolSettings, RETRIES, RetrySettings,
    STATUS_CODES, TlsSettings, WAIT_MS,
};
use crate::policy::format::{MAX_DEADLINE_MS, UpstreamSettings};

/// Compiles the block.
pub(super) fn compile(spec: &EndpointsServiceSpec, findings: &mut Findings) -> UpstreamSettings {
    let Some(backend) = &spec.backend else {
        return UpstreamSettings::default();
    };
    let connect_timeout = backend.connect_timeout.as_deref();
    let idle_timeout = backend.idle_timeout.as_deref();
    let tls = backend.tls.as_ref();
    let pool = backend.pool.as_ref();
    let retries = backend.retries.as_ref();
    UpstreamSettings {
        tls: tls.map_or_else(TlsSettings::default, |spec| {
            let address = backend.address.as_deref();
            self::tls(spec, address, findings)
        }),
        connect_timeout_ms: wait(
            "connectTimeout",
            connect_timeout,
            CONNECT_TIMEOUT_MS,
            findings,
        ),
        idle_timeout_ms: wait("idleTimeout", idle_timeout, WAIT_MS, findings),
        pool: pool.map_or_else(PoolSettings::default, |spec| self::pool(spec, findings)),
        retries: retries.map_or_else(RetrySettings::default, |spec| self::retries(spec, findings)),
    }
}

fn tls(spec: &BackendTlsSpec, address: Option<&str>, findings: &mut Findings) -> TlsSettings {
    if let Some(secret) = &spec.client_certificate_ref {
        check_secret("/spec/backend/tls/clientCertificateRef", secret, findings);
    }
    let authorities = spec.ca_bundle.as_deref().and_then(|pem| {
        // Never quoted: it may be a key.
        let read = ca::encoded(pem);
        read.map_err(|why| {
            findings.push(
                at("tls/caBundle", format!("`caBundle` is no bundle: {why}")).help(
                    "write the certificates of the authorities, and nothing else, as PEM: `-----BEGIN CERTIFICATE-----` …",
                ),
            );
        })
        .ok()
    });
    TlsSettings {
        authorities: authorities.unwrap_or_default(),
        client_certificate: spec.client_certificate_ref.is_some(),
        server_name: spec
            .server_name
            .as_deref()
            .and_then(|written| server_name(written, address, findings)),
    }
}

fn server_name(written: &str, address: Option<&str>, findings: &mut Findings) -> Option<String> {
    const FIELD: &str = "tls/serverName";
    let name = written.to_ascii_lowercase();
    // An address is looked up as it is: no name is asked for, and none may end like one.
    let is_ip = name.parse::<std::net::Ipv4Addr>().is_ok();
    if is_ip || !is_name(&name) || name.ends_with('.') {
        findings.push(
            at(FIELD, format!("{} is not a host's name", quote(written)))
                .help("write a name like `books.example.com`, without scheme and port"),
        );
        return None;
    }
    let encrypted = ["https://", "grpcs://"];
    if !address.is_some_and(|address| encrypted.iter().any(|scheme| address.starts_with(scheme))) {
        findings.push(
            at(
                FIELD,
                "`serverName` is of the backend of `backend.address`, which has no TLS",
            )
            .help("write `backend.address` with `https://` or `grpcs://`, or remove it: an operation's own backend is known by the host of its address"),
        );
        return None;
    }
    Some(name)
}

fn pool(spec: &BackendPoolSpec, findings: &mut Findings) -> PoolSettings {
    let idle_timeout = spec.idle_timeout.as_deref();
    PoolSettings {
        max_connections: number(
            "pool/maxConnections",
            spec.max_connections,
            MAX_CONNECTIONS,
            findings,
        ),
        idle_timeout_ms: wait("pool/idleTimeout", idle_timeout, POOL_MS, findings),
        max_age_ms: wait("pool/maxAge", spec.max_age.as_deref(), POOL_MS, findings),
    }
}

fn retries(spec: &RetriesSpec, findings: &mut Findings) -> RetrySettings {
    let codes = spec.status_codes.iter().flatten().enumerate();
    let per_try_timeout = spec.per_try_timeout.as_deref();
    RetrySettings {
        on: spec.on.as_ref().map(|on| on.iter().copied().collect()),
        status_codes: codes
            .filter_map(|(index, code)| {
                let field = format!("retries/statusCodes/{index}");
                let code = number(&field, Some(*code), STATUS_CODES, findings)?;
                if code < 200 {
                    findings.push(
                        Diagnostic::warning(
                            lints::NO_EFFECT,
                            Place::resource(format!("/spec/backend/{field}")),
                            format!("{code} changes nothing: no answer ends with it"),
                        )
                        .help("remove it"),
                    );
                }
                Some(code)
            })
            .collect(),
        num: number("retries/num", spec.num, RETRIES, findings),
        per_try_timeout_ms: wait("retries/perTryTimeout", per_try_timeout, WAIT_MS, findings),
    }
}

fn number<T>(
    field: &str,
    written: Option<i32>,
    range: RangeInclusive<T>,
    findings: &mut Findings,
) -> Option<T>
where
    T: TryFrom<i32> + PartialOrd + Display,
{
    let written = written?;
    let number = T::try_from(written)
        .ok()
        .filter(|number| range.contains(number));
    if number.is_none() {
        findings.push(
            at(field, format!("{written} is out of bounds")).help(format!(
                "write a number from {} to {}",
                range.start(),
                range.end()
            )),
        );
    }
    number
}

fn wait(
    field: &str,
    written: Option<&str>,
    range: RangeInclusive<u64>,
    findings: &mut Findings,
) -> Option<u64> {
    let written = written?;
    let milliseconds = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let why = match duration::parse(written).map(milliseconds) {
        Ok(milliseconds) if range.contains(&milliseconds) => return Some(milliseconds),
        Ok(_) => format!(
            "it is not between {} and {}",
            words(*range.start()),
            words(*range.end())
        ),
        Err(why) => why,
    };
    findings.push(
        at(
            field,
            format!("{} is not such a time: {why}", quote(written)),
        )
        .help("write a number with a unit, like `30s`, `1m30s` or `500ms`"),
    );
    None
}

fn words(milliseconds: u64) -> String {
    match milliseconds {
        MAX_DEADLINE_MS => String::from("a day"),
        short if short < 1000 => format!("{short}ms"),
        seconds if seconds < 60_000 => format!("{}s", seconds / 1000),
        minutes => format!("{}m", minutes / 60_000),
    }
}

fn at(field: &str, message: impl Into<String>) -> Diagnostic {
    invalid(&format!("/spec/backend/{field}"), message)
}
