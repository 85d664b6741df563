//! The operator's side: accepts sidecars, has them authenticated, streams what the [`Hub`] holds.
//!
//! One connection carries one stream. Until it is authenticated it costs little: a bounded number
//! of such connections ([`lobby`]), in all and per address, and a deadline for each step.

mod hub;
mod lobby;
pub(super) mod stream;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use self::hub::{Event, Hub, Report, Snapshot, SnapshotError};
use self::lobby::{Guest, Lobby};
use super::body::{self, Reader};
use super::replica::{self, ReplicaHello, ReplicaPort};
use super::wire::{self, Hello, MAX_OPERATOR_FRAME, PodRef, ServiceKey, ToOperator};
use crate::shutdown::Shutdown;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long after the handshake the hello must have come.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an authenticator may take.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take to end once it shall.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// HTTP/2 PING when nothing was read for this long,
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// and the connection ends when no answer comes: a stopped process is noticed within 40 s.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2 receive windows: a sidecar only ever sends a greeting and short answers.
const WINDOW: u32 = 64 * 1024;
/// The pause after an accept that failed (out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Decides who a sidecar is. Anything it cannot establish is a refusal.
pub trait Authenticate: Send + Sync + 'static {
    /// Checks that whoever shows `token` from `peer` is the pod that `hello` names, and that this pod
    /// may have the policy of the service that `hello` asks for.
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
        peer: IpAddr,
        hello: &'a Hello,
    ) -> BoxFuture<'a, Result<PodIdentity, Refused>>;

    /// Whether it could tell now who somebody is. While it cannot, no stream is ended only to be dialled
    /// again.
    fn is_able(&self) -> BoxFuture<'_, bool> {
        std::future::ready(true).boxed()
    }
}

/// A sidecar that was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodIdentity {
    /// The pod that the token is bound to.
    pub pod: PodRef,
    /// When the token expires; the stream ends then at the latest.
    pub expires: SystemTime,
}

/// A sidecar that was not authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// 401: not a good token. 403: a good one, of somebody else. 503: nobody could tell.
    pub status: StatusCode,
    /// Why, for people; goes to the sidecar and both logs.
    pub reason: String,
}

type ResponseBody = BoxBody<Bytes, Infallible>;

/// The one request of a connection.
struct Call {
    server: Arc<Server>,
    peer: IpAddr,
    /// Counts the connection as unauthenticated until it is dropped.
    _guest: Guest,
    /// Dropped when the call is over; nothing is ever sent.
    open: oneshot::Sender<Infallible>,
}

/// What all connections share.
struct Server {
    hub: Hub,
    authenticator: Arc<dyn Authenticate>,
    replicas: Option<ReplicaPort>,
    shutdown: Shutdown,
}

/// Serves sidecars until `shutdown`, then ends their streams and returns. `tls` presents a
/// certificate for [`wire::TLS_NAME`].
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    hub: Hub,
    authenticator: Arc<dyn Authenticate>,
    shutdown: Shutdown,
) {
    serve_all(listener, tls, hub, authenticator, None, shutdown).await;
}

