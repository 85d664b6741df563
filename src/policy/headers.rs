//! Header plans: what is stripped from every client, what never crosses the proxy, what is added.

use core::net::IpAddr;

use http::header::{CONNECTION, TE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What the backend learns of the verified token: ESPv2's header.
pub const USER_INFO: HeaderName = HeaderName::from_static("x-endpoint-api-userinfo");
/// Replaces POST by another method before routing; read by [`super::decide`], stripped by whoever
/// forwards.
pub const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// The way of the request: client first, then each proxy's peer.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme that the client used.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host that the client asked for.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Strips from a request what only the proxy may say (generated names, `_` and `-` compared as
/// equal), then what ends at each hop (RFC 9110 section 7.6.1; the generated names first, so that
/// `Connection` cannot name them). `Trailer` and `TE: trailers` stay.
pub fn sanitise_request(headers: &mut HeaderMap) {
    // A look at each name, and nothing more, is all that most requests cost.
    let suspects: Vec<_> = headers
        .keys()
        .filter(|name| is_generated(name.as_str()) || is_hop_by_hop(name.as_str()))
        .cloned()
        .collect();
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
pub fn sanitise_response(headers: &mut HeaderMap) {
    let suspects: Vec<_> = headers
        .keys()
        .filter(|name| is_hop_by_hop(name.as_str()))
        .cloned()
        .collect();
    if suspects.is_empty() {
        return;
    }
    for name in nominated(headers).iter().chain(&suspects) {
        headers.remove(name);
    }
}

/// Strips from a request's trailers what a request may not bring in its head either, and what means
/// something only there (RFC 9110 section 6.5.1). `token_headers`: where tokens come that were
/// checked, in the head.
pub fn sanitise_trailers(trailers: &mut HeaderMap, token_headers: &[HeaderName]) {
    let suspects: Vec<_> = trailers
        .keys()
        .filter(|&name| {
            token_headers.contains(name) || {
                let name = name.as_str();
                is_generated(name)
                    || is_hop_by_hop(name)
                    || is_kept_from_connection(name)
                    || matches!(
                        name,
                        "authorization"
                            | "content-encoding"
                            | "content-type"
                            | "cookie"
                            | "expect"
                            | "trailer"
                            | "x-goog-iap-jwt-assertion"
                            | "x-http-method-override"
                    )
                    || name.contains('_')
            }
        })
        .cloned()
        .collect();
    for name in suspects {
        trailers.remove(name);
    }
}

/// Whether a header's name holds an underscore: backends that read `_` and `-` as one (CGI, WSGI)
/// would take it for another header. Refused with 400, as ESPv2.
pub fn has_underscore(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().contains('_'))
}

/// A peer's address as `X-Forwarded-For` has it; made once per connection. An IPv4 client of an IPv6
/// socket is an IPv4 client.
pub fn forwarded_peer(peer: IpAddr) -> HeaderValue {
    HeaderValue::try_from(peer.to_canonical().to_string()).expect("an IP address is visible ASCII")
}

/// Tells the backend where the request came from: appends the peer ([`forwarded_peer`]) to
/// `X-Forwarded-For`; keeps `X-Forwarded-Proto` and `-Host`, which a proxy before us may have set,
/// or sets them.
pub fn forwarded(
    headers: &mut HeaderMap,
    peer: &HeaderValue,
    proto: HeaderValue,
    host: &HeaderValue,
) {
    if headers.contains_key(&FORWARDED_FOR) {
        let mut way = Vec::with_capacity(64);
        for value in headers.get_all(&FORWARDED_FOR) {
            if !value.is_empty() {
                way.extend_from_slice(value.as_bytes());
                way.extend_from_slice(b", ");
            }
        }
        way.extend_from_slice(peer.as_bytes());
        // Made of values and an address: always a value.
        if let Ok(way) = HeaderValue::try_from(way) {
            headers.insert(FORWARDED_FOR, way);
        }
    } else {
        headers.insert(FORWARDED_FOR, peer.clone());
    }
    headers.entry(FORWARDED_PROTO).or_insert(proto);
    headers
        .entry(FORWARDED_HOST)
        .or_insert_with(|| host.clone());
}

/// Whether only the proxy may say this: everything under ESPv2's prefix (a backend that comes from
/// ESPv2 trusts all of it), and the original Authorization that ESPv2 passes to remote backends.
fn is_generated(name: &str) -> bool {
    let starts = |prefix: &str| {
        name.len() >= prefix.len()
            && name
                .bytes()
                .zip(prefix.bytes())
                .all(|(ours, theirs)| ours == theirs || (ours == b'_' && theirs == b'-'))
    };
    starts("x-endpoint-")
        || (name.len() == "x-forwarded-authorization".len() && starts("x-forwarded-authorization"))
}

/// Whether a header may not be set by a policy: framing, hop-by-hop, `Host`, what the proxy says of the
/// request, where tokens come, and what the proxy itself acts on. `name`: in lower case; `_` and `-`
/// count as equal.
pub fn is_reserved(name: &str) -> bool {
    let name = name.replace('_', "-");
    is_generated(&name)
        || is_hop_by_hop(&name)
        || is_kept_from_connection(&name)
        || matches!(
            &*name,
            "authorization"
                | "content-encoding"
                | "content-type"
                | "cookie"
                | "expect"
                | "origin"
                | "x-goog-iap-jwt-assertion"
                | "x-http-method-override"
        )
        || name.starts_with("access-control-")
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// What `Connection` may not strip, because it is meant for the backend whatever the client says:
/// framing, the host, and where the request came from.
fn is_kept_from_connection(name: &str) -> bool {
    matches!(
        name,
        "content-length" | "host" | "forwarded" | "trailer" | "te"
    ) || name.starts_with("x-forwarded-")
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

#[cfg(test)]
mod tests;
