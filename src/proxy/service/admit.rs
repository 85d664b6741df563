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
    let expectations = parts.headers.get_all(EXPECT);
    let is_continue = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !expectations.iter().all(is_continue) {
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
    if let Some(scheme) = parts.uri.scheme_str()
        && !matches!(scheme, "http" | "https")
    {
        let message = "The request target is not of a scheme that is served here.";
        return Err(refusal(StatusCode::BAD_REQUEST, Reason::BadPath, message));
    }
    if let Some(authority) = parts.uri.authority() {
        // What it takes the place of must be a host, or nothing, all the same (section 3.2).
        let before = parts.headers.get(HOST).map(HeaderValue::as_bytes);
        if before.is_some_and(|host| !host.is_empty() && !is_host(host)) {
            return bad("The Host header is not a host.");
        }
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

/// `uri-host [":" port]` (RFC 3986 section 3.2.2): neither a user nor a path, and one colon only.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|&byte| byte == b']') else {
                return false;
            };
            let (address, rest) = (&rest[..end], &rest[end + 1..]);
            let is_address = str::from_utf8(address)
                .is_ok_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
            if !is_address {
                return false;
            }
            match rest {
                [] => return true,
                [b':', port @ ..] => (None, port),
                _ => return false,
            }
        }
        None => match host.iter().position(|&byte| byte == b':') {
            Some(colon) => (Some(&host[..colon]), &host[colon + 1..]),
            None => (Some(host), &b""[..]),
        },
    };
    name.is_none_or(is_name) && is_port(port)
}

/// Up to 65535; empty stands for the scheme's own.
fn is_port(port: &[u8]) -> bool {
    port.len() <= 5
        && port
            .iter()
            .try_fold(0_u32, |port, byte| match byte {
                b'0'..=b'9' => Some(port * 10 + u32::from(byte - b'0')),
                _ => None,
            })
            .is_some_and(|port| port <= 65535)
}

/// The characters of `reg-name`, but escapes: no name needs them, and not everybody decodes them.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'.' | b'-' | b'_' | b'~' | b'!' | b'$')
                || matches!(
                    byte,
                    b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
                )
        })
}
