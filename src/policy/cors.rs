//! CORS: answers to preflights, and headers on every other response (Fetch standard 3.2; ESPv2 1b).

use http::{HeaderMap, HeaderValue};

use super::format::CorsMode;

/// Decides about origins; header values are built once.
#[derive(Debug)]
pub struct CorsDecider {}

/// What the response of a request gets; made when the request comes in, applied when the response
/// goes out (also on our own errors).
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseCors {
    /// CORS is off, or left to the backend and the backend answered.
    Untouched,
    /// The proxy owns CORS: the backend's `Access-Control-*` go, ours are set.
    Owned {
        /// `Access-Control-Allow-Origin`, if the origin matched.
        allow_origin: Option<HeaderValue>,
    },
    /// `allowCors` and an answer made by the proxy: `Access-Control-Allow-Origin: *`.
    PassThrough,
}

/// What an OPTIONS request is.
#[derive(Clone, Debug, PartialEq)]
pub enum Preflight {
    /// Not a preflight for us: route it like any request.
    No,
    /// Answer 200 with these headers, no body.
    Answer(HeaderMap),
    /// Answer 400; the text says what is missing or unmatched.
    Refuse(String),
}

impl CorsDecider {
    /// Prepares a mode.
    ///
    /// # Errors
    /// A regular expression or header value that the compiler never lets through.
    pub fn new(_mode: &CorsMode) -> Result<Self, String> {
        todo!("decision helper")
    }

    /// Whether the proxy answers preflights.
    pub fn owns(&self) -> bool {
        todo!("decision helper")
    }

    /// Whether preflights go to the backend without a token (`allowCors`).
    pub fn passes_through(&self) -> bool {
        todo!("decision helper")
    }

    /// What to do with an OPTIONS request. `declared`: the path has an OPTIONS operation.
    pub fn preflight(&self, _headers: &HeaderMap, _declared: bool) -> Preflight {
        todo!("decision helper")
    }

    /// What the response to a request with these headers gets.
    pub fn response(&self, _request: &HeaderMap) -> ResponseCors {
        todo!("decision helper")
    }

    /// Applies `plan` to a response's headers. `ours`: the proxy made the answer.
    pub fn decorate(&self, _plan: &ResponseCors, _headers: &mut HeaderMap, _ours: bool) {
        todo!("decision helper")
    }
}
