//! What must hold of a request before the policy is asked.

use std::rc::Rc;

use http::header::{EXPECT, HOST};
use http::request::Parts;
use http::{HeaderValue, StatusCode, Version};

use crate::policy::verdict::{Reason, Refusal};
use crate::proxy::guard::Head;
use crate::proxy::respond::refusal;
use crate::proxy::worker::InForce;

/// What must hold before the policy is asked.
pub(super) fn admit<'p>(
    head: Option<Result<Head, Refusal>>,
    policy: Option<&'p Rc<InForce>>,
    parts: &mut Parts,
) -> Result<&'p Rc<InForce>, Refusal> {
    let head = head.unwrap_or_else(|| {
        let message = "The request came past the guard of its connection.";
        Err(refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            Reason::Internal,
            message,
        ))
    })?;
    let Some(policy) = policy else {
        return Err(refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            Reason::NoPolicy,
            "The proxy has no policy yet.",
        ));
    };
    check_host(head.hosts, parts)?;
    if let Some(expectation) = parts.headers.get(EXPECT)
        && !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(refusal(
            StatusCode::EXPECTATION_FAILED,
            Reason::BadExpect,
            "The only expectation that can be met is 100-continue.",
        ));
    }
    Ok(policy)
}

/// Exactly one Host in HTTP/1.1, at most one in HTTP/1.0 (RFC 9112 section 3.2); the authority of an
/// absolute target takes its place (section 3.2.2).
fn check_host(hosts: u16, parts: &mut Parts) -> Result<(), Refusal> {
    let bad = |message| Err(refusal(StatusCode::BAD_REQUEST, Reason::BadHost, message));
    match hosts {
        1 => {}
        0 if parts.version == Version::HTTP_10 => {}
        0 => return bad("The request has no Host header."),
        _ => return bad("The request has several Host headers."),
    }
    if let Some(authority) = parts.uri.authority() {
        match HeaderValue::try_from(authority.as_str()) {
            Ok(host) => parts.headers.insert(HOST, host),
            Err(_) => return bad("The authority of the request target is not a host."),
        };
    }
    match parts.headers.get(HOST) {
        Some(host) if !is_host(host.as_bytes()) => bad("The Host header is not a host."),
        _ => Ok(()),
    }
}

/// `uri-host [":" port]`, by its characters (RFC 3986 section 3.2.2): neither a user nor a path.
fn is_host(host: &[u8]) -> bool {
    !host.is_empty()
        && host.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'.' | b'-' | b':' | b'[' | b']' | b'_' | b'~' | b'%' | b'!' | b'$'
                )
                || matches!(
                    byte,
                    b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
                )
        })
}
