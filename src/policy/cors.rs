//! CORS: answers to preflights, and headers on every other response (Fetch standard 3.2; ESPv2 1b).
//!
//! One rule decides about a request: that of its operation ([`CorsRules::of`]), else the service's.

mod decider;
mod origin;
mod owned;

mod verdict;

use http::{HeaderMap, HeaderValue};

pub use self::decider::{CorsDecider, Preflight, ResponseHeaders};
pub use self::verdict::CorsVerdict;
use super::format::Policy;

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
