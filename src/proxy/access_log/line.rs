//! One line: who is at fault, and why. Neither tokens nor queries nor raw paths are in it: the
//! operation and its template say where.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::policy::verdict::{Facts, Refusal};
use crate::proxy::exchange::Record;

/// The longest method that is written whole: further ones are a client's invention.
const MAX_METHOD: usize = 32;

#[derive(Serialize)]
struct Line<'r> {
    time: String,
    client: String,
    method: &'r str,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'r str>,
    status: u16,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    let_through: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    broken_off: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend_ms: Option<f64>,
    request_bytes: u64,
    response_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
}

/// Adds the line of a request.
pub(super) fn write(record: &Record, text: &mut Vec<u8>) {
    let method = record.method.as_str();
    let refusal: Option<&Refusal> = record.refusal.as_deref();
    let span = record.span.as_deref();
    let line = Line {
        time: rfc3339(record.began),
        client: record.client.to_string(),
        method: method.get(..MAX_METHOD).unwrap_or(method),
        protocol: record.protocol(),
        operation: record.operation().map(|operation| &*operation.name),
        template: record.template(),
        status: record.status,
        source: record.source.as_str(),
        fault: record.fault().map(|fault| fault.as_str()),
        reason: record.reason().map(|reason| reason.as_str()),
        message: refusal.map(|refusal| &*refusal.message),
        let_through: record.audited.map(|reason| reason.as_str()),
        broken_off: record.broken_off.is_some(),
        issuer: record.issuer(),
        backend: record.backend.as_ref().map(ToString::to_string),
        phase: match record.facts() {
            Some(Facts::Backend { phase, .. }) => Some(phase.as_str()),
            _ => None,
        },
        duration_ms: milliseconds(record.duration),
        backend_ms: record.answered_after.map(milliseconds),
        request_bytes: record.request_bytes,
        response_bytes: record.response_bytes,
        trace_id: span.map(|span| span.trace_id()),
        span_id: span.map(|span| span.span_id()),
    };
    let length = text.len();
    match serde_json::to_writer(&mut *text, &line) {
        Ok(()) => text.push(b'\n'),
        // Strings and finite numbers always are JSON.
        Err(_) => text.truncate(length),
    }
}

/// With the digits that mean something: a microsecond.
fn milliseconds(duration: Duration) -> f64 {
    let microseconds = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    f64::from(microseconds) / 1000.0
}

/// `2026-11-22T10:51:00.123Z` (RFC 3339).
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// The day that many days after 1970-01-01, by the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from a 1st of March, so that the day that is not always there comes last: eras of 400
    // years have 146,097 days, and five months from March on, then from August on, have 153.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_795_344_660, "2026-11-22T10:51:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(rfc3339(time), text);
        }
        let time = UNIX_EPOCH + Duration::from_millis(1_007);
        assert_eq!(rfc3339(time), "1970-01-01T00:00:01.007Z");
    }
}
