//! The proxy's own CORS rules, as headers.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::origin::{RequestOrigin, Rule};
use super::{CorsVerdict, ResponseHeaders};
use crate::policy::format::CorsPolicy;

/// The literal `*`.
pub(super) const ANY: HeaderValue = HeaderValue::from_static("*");

/// The proxy's own rules, as headers.
#[derive(Debug)]
pub(super) struct Owned {
    rule: Rule,
    /// On every answer to a matched origin, but `Access-Control-Allow-Origin`.
    actual: Vec<(HeaderName, HeaderValue)>,
    /// On a preflight's answer, beside those.
    pub(super) preflight: Vec<(HeaderName, HeaderValue)>,
    /// The whole of it, but `Access-Control-Allow-Origin`.
    pub(super) answer: HeaderMap,
}

impl Owned {
    pub(super) fn new(policy: &CorsPolicy) -> Result<Self, String> {
        let rule = Rule::new(&policy.origins, policy.allow_credentials)?;
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
    pub(super) fn match_origin(&self, origin: RequestOrigin<'_>) -> Option<HeaderValue> {
        let RequestOrigin::One(value) = origin else {
            return None;
        };
        match self.rule {
            Rule::Any => value.to_str().is_ok().then_some(ANY),
            _ => self.rule.matches(value).then(|| value.clone()),
        }
    }

    /// What a response that is not a preflight's gets. The literal `*` goes on all of them: without
    /// `Vary`, a cache may hand an answer made without `Origin` to a script.
    pub(super) fn response(&self, request: &HeaderMap) -> (ResponseHeaders, CorsVerdict) {
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
    pub(super) fn vary_by_preflight(&self, headers: &mut HeaderMap) {
        if !matches!(self.rule, Rule::Any) && !varies_by(headers, "access-control-request-method") {
            let names = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
            headers.append(VARY, HeaderValue::from_static(names));
        }
    }

    pub(super) fn decorate(&self, allow_origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
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
