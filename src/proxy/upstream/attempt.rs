//! One attempt at an exchange: a connection, kept or new, and the request over it.

use std::rc::Rc;

use http::header::TRAILER;
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::time::{Instant, timeout};

use super::Backend;
use super::body::BackendBody;
use super::connect::ConnectError;
use super::error::UpstreamError;
use super::http1::{self, Connection};
use super::http2;
use super::places::{Place, Places};
use super::retry::{Cause, Failure, Outcome};
use super::stream::Stream;
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
        let mut attempted = self.exchange(client, request, manner).await;
        if let Err(failure) = &mut attempted
            && matches!(failure.outcome, Outcome::Error(UpstreamError::Deadline))
        {
            failure.cause = Cause::TryTimeout;
        }
        // The whole deadline is that of the body, too; but a stream has one for each of its pauses.
        let is_endless = matches!(&attempted, Ok(answer) if answer.body().is_endless());
        if let (false, Some(whole)) = (is_endless, whole) {
            client.deadline.borrow_mut().set(whole);
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

    /// A connection for one exchange, and whether it was there before.
    async fn http1_connection(
        self: &Rc<Self>,
        client: &Rc<Client>,
        fresh: bool,
    ) -> Result<(Box<Connection>, bool), UpstreamError> {
        if !fresh && let Some(connection) = self.http1.take(&self.options) {
            return Ok((connection, true));
        }
        // Apart, so that a request need not hold room for what few of them do.
        Box::pin(self.new_http1_connection(client, fresh)).await
    }

    async fn new_http1_connection(
        self: &Rc<Self>,
        client: &Rc<Client>,
        fresh: bool,
    ) -> Result<(Box<Connection>, bool), UpstreamError> {
        let place = match &self.places {
            None => None,
            Some(places) => {
                let waiting = self.wait_http1(places, fresh);
                match self.bounded(client, waiting).await? {
                    Ok(place) => Some(place),
                    Err(connection) => return Ok((connection, true)),
                }
            }
        };
        let stream = client
            .within_deadline(self.open())
            .await
            .ok_or(UpstreamError::Deadline)?
            .map_err(|error| self.unreachable(error))?;
        Ok((Connection::new(stream, place), false))
    }

    /// Waits for a place, or for a connection that others no longer need; None: too many wait.
    async fn wait_http1(
        &self,
        places: &Rc<Places>,
        fresh: bool,
    ) -> Option<Result<Place, Box<Connection>>> {
        let mut waiting = None;
        loop {
            if let Some(place) = places.take() {
                return Some(Ok(place));
            }
            match fresh {
                true if self.http1.close_one() => continue,
                true => {}
                false => {
                    if let Some(connection) = self.http1.take(&self.options) {
                        return Some(Err(connection));
                    }
                }
            }
            if waiting.is_none() {
                waiting = Some(places.queue()?);
            }
            if let Some(waiting) = &waiting {
                waiting.turn().await;
            }
        }
    }

    /// A connection with room for one more stream, and whether it was there before.
    async fn http2_connection(
        self: &Rc<Self>,
        client: &Rc<Client>,
    ) -> Result<(Rc<http2::Connection>, bool), UpstreamError> {
        if let Some(connection) = self.http2.take(&self.options) {
            return Ok((connection, true));
        }
        let mut made = None;
        // Those who waited for the same connection may have filled it meanwhile: then one more.
        for _ in 0..2 {
            let connecting = match self.bounded(client, self.wait_http2()).await? {
                Ok(connecting) => connecting,
                Err(connection) => return Ok((connection, true)),
            };
            let connection = client
                .within_deadline(connecting)
                .await
                .ok_or(UpstreamError::Deadline)?
                .map_err(|error| self.unreachable(error))?;
            let room = connection.has_room();
            made = Some(connection);
            if room {
                break;
            }
        }
        made.map(|connection| (connection, false))
            .ok_or(UpstreamError::Deadline)
    }

    /// Waits until a connection may be made, or one has room; None: too many wait.
    async fn wait_http2(
        self: &Rc<Self>,
    ) -> Option<Result<http2::Connecting, Rc<http2::Connection>>> {
        let mut waiting = None;
        loop {
            if let Some(connecting) = http2::Pool::connect(self) {
                return Some(Ok(connecting));
            }
            if let Some(connection) = self.http2.take(&self.options) {
                return Some(Err(connection));
            }
            if let (None, Some(places)) = (&waiting, &self.places) {
                waiting = Some(places.queue()?);
            }
            if let Some(waiting) = &waiting {
                waiting.turn().await;
            }
        }
    }

    /// Waits for a connection no longer than connecting may take.
    async fn bounded<T>(
        &self,
        client: &Rc<Client>,
        waiting: impl Future<Output = Option<T>>,
    ) -> Result<T, UpstreamError> {
        client
            .within_deadline(timeout(self.options.connect_timeout, waiting))
            .await
            .ok_or(UpstreamError::Deadline)?
            .ok()
            .flatten()
            .ok_or(UpstreamError::Overflow)
    }

    /// Makes a connection.
    pub(super) async fn open(&self) -> Result<Stream, ConnectError> {
        let opened = self.connector.connect(self.options.connect_timeout).await;
        match &opened {
            Ok(_) => {
                self.metrics.connects.add(1);
                self.budget.note_there();
            }
            Err(error) => {
                self.metrics.connect_failures.add(1);
                if error.is_absence() {
                    self.budget.note_gone();
                }
            }
        }
        opened
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

    fn unreachable(&self, source: ConnectError) -> UpstreamError {
        UpstreamError::Unreachable {
            backend: self.address().clone(),
            source,
        }
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
        UpstreamError::Unreachable { source, .. } => Cause::Connect {
            absent: source.is_absence(),
        },
        _ => Cause::Final,
    };
    Failure::error(error, cause, Some(request))
}
