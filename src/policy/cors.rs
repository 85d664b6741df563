//! CORS: answers to preflights, and headers on every other response (Fetch standard 3.2; ESPv2 1b).
//!
//! One rule decides about a request: that of its operation ([`CorsRules::of`]), else the service's.

mod verdict;

use std::collections::BTreeSet;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use regex::Regex;

pub use self::verdict::CorsVerdict;
use super::compile::{MAX_ORIGIN_BYTES, origin_regex};
use super::format::{CorsMode, CorsPolicy, OriginRule, Policy};

/// The CORS rules of a policy: the service's, and those that operations have instead.
#[derive(Debug)]
pub struct CorsRules {
    service: CorsDecider,
    /// In the order of [`Policy::cors_rules`].
    own: Vec<CorsDecider>,
    /// Per operation: its place in `own`.
    by_operation: Vec<Option<usize>>,
}

/// One rule of a policy: `None` is the service's, else a place in [`Policy::cors_rules`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleId(Option<usize>);

/// What the response of a request gets, and by which rule; made when the request comes in, applied
/// when the response goes out (also on our own errors).
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseCors {
    rule: RuleId,
    headers: ResponseHeaders,
    /// What CORS came to, for metrics.
    pub verdict: CorsVerdict,
}

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

impl CorsRules {
    /// Prepares the rules of a policy.
    ///
    /// # Errors
    /// A regular expression or header value that the compiler never lets through, or an operation's
    /// rule that the policy does not have.
    pub fn new(policy: &Policy) -> Result<Self, String> {
        let own = policy.cors_rules.iter().map(CorsDecider::new);
        let by_operation = policy
            .operations
            .iter()
            .map(|operation| match operation.cors {
                Some(place) if place >= policy.cors_rules.len() => Err(format!(
                    "`{}` has a CORS rule that the policy lacks",
                    operation.name
                )),
                place => Ok(place),
            });
        Ok(Self {
            service: CorsDecider::new(&policy.cors)?,
            own: own.collect::<Result<_, _>>()?,
            by_operation: by_operation.collect::<Result<_, _>>()?,
        })
    }

    /// The rule of an operation.
    pub fn of(&self, operation: usize) -> RuleId {
        RuleId(self.by_operation.get(operation).copied().flatten())
    }

    /// What the rule decides by.
    pub fn decider(&self, RuleId(place): RuleId) -> &CorsDecider {
        place
            .and_then(|place| self.own.get(place))
            .unwrap_or(&self.service)
    }

    /// What the response to a request with these headers gets by a rule.
    pub fn response(&self, rule: RuleId, request: &HeaderMap) -> ResponseCors {
        let (headers, verdict) = self.decider(rule).response(request);
        ResponseCors {
            rule,
            headers,
            verdict,
        }
    }

    /// What the answer to a preflight gets that a rule answers, to this `Access-Control-Allow-Origin`.
    pub fn answered_preflight(&self, rule: RuleId, allow_origin: HeaderValue) -> ResponseCors {
        ResponseCors {
            rule,
            headers: ResponseHeaders::AnsweredPreflight { allow_origin },
            verdict: CorsVerdict::PreflightAnswered,
        }
    }

    /// What the backend's answer to a preflight gets that a rule leaves to it.
    pub fn passed_on_preflight(&self, rule: RuleId, request: &HeaderMap) -> ResponseCors {
        ResponseCors {
            verdict: CorsVerdict::PreflightPassedOn,
            ..self.response(rule, request)
        }
    }

    /// What the 400 to an OPTIONS request gets that a rule refused.
    pub fn refused_preflight(&self, rule: RuleId, request: &HeaderMap) -> ResponseCors {
        let plan = self.response(rule, request);
        let Preflight::Refuse(verdict) = self.decider(rule).preflight(request, false) else {
            return plan;
        };
        let headers = match verdict {
            CorsVerdict::PreflightOriginUnmatched | CorsVerdict::PreflightOriginRepeated => {
                ResponseHeaders::RefusedPreflight
            }
            // No browser's preflight: a script may read the answer as it may any other.
            _ => plan.headers,
        };
        ResponseCors {
            rule,
            headers,
            verdict,
        }
    }

    /// Applies `plan` to a response's headers. `ours`: the proxy made the answer.
    pub fn decorate(&self, plan: &ResponseCors, headers: &mut HeaderMap, ours: bool) {
        self.decider(plan.rule)
            .decorate(&plan.headers, headers, ours);
    }
}

impl RuleId {
    /// The service's rule: for what is no operation's.
    pub const SERVICE: Self = Self(None);
}

