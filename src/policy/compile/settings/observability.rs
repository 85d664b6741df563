//! `spec.accessLog` and `spec.tracing`.

use http::Uri;
use http::uri::Scheme;

use crate::api::EndpointsServiceSpec;
use crate::api::endpoints_service::{AccessLogMode, AccessLogSpec, TracingSpec};
use crate::openapi::diagnostic::quote;
use crate::openapi::{Findings, Place};
use crate::policy::compile::block::Block;
use crate::policy::format::{AccessLogRule, ObservabilitySettings, PerMillion, TracingRule};

/// One in a hundred.
const LOG_SAMPLE: PerMillion = PerMillion(10_000);
/// One in a thousand; ESPv2's `--tracing_sample_rate`.
const TRACING_SAMPLE: PerMillion = PerMillion(1_000);
/// Where collectors take spans (OTLP/HTTP), unless a path is written.
const TRACES_PATH: &str = "/v1/traces";

/// Compiles both blocks.
pub(super) fn compile(
    spec: &EndpointsServiceSpec,
    findings: &mut Findings,
) -> ObservabilitySettings {
    let access_log = match &spec.access_log {
        Some(access_log) => log_rule(access_log, findings),
        None => AccessLogRule::default(),
    };
    let tracing = spec.tracing.as_ref();
    ObservabilitySettings {
        access_log,
        tracing: tracing.and_then(|tracing| tracing_rule(tracing, findings)),
    }
}

fn log_rule(spec: &AccessLogSpec, findings: &mut Findings) -> AccessLogRule {
    let place = Place::resource("/spec/accessLog");
    let share = spec
        .sample
        .map(|share| sample(share, Block(&place), findings));
    let mode = spec.mode.unwrap_or_default();
    if share.is_some() && mode != AccessLogMode::Sampled {
        findings.push(
            Block(&place)
                .invalid("sample", "only mode `Sampled` logs a share of the requests")
                .help("write `mode: Sampled`, or drop `sample`"),
        );
    }
    match mode {
        AccessLogMode::None => AccessLogRule::Off,
        AccessLogMode::Errors => AccessLogRule::Errors,
        AccessLogMode::Sampled => AccessLogRule::Sampled(share.unwrap_or(LOG_SAMPLE)),
        AccessLogMode::All => AccessLogRule::All,
    }
}

fn tracing_rule(spec: &TracingSpec, findings: &mut Findings) -> Option<TracingRule> {
    let place = Place::resource("/spec/tracing");
    let sample = match spec.sample {
        Some(share) => sample(share, Block(&place), findings),
        None => TRACING_SAMPLE,
    };
    match endpoint(&spec.otlp_endpoint) {
        Ok(endpoint) => Some(TracingRule { endpoint, sample }),
        Err(why) => {
            findings.push(
                Block(&place)
                    .invalid(
                        "otlpEndpoint",
                        format!("{} {why}", quote(&spec.otlp_endpoint)),
                    )
                    .help(
                        "write the collector's address, like `http://collector.observability:4318`",
                    ),
            );
            None
        }
    }
}

/// With its port and its path.
fn endpoint(written: &str) -> Result<String, &'static str> {
    let uri: Uri = written.parse().map_err(|_| "is not a URL")?;
    let port = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => 80,
        Some(scheme) if *scheme == Scheme::HTTPS => 443,
        _ => return Err("is no URL with `http` or `https`"),
    };
    let authority = uri.authority().ok_or("names no host")?;
    if authority.as_str().contains('@') {
        return Err("has a user or password in it, which would be sent to every sidecar");
    }
    if authority.host().is_empty() {
        return Err("names no host");
    }
    if uri.query().is_some() || written.contains('#') {
        return Err("has a query or a fragment");
    }
    let port = match authority.port() {
        Some(port) => port.as_str().parse().ok().filter(|port| *port != 0),
        None if authority.as_str().ends_with(':') => None,
        None => Some(port),
    };
    let port: u16 = port.ok_or("has a port that is none")?;
    let scheme = uri.scheme_str().unwrap_or_default();
    let path = match uri.path() {
        "" | "/" => TRACES_PATH,
        path => path,
    };
    Ok(format!("{scheme}://{}:{port}{path}", authority.host()))
}

/// A share as written, in millionths.
fn sample(share: f64, block: Block<'_>, findings: &mut Findings) -> PerMillion {
    // A comparison with what is no number is false.
    if !(0.0..=1.0).contains(&share) {
        findings.push(
            block
                .invalid("sample", format!("{share} is no share"))
                .help("write a number from 0 (none) to 1 (all), like 0.01"),
        );
        return PerMillion(0);
    }
    // Through text: a cast could lose, and this is done once an edit.
    let millionths = format!("{:.0}", share * f64::from(PerMillion::ALL));
    PerMillion(millionths.parse().unwrap_or(PerMillion::ALL))
}
