//! Spans as OTLP has them in JSON (OpenTelemetry Protocol 1, section on OTLP/HTTP), with the names of
//! OpenTelemetry's semantic conventions for HTTP servers.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::policy::format::Policy;
use crate::proxy::exchange::Record;

/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;
/// Methods that the conventions know; others are `_OTHER`.
const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// The body of an export: spans of one service.
pub(super) fn body(policy: &Policy, records: &[Record]) -> Vec<u8> {
    let spans: Vec<_> = records.iter().filter_map(span).collect();
    let body = json!({ "resourceSpans": [{
        "resource": { "attributes": [text("service.name", &policy.service)] },
        "scopeSpans": [{
            "scope": { "name": "endpoints", "version": env!("CARGO_PKG_VERSION") },
            "spans": spans,
        }],
    }] });
    body.to_string().into_bytes()
}

fn span(record: &Record) -> Option<Value> {
    let span = record.span.as_deref()?;
    let known = METHODS.contains(&record.method.as_str());
    let method = if known {
        record.method.as_str()
    } else {
        "_OTHER"
    };
    let name = match (record.template(), known) {
        (Some(template), true) => format!("{method} {template}"),
        (None, true) => method.to_owned(),
        (Some(template), false) => format!("HTTP {template}"),
        (None, false) => String::from("HTTP"),
    };
    let failed = record.status >= 500 || record.broken_off.is_some();
    let mut attributes = vec![
        text("http.request.method", method),
        number("http.response.status_code", u64::from(record.status)),
        text("url.scheme", record.scheme),
        text("url.path", &span.path),
        text("network.protocol.name", "http"),
        text(
            "network.protocol.version",
            record.protocol().trim_start_matches("HTTP/"),
        ),
        text("client.address", &record.client.to_string()),
        number("http.request.body.size", record.request_bytes),
        number("http.response.body.size", record.response_bytes),
        text("endpoints.response.source", record.source.as_str()),
    ];
    if let Some(host) = span.host.as_ref().and_then(|host| host.to_str().ok()) {
        attributes.push(text("server.address", host));
    }
    if let Some(template) = record.template() {
        attributes.push(text("http.route", template));
    }
    if let Some(operation) = record.operation() {
        attributes.push(text("endpoints.operation", &operation.name));
    }
    let status = record.status.to_string();
    let why = record.reason().map_or(&*status, |reason| reason.as_str());
    if failed {
        attributes.push(text("error.type", why));
    }
    if let Some(reason) = record.reason() {
        attributes.push(text("endpoints.reason", reason.as_str()));
    }
    if let Some(fault) = record.fault() {
        attributes.push(text("endpoints.fault", fault.as_str()));
    }
    if let Some(backend) = &record.backend {
        attributes.push(text("endpoints.backend", &backend.to_string()));
    }
    let mut value = json!({
        "traceId": span.trace_id(),
        "spanId": span.span_id(),
        "flags": 1,
        "name": name,
        "kind": SERVER,
        "startTimeUnixNano": nanoseconds(record.began),
        "endTimeUnixNano": nanoseconds(record.began + record.duration),
        "attributes": attributes,
        "status": if failed { json!({ "code": ERROR, "message": why }) } else { json!({}) },
    });
    if let Some(parent) = span.parent {
        value["parentSpanId"] = Value::String(format!("{parent:016x}"));
    }
    Some(value)
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Whole numbers of 64 bits are text in this JSON.
fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn nanoseconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}
