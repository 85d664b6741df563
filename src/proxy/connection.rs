//! One client connection: HTTP/1 or HTTP/2, told apart by its first bytes.

mod handshake;
mod http1;
mod http2;
mod preface;
mod socket;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;

use self::handshake::Handshake;
pub(super) use self::http1::Buffers;
use self::preface::{Detect, Protocol};
pub(super) use self::socket::Socket;
use super::client::Client;
use super::drain::Member;
use super::http1::Error as Malformed;
use super::upstream::Backend;
use super::worker::Worker;

/// Serves a client until it goes, or is idle for too long, or the worker drains. `stream`: the socket,
/// and how TLS is spoken on it, if it is. `place`: what the worker counts its connections by.
pub(super) async fn serve(
    worker: Rc<Worker>,
    backend: Rc<Backend>,
    (stream, tls): (TcpStream, Option<Arc<rustls::ServerConfig>>),
    peer: SocketAddr,
    place: Rc<()>,
) {
    let _counted = Counted::new(&worker);
    // A socket that is gone already says so at the first read.
    let _ = stream.set_nodelay(true);
    let mut member = worker.drain.join();
    let client = Rc::new(Client::new(&worker, peer, tls.is_some()));
    match tls {
        None => serve_stream(worker, backend, client, stream, member, None).await,
        // Apart, so that a connection without TLS does not hold room for it.
        Some(tls) => {
            Box::pin(async move {
                let handshake = Handshake::new(tls, stream, &client.limits());
                let Some(stream) = member.run(handshake).await else {
                    worker.metrics.connections_failed.add(1);
                    return;
                };
                let agreed = handshake::agreed(&stream);
                serve_stream(worker, backend, client, stream, member, agreed).await;
            })
            .await;
        }
    }
    drop(place);
}

/// Serves a client on a stream that is ready for HTTP. `agreed`: the only protocol it may speak.
async fn serve_stream(
    worker: Rc<Worker>,
    backend: Rc<Backend>,
    client: Rc<Client>,
    stream: impl Socket,
    mut member: Member,
    agreed: Option<Protocol>,
) {
    let peer = client.peer;
    let detect = Detect::new(stream, client.limits());
    let Some((protocol, begun)) = member.run(detect).await else {
        return;
    };
    if agreed.is_some_and(|agreed| agreed != protocol) {
        worker.metrics.connections_failed.add(1);
        return;
    }
    let ended = match protocol {
        Protocol::Http1 => {
            let (first, socket) = begun.into_parts();
            let ended = http1::serve(worker.clone(), backend, client, first, socket, member).await;
            ended.map_err(Ended::Http1)
        }
        Protocol::Http2 => {
            let ended = http2::serve(worker.clone(), backend, client, begun, member).await;
            ended.map_err(Ended::Http2)
        }
    };
    if let Err(error) = ended {
        worker.metrics.connections_failed.add(1);
        // Past our guard.
        if error.is_of_parser() {
            worker.metrics.parser_errors.add(1);
        }
        let error = &error as &(dyn std::error::Error + 'static);
        tracing::debug!(target: "endpoints::access", error, %peer, "a client connection failed");
    }
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Http1(std::io::Error),
    #[error(transparent)]
    Http2(hyper::Error),
}

impl Ended {
    /// Whether what came is no HTTP.
    fn is_of_parser(&self) -> bool {
        match self {
            Self::Http1(error) => error.get_ref().is_some_and(|error| error.is::<Malformed>()),
            Self::Http2(error) => error.is_parse(),
        }
    }
}

/// Counts a connection while it is open; one that ends by a panic counts as that too.
struct Counted {
    worker: Rc<Worker>,
}

impl Counted {
    fn new(worker: &Rc<Worker>) -> Self {
        worker.metrics.connections.add(1);
        worker.metrics.connections_open.add(1);
        Self {
            worker: worker.clone(),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.worker.metrics.connections_open.subtract(1);
        // A panic in a request unwinds to here and ends this connection only.
        if std::thread::panicking() {
            self.worker.metrics.panics.add(1);
        }
    }
}

#[cfg(test)]
mod tests;
