//! One request, top to bottom.
//!
//! What the policy says about it is decided in [`crate::policy`]; what is done about it, here.

mod admit;
mod authenticate;
mod bounds;
mod reply;
mod request;
mod response;

use std::convert::Infallible;
use std::rc::Rc;

use http::header::{CONNECTION, EXPECT};
use http::request::Parts;
use http::{HeaderValue, Request, Response, Version};

use self::admit::admit;
use self::authenticate::{authenticated, let_in, realm};
use self::bounds::within;
use self::reply::{Answer, Reply};
use self::request::{target, to_backend, translated};
use self::response::{from_backend, keep_private};
use super::body::{RequestBody, ResponseBody};
use super::client::Client;
use super::exchange::Exchange;
use super::guard::Head;
use super::incoming::Incoming;
use super::respond::{self, Caller};
use super::upgrade;
use super::upstream::Backend;
use super::worker::{InForce, Worker};
use crate::policy::cors::{ResponseCors, RuleId};
use crate::policy::decide::{Action, Forward, decide};
use crate::policy::headers::{Captured, Facts};
use crate::policy::jwt::is_in_query;
use crate::policy::verdict::{Reason, Refusal};

/// A request that may be asked of the policy.
struct Asked {
    parts: Parts,
    body: Incoming,
    /// It asks to switch protocols.
    handshake: bool,
    caller: Caller,
}

/// Serves one request. `head`: what the guard noted of it.
pub(super) async fn serve(
    worker: Rc<Worker>,
    client: Rc<Client>,
    backend: Rc<Backend>,
    head: Option<Result<Head, Refusal>>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let (mut parts, body) = request.into_parts();
    let http1 = parts.version != Version::HTTP_2;
    let caller = Caller::of(&parts);
    let handshake = matches!(&head, Some(Ok(head)) if head.upgrade);
    let policy = worker.policy();
    let mut exchange = Exchange::begin(worker, client, &mut parts, policy.as_ref());

    let mut captured = Captured::default();
    let reply = match admit(head, policy.as_ref(), &mut parts) {
        Err(refusal) => {
            let cors = policy.as_ref().map(|policy| {
                let rules = &policy.snapshot.prepared.cors;
                rules.response(RuleId::SERVICE, &parts.headers)
            });
            Reply::refused(refusal, cors.unwrap_or(ResponseCors::UNTOUCHED))
        }
        Ok(policy) => {
            let asked = Asked {
                parts,
                body,
                handshake,
                caller,
            };
            under(policy, &mut exchange, &backend, asked, &mut captured).await
        }
    };

    let Reply {
        answer,
        cors,
        realm,
        private,
    } = reply;
    exchange.worker().metrics.count_cors(cors.verdict);
    let ours = !matches!(answer, Answer::Backend(_));
    // Its rest is not read.
    let cut = matches!(&answer, Answer::Refused(refusal) if refusal.reason == Reason::BodyTooLarge);
    let mut response = match answer {
        Answer::Backend(response) => {
            exchange.answered(response.status());
            from_backend(response)
        }
        Answer::Ours(response) => {
            exchange.answered_by_us(response.status());
            response
        }
        Answer::Refused(refusal) => {
            let response = respond::refuse(&refusal, caller, || realm.unwrap_or_default());
            exchange.refused(refusal);
            response
        }
    };
    if let Some(policy) = &policy {
        let prepared = &policy.snapshot.prepared;
        let code = response.status().as_u16();
        // Before CORS, whose headers nothing may take the place of.
        prepared
            .headers
            .respond(&captured, code, response.headers_mut());
        prepared.cors.decorate(&cors, response.headers_mut(), ours);
    }
    if private {
        keep_private(response.headers_mut());
    }
    if handshake {
        let client = exchange.client();
        upgrade::answer(response.status(), response.headers_mut(), client);
    } else if http1 && (cut || retires(&exchange)) {
        // HTTP/2 says it by GOAWAY.
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| body.closing(exchange, caller)))
}

/// Whether this answer is the last of an HTTP/1 connection.
fn retires(exchange: &Exchange) -> bool {
    exchange.worker().drain.started() || exchange.client().retires(exchange.started())
}

