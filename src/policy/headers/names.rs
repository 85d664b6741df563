//! Names of headers, sorted by what they mean here: one look at each name of a request.

use http::{HeaderMap, HeaderName};

use super::plan::HeaderPlan;

/// What ESPv2's generated headers begin with. A backend that comes from ESPv2 trusts all of it.
pub const DEFAULT_PREFIX: &str = "x-endpoint-";

/// What a look at a request's header names found, so that only what is there is worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// A name with an underscore.
    pub underscore: bool,
    /// A name that must not go on: one that ends at this hop, one that only the proxy may say, one
    /// that asks for another method.
    pub(super) stripped: bool,
    /// `X-HTTP-Method-Override`.
    pub(super) method_override: bool,
    /// `Expect`.
    pub expect: bool,
    /// Several fields with one name.
    pub(super) repeated: bool,
    /// `Content-Length`.
    pub(super) length: bool,
}

impl Seen {
    /// Looks at each name once.
    pub fn of(headers: &HeaderMap, plan: &HeaderPlan) -> Self {
        let mut seen = Self {
            repeated: headers.len() != headers.keys_len(),
            ..Self::default()
        };
        for name in headers.keys() {
            let name = name.as_str();
            seen.underscore |= name.bytes().any(|byte| byte == b'_');
            match name.as_bytes().first() {
                Some(b'c') => {
                    seen.stripped |= name == "connection";
                    seen.length |= name == "content-length";
                }
                Some(b'e') => seen.expect |= name == "expect",
                Some(b'h' | b'k' | b'p' | b't' | b'u') => seen.stripped |= is_hop_by_hop(name),
                Some(b'x') => {
                    seen.stripped |= is_generated(name) || is_method_override(name);
                    seen.method_override |= name == super::METHOD_OVERRIDE.as_str();
                }
                _ => {}
            }
        }
        if let Some(prefix) = plan.own_prefix() {
            seen.stripped |= headers.keys().any(|name| begins(name.as_str(), prefix));
        }
        seen.stripped |= seen.underscore;
        seen
    }

    /// Whether the client asks for another method than it sends.
    pub fn method_override(&self) -> bool {
        self.method_override
    }
}

/// Why a header cannot be set by the one who writes an EndpointsService.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not made of letters, digits, hyphens, dots and underscores.
    #[error("it is not the name of a header")]
    NotAName,
    /// `:path` and its like.
    #[error("it is a part of the request line, not a header")]
    Pseudo,
    /// Says how long a message is, or how it is sent.
    #[error("it says how the message is framed, and only the proxy knows that")]
    Framing,
    /// Ends at each hop.
    #[error("it ends at each hop, so it would not arrive")]
    HopByHop,
    /// `Host`.
    #[error("the proxy sets it itself")]
    Host,
    /// Only the proxy may say it.
    #[error("the proxy makes such headers itself, and takes them from nobody")]
    Generated,
    /// Clients send it, for the proxy or the backend to read.
    #[error("clients send it, and could not any more")]
    Read,
    /// `X-Forwarded-For`.
    #[error("`headers.forwarded` says what becomes of it")]
    Forwarded,
}

/// Whether a header may be set by `headers` and its like. `prefix`: what generated names begin with,
/// in lower case, beside ESPv2's.
///
/// # Errors
/// Why not.
pub fn check_target(name: &str, prefix: &str) -> Result<HeaderName, TargetError> {
    if name.starts_with(':') {
        return Err(TargetError::Pseudo);
    }
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    let header = match name.parse::<HeaderName>() {
        Ok(header) if is_name => header,
        _ => return Err(TargetError::NotAName),
    };
    // `Content_Length` is one to backends that read both alike.
    let read = header.as_str().replace('_', "-");
    match &*read {
        "content-length" | "transfer-encoding" | "trailer" | "expect" => Err(TargetError::Framing),
        "host" => Err(TargetError::Host),
        "x-forwarded-for" | "forwarded" => Err(TargetError::Forwarded),
        read if is_hop_by_hop(read) => Err(TargetError::HopByHop),
        read if is_generated(read) || begins(read, prefix) || is_method_override(read) => {
            Err(TargetError::Generated)
        }
        _ => Ok(header),
    }
}

