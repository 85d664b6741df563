//! Header plans: what is stripped from every client, what never crosses the proxy, what is added.
//!
//! ```text
//! names (one look at each) ──► sanitise (remove what was seen) ──► forwarded ──► plan (set, append)
//! ```

mod forwarded;
mod names;
mod plan;
mod sanitise;
mod value;

use http::{HeaderMap, HeaderName};

pub use self::forwarded::{client_address, forwarded_peer};
pub use self::names::{
    DEFAULT_PREFIX, Seen, TargetError, check_claim_target, check_prefix, check_target,
};
pub use self::plan::{Captured, Facts, HeaderPlan, Origin, RequestEdits};
pub use self::sanitise::join_cookies;
pub use self::value::{VARIABLES, ValueError, ValueTemplate};

/// What the backend learns of the verified token: ESPv2's header, unless the policy says otherwise
/// ([`HeaderPlan::user_info`]).
pub const USER_INFO: HeaderName = HeaderName::from_static("x-endpoint-api-userinfo");
/// The path before its translation, with the query: the header of Envoy, and so of ESPv2.
pub const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
/// Replaces POST by another method before routing; read by [`super::decide`], stripped by whoever
/// forwards.
pub const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// The way of the request: client first, then each proxy's peer.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme that the client used.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host that the client asked for.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Strips from a response what ends at each hop.
pub fn sanitise_response(headers: &mut HeaderMap) {
    sanitise::response(headers);
}

/// Strips from a response's trailers what only its head may say.
pub fn sanitise_response_trailers(trailers: &mut HeaderMap) {
    sanitise::response_trailers(trailers);
}

#[cfg(test)]
mod tests;
