//! TLS towards a client: the handshake, bounded in time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::preface::Protocol;
use crate::proxy::Limits;
use crate::proxy::drain::Finish;
use crate::proxy::timer::LazyTimer;

/// A handshake under way. `None`: the client went, or is none of TLS, or took too long.
pub(super) struct Handshake {
    accept: Accept<TcpStream>,
    timer: LazyTimer,
}

impl Handshake {
    pub(super) fn new(config: Arc<ServerConfig>, stream: TcpStream, limits: &Limits) -> Self {
        let mut timer = LazyTimer::default();
        timer.set(Instant::now() + limits.head_timeout);
        Self {
            accept: TlsAcceptor::from(config).accept(stream),
            timer,
        }
    }
}

impl Future for Handshake {
    type Output = Option<TlsStream<TcpStream>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match Pin::new(&mut this.accept).poll(context) {
            Poll::Ready(Ok(stream)) => Poll::Ready(Some(stream)),
            Poll::Ready(Err(error)) => {
                tracing::debug!(target: "endpoints::access", %error, "a TLS handshake failed");
                Poll::Ready(None)
            }
            Poll::Pending => this.timer.poll(context).map(|()| None),
        }
    }
}

impl Finish for Handshake {
    const AT_ONCE: bool = false;

    /// It is short: what comes after it is told.
    fn finish(self: Pin<&mut Self>) {}
}

/// What the client chose by ALPN (RFC 7301); None: nothing, so its first bytes tell.
pub(super) fn agreed(stream: &TlsStream<TcpStream>) -> Option<Protocol> {
    match stream.get_ref().1.alpn_protocol()? {
        b"h2" => Some(Protocol::Http2),
        _ => Some(Protocol::Http1),
    }
}
