//! From a request head to what happens with it, up to the token: method override, path, health,
//! route, preflight. One function, no I/O: `service` calls it once per request.

mod escapes;
mod refusals;

use std::borrow::Cow;

use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{HeaderMap, HeaderValue, Method, Uri};

use self::escapes::Escaped;
use self::refusals::{
    bad_request, method_not_allowed, method_refused, not_found, rule_of_refused, unreadable,
};
use super::Prepared;
use super::cors::{Preflight, ResponseCors, RuleId};
use super::headers::{METHOD_OVERRIDE, Seen};
use super::path::{NormalisedPath, Steps, normalise, read as read_path};
use super::route::{RouteMatch, decode_reserved};
use super::verdict::{Reason, Refusal};

/// What the head decides.
#[derive(Debug)]
pub struct Decision<'r> {
    /// What to do.
    pub action: Action<'r>,
    /// What the response gets, whoever makes it.
    pub cors: ResponseCors,
    /// What a look at the header names found.
    pub seen: Seen,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Action<'r> {
    /// A preflight answered by us: 200 and no body, to this `Access-Control-Allow-Origin`.
    Preflight(HeaderValue),
    /// The health path: 200.
    Healthy,
    /// 307 to this path and query.
    Redirect(HeaderValue),
    /// Refuse.
    Refuse(Refusal),
    /// Authenticate against this operation, then forward.
    Forward(Forward<'r>),
}

/// How a request goes on.
#[derive(Debug)]
pub struct Forward<'r> {
    /// The operation, as an index into [`super::Policy::operations`]; none where an audit lets through
    /// what no operation defines.
    pub operation: Option<usize>,
    /// False for a preflight passed through under `allowCors`, and for what is no operation's: no
    /// token is asked for.
    pub authenticate: bool,
    /// The method to forward, where the override changed it.
    pub method: Option<Method>,
    /// The path, in its normal form unless the policy wants it as it came; borrowed when it is as it
    /// came.
    pub path: Cow<'r, str>,
    /// What would be answered if the policy were enforced.
    pub audited: Option<Box<Refusal>>,
}

/// Decides. `headers` are the client's own (names, method override, origin and preflight fields are
/// read); whoever forwards sanitises them by what was seen
/// ([`super::headers::HeaderPlan::sanitise`]).
pub fn decide<'r>(
    prepared: &Prepared,
    method: &'r Method,
    target: &'r Uri,
    headers: &HeaderMap,
) -> Decision<'r> {
    let seen = Seen::of(headers, &prepared.headers);
    let (rule, outcome) = match read(prepared, method, target, headers, seen) {
        Ok(request) => request.route(prepared, target, headers),
        Err(refusal) => {
            let rule = rule_of_refused(prepared, method, target, headers);
            (rule, unreadable(prepared, rule, method, headers, refusal))
        }
    };
    let cors = match &outcome {
        Ok(Action::Preflight(origin)) => prepared.cors.answered_preflight(rule, origin.clone()),
        Ok(Action::Forward(forward)) if !forward.authenticate && forward.audited.is_none() => {
            prepared.cors.passed_on_preflight(rule, headers)
        }
        Err(refusal) if refusal.reason == Reason::PreflightRefused => {
            prepared.cors.refused_preflight(rule, headers)
        }
        _ => prepared.cors.response(rule, headers),
    };
    Decision {
        action: outcome.unwrap_or_else(Action::Refuse),
        cors,
        seen,
    }
}

/// A request whose head can be read in one way.
struct Readable<'r> {
    /// The method, after an override.
    method: Cow<'r, Method>,
    /// As it is matched and forwarded.
    path: Cow<'r, str>,
    /// Whether it may be another one in its normal form.
    as_it_came: bool,
    /// Slashes stand here where escaped ones came: the client is sent there.
    redirected: bool,
}