/// As [`serve`], and hears other replicas of the operator.
pub async fn serve_all(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    hub: Hub,
    authenticator: Arc<dyn Authenticate>,
    replicas: Option<ReplicaPort>,
    mut shutdown: Shutdown,
) {
    let mut tls = rustls::ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let lobby = Lobby::default();
    let server = Arc::new(Server {
        hub,
        authenticator,
        replicas,
        shutdown: shutdown.clone(),
    });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = lobby.accept(&listener) => accepted,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended && !error.is_cancelled() {
                    tracing::error!(%error, "a sidecar's connection failed");
                }
                continue;
            }
            () = shutdown.wait() => break,
        };
        match accepted {
            Ok((stream, peer, guest)) => {
                let id = guest.id();
                let connection = connection(server.clone(), acceptor.clone(), stream, peer, guest);
                lobby.serve(id, connections.spawn(connection));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a sidecar's connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // What is left after that is aborted when the set is dropped.
    let _ = tokio::time::timeout(stream::LEAVING + CLOSE_TIMEOUT, ended).await;
}

/// One connection from its first byte to its last.
async fn connection(
    server: Arc<Server>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    guest: Guest,
) {
    let handshake = async {
        match gave_up(&stream).await {
            true => Ok(None),
            false => acceptor.accept(stream).await.map(Some),
        }
    };
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(Some(stream))) => stream,
        Ok(Ok(None)) => {
            tracing::debug!(%peer, "a sidecar gave up before its turn came");
            return;
        }
        Ok(Err(error)) => {
            tracing::warn!(%peer, %error, "a sidecar's TLS handshake failed");
            return;
        }
        Err(_) => {
            tracing::warn!(%peer, "a sidecar's TLS handshake took too long");
            return;
        }
    };
    let (open, ended) = oneshot::channel();
    let call = Call {
        server,
        peer: peer.ip().to_canonical(),
        _guest: guest,
        open,
    };
    let call = Arc::new(Mutex::new(Some(call)));
    let taken = call.clone();
    let service = service_fn(move |request| {
        let call = take(&taken);
        async move {
            Ok::<_, Infallible>(match call {
                Some(call) => call.answer(request).await,
                None => refusal(&Refused::new(
                    StatusCode::CONFLICT,
                    "one connection carries one stream",
                )),
            })
        }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(1)
        .max_header_list_size(16 * 1024)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = over(ended, &call) => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(CLOSE_TIMEOUT, connection).await {
                Ok(result) => result,
                Err(_) => {
                    tracing::debug!(%peer, "a sidecar's connection was cut");
                    return;
                }
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a sidecar's connection ended");
    }
}

/// Whether the peer has closed its connection again, having waited for too long; known from its first bytes
/// on. A herd that comes faster than handshakes are made would otherwise have the operator make those of
/// whom nobody waits for any more, and be late for all the others as well.
async fn gave_up(stream: &TcpStream) -> bool {
    let ready = stream.ready(Interest::READABLE).await;
    ready.is_ok_and(|ready| ready.is_read_closed())
}

/// Waits until the connection's call is over, or no request came in time.
async fn over(mut ended: oneshot::Receiver<Infallible>, call: &Mutex<Option<Call>>) {
    tokio::select! {
        _ = &mut ended => {}
        () = tokio::time::sleep(HELLO_TIMEOUT) => {
            drop(take(call));
            let _ = ended.await;
        }
    }
}

fn take(call: &Mutex<Option<Call>>) -> Option<Call> {
    call.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Call {
    async fn answer(self, request: Request<Incoming>) -> Response<ResponseBody> {
        let peer = self.peer;
        match self.admit(request).await {
            Ok(response) => response,
            Err(refused) => {
                let Refused { status, reason } = &refused;
                tracing::warn!(%peer, status = status.as_u16(), reason, "refused a sidecar");
                refusal(&refused)
            }
        }
    }

    async fn admit(self, request: Request<Incoming>) -> Result<Response<ResponseBody>, Refused> {
        let nothing = || Refused::new(StatusCode::NOT_FOUND, "this port serves sidecars only");
        if request.method() != Method::POST {
            return Err(nothing());
        }
        let replicas = match request.uri().path() {
            wire::PATH => None,
            replica::PATH => Some(self.server.replicas.clone().ok_or_else(nothing)?),
            _ => return Err(nothing()),
        };
        let token = bearer(request.headers())
            .ok_or_else(|| Refused::new(StatusCode::UNAUTHORIZED, "no bearer token"))?;
        let mut reader = Reader::new(request.into_body(), MAX_OPERATOR_FRAME);
        if let Some(port) = replicas {
            return self.admit_replica(port, &token, reader).await;
        }
        let hello = match first(&mut reader).await? {
            ToOperator::Hello(hello) => hello,
            _ => return Err(not_a_hello()),
        };
        let authenticate = self
            .server
            .authenticator
            .authenticate(&token, self.peer, &hello);
        let identity = tokio::time::timeout(AUTHENTICATION_TIMEOUT, authenticate)
            .await
            .map_err(|_| {
                Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the check took too long")
            })??;
        let Self {
            server,
            peer,
            open,
            _guest: guest,
        } = self;
        drop(guest);
        let service = ServiceKey {
            namespace: identity.pod.namespace.clone(),
            name: hello.service.clone(),
        };
        let subscription = server.hub.connect(identity.pod, service, &hello);
        let (writer, body) = body::channel();
        let lifetime = stream::lifetime(identity.expires, SystemTime::now());
        let end = stream::end(server, lifetime);
        let stream = stream::run(subscription, reader, writer, hello, end);
        tokio::spawn(async move {
            stream.await;
            drop(open);
        });
        tracing::debug!(%peer, "a sidecar was authenticated");
        Ok(answer(body))
    }
}

impl Call {
    /// Hears another replica, if this one leads.
    async fn admit_replica(
        self,
        port: ReplicaPort,
        token: &str,
        mut reader: Reader<Incoming>,
    ) -> Result<Response<ResponseBody>, Refused> {
        if !*port.leads.borrow() {
            return Err(Refused::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "this replica does not lead",
            ));
        }
        let hello: ReplicaHello = match first(&mut reader).await? {
            replica::ToLeader::Hello(hello) => hello,
            _ => return Err(not_a_hello()),
        };
        let authenticate = port.authenticator.authenticate(token, self.peer, &hello);
        let expires = tokio::time::timeout(AUTHENTICATION_TIMEOUT, authenticate)
            .await
            .map_err(|_| {
                Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the check took too long")
            })??;
        let reader = reader.with_limit(replica::MAX_REPORT_FRAME);
        let (writer, body) = body::channel();
        let (open, shutdown) = (self.open, self.server.shutdown.clone());
        tokio::spawn(async move {
            replica::server::run(port, hello, reader, expires, shutdown).await;
            // Ends the response, then the connection.
            drop((writer, open));
        });
        Ok(answer(body))
    }
}

fn answer(body: body::ChannelBody) -> Response<ResponseBody> {
    Response::builder()
        .header(header::CONTENT_TYPE, wire::CONTENT_TYPE)
        .header(wire::PROTOCOL_HEADER, wire::PROTOCOL)
        .body(BoxBody::new(body))
        .expect("a constant content type is a valid header")
}

/// The first message, in time.
async fn first<M: DeserializeOwned>(reader: &mut Reader<Incoming>) -> Result<M, Refused> {
    let refused = |reason: String| Refused::new(StatusCode::BAD_REQUEST, reason);
    match tokio::time::timeout(HELLO_TIMEOUT, reader.next()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Ok(None)) => Err(refused("the stream ended before its hello".to_owned())),
        Ok(Err(error)) => Err(refused(format!("no hello: {error}"))),
        Err(_) => Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            "no hello in time",
        )),
    }
}

fn not_a_hello() -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "the first message is not a hello")
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let token = value.strip_prefix("Bearer ")?;
    (values.next().is_none() && !token.is_empty()).then(|| token.to_owned())
}

fn refusal(refused: &Refused) -> Response<ResponseBody> {
    let body = serde_json::json!({ "reason": refused.reason }).to_string();
    Response::builder()
        .status(refused.status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(BoxBody::new(Full::from(body)))
        .expect("a constant content type is a valid header")
}

impl Refused {
    /// A refusal.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }
}
