//! Refusals: a stable reason and the facts behind it. Status, JSON body, `WWW-Authenticate`, log
//! line and metric are all made from this one value.

mod grpc;

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// The longest realm sent, in bytes; ESPv2's bound.
const MAX_REALM: usize = 256;

/// One line a reason: its name, what it is about, and whose fault it is.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident: $topic:ident, $fault:ident;)+) => {
        /// Why the proxy answers instead of the backend. Stable names: they stand in JSON bodies
        /// (`reason`), logs and metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)+
        }

        impl Reason {
            /// All of them: a reason's place is its number.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name that JSON bodies, logs and metrics show; never changes.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What it is about.
            pub const fn topic(self) -> Topic {
                match self {
                    $(Self::$name => Topic::$topic,)+
                }
            }

            /// Who has to do something about it.
            pub const fn fault(self) -> Fault {
                match self {
                    $(Self::$name => Fault::$fault,)+
                }
            }
        }
    };
}

reasons! {
    // === the request itself ===
    /// Not exactly one Host, or one that is not a host.
    BadHost: Request, Client;
    /// A request target that is not a path, or one with invalid escapes, backslash or fragment.
    BadPath: Request, Client;
    /// An escaped slash that, decoded, selects a different operation.
    AmbiguousPath: Request, Client;
    /// `X-HTTP-Method-Override` that may not be honoured.
    BadMethodOverride: Request, Client;
    /// A header name with an underscore.
    UnderscoreHeader: Request, Client;
    /// `Content-Length` beside `Transfer-Encoding`, or several lengths.
    BadFraming: Request, Client;
    /// CONNECT or TRACE.
    MethodRefused: Request, Client;
    /// `Expect` other than `100-continue`.
    BadExpect: Request, Client;
    /// The request target is too long.
    UriTooLong: Request, Client;
    /// The head is too large.
    HeadTooLarge: Request, Client;
    /// The head was not complete in time: 408.
    HeadTimeout: Request, Client;
    /// The body is longer than the policy allows: 413.
    BodyTooLarge: Request, Client;
    /// The client's body stalled or was malformed: 400 or 408.
    BadBody: Request, Client;
    // === routing ===
    /// No operation has this path.
    RouteNotFound: Routing, Client;
    /// The path has operations, none with this method.
    MethodNotAllowed: Routing, Client;
    // === CORS ===
    /// A preflight without a needed header, or of an origin that does not match.
    PreflightRefused: Cors, Client;
    /// An upgrade for a page whose origin does not match: 403.
    OriginRefused: Cors, Client;
    // === token ===
    /// No token where the operation demands one.
    TokenMissing: Token, Client;
    /// Not a JSON Web Token.
    TokenMalformed: Token, Client;
    /// An algorithm that is not accepted, or `crit` or `b64`.
    TokenAlgorithm: Token, Client;
    /// An issuer that the operation does not accept.
    TokenIssuer: Token, Client;
    /// Past `exp`.
    TokenExpired: Token, Client;
    /// Before `nbf`.
    TokenNotYetValid: Token, Client;
    /// A required claim is missing.
    TokenClaimMissing: Token, Client;
    /// No accepted audience.
    TokenAudience: Token, Client;
    /// A scope that the operation demands is missing.
    TokenScope: Token, Client;
    /// No key fits `kid` and `alg`.
    TokenKeyUnknown: Token, Client;
    /// The signature does not verify.
    TokenSignature: Token, Client;
    /// The issuer's keys are not known: 503.
    KeysUnavailable: Token, Issuer;
    // === the backend's side ===
    /// The backend cannot be connected: 503.
    BackendUnreachable: Backend, Backend;
    /// No connection to the backend became free in time: 503.
    BackendOverflow: Backend, Backend;
    /// The backend broke off before its answer: 502.
    BackendReset: Backend, Backend;
    /// The backend's answer is not HTTP: 502.
    BackendMalformed: Backend, Backend;
    /// The deadline passed: 504.
    BackendTimeout: Backend, Backend;
    // === our side ===
    /// More requests at one time than the policy allows: 503.
    TooManyRequests: Proxy, Policy;
    /// There is no policy yet: 503.
    NoPolicy: Proxy, Policy;
    /// A defect of ours: 500.
    Internal: Proxy, Proxy;
}

/// What a reason is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The request itself, whatever the policy says.
    Request,
    /// Which operation it is.
    Routing,
    /// Cross-origin resource sharing.
    Cors,
    /// Its tokens.
    Token,
    /// The backend's answer, or the lack of one.
    Backend,
    /// The proxy.
    Proxy,
}

/// Who has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whoever sent the request.
    Client,
    /// Whoever wrote the EndpointsService, or should have.
    Policy,
    /// We: a defect, or a bound on what we take.
    Proxy,
    /// The backend, or the way to it.
    Backend,
    /// Who publishes the keys that tokens are verified with.
    Issuer,
}

/// What a verdict rests on, beside its reason and its sentence; for logs, metrics and explanations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Facts {
    /// Nothing more.
    #[default]
    None,
    /// The path is that of a template.
    Path {
        /// As the document writes it.
        template: String,
    },
    /// The token is one of a provider of the policy.
    Provider {
        /// Its place in the order of [`Policy::providers`](crate::policy::Policy::providers).
        index: usize,
    },
    /// A backend was asked.
    Backend {
        /// Its address, without user or path.
        address: String,
        /// How far it came.
        phase: Phase,
    },
}

/// How far an exchange with a backend came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its name, socket or TLS.
    Connect,
    /// The request went out, or a part of it; no answer yet.
    Request,
    /// The head of the answer is here.
    Response,
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
    /// What it rests on.
    pub facts: Facts,
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

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Fault ===

impl Fault {
    /// The name that the access log shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Policy => "policy",
            Self::Proxy => "proxy",
            Self::Backend => "backend",
            Self::Issuer => "issuer",
        }
    }
}

// === impl Phase ===

impl Phase {
    /// The name that the access log shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Request => "request",
            Self::Response => "response",
        }
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
            facts: Facts::None,
        }
    }

    /// The same, with what it rests on.
    #[must_use]
    pub fn resting_on(self, facts: Facts) -> Self {
        Self { facts, ..self }
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
