//! One attempt at an exchange: a connection, kept or new, and the request over it.

use std::rc::Rc;

use http::header::TRAILER;
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::time::Instant;

use super::Backend;
use super::body::BackendBody;
use super::connect::ConnectError;
use super::error::UpstreamError;
use super::http1::{self, Connection};
use super::http2;
use super::retry::{Cause, Failure, Outcome};
use crate::proxy::body::RequestBody;
use crate::proxy::client::Client;

/// What gRPC sends behind an answer; HTTP/1.1 wants it announced.
const GRPC_TRAILERS: HeaderValue =
    HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin");

/// How an attempt is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// The request may be sent twice: what is needed for that is kept.
    pub(super) keeps: bool,
    /// Over a new connection.
    pub(super) fresh: bool,
}

type Attempted = Result<Response<BackendBody>, Box<Failure>>;

impl Backend {
    /// Sends a request, once, and waits for the head of its answer: until the deadline, or for as long
    /// as one attempt may take.
    pub(super) async fn attempt(
        self: &Rc<Self>,
        client: &Rc<Client>,
        request: Request<RequestBody>,
        manner: Manner,
    ) -> Attempted {
        let Some(most) = self.options.retries.per_try_timeout else {
            return self.exchange(client, request, manner).await;
        };
        let whole = client.deadline.borrow().deadline();
        let until = Instant::now() + most;
        let is_sooner = whole.is_none_or(|whole| until < whole);
        if !is_sooner {
            return self.exchange(client, request, manner).await;
        }
        client.deadline.borrow_mut().set(until);
        let time = client.replace_time(client.time().map(|_| most));
        let mut attempted = self.exchange(client, request, manner).await;
        client.replace_time(time);
        if let Err(failure) = &mut attempted
            && matches!(failure.outcome, Outcome::Error(UpstreamError::Deadline))
        {
            failure.cause = Cause::TryTimeout;
        }
        // The whole deadline is that of the body, too; but a stream has one for each of its pauses.
        let is_endless = matches!(&attempted, Ok(answer) if answer.body().is_endless());
        if let (false, Some(whole)) = (is_endless, whole) {
            let mut deadline = client.deadline.borrow_mut();
            // While the request was waited for, neither ran.
            let held = deadline
                .deadline()
                .map(|end| end.saturating_duration_since(until));
            deadline.set(whole + held.unwrap_or_default());
        }
        attempted
    }

    async fn exchange(
        self: &Rc<Self>,
        client: &Rc<Client>,
        request: Request<RequestBody>,
        manner: Manner,
    ) -> Attempted {
        match self.address().http2() {
            false => self.exchange_http1(client, request, manner).await,
            true => Box::pin(self.exchange_http2(client, request, manner)).await,
        }
    }

    async fn exchange_http1(
        self: &Rc<Self>,
        client: &Rc<Client>,
        request: Request<RequestBody>,
        manner: Manner,
    ) -> Attempted {
        let (mut connection, kept) = match self.http1_connection(client, manner.fresh).await {
            Ok(found) => found,
            Err(error) => return Err(unconnected(error, request)),
        };
        let sent = connection.exchange(client, request, manner.keeps).await;
        match sent {
            Ok((response, request)) => {
                let again = self.options.retries.on_status(response.status());
                let answer = self.answer(client, connection, response);
                call_for(answer, request.filter(|_| again))
            }
            Err(http1::Failure {
                error,
                request,
                unsent,
            }) => {
                let cause = match &error {
                    _ if unsent => Cause::Moved,
                    UpstreamError::Reset(_) => Cause::Reset { kept },
                    _ => Cause::Final,
                };
                let request = request.map(|request| *request);
                Err(Failure::error(error, cause, request))
            }
        }
    }

    async fn exchange_http2(
        self: &Rc<Self>,
        client: &Rc<Client>,
        request: Request<RequestBody>,
        manner: Manner,
    ) -> Attempted {
        let (connection, kept) = match self.http2_connection(client).await {
            Ok(found) => found,
            Err(error) => return Err(unconnected(error, request)),
        };
        let sent = http2::exchange(connection, self.address(), client, request, manner.keeps);
        match sent.await {
            Ok((response, sent)) => {
                let again = manner.keeps && self.options.retries.on_status(response.status());
                let request = again.then(|| sent.again(RequestBody::Empty)).flatten();
                let answer = self.answer_http2(client, response);
                call_for(answer, request)
            }
            Err(mut failure) => {
                if let Cause::Reset { .. } = failure.cause {
                    failure.cause = Cause::Reset { kept };
                }
                Err(failure)
            }
        }
    }

    /// The connection has served: keep it, if it may serve again.
    pub(super) fn keep(&self, connection: Box<Connection>) {
        if connection.is_young(&self.options) {
            self.http1.keep(connection, &self.options);
        }
        if let Some(places) = &self.places {
            places.note_change();
        }
    }

    fn answer(
        self: &Rc<Self>,
        client: &Rc<Client>,
        connection: Box<Connection>,
        response: Response<()>,
    ) -> Response<BackendBody> {
        let (parts, ()) = response.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            let (stream, early) = connection.into_raw();
            let idle = self.options.idle_timeout;
            client.upgrade.switched(stream, early, idle);
            return Response::from_parts(parts, BackendBody::none(client.clone()));
        }
        let body = BackendBody::http1(connection, self.clone(), client.clone(), &parts);
        Response::from_parts(parts, body)
    }

    fn answer_http2(
        &self,
        client: &Rc<Client>,
        response: Response<http2::Receiving>,
    ) -> Response<BackendBody> {
        let (mut parts, receiving) = response.into_parts();
        if !receiving.is_end_stream() && http2::is_grpc(&parts.headers) {
            parts.headers.entry(TRAILER).or_insert(GRPC_TRAILERS);
        }
        let pauses = self.options.idle_timeout;
        let body = BackendBody::http2(receiving, client.clone(), &parts, pauses);
        Response::from_parts(parts, body)
    }
}

/// An answer; `request`: its status calls for another attempt at this.
fn call_for(answer: Response<BackendBody>, request: Option<Request<RequestBody>>) -> Attempted {
    match request {
        None => Ok(answer),
        Some(request) => Err(Box::new(Failure {
            outcome: Outcome::Answer(answer),
            cause: Cause::Status,
            request: Some(request),
        })),
    }
}

/// There was no connection: the request is whole.
fn unconnected(error: UpstreamError, request: Request<RequestBody>) -> Box<Failure> {
    let cause = match &error {
        UpstreamError::Unreachable {
            source: ConnectError::Left,
            ..
        } => Cause::Moved,
        UpstreamError::Unreachable { source, .. } => Cause::Connect {
            absent: source.is_absence(),
        },
        _ => Cause::Final,
    };
    Failure::error(error, cause, Some(request))
}
