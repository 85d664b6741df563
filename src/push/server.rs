//! The operator's side: accepts sidecars, has them authenticated, streams what the [`Hub`] holds.
//!
//! One connection carries one stream. Until it is authenticated it costs little: a bounded number
//! of such connections ([`lobby`]), in all and per address, and a deadline for each step.

mod call;
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

use futures_util::future::{BoxFuture, FutureExt as _};
use http::StatusCode;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::call::{Call, refusal};
pub use self::hub::{Event, Hub, Report, Snapshot, SnapshotError};
use self::lobby::{Guest, Lobby};
use super::replica::ReplicaPort;
use super::wire::{Hello, PodRef};
use crate::shutdown::Shutdown;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long after the handshake the hello must have come.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
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

impl Refused {
    /// A refusal.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }
}
