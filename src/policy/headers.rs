//! Header plans: what is stripped from every client, what never crosses the proxy, what is added.

use http::{HeaderMap, HeaderName};

/// What the backend learns of the verified token: ESPv2's header.
pub const USER_INFO: HeaderName = HeaderName::from_static("x-endpoint-api-userinfo");
/// Replaces POST by another method before routing.
pub const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// Strips from a request what only the proxy may say (generated names, `_` and `-` compared as
/// equal), then what ends at each hop (RFC 9110 section 7.6.1; the generated names first, so that
/// `Connection` cannot name them).
pub fn sanitise_request(_headers: &mut HeaderMap) {
    todo!("decision helper")
}

/// Strips from a response what ends at each hop.
pub fn sanitise_response(_headers: &mut HeaderMap) {
    todo!("decision helper")
}
