//! Refusals: a stable reason and the facts behind it. Status, JSON body, `WWW-Authenticate`, log
//! line and metric are all made from this one value.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// The longest realm sent, in bytes; ESPv2's bound.
const MAX_REALM: usize = 256;

/// Why the proxy answers instead of the backend. Stable names: they stand in JSON bodies (`reason`),
/// logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    // === the request itself ===
    /// Not exactly one Host, or one that is not a host.
    BadHost,
    /// A request target that is not a path, or one with invalid escapes, backslash or fragment.
    BadPath,
    /// An escaped slash that, decoded, selects a different operation.
    AmbiguousPath,
    /// `X-HTTP-Method-Override` that may not be honoured.
    BadMethodOverride,
    /// A header name with an underscore.
    UnderscoreHeader,
    /// `Content-Length` beside `Transfer-Encoding`, or several lengths.
    BadFraming,
    /// CONNECT or TRACE.
    MethodRefused,
    /// `Expect` other than `100-continue`.
    BadExpect,
    /// The request target is too long.
    UriTooLong,
    /// The head is too large.
    HeadTooLarge,
    // === routing ===
    /// No operation has this path.
    RouteNotFound,
    /// The path has operations, none with this method.
    MethodNotAllowed,
    // === CORS ===
    /// A preflight without a needed header, or of an origin that does not match.
    PreflightRefused,
    // === token ===
    /// No token where the operation demands one.
    TokenMissing,
    /// Not a JSON Web Token.
    TokenMalformed,
    /// An algorithm that is not accepted, or `crit` or `b64`.
    TokenAlgorithm,
    /// An issuer that the operation does not accept.
    TokenIssuer,
    /// Past `exp`.
    TokenExpired,
    /// Before `nbf`.
    TokenNotYetValid,
    /// A required claim is missing.
    TokenClaimMissing,
    /// No accepted audience.
    TokenAudience,
    /// A scope that the operation demands is missing.
    TokenScope,
    /// No key fits `kid` and `alg`.
    TokenKeyUnknown,
    /// The signature does not verify.
    TokenSignature,
    /// The issuer's keys are not known: 503.
    KeysUnavailable,
    // === our side and the backend's ===
    /// There is no policy yet: 503.
    NoPolicy,
    /// The backend cannot be connected: 503.
    BackendUnreachable,
    /// The backend broke off before its answer: 502.
    BackendReset,
    /// The backend's answer is not HTTP: 502.
    BackendMalformed,
    /// The deadline passed: 504.
    BackendTimeout,
    /// The client's body stalled or was malformed: 400 or 408.
    BadBody,
    /// A defect of ours: 500.
    Internal,
}

/// An answer of our own instead of the backend's.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The status sent.
    pub status: StatusCode,
    /// The stable reason.
    pub reason: Reason,
    /// For people; ESPv2's sentence where it has one. Never holds a token or a query.
    pub message: String,
    /// `Allow`, on a 405.
    pub allow: Option<HeaderValue>,
    /// RFC 6750 `error` for `WWW-Authenticate`; see [`Challenge`].
    pub challenge: Option<Challenge>,
    /// Of a token that was read: for which provider it was checked, as a place in
    /// [`super::Prepared::providers`].
    pub provider: Option<usize>,
}

/// What `WWW-Authenticate: Bearer` says beside the realm (RFC 6750 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// No token was sent: no error code.
    Missing,
    /// `error="invalid_token"`, with the refusal's message as `error_description`.
    InvalidToken,
    /// `error="insufficient_scope"`, likewise, and which scopes are demanded.
    InsufficientScope {
        /// Separated by spaces.
        scope: Arc<str>,
    },
}

// === impl Reason ===

impl Reason {
    /// The name that JSON bodies, logs and metrics show; never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadHost => "BadHost",
            Self::BadPath => "BadPath",
            Self::AmbiguousPath => "AmbiguousPath",
            Self::BadMethodOverride => "BadMethodOverride",
            Self::UnderscoreHeader => "UnderscoreHeader",
            Self::BadFraming => "BadFraming",
            Self::MethodRefused => "MethodRefused",
            Self::BadExpect => "BadExpect",
            Self::UriTooLong => "UriTooLong",
            Self::HeadTooLarge => "HeadTooLarge",
            Self::RouteNotFound => "RouteNotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::PreflightRefused => "PreflightRefused",
            Self::TokenMissing => "TokenMissing",
            Self::TokenMalformed => "TokenMalformed",
            Self::TokenAlgorithm => "TokenAlgorithm",
            Self::TokenIssuer => "TokenIssuer",
            Self::TokenExpired => "TokenExpired",
            Self::TokenNotYetValid => "TokenNotYetValid",
            Self::TokenClaimMissing => "TokenClaimMissing",
            Self::TokenAudience => "TokenAudience",
            Self::TokenScope => "TokenScope",
            Self::TokenKeyUnknown => "TokenKeyUnknown",
            Self::TokenSignature => "TokenSignature",
            Self::KeysUnavailable => "KeysUnavailable",
            Self::NoPolicy => "NoPolicy",
            Self::BackendUnreachable => "BackendUnreachable",
            Self::BackendReset => "BackendReset",
            Self::BackendMalformed => "BackendMalformed",
            Self::BackendTimeout => "BackendTimeout",
            Self::BadBody => "BadBody",
            Self::Internal => "Internal",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Refusal ===

impl Refusal {
    /// A refusal with neither `Allow` nor challenge.
    pub fn new(status: StatusCode, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
            allow: None,
            challenge: None,
            provider: None,
        }
    }

    /// The body, `application/json`: ESPv2's `code` and `message`, and our `reason` (a script
    /// cannot read `WWW-Authenticate` across origins).
    pub fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            code: u16,
            message: &'a str,
            reason: &'a str,
        }

        serde_json::to_vec(&Body {
            code: self.status.as_u16(),
            message: &self.message,
            reason: self.reason.as_str(),
        })
        .expect("a struct of a number and strings is always JSON")
    }

    /// `WWW-Authenticate` (RFC 6750 section 3), if the refusal is about a token. `realm` is
    /// `scheme://host/path`; what follows a `?` is cut, since queries hold tokens and keys, and so
    /// is what exceeds 256 bytes.
    pub fn www_authenticate(&self, realm: &str) -> Option<HeaderValue> {
        let mut value = String::with_capacity(96 + realm.len());
        value.push_str("Bearer realm=\"");
        let realm = realm.split(['?', '#']).next().unwrap_or_default();
        for c in realm.chars().filter(char::is_ascii_graphic).take(MAX_REALM) {
            if matches!(c, '"' | '\\') {
                value.push('\\');
            }
            value.push(c);
        }
        value.push('"');
        let mut error = |code: &str| {
            value.push_str(", error=\"");
            value.push_str(code);
            value.push_str("\", error_description=\"");
            value.extend(self.message.chars().filter_map(description_char));
            value.push('"');
        };
        match self.challenge.as_ref()? {
            Challenge::Missing => {}
            Challenge::InvalidToken => error("invalid_token"),
            Challenge::InsufficientScope { scope } => {
                error("insufficient_scope");
                value.push_str(", scope=\"");
                value.extend(scope.chars().filter_map(description_char));
                value.push('"');
            }
        }
        HeaderValue::try_from(value).ok()
    }
}

/// `reason: message`, one line, for logs.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// What `error_description` may hold (RFC 6750 section 3): printable ASCII but quote and backslash.
fn description_char(c: char) -> Option<char> {
    match c {
        '"' => Some('\''),
        '\\' => None,
        ' '..='~' => Some(c),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
