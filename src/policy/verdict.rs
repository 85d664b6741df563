//! Refusals: a stable reason and the facts behind it. Status, JSON body, `WWW-Authenticate`, log
//! line and metric are all made from this one value.

use http::{HeaderValue, StatusCode};

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
    /// No key fits `kid` and `alg`.
    TokenKeyUnknown,
    /// The signature does not verify.
    TokenSignature,
    /// The issuer's keys are not known: 503.
    KeysUnavailable,
    // === our side and the backend's ===
    /// There is no policy yet: 503.
    NoPolicy,
    /// The proxy is shutting down: 503.
    Draining,
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
}

/// What `WWW-Authenticate: Bearer` says beside the realm (RFC 6750 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// No token was sent: no error code.
    Missing,
    /// `error="invalid_token"`, with the refusal's message as `error_description`.
    InvalidToken,
}
