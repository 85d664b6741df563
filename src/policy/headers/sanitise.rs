//! What is stripped from requests, responses and trailers.

use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, TE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::names::{
    Seen, begins, is_generated, is_hop_by_hop, is_kept_from_connection, is_method_override,
};
use super::plan::HeaderPlan;

/// Strips from a request what only the proxy may say (generated names, `_` and `-` compared as
/// equal), then what ends at each hop (RFC 9110 section 7.6.1; the generated names first, so that
/// `Connection` cannot name them). `Trailer` and `TE: trailers` stay. What may be said in several
/// ways is said in one: `Cookie` in one field, `Content-Length` without zeros before it.
pub(super) fn request(headers: &mut HeaderMap, seen: Seen, plan: &HeaderPlan) {
    if seen.repeated {
        join_cookies(headers);
    }
    if seen.length {
        plain_length(headers);
    }
    if !seen.stripped {
        return;
    }
    let suspects = names(headers, |name| is_stripped(name, plan));
    if suspects.is_empty() {
        return;
    }
    let trailers = accepts_trailers(headers);
    for name in nominated(headers).iter().chain(&suspects) {
        headers.remove(name);
    }
    if trailers {
        // RFC 9110 section 10.1.4: whoever sends TE names it in Connection.
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("TE"));
    }
}

/// Strips from a response what ends at each hop.
pub(super) fn response(headers: &mut HeaderMap) {
    let suspects = names(headers, is_hop_by_hop);
    if suspects.is_empty() {
        return;
    }
    for name in nominated(headers).iter().chain(&suspects) {
        headers.remove(name);
    }
}

/// Strips from a response's trailers what ends at each hop and what means something only in its head
/// (RFC 9110 section 6.5.1), what the proxy answers for there among it.
pub(super) fn response_trailers(trailers: &mut HeaderMap) {
    response(trailers);
    for name in names(trailers, is_of_response_heads) {
        trailers.remove(name);
    }
}

/// Strips from a request's trailers what a request may not bring in its head either, and what means
/// something only there (RFC 9110 section 6.5.1).
pub(super) fn trailers(trailers: &mut HeaderMap, plan: &HeaderPlan) {
    let suspect = |name: &str| {
        plan.is_guarded(name)
            || is_stripped(name, plan)
            || is_kept_from_connection(name)
            || is_of_heads(name)
            || name.contains('_')
    };
    for name in names(trailers, suspect) {
        trailers.remove(name);
    }
}

/// The names there of which this holds.
fn names(headers: &HeaderMap, holds: impl Fn(&str) -> bool) -> Vec<HeaderName> {
    let keys = headers.keys();
    keys.filter(|name| holds(name.as_str())).cloned().collect()
}

fn is_stripped(name: &str, plan: &HeaderPlan) -> bool {
    is_generated(name)
        || is_hop_by_hop(name)
        || is_method_override(name)
        || plan.own_prefix().is_some_and(|prefix| begins(name, prefix))
        || (name.contains('_') && is_read_as_ours(name, plan))
}

/// Whether a name with an underscore is, to a backend that reads it as a hyphen, one that the proxy
/// answers for: then it would come past what is done about that one.
fn is_read_as_ours(name: &str, plan: &HeaderPlan) -> bool {
    let read = name.replace('_', "-");
    is_hop_by_hop(&read)
        || is_kept_from_connection(&read)
        || is_of_heads(&read)
        || plan.is_guarded(&read)
}

/// What means something in a head alone.
fn is_of_heads(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "content-encoding"
            | "content-type"
            | "cookie"
            | "expect"
            | "origin"
            | "trailer"
            | "x-goog-iap-jwt-assertion"
    )
}

/// The same of a response: framing, what to do with it, for whom it is, and who may read it.
fn is_of_response_heads(name: &str) -> bool {
    name.starts_with("access-control-")
        || matches!(
            name,
            "age"
                | "cache-control"
                | "content-encoding"
                | "content-length"
                | "content-range"
                | "content-type"
                | "date"
                | "expires"
                | "host"
                | "location"
                | "retry-after"
                | "set-cookie"
                | "strict-transport-security"
                | "trailer"
                | "vary"
                | "www-authenticate"
        )
}

/// The headers that `Connection` names.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
        .filter(|name| !is_kept_from_connection(name.as_str()))
        .collect()
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(TE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|coding| {
            let name = coding.split(|&byte| byte == b';').next();
            name.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"trailers"))
        })
}

/// HTTP/1 has one `Cookie` (RFC 6265 section 5.4; RFC 9113 section 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    let (Some(_), Some(_)) = (cookies.next(), cookies.next()) else {
        return;
    };
    let mut joined = Vec::new();
    // An empty one would leave a space at an end, which HTTP/2 does not let stand there.
    for cookie in headers.get_all(COOKIE).iter().filter(|it| !it.is_empty()) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(cookie.as_bytes());
    }
    // Made of values: always a value.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

/// `007` is a length to some, and octal to nobody we want to ask.
fn plain_length(headers: &mut HeaderMap) {
    let plain = match headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes) {
        Some([b'0', rest @ ..]) if !rest.is_empty() => {
            let digits = rest.iter().position(|&byte| byte != b'0');
            HeaderValue::from_bytes(digits.map_or(b"0", |at| &rest[at..]))
        }
        _ => return,
    };
    // Made of a value: always a value.
    if let Ok(plain) = plain {
        headers.insert(CONTENT_LENGTH, plain);
    }
}
