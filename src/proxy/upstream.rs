//! Backends: their connections, kept by each worker for itself, and one exchange over one of them.
//!
//! ```text
//! Backend ─ connect (name, socket, TLS) ─► http1: a pool; an exchange has its connection for itself
//!                                     └──► http2: a connection with many exchanges at once
//! ```
//!
//! An HTTP/1.1 connection has no task of its own: whoever waits for its answer, or reads its answer's
//! body, drives it. That saves a wake-up per step, and an idle connection costs nothing.

mod bell;
mod body;
mod connect;
mod error;
mod http1;
mod http2;
mod resolve;
mod spare;
mod stream;
mod tls;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::TRAILER;
use http::{HeaderValue, Request, Response, StatusCode};

pub(super) use self::body::BackendBody;
use self::connect::{ConnectError, Connector};
pub(super) use self::error::UpstreamError;
use self::http1::{Connection, Failure};
use self::spare::Spare;
pub(super) use self::stream::Stream;
pub(super) use self::tls::BackendTls;
use super::body::RequestBody;
use super::client::Client;
use super::config::BackendAddress;
use super::metrics::BackendCells;

/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// What gRPC sends behind an answer; HTTP/1.1 wants it announced.
const GRPC_TRAILERS: HeaderValue =
    HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin");

/// A backend as one worker knows it.
#[derive(Debug)]
pub(super) struct Backend {
    connector: Connector,
    /// What is counted of it.
    pub(super) metrics: Arc<BackendCells>,
    http1: http1::Pool,
    http2: http2::Pool,
}

impl Backend {
    pub(super) fn new(
        address: BackendAddress,
        tls: BackendTls,
        metrics: Arc<BackendCells>,
    ) -> Self {
        Self {
            connector: Connector::new(address, tls),
            metrics,
            http1: http1::Pool::default(),
            http2: http2::Pool::default(),
        }
    }

    pub(super) fn address(&self) -> &BackendAddress {
        self.connector.address()
    }

    /// Sends a request and waits for the head of its answer. The client's deadline is running.
    pub(super) async fn send(
        self: &Rc<Self>,
        client: &Rc<Client>,
        request: Request<RequestBody>,
    ) -> Result<Response<BackendBody>, UpstreamError> {
        match self.address().http2() {
            false => self.send_http1(client, request).await,
            true => Box::pin(self.send_http2(client, request)).await,
        }
    }

    /// Drops connections that are idle for long, or closed by the backend.
    pub(super) fn sweep(&self) {
        self.http1.sweep();
        self.http2.sweep();
    }

    /// A kept connection may turn out to be closed: then the request is sent again, once, over a new
    /// one, if none of it was sent, or if sending it twice does no harm.
    async fn send_http1(
        self: &Rc<Self>,
        client: &Rc<Client>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<BackendBody>, UpstreamError> {
        if let Some(mut connection) = self.http1.take() {
            let spare = Spare::of(&request);
            match connection.exchange(client, request).await {
                Ok(response) => return Ok(self.answer(client, connection, response)),
                Err(Failure {
                    unsent: Some(unsent),
                    ..
                }) => {
                    request = *unsent;
                    self.metrics.retries.add(1);
                }
                Err(Failure {
                    error: UpstreamError::Reset(error),
                    ..
                }) => match spare {
                    Some(spare) => {
                        request = spare.into_request();
                        self.metrics.retries.add(1);
                    }
                    None => return Err(UpstreamError::Reset(error)),
                },
                Err(Failure { error, .. }) => return Err(error),
            }
        }
        let connecting = self
            .connector
            .connect(client.limits().backend_connect_timeout);
        let stream = client
            .within_deadline(connecting)
            .await
            .ok_or(UpstreamError::Deadline)?
            .map_err(|error| self.unreachable(error))?;
        self.metrics.connects.add(1);
        let mut connection = Connection::new(stream).await?;
        match connection.exchange(client, request).await {
            Ok(response) => Ok(self.answer(client, connection, response)),
            Err(Failure { error, .. }) => Err(error),
        }
    }

    /// Sent again, once, where the backend has not looked at it, or where its connection was kept and
    /// sending it twice does no harm.
    async fn send_http2(
        self: &Rc<Self>,
        client: &Rc<Client>,
        request: Request<RequestBody>,
    ) -> Result<Response<BackendBody>, UpstreamError> {
        let (connection, kept) = self.http2_connection(client).await?;
        let spare = if kept { Spare::of(&request) } else { None };
        let sent = http2::exchange(connection, self.address(), client, request).await;
        let failure = match sent {
            Ok(response) => return Ok(answer_http2(client, response)),
            Err(failure) => failure,
        };
        let again = match (failure.unprocessed, failure.error) {
            (Some(request), _) => *request,
            (None, UpstreamError::Reset(error)) => match spare {
                Some(spare) => spare.into_request(),
                None => return Err(UpstreamError::Reset(error)),
            },
            (None, error) => return Err(error),
        };
        let (connection, _) = self.http2_connection(client).await?;
        match http2::exchange(connection, self.address(), client, again).await {
            Ok(response) => Ok(answer_http2(client, response)),
            Err(failure) => Err(failure.error),
        }
    }

    /// A connection with room for one more stream, and whether it was there before.
    async fn http2_connection(
        self: &Rc<Self>,
        client: &Rc<Client>,
    ) -> Result<(Rc<http2::Connection>, bool), UpstreamError> {
        if let Some(connection) = self.http2.take() {
            return Ok((connection, true));
        }
        let limit = client.limits().backend_connect_timeout;
        let mut made = None;
        // Those who waited for the same connection may have filled it meanwhile: then one more.
        for _ in 0..2 {
            let connecting = http2::Pool::connect(self, limit);
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

    fn answer(
        self: &Rc<Self>,
        client: &Rc<Client>,
        connection: Box<Connection>,
        response: Response<hyper::body::Incoming>,
    ) -> Response<BackendBody> {
        let (parts, incoming) = response.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            if let Some((stream, early)) = connection.into_raw() {
                client.upgrade.switched(stream, early);
            }
            return Response::from_parts(parts, BackendBody::none(client.clone()));
        }
        let body = BackendBody::http1(incoming, connection, self.clone(), client.clone(), &parts);
        Response::from_parts(parts, body)
    }

    fn unreachable(&self, source: ConnectError) -> UpstreamError {
        self.metrics.connect_failures.add(1);
        UpstreamError::Unreachable {
            backend: self.address().clone(),
            source,
        }
    }
}

fn answer_http2(
    client: &Rc<Client>,
    response: Response<http2::Receiving>,
) -> Response<BackendBody> {
    let (mut parts, receiving) = response.into_parts();
    if !receiving.is_end_stream() && http2::is_grpc(&parts.headers) {
        parts.headers.entry(TRAILER).or_insert(GRPC_TRAILERS);
    }
    let body = BackendBody::http2(receiving, client.clone(), &parts);
    Response::from_parts(parts, body)
}