/// What the policy decides, done. `captured`: for what the answer's headers need of the request.
async fn under(
    policy: &Rc<InForce>,
    exchange: &mut Exchange,
    backend: &Rc<Backend>,
    asked: Asked,
    captured: &mut Captured,
) -> Reply {
    let Asked {
        mut parts,
        body,
        handshake,
        caller,
    } = asked;
    let prepared = &policy.snapshot.prepared;
    let plan = &prepared.headers;
    let decision = decide(prepared, &parts.method, &parts.uri, &parts.headers);
    let (cors, seen) = (decision.cors, decision.seen);
    // Before what ends at this hop is stripped.
    let protocol = match handshake {
        false => Ok(None),
        true => upgrade::admit(&parts.headers, cors.verdict),
    };
    plan.sanitise(&mut parts.headers, seen);
    prepared.forwarding.strip(&mut parts.headers);
    let peer = exchange.client().peer.ip();
    if plan.captures() {
        let forward = match &decision.action {
            Action::Forward(forward) => Some(forward),
            _ => None,
        };
        let name = forward.and_then(|forward| policy.operation(forward.operation?));
        *captured = plan.capture(&Facts {
            method: &parts.method,
            path: forward.map_or(parts.uri.path(), |forward| &forward.path),
            headers: &parts.headers,
            protocol: parts.version,
            peer,
            operation: name.map(|operation| &*operation.name),
        });
    }
    let Forward {
        operation,
        authenticate,
        method,
        path,
        audited,
    } = match decision.action {
        Action::Forward(forward) => forward,
        Action::Preflight(_) => return Reply::ours(respond::preflight(parts.headers), cors),
        Action::Healthy => return Reply::ours(respond::healthy(), cors),
        Action::Redirect(location) => return Reply::ours(respond::redirect(location), cors),
        Action::Refuse(refusal) => return Reply::refused(refusal, cors),
    };
    if let Some(operation) = operation {
        exchange.routed(operation);
    }
    if let Some(refusal) = audited {
        exchange.audited(refusal.reason);
    }
    if let Err(refusal) = within(&policy.limits, exchange.worker(), &body) {
        return Reply::refused(refusal, cors);
    }
    let protocol = match protocol {
        Ok(protocol) => protocol,
        Err(refusal) => return Reply::refused(refusal, cors),
    };
    let mut verified = None;
    if let (true, Some(operation)) = (authenticate, operation) {
        match authenticated(policy, exchange, operation, &parts).await {
            Ok(found) => verified = found,
            Err(refusal) => {
                let metrics = &exchange.worker().metrics;
                metrics.count_token(&refusal, &policy.providers);
                if !prepared.policy.settings.routing.audit {
                    let refusal = policy.snapshot.explain(refusal);
                    let realm = refusal
                        .challenge
                        .is_some()
                        .then(|| realm(exchange.client().scheme(), &parts.headers, &path));
                    return Reply {
                        realm,
                        private: is_in_query(prepared, operation, parts.uri.query()),
                        ..Reply::refused(refusal, cors)
                    };
                }
                exchange.audited(refusal.reason);
            }
        }
    }
    let private = verified.as_ref().is_some_and(|verified| verified.in_query);
    let came = parts.uri.query();
    let left = match (&verified, operation) {
        (Some(verified), Some(operation)) => let_in(
            policy,
            exchange,
            operation,
            (&mut parts.headers, came),
            verified,
        ),
        _ => None,
    };
    let query = match &left {
        Some(left) => Some(left.as_str()).filter(|left| !left.is_empty()),
        None => came,
    };
    let edits = plan.request(
        operation,
        &Facts {
            method: method.as_ref().unwrap_or(&parts.method),
            path: &path,
            headers: &parts.headers,
            protocol: parts.version,
            peer,
            operation: operation
                .and_then(|operation| policy.operation(operation))
                .map(|operation| &*operation.name),
        },
    );
    let translation = operation
        .and_then(|operation| prepared.translations.get(operation))
        .and_then(Option::as_ref);
    let changed = match translation {
        None => target(&parts.uri, path, query),
        Some(translation) => translated(translation, &path, query, &mut parts.headers).map(Some),
    };
    let changed = match changed {
        Ok(changed) => changed,
        Err(refusal) => {
            return Reply {
                private,
                ..Reply::refused(refusal, cors)
            };
        }
    };
    if let Some(uri) = changed {
        parts.uri = uri;
    }
    if let Some(method) = method {
        parts.method = method;
    }
    if seen.expect {
        // Met by us, by asking the client for its body.
        parts.headers.remove(EXPECT);
    }
    let body = match parts.version {
        Version::HTTP_2 => {
            let silence = policy.limits.body_progress_timeout;
            let silence = (caller == Caller::Http).then_some(silence);
            RequestBody::of_stream(body, plan, exchange.client(), silence)
        }
        _ => RequestBody::new(body, plan, exchange.client()),
    };
    let body = body.at_most(policy.limits.body_bytes);
    let (backend, remote) = policy.route(operation, backend);
    let host = remote.and_then(|remote| remote.host.as_ref());
    let mut request = to_backend(parts, body, exchange.client(), backend, host, plan, edits);
    exchange.asks(backend, request.headers_mut());
    // HTTP/2 has no such handshake: there it is a request like any other.
    if let Some(protocol) = protocol
        && !backend.address().http2()
    {
        let client = exchange.client();
        upgrade::ask(request.headers_mut(), protocol, client);
        client.upgrade.ends.set(exchange.ends());
    }
    let deadline = remote.and_then(|remote| remote.deadline);
    exchange
        .client()
        .start_deadline(exchange.started(), deadline, caller == Caller::Grpc);
    match backend.send(exchange.client(), request).await {
        Ok(response) => Reply {
            answer: Answer::Backend(response),
            cors,
            realm: None,
            private,
        },
        Err(error) => {
            let cause = &error as &(dyn std::error::Error + 'static);
            tracing::debug!(target: "endpoints::access", error = cause, backend = %backend.address(), "no answer");
            Reply {
                private,
                ..Reply::refused(error.refusal(backend.address()), cors)
            }
        }
    }
}
