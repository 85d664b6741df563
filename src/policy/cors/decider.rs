//! One rule: what it says of a preflight, and what it does to a response.

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD};
use http::{HeaderMap, HeaderValue};

use super::CorsVerdict;
use super::origin::RequestOrigin;
use super::owned::{ANY, Owned};
use crate::policy::format::CorsMode;

/// Decides about origins by one rule; header values are built once.
#[derive(Debug)]
pub struct CorsDecider {
    mode: Mode,
}

/// What a rule does to a response.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseHeaders {
    /// CORS is off here.
    Untouched,
    /// The proxy owns CORS: the backend's `Access-Control-*` go, ours are set.
    Owned {
        /// `Access-Control-Allow-Origin`, if the origin matched.
        allow_origin: Option<HeaderValue>,
    },
    /// The proxy answers a preflight.
    AnsweredPreflight {
        /// `Access-Control-Allow-Origin`.
        allow_origin: HeaderValue,
    },
    /// The proxy owns CORS and refuses a preflight: no origin, but the answer varies by all that a
    /// preflight says.
    RefusedPreflight,
    /// `allowCors` and an answer made by the proxy: `Access-Control-Allow-Origin: *`.
    PassThrough,
}

/// What an OPTIONS request is.
#[derive(Clone, Debug, PartialEq)]
pub enum Preflight {
    /// Not a preflight for us: route it like any request.
    No,
    /// Answer 200 without a body, to this `Access-Control-Allow-Origin`.
    Answer(HeaderValue),
    /// Answer 400, with [`CorsVerdict::refusal`] for a message.
    Refuse(CorsVerdict),
}

#[derive(Debug)]
enum Mode {
    Off,
    PassThrough,
    Owned(Box<Owned>),
}

impl CorsDecider {
    /// Prepares a mode.
    ///
    /// # Errors
    /// A regular expression or header value that the compiler never lets through.
    pub fn new(mode: &CorsMode) -> Result<Self, String> {
        let mode = match mode {
            CorsMode::Off => Mode::Off,
            CorsMode::PassThrough => Mode::PassThrough,
            CorsMode::Owned(policy) => Mode::Owned(Box::new(Owned::new(policy)?)),
        };
        Ok(Self { mode })
    }

    /// Whether the proxy answers preflights.
    pub fn owns(&self) -> bool {
        matches!(self.mode, Mode::Owned(_))
    }

    /// Whether preflights go to the backend without a token (`allowCors`).
    pub fn passes_through(&self) -> bool {
        matches!(self.mode, Mode::PassThrough)
    }

    /// What to do with an OPTIONS request. `declared`: the path has an OPTIONS operation.
    ///
    /// A preflight is ours whether declared or not; what else comes by OPTIONS is refused unless
    /// declared.
    pub fn preflight(&self, headers: &HeaderMap, declared: bool) -> Preflight {
        let Mode::Owned(owned) = &self.mode else {
            return Preflight::No;
        };
        let origin = RequestOrigin::of(headers);
        let has_method = headers
            .get(ACCESS_CONTROL_REQUEST_METHOD)
            .is_some_and(|method| !method.is_empty());
        let verdict = match (origin, has_method) {
            (RequestOrigin::None, false) => CorsVerdict::PreflightOriginAndMethodMissing,
            (RequestOrigin::None, true) => CorsVerdict::PreflightOriginMissing,
            (_, false) => CorsVerdict::PreflightMethodMissing,
            (RequestOrigin::Several, true) => CorsVerdict::PreflightOriginRepeated,
            (RequestOrigin::One(_), true) => match owned.match_origin(origin) {
                Some(allow_origin) => return Preflight::Answer(allow_origin),
                None => CorsVerdict::PreflightOriginUnmatched,
            },
        };
        if declared && (origin == RequestOrigin::None || !has_method) {
            return Preflight::No;
        }
        Preflight::Refuse(verdict)
    }

    /// What the response to a request with these headers gets.
    pub fn response(&self, request: &HeaderMap) -> (ResponseHeaders, CorsVerdict) {
        match &self.mode {
            Mode::Off => (ResponseHeaders::Untouched, CorsVerdict::NotOurs),
            Mode::PassThrough => (ResponseHeaders::PassThrough, CorsVerdict::NotOurs),
            Mode::Owned(owned) => owned.response(request),
        }
    }

    /// Applies `plan` to a response's headers. `ours`: the proxy made the answer.
    pub fn decorate(&self, plan: &ResponseHeaders, headers: &mut HeaderMap, ours: bool) {
        match (plan, &self.mode) {
            (ResponseHeaders::Owned { allow_origin }, Mode::Owned(owned)) => {
                owned.decorate(allow_origin.as_ref(), headers);
            }
            (ResponseHeaders::AnsweredPreflight { allow_origin }, Mode::Owned(owned))
                if headers.is_empty() =>
            {
                headers.clone_from(&owned.answer);
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allow_origin.clone());
            }
            (ResponseHeaders::AnsweredPreflight { allow_origin }, Mode::Owned(owned)) => {
                owned.vary_by_preflight(headers);
                owned.decorate(Some(allow_origin), headers);
                for (name, value) in &owned.preflight {
                    headers.insert(name, value.clone());
                }
            }
            (ResponseHeaders::RefusedPreflight, Mode::Owned(owned)) => {
                owned.vary_by_preflight(headers);
                owned.decorate(None, headers);
            }
            (ResponseHeaders::PassThrough, _) if ours => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
            }
            _ => {}
        }
    }
}
