//! One connection of the webhooks' server. Anybody may open one: whoever says nothing, or nothing of
//! use, must keep nobody out.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::Server;
use crate::connection_limit::{Permit, Standing};

/// Connections at one time.
pub(super) const CONNECTIONS: usize = 256;
/// Of these, from one address. An API server has one for each review that is under way.
pub(super) const CONNECTIONS_PER_ADDRESS: usize = 64;
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a connection may be open without one whole review.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may stay without a request's head.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// What is read ahead on one connection.
const BUFFER: usize = 64 * 1024;

/// Serves a connection until it ends, has to go, or the server ends.
pub(super) async fn serve(
    server: Arc<Server>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    permit: Permit,
) {
    let permit = Arc::new(permit);
    permit.set(Standing::Unknown);
    let why = tokio::select! {
        () = converse(server, acceptor, stream, peer, permit.clone()) => return,
        () = permit.evicted() => "it made room for another",
        () = useless(&permit) => "no review came over it",
    };
    tracing::debug!(%peer, why, "a webhook connection was closed");
}

/// Ends when nothing of use came in time.
async fn useless(permit: &Permit) {
    tokio::time::sleep(ARRIVAL_TIMEOUT).await;
    if permit.standing() != Some(Standing::Unknown) {
        std::future::pending().await
    }
}

async fn converse(
    server: Arc<Server>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    permit: Arc<Permit>,
) {
    let mut shutdown = server.shutdown.clone();
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
    let handshake = tokio::select! {
        handshake = handshake => handshake,
        () = shutdown.wait() => return,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a TLS handshake with the webhook failed");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "a TLS handshake with the webhook took too long");
            return;
        }
    };
    let address = peer.ip().to_canonical();
    let service = service_fn(move |request| {
        let (server, permit) = (server.clone(), permit.clone());
        async move { Ok::<_, Infallible>(server.answer(address, &permit, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(BUFFER);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.wait() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a webhook connection ended");
    }
}