impl ResponseCors {
    /// Nothing is done to the response.
    pub const UNTOUCHED: Self = Self {
        rule: RuleId::SERVICE,
        headers: ResponseHeaders::Untouched,
        verdict: CorsVerdict::NotOurs,
    };
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

const ANY: HeaderValue = HeaderValue::from_static("*");

#[derive(Debug)]
enum Mode {
    Off,
    PassThrough,
    Owned(Box<Owned>),
}

/// The proxy's own rules, as headers.
#[derive(Debug)]
struct Owned {
    rule: Rule,
    /// On every answer to a matched origin, but `Access-Control-Allow-Origin`.
    actual: Vec<(HeaderName, HeaderValue)>,
    /// On a preflight's answer, beside those.
    preflight: Vec<(HeaderName, HeaderValue)>,
    /// The whole of it, but `Access-Control-Allow-Origin`.
    answer: HeaderMap,
}

#[derive(Debug)]
enum Rule {
    /// The literal `*`, whoever asks.
    Any,
    /// Any origin but `null`, reflected: credentials do not go with `*`.
    Reflect,
    Exact(BTreeSet<String>),
    Regex(Regex),
}

/// The request's `Origin`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum RequestOrigin<'h> {
    /// Absent or empty.
    None,
    One(&'h HeaderValue),
    /// No browser sends two: which one would the backend, or a cache, look at?
    Several,
}

// === impl RequestOrigin ===

impl<'h> RequestOrigin<'h> {
    fn of(headers: &'h HeaderMap) -> Self {
        let Some(first) = headers.get(ORIGIN) else {
            return Self::None;
        };
        match headers.get_all(ORIGIN).iter().nth(1) {
            Some(_) => Self::Several,
            None if first.is_empty() => Self::None,
            None => Self::One(first),
        }
    }
}

// === impl Owned ===

impl Owned {
    fn new(policy: &CorsPolicy) -> Result<Self, String> {
        let rule = match &policy.origins {
            OriginRule::Any if policy.allow_credentials => Rule::Reflect,
            OriginRule::Any => Rule::Any,
            OriginRule::Exact(origins) => Rule::Exact(origins.clone()),
            OriginRule::Regex(pattern) => Rule::Regex(
                origin_regex(pattern).map_err(|error| format!("origin pattern: {error}"))?,
            ),
        };

        let mut actual = Vec::new();
        if policy.allow_credentials {
            let value = HeaderValue::from_static("true");
            actual.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, value));
        }
        actual.extend(list(ACCESS_CONTROL_EXPOSE_HEADERS, &policy.expose_headers)?);

        let mut preflight = vec![(ACCESS_CONTROL_MAX_AGE, policy.max_age_seconds.into())];
        preflight.extend(list(ACCESS_CONTROL_ALLOW_METHODS, &policy.allow_methods)?);
        preflight.extend(list(ACCESS_CONTROL_ALLOW_HEADERS, &policy.allow_headers)?);

        let mut owned = Self {
            rule,
            actual,
            preflight,
            answer: HeaderMap::new(),
        };
        let mut answer = HeaderMap::with_capacity(owned.actual.len() + owned.preflight.len() + 4);
        owned.vary_by_preflight(&mut answer);
        owned.decorate(Some(&ANY), &mut answer);
        for (name, value) in &owned.preflight {
            answer.insert(name, value.clone());
        }
        answer.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        owned.answer = answer;
        Ok(owned)
    }

    /// `Access-Control-Allow-Origin` for this origin, if it matches.
    fn match_origin(&self, origin: RequestOrigin<'_>) -> Option<HeaderValue> {
        let RequestOrigin::One(value) = origin else {
            return None;
        };
        let text = value.to_str().ok()?;
        let matches = match &self.rule {
            Rule::Any => return Some(ANY),
            // Browsers send origins in lower case (URL standard) and compare byte by byte (Fetch,
            // CORS check): so do we.
            Rule::Exact(origins) => origins.contains(text),
            Rule::Reflect => names_a_site(text),
            Rule::Regex(pattern) => names_a_site(text) && pattern.is_match(text),
        };
        matches.then(|| value.clone())
    }

    /// What a response that is not a preflight's gets. The literal `*` goes on all of them: without
    /// `Vary`, a cache may hand an answer made without `Origin` to a script.
    fn response(&self, request: &HeaderMap) -> (ResponseHeaders, CorsVerdict) {
        let origin = RequestOrigin::of(request);
        let matched = self.match_origin(origin);
        let verdict = match (origin, &matched) {
            (RequestOrigin::None, _) => CorsVerdict::OriginAbsent,
            (_, Some(_)) => CorsVerdict::OriginMatched,
            (_, None) => CorsVerdict::OriginUnmatched,
        };
        let allow_origin = match self.rule {
            Rule::Any => Some(ANY),
            _ => matched,
        };
        (ResponseHeaders::Owned { allow_origin }, verdict)
    }

    /// A preflight's answer varies by all that a preflight says.
    fn vary_by_preflight(&self, headers: &mut HeaderMap) {
        if !matches!(self.rule, Rule::Any) && !varies_by(headers, "access-control-request-method") {
            let names = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
            headers.append(VARY, HeaderValue::from_static(names));
        }
    }

    fn decorate(&self, allow_origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let foreign: Vec<_> = headers
            .keys()
            .filter(|name| name.as_str().starts_with("access-control-"))
            .cloned()
            .collect();
        for name in foreign {
            headers.remove(name);
        }
        if let Some(allow_origin) = allow_origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allow_origin.clone());
            for (name, value) in &self.actual {
                headers.insert(name, value.clone());
            }
        }
        if !matches!(self.rule, Rule::Any) && !varies_by(headers, "origin") {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }
}

/// Whether a value of `Origin` can be one that a site has: neither `null` nor `*`, and not longer
/// than any site's, so that an expression never runs over what a client makes up.
fn names_a_site(origin: &str) -> bool {
    origin.len() <= MAX_ORIGIN_BYTES && origin.contains("://")
}

/// Whether `Vary` names this already, or everything.
fn varies_by(headers: &HeaderMap, name: &str) -> bool {
    headers.get_all(VARY).iter().any(|value| {
        value.as_bytes().split(|&byte| byte == b',').any(|listed| {
            let listed = listed.trim_ascii();
            listed == b"*" || listed.eq_ignore_ascii_case(name.as_bytes())
        })
    })
}

/// A header of a list; none when the list is empty.
fn list(name: HeaderName, value: &str) -> Result<Option<(HeaderName, HeaderValue)>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    match HeaderValue::from_str(value) {
        Ok(value) => Ok(Some((name, value))),
        Err(_) => Err(format!("`{value}` cannot be sent as {name}")),
    }
}

#[cfg(test)]
mod tests;
