//! Reasons, what they are about, and whose fault they are.

use std::fmt;

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