/// What is wrong with a head whatever the routes are.
fn read<'r>(
    prepared: &Prepared,
    method: &'r Method,
    target: &'r Uri,
    headers: &HeaderMap,
    seen: Seen,
) -> Result<Readable<'r>, Refusal> {
    let routing = &prepared.policy.settings.routing;
    if seen.underscore && !routing.underscores_in_headers {
        return Err(bad_request(
            Reason::UnderscoreHeader,
            "A request header has an underscore in its name.",
        ));
    }
    let method = match seen.method_override() && !routing.no_method_override {
        true => Cow::Owned(overriding_method(prepared, method, headers)?),
        false => Cow::Borrowed(method),
    };
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(method_refused(prepared, &method, target));
    }
    let steps = Steps {
        resolve: !routing.paths_as_they_came,
        merge: !routing.empty_segments,
    };
    let bad_path = |error: super::path::PathError| bad_request(Reason::BadPath, error.to_string());
    let NormalisedPath(path) = read_path(target.path(), steps).map_err(bad_path)?;
    let (path, redirected) = match escapes::find(routing.escaped_slashes, &path, headers)? {
        Escaped::Kept => (path, false),
        Escaped::Redirected(path) => (Cow::Owned(path), true),
    };
    Ok(Readable {
        method,
        path,
        as_it_came: steps != Steps::ALL,
        redirected,
    })
}

impl<'r> Readable<'r> {
    /// What happens with it, and by which CORS rule.
    fn route(
        self,
        prepared: &Prepared,
        target: &Uri,
        headers: &HeaderMap,
    ) -> (RuleId, Result<Action<'r>, Refusal>) {
        if is_health_path(prepared, &self.path) {
            let rule = RuleId::SERVICE;
            let outcome = match self.preflight(prepared, rule, headers, true) {
                Ok(None) => Ok(Action::Healthy),
                Ok(Some(answer)) => Ok(Action::Preflight(answer)),
                Err(refusal) => Err(refusal),
            };
            return (rule, outcome);
        }
        let requested = self.requested(prepared, headers);
        // Most preflights: whether OPTIONS is declared as well makes no difference to them.
        if let Some(operation) = requested {
            let rule = prepared.cors.of(operation);
            if let Preflight::Answer(origin) = prepared.cors.decider(rule).preflight(headers, true)
            {
                return (rule, Ok(Action::Preflight(origin)));
            }
        }
        let found = self.find(prepared, self.method.as_str());
        let rule = match requested.or_else(|| named(&found)) {
            Some(operation) => prepared.cors.of(operation),
            None => RuleId::SERVICE,
        };
        let declared = matches!(found, RouteMatch::Operation(_));
        let outcome = match self.preflight(prepared, rule, headers, declared) {
            Ok(Some(answer)) => Ok(Action::Preflight(answer)),
            Err(refusal) => Err(refusal),
            Ok(None) if self.redirected => {
                escapes::location(&self.path, target.query()).map(Action::Redirect)
            }
            Ok(None) => self.forward(prepared, rule, found, requested),
        };
        (rule, outcome)
    }

