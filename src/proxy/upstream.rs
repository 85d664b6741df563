//! The backend: its connections, kept by each worker for itself, and one exchange over one of them.
//!
//! A connection has no task of its own: whoever waits for its answer, or reads its answer's body,
//! drives it. That saves a wake-up per step, and an idle connection costs nothing.

mod body;
mod connection;
mod error;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Method, Request, Response};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

pub(super) use self::body::BackendBody;
use self::connection::{Connection, Failure};
pub(super) use self::error::UpstreamError;
use super::body::RequestBody;
use super::client::Client;
use super::config::BackendAddress;

/// The most idle connections kept: after a burst most of a proxy's memory is theirs.
const IDLE_CONNECTIONS: usize = 100;
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the addresses of a name are believed.
const RESOLVED_FOR: Duration = Duration::from_secs(30);

/// A backend as one worker knows it.
#[derive(Debug)]
pub(super) struct Backend {
    address: BackendAddress,
    /// Most recently used last.
    idle: RefCell<Vec<Idle>>,
    resolved: RefCell<Option<(Instant, Vec<SocketAddr>)>>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

impl Backend {
    pub(super) fn new(address: BackendAddress) -> Self {
        Self {
            address,
            idle: RefCell::default(),
            resolved: RefCell::default(),
        }
    }

    pub(super) fn address(&self) -> &BackendAddress {
        &self.address
    }

    /// Sends a request and waits for the head of its answer. The client's deadline is running.
    ///
    /// A kept connection may turn out to be closed: then the request is sent again, once, over a new
    /// one, if none of it was sent, or if sending it twice does no harm.
    pub(super) async fn send(
        self: &Rc<Self>,
        client: &Rc<Client>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<BackendBody>, UpstreamError> {
        if let Some(mut connection) = poll_fn(|context| Poll::Ready(self.take_idle(context))).await
        {
            let spare = spare(&request);
            match connection.exchange(client, request).await {
                Ok(response) => return Ok(self.answer(client, connection, response)),
                Err(Failure {
                    unsent: Some(unsent),
                    ..
                }) => request = *unsent,
                Err(Failure {
                    error: UpstreamError::Reset(error),
                    ..
                }) => match spare {
                    Some(spare) => request = spare,
                    None => return Err(UpstreamError::Reset(error)),
                },
                Err(Failure { error, .. }) => return Err(error),
            }
        }
        let mut connection = self.connect(client).await?;
        match connection.exchange(client, request).await {
            Ok(response) => Ok(self.answer(client, connection, response)),
            Err(Failure { error, .. }) => Err(error),
        }
    }

    /// Drops connections that are idle for long, or closed by the backend.
    pub(super) fn sweep(&self) {
        let mut context = Context::from_waker(Waker::noop());
        self.idle.borrow_mut().retain_mut(|idle| {
            idle.since.elapsed() < IDLE_TIMEOUT && idle.connection.is_usable(&mut context)
        });
    }

    fn take_idle(&self, context: &mut Context<'_>) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { mut connection, .. }) = idle.pop() {
            if connection.is_usable(context) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose exchange is over.
    fn keep(&self, connection: Box<Connection>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    fn answer(
        self: &Rc<Self>,
        client: &Rc<Client>,
        connection: Box<Connection>,
        response: Response<hyper::body::Incoming>,
    ) -> Response<BackendBody> {
        let (parts, incoming) = response.into_parts();
        let body = BackendBody::new(incoming, connection, self.clone(), client.clone(), &parts);
        Response::from_parts(parts, body)
    }

    async fn connect(&self, client: &Rc<Client>) -> Result<Box<Connection>, UpstreamError> {
        let limit = client.limits.backend_connect_timeout;
        let connecting = async {
            let stream = self.open().await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let connecting = client.within_deadline(timeout(limit, connecting));
        let unreachable = |source| UpstreamError::Unreachable {
            backend: self.address.clone(),
            source,
        };
        let stream = connecting
            .await
            .ok_or(UpstreamError::Deadline)?
            .unwrap_or_else(|_| {
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "connection timeout",
                ))
            })
            .map_err(unreachable)?;
        Connection::new(stream).await
    }

    /// Tries all addresses of the backend, in the resolver's order.
    async fn open(&self) -> io::Result<TcpStream> {
        if let Ok(ip) = self.address.host().parse::<IpAddr>() {
            return TcpStream::connect((ip, self.address.port())).await;
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.resolve().await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        // What did not answer may have moved.
        self.resolved.replace(None);
        Err(last)
    }

    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some((when, addresses)) = &*self.resolved.borrow()
            && when.elapsed() < RESOLVED_FOR
        {
            return Ok(addresses.clone());
        }
        let found = lookup_host((self.address.host(), self.address.port())).await?;
        let addresses: Vec<_> = found.collect();
        self.resolved
            .replace(Some((Instant::now(), addresses.clone())));
        Ok(addresses)
    }
}

/// A copy to send again: of idempotent requests without a body (RFC 9110 section 9.2.2).
fn spare(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    );
    if !idempotent || !matches!(request.body(), RequestBody::Empty) {
        return None;
    }
    let mut spare = Request::new(RequestBody::Empty);
    *spare.method_mut() = request.method().clone();
    *spare.uri_mut() = request.uri().clone();
    *spare.headers_mut() = request.headers().clone();
    Some(spare)
}
