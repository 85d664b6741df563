//! The lints: findings with stable names, in lower case with hyphens, documented in `docs/lints.md`.
//!
//! Whoever reports one takes its name from here; most are made in `policy/lint`, some where a thing is
//! read.

use super::diagnostic::code;

/// What is said of a lint everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Its stable name.
    pub name: &'static str,
    /// One line: what it finds.
    pub summary: &'static str,
    /// The reason of `Accepted=False`, where it is an error.
    pub reason: &'static str,
}

macro_rules! lints {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal, $summary:literal $(=> $reason:ident)?;)*) => {
        $($(#[doc = $doc])+ pub const $constant: &str = $name;)*

        /// All of them, by name.
        pub const LINTS: &[Lint] = &[$(Lint { name: $name, summary: $summary, reason: reason!($($reason)?) }),*];
    };
}

/// The reason of a lint that says none is that of most errors in documents.
macro_rules! reason {
    () => {
        code::INVALID_OPENAPI
    };
    ($reason:ident) => {
        code::$reason
    };
}

lints! {
    /// `allowCors` beside `cors`.
    ALLOW_CORS_IGNORED = "allow-cors-ignored", "allowCors changes nothing beside `cors`";
    /// `allowCors`, and no operation that answers a preflight.
    ALLOW_CORS_WITHOUT_OPTIONS = "allow-cors-without-options", "allowCors leaves preflights to a backend that declares no OPTIONS";
    /// An alternative of `security` that cannot be enforced, beside one that can.
    ALTERNATIVE_LEFT_OUT = "alternative-left-out", "an alternative of security that cannot be enforced is not offered";
    /// An audience that no token holds in this spelling.
    AUDIENCE_SPELLING = "audience-spelling", "an audience with a stray slash, space, quote or `*`";
    /// Audiences as a list, which Google's compiler refuses.
    AUDIENCES_AS_LIST = "audiences-as-list", "x-google-audiences is a list, not a text with commas";
    /// `mode: Audit`.
    AUDIT_MODE = "audit-mode", "nothing is enforced, only told";
    /// A backend that Google's proxy would have called with a token of its own.
    BACKEND_ID_TOKEN_NOT_MINTED = "backend-id-token-not-minted", "no ID token is minted for a backend";
    /// An expression that matches origins nobody had in mind.
    BROAD_ORIGIN_REGEX = "broad-origin-regex", "allowOriginRegex matches more origins than meant";
    /// CORS lists that keep a script from sending its token.
    CORS_CANNOT_CARRY_TOKEN = "cors-cannot-carry-token", "the token's header or the method is missing from the CORS lists";
    /// A method that no browser spells like this.
    CORS_METHOD_CASE = "cors-method-case", "a method in allowMethods is not in upper case";
    /// An expression that no browser's origin matches.
    DEAD_ORIGIN_REGEX = "dead-origin-regex", "allowOriginRegex matches no origin at all";
    /// Two schemes with one issuer.
    DUPLICATE_ISSUER = "duplicate-issuer", "two security schemes have the same issuer";
    /// Two operations with one `operationId`.
    DUPLICATE_OPERATION_ID = "duplicate-operation-id", "two operations have the same operationId";
    /// Keys that anybody on the way can replace.
    HTTP_JWKS_URI = "http-jwks-uri", "keys are fetched without TLS";
    /// An issuer that no token holds in this spelling.
    ISSUER_SPELLING = "issuer-spelling", "an issuer differs from a well-known one only in its spelling";
    /// A key set that is not this issuer's.
    JWKS_URI_MISMATCH = "jwks-uri-mismatch", "the keys are those of another issuer, or no keys at all";
    /// Tokens whose audience is never the service's name.
    MISSING_AUDIENCES = "missing-audiences", "an issuer whose tokens never carry the service's name has no audiences";
    /// A field that changes nothing.
    NO_EFFECT = "no-effect", "a field that changes nothing";
    /// The origin that any site can take.
    NULL_ORIGIN_WITH_CREDENTIALS = "null-origin-with-credentials", "the origin `null` is allowed with credentials";
    /// An empty `x-security` that drops the document's `security`.
    OPENED_BY_X_SECURITY = "opened-by-x-security", "an empty x-security opens an operation to anyone";
    /// Two templates that one path matches, neither of them the narrower one.
    OVERLAPPING_ROUTES = "overlapping-routes", "a path matches two templates, and it is not plain which one wins";
    /// Two paths that only upper and lower case tell apart.
    PATHS_DIFFER_BY_CASE = "paths-differ-by-case", "two paths differ only in upper and lower case";
    /// A text that was to be filled in.
    PLACEHOLDER = "placeholder", "a placeholder was left in";
    /// An OPTIONS operation that a browser's preflight cannot pass.
    PREFLIGHT_NEEDS_TOKEN = "preflight-needs-token", "a declared OPTIONS demands a token, which no preflight carries";
    /// Every operation is open, though there are schemes.
    SCHEME_NEVER_REQUIRED = "scheme-never-required", "security schemes are defined, but every operation is open" => INVALID_OPENAPI;
    /// A variable of a server that changes paths, of which one value is served.
    SERVER_VARIABLE = "server-variable", "operations exist under the default of a server's variable only";
    /// `serviceName` and the document's `host` differ.
    SERVICE_NAME_DIFFERS = "service-name-differs", "serviceName is not the document's host";
    /// An operation that no request reaches.
    SHADOWED_ROUTE = "shadowed-route", "an operation that no request reaches";
    /// A token in the URL.
    TOKEN_IN_QUERY = "token-in-query", "tokens are looked for in the URL";
    /// A list of claims that leaves out what Google's page lists.
    UNCHECKED_CLAIMS = "unchecked-claims", "jwt.requiredClaims leaves out what tokens must carry";
    /// `x-google-allow: all`.
    UNDEFINED_PATHS_ALLOWED = "undefined-paths-allowed", "undefined paths are let through without a token";
    /// An extension that nobody knows.
    UNKNOWN_EXTENSION = "unknown-extension", "an x-google- extension that is not known";
    /// An operation that nobody closed and nobody opened on purpose.
    UNPROTECTED_OPERATION = "unprotected-operation", "an operation is open beside others that demand a token";
    /// A scheme that no operation demands.
    UNUSED_SCHEME = "unused-scheme", "a security scheme that no operation demands";
    /// Every web site acts as the user.
    WILDCARD_WITH_CREDENTIALS = "wildcard-with-credentials", "every origin is allowed with credentials" => INVALID_SPEC;
}

/// The lint with this name.
pub fn lint(name: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.name == name)
}