    fn find<'p>(&self, prepared: &'p Prepared, method: &str) -> RouteMatch<'p> {
        match self.as_it_came {
            false => prepared.router.find(method, &self.path),
            true => prepared.router.find_as_it_came(method, &self.path),
        }
    }

    /// The operation of the request that a preflight announces, else another one of its path: what
    /// may be done there is that one's to say.
    fn requested(&self, prepared: &Prepared, headers: &HeaderMap) -> Option<usize> {
        let method = announced(&self.method, headers)?;
        named(&self.find(prepared, method))
    }

    /// `Access-Control-Allow-Origin` of the answer, if it is a preflight that the rule answers.
    fn preflight(
        &self,
        prepared: &Prepared,
        rule: RuleId,
        headers: &HeaderMap,
        declared: bool,
    ) -> Result<Option<HeaderValue>, Refusal> {
        if *self.method != Method::OPTIONS {
            return Ok(None);
        }
        match prepared.cors.decider(rule).preflight(headers, declared) {
            Preflight::Answer(origin) => Ok(Some(origin)),
            Preflight::Refuse(verdict) => {
                Err(bad_request(Reason::PreflightRefused, verdict.refusal()))
            }
            Preflight::No => Ok(None),
        }
    }

    fn forward(
        self,
        prepared: &Prepared,
        rule: RuleId,
        found: RouteMatch<'_>,
        requested: Option<usize>,
    ) -> Result<Action<'r>, Refusal> {
        let undefined = |refusal| match prepared.policy.settings.routing.audit {
            true => Ok((None, false, Some(Box::new(refusal)))),
            false => Err(refusal),
        };
        let (operation, authenticate, audited) = match found {
            RouteMatch::Operation(operation) => (Some(operation), true, None),
            // ESPv2's generated OPTIONS routes: a browser sends no token with a preflight.
            RouteMatch::MethodNotAllowed { sibling, .. }
                if *self.method == Method::OPTIONS
                    && prepared.cors.decider(rule).passes_through() =>
            {
                (Some(requested.unwrap_or(sibling)), false, None)
            }
            RouteMatch::MethodNotAllowed {
                template, allow, ..
            } => undefined(method_not_allowed(template, allow))?,
            // Two readings of one request: never let through.
            RouteMatch::Ambiguous => {
                return Err(bad_request(
                    Reason::AmbiguousPath,
                    "The request path can be read in two ways (with its escapes decoded, dot \
                     segments resolved or slashes merged), and one of them is the path of another \
                     operation.",
                ));
            }
            RouteMatch::NotFound => undefined(not_found())?,
        };
        Ok(Action::Forward(Forward {
            operation,
            authenticate,
            audited,
            method: match self.method {
                Cow::Owned(overriding) => Some(overriding),
                Cow::Borrowed(_) => None,
            },
            path: self.path,
        }))
    }
}

/// The method of the request that a preflight announces.
fn announced<'h>(method: &Method, headers: &'h HeaderMap) -> Option<&'h str> {
    if *method != Method::OPTIONS {
        return None;
    }
    let announced = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.to_str().ok();
    announced.filter(|method| !method.is_empty())
}

/// The operation that was found, else another one of the path.
fn named(found: &RouteMatch<'_>) -> Option<usize> {
    match found {
        RouteMatch::Operation(operation) => Some(*operation),
        RouteMatch::MethodNotAllowed { sibling, .. } => Some(*sibling),
        RouteMatch::Ambiguous | RouteMatch::NotFound => None,
    }
}

/// The method that takes POST's place, where the client asks for one. OPTIONS, HEAD and POST never
/// do: the override widens what firewalls let through, not what preflights are.
fn overriding_method(
    prepared: &Prepared,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Method, Refusal> {
    let refuse = |why| Err(bad_request(Reason::BadMethodOverride, why));
    let mut values = headers.get_all(METHOD_OVERRIDE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return refuse("There are several X-HTTP-Method-Override headers.");
    };
    if method != Method::POST {
        return refuse("X-HTTP-Method-Override is only taken from a POST request.");
    }
    let allowed = |name: &str| {
        matches!(name, "GET" | "PUT" | "PATCH" | "DELETE")
            || prepared.router.declares_custom_method(name)
    };
    match value.to_str() {
        Ok(name) if allowed(name) => match Method::from_bytes(name.as_bytes()) {
            Ok(method) => Ok(method),
            Err(_) => refuse("X-HTTP-Method-Override is not a method."),
        },
        _ => refuse("X-HTTP-Method-Override names a method that may not take the place of POST."),
    }
}

/// Whether the path is the health path, in any spelling: a slash after it, escaped ones in it, or as
/// it came. (ESPv2 compares the raw target, and forwards what differs.)
fn is_health_path(prepared: &Prepared, path: &str) -> bool {
    let Some(healthz) = &prepared.healthz else {
        return false;
    };
    let same =
        |path: &str| path == healthz || path.trim_end_matches('/') == healthz.trim_end_matches('/');
    let in_any_spelling = |path: &str| {
        let decoded = decode_reserved(path);
        same(path) || decoded.is_some_and(|path| normalise(&path).is_ok_and(|path| same(&path.0)))
    };
    in_any_spelling(path)
        || (prepared.keeps_paths() && normalise(path).is_ok_and(|path| in_any_spelling(&path.0)))
}

#[cfg(test)]
mod tests;