/// Whether a header may be set from a claim: clients cannot send it then.
///
/// # Errors
/// Why not.
pub fn check_claim_target(name: &str, prefix: &str) -> Result<HeaderName, TargetError> {
    let header = check_target(name, prefix)?;
    let read = header.as_str().replace('_', "-");
    let is_read = matches!(
        &*read,
        "authorization"
            | "content-encoding"
            | "content-type"
            | "cookie"
            | "origin"
            | "x-goog-iap-jwt-assertion"
    );
    match is_read || read.starts_with("access-control-") || read.starts_with("x-forwarded-") {
        true => Err(TargetError::Read),
        false => Ok(header),
    }
}

/// Whether generated names may begin with this (in lower case): `NAME-`, and nothing that HTTP or
/// browsers use begins so.
///
/// # Errors
/// Why not: a header that would be taken from clients, or nothing where it is no beginning at all.
pub fn check_prefix(prefix: &str) -> Result<(), Option<&'static str>> {
    let labels = prefix.strip_suffix('-').unwrap_or_default().split('-');
    let are_words = labels.into_iter().all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    });
    if !are_words || prefix.len() < 3 {
        return Err(None);
    }
    match COMMON.iter().find(|name| name.starts_with(prefix)) {
        Some(taken) => Err(Some(taken)),
        None => Ok(()),
    }
}

/// Headers whose beginnings are not free: one for each that is in wide use.
const COMMON: [&str; 34] = [
    "accept-language",
    "access-control-request-method",
    "alt-used",
    "api-version",
    "cache-control",
    "cdn-loop",
    "client-ip",
    "content-length",
    "content-type",
    "device-memory",
    "early-data",
    "grpc-timeout",
    "http2-settings",
    "idempotency-key",
    "if-match",
    "keep-alive",
    "last-event-id",
    "max-forwards",
    "proxy-authorization",
    "save-data",
    "sec-fetch-mode",
    "sec-websocket-key",
    "transfer-encoding",
    "true-client-ip",
    "upgrade-insecure-requests",
    "user-agent",
    "want-digest",
    "x-api-key",
    "x-cloud-trace-context",
    "x-forwarded-for",
    "x-goog-iap-jwt-assertion",
    "x-http-method-override",
    "x-real-ip",
    "x-requested-with",
];

/// Whether a name begins with this, read as CGI and what came after it read names: there `_`, `-` and
/// `.` are one.
pub(super) fn begins(name: &str, prefix: &str) -> bool {
    name.len() >= prefix.len()
        && name
            .bytes()
            .zip(prefix.bytes())
            .all(|(ours, theirs)| ours == theirs || (theirs == b'-' && matches!(ours, b'_' | b'.')))
}

/// Whether two names are one to a backend that reads them so.
pub(super) fn is_read_as(name: &str, other: &str) -> bool {
    name.len() == other.len() && begins(name, other)
}

/// Whether only the proxy may say this, whatever the policy: everything under ESPv2's prefix, the
/// original Authorization that ESPv2 passes to remote backends, and the path before its translation.
pub(super) fn is_generated(name: &str) -> bool {
    begins(name, DEFAULT_PREFIX)
        || is_read_as(name, "x-forwarded-authorization")
        || is_read_as(name, super::ORIGINAL_PATH.as_str())
}

/// What backends take for another method than the one that was decided about.
pub(super) fn is_method_override(name: &str) -> bool {
    [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ]
    .iter()
    .any(|known| is_read_as(name, known))
}

pub(super) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "http2-settings"
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
pub(super) fn is_kept_from_connection(name: &str) -> bool {
    matches!(
        name,
        "content-length" | "host" | "forwarded" | "trailer" | "te"
    ) || name.starts_with("x-forwarded-")
}
