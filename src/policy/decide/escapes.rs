//! Escaped slashes and backslashes in a path (`routing.escapedSlashes`).

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::refusals::bad_request;
use crate::policy::format::EscapedSlashes;
use crate::policy::path::normalise;
use crate::policy::verdict::{Reason, Refusal};

/// What becomes of them.
pub(super) enum Escaped {
    /// There are none, or they stay.
    Kept,
    /// The client is sent to this path, which has slashes in their place.
    Redirected(String),
}

/// Looks for them in a path that was read.
pub(super) fn find(
    mode: EscapedSlashes,
    path: &str,
    headers: &HeaderMap,
) -> Result<Escaped, Refusal> {
    if mode == EscapedSlashes::Keep || !path.contains('%') {
        return Ok(Escaped::Kept);
    }
    let unescaped = unescape(path);
    if unescaped == path {
        return Ok(Escaped::Kept);
    }
    // gRPC clients follow no redirect.
    if mode == EscapedSlashes::Reject || is_grpc(headers) {
        return Err(bad_request(
            Reason::BadPath,
            "The request path has an escaped slash.",
        ));
    }
    match normalise(&unescaped) {
        Ok(path) => Ok(Escaped::Redirected(path.0.into_owned())),
        Err(error) => Err(bad_request(Reason::BadPath, error.to_string())),
    }
}

/// Where the client is sent. The path is in its normal form: it begins with one slash, so it stays on
/// this host.
pub(super) fn location(path: &str, query: Option<&str>) -> Result<HeaderValue, Refusal> {
    let location = match query {
        Some(query) => HeaderValue::try_from(format!("{path}?{query}")),
        None => HeaderValue::from_str(path),
    };
    location.map_err(|_| {
        let message = "The request target has a character that is not allowed.";
        bad_request(Reason::BadPath, message)
    })
}

fn unescape(path: &str) -> String {
    let mut unescaped = path.to_owned();
    for escape in ["%2F", "%2f", "%5C", "%5c"] {
        if unescaped.contains(escape) {
            unescaped = unescaped.replace(escape, "/");
        }
    }
    unescaped
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    value.is_some_and(|value| {
        value
            .get(..16)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
    })
}
