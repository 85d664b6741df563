//! One request, top to bottom.
//!
//! What the policy says about it is decided in [`crate::policy`]; what is done about it, here.

mod admit;
mod authenticate;
mod request;
mod response;

use std::convert::Infallible;
use std::rc::Rc;

use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;

use self::admit::admit;
use self::authenticate::{authenticated, realm};
use self::request::{origin_form, target, to_backend};
use self::response::from_backend;
use super::body::{RequestBody, ResponseBody};
use super::client::Client;
use super::exchange::Exchange;
use super::guard::Head;
use super::metrics::CorsVerdict;
use super::respond;
use super::upgrade;
use super::upstream::{Backend, BackendBody};
use super::worker::{InForce, Worker};
use crate::policy::cors::{ResponseCors, RuleId};
use crate::policy::decide::{Action, Forward, decide};
use crate::policy::headers::{USER_INFO, sanitise_request};
use crate::policy::verdict::Refusal;

/// Who answers a request.
enum Answer {
    Backend(Response<BackendBody>),
    Ours(Response<ResponseBody>),
    Refused(Refusal),
}

/// An answer, and what its headers still need.
struct Reply {
    answer: Answer,
    cors: ResponseCors,
    /// Of a refusal about tokens.
    realm: Option<String>,
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
    let handshake = matches!(&head, Some(Ok(head)) if head.upgrade);
    let mut exchange = Exchange::begin(worker, client, parts.method.clone());
    let policy = exchange.worker().policy();

    let reply = match admit(head, policy.as_ref(), &mut parts) {
        Err(refusal) => {
            let cors = policy.as_ref().map(|policy| {
                let rules = &policy.snapshot.prepared.cors;
                rules.response(RuleId::SERVICE, &parts.headers)
            });
            Reply::refused(refusal, cors.unwrap_or(ResponseCors::UNTOUCHED))
        }
        Ok(policy) => under(policy, &mut exchange, &backend, parts, body, handshake).await,
    };

    let Reply {
        answer,
        cors,
        realm,
    } = reply;
    let ours = !matches!(answer, Answer::Backend(_));
    let mut response = match answer {
        Answer::Backend(response) => {
            exchange.answered(response.status());
            from_backend(response)
        }
        Answer::Ours(response) => {
            exchange.answered_by_us(response.status(), None);
            response
        }
        Answer::Refused(refusal) => {
            exchange.answered_by_us(refusal.status, Some(refusal.reason));
            respond::refuse(&refusal, || realm.unwrap_or_default())
        }
    };
    if let Some(policy) = &policy {
        policy
            .snapshot
            .prepared
            .cors
            .decorate(&cors, response.headers_mut(), ours);
    }
    if handshake {
        let client = exchange.client();
        upgrade::answer(response.status(), response.headers_mut(), client);
    } else if http1 && exchange.worker().drain.started() {
        // HTTP/2 says it by GOAWAY.
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| body.closing(exchange)))
}

/// What the policy decides, done.
async fn under(
    policy: &Rc<InForce>,
    exchange: &mut Exchange,
    backend: &Rc<Backend>,
    mut parts: Parts,
    body: Incoming,
    handshake: bool,
) -> Reply {
    let decision = decide(
        &policy.snapshot.prepared,
        &parts.method,
        &parts.uri,
        &parts.headers,
    );
    let cors = decision.cors;
    let Forward {
        operation,
        authenticate,
        method,
        path,
    } = match decision.action {
        Action::Forward(forward) => forward,
        Action::Preflight(headers) => {
            let metrics = &exchange.worker().metrics;
            metrics.count_cors(CorsVerdict::PreflightAnswered);
            return Reply::ours(respond::preflight(headers), cors);
        }
        Action::Healthy => return Reply::ours(respond::healthy(), cors),
        Action::Refuse(refusal) => return Reply::refused(refusal, cors),
    };
    exchange.routed(policy.clone(), operation);
    let protocol = match handshake {
        false => None,
        true => match upgrade::admit(&parts.headers, cors.verdict) {
            Ok(protocol) => protocol,
            Err(refusal) => return Reply::refused(refusal, cors),
        },
    };
    sanitise_request(&mut parts.headers);
    if authenticate {
        match authenticated(policy, exchange, operation, &parts).await {
            Ok(Some(user_info)) => {
                parts.headers.insert(USER_INFO, user_info);
            }
            Ok(None) => {}
            Err(refusal) => {
                let metrics = &exchange.worker().metrics;
                metrics.count_token(&refusal, &policy.providers);
                let refusal = policy.snapshot.explain(refusal);
                let realm = refusal
                    .challenge
                    .is_some()
                    .then(|| realm(&parts.headers, &path));
                return Reply {
                    realm,
                    ..Reply::refused(refusal, cors)
                };
            }
        }
    }
    let translation = policy.snapshot.prepared.translations.get(operation);
    let changed = match translation.and_then(Option::as_ref) {
        None => target(&parts.uri, path),
        Some(translation) => origin_form(translation.apply(&path, parts.uri.query())).map(Some),
    };
    let changed = match changed {
        Ok(changed) => changed,
        Err(refusal) => return Reply::refused(refusal, cors),
    };
    if let Some(uri) = changed {
        parts.uri = uri;
    }
    if let Some(method) = method {
        parts.method = method;
    }
    let token_headers = &policy.snapshot.prepared.token_headers;
    let body = match parts.version {
        Version::HTTP_2 => {
            let limit = exchange.client().limits.body_progress_timeout;
            RequestBody::of_stream(body, token_headers, limit)
        }
        _ => RequestBody::new(body, token_headers),
    };
    let (backend, remote) = policy.route(operation, backend);
    let host = remote.and_then(|remote| remote.host.as_ref());
    let mut request = to_backend(parts, body, exchange.client(), backend, host);
    // HTTP/2 has no such handshake: there it is a request like any other.
    if let Some(protocol) = protocol
        && !backend.address().http2()
    {
        upgrade::ask(request.headers_mut(), protocol, exchange.client());
    }
    let deadline = remote.and_then(|remote| remote.deadline);
    exchange
        .client()
        .start_deadline(exchange.started(), deadline);
    match backend.send(exchange.client(), request).await {
        Ok(response) => Reply {
            answer: Answer::Backend(response),
            cors,
            realm: None,
        },
        Err(error) => {
            let cause = &error as &(dyn std::error::Error + 'static);
            tracing::debug!(target: "endpoints::access", error = cause, backend = %backend.address(), "no answer");
            Reply::refused(error.refusal(backend.address()), cors)
        }
    }
}

// === impl Reply ===

impl Reply {
    fn ours(response: Response<ResponseBody>, cors: ResponseCors) -> Self {
        Self {
            answer: Answer::Ours(response),
            cors,
            realm: None,
        }
    }

    fn refused(refusal: Refusal, cors: ResponseCors) -> Self {
        Self {
            answer: Answer::Refused(refusal),
            cors,
            realm: None,
        }
    }
}
