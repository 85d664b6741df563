//! One client connection: hyper's server over the guarded socket.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::client::Client;
use super::drain::Finish;
use super::guard::Guard;
use super::service;
use super::upstream::Backend;
use super::worker::Worker;

/// What is read or written at once; the guard's limits on heads are below it.
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves a client until it goes, or is idle for too long, or the worker drains. `place`: what the
/// worker counts its connections by.
pub(super) async fn serve(
    worker: Rc<Worker>,
    backend: Rc<Backend>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Rc<()>,
) {
    let _counted = Counted::new(&worker);
    // A socket that is gone already says so at the first read.
    let _ = stream.set_nodelay(true);
    let client = Rc::new(Client::new(peer, worker.limits.clone()));
    let guard = Guard::new(stream, client.clone());
    let member = worker.drain.join();
    let served = service_fn({
        let worker = worker.clone();
        move |request| {
            // Now, not when the answer is first waited for: until then hyper may read on.
            let head = client.begin();
            let (worker, client) = (worker.clone(), client.clone());
            service::serve(worker, client, backend.clone(), head, request)
        }
    });
    let connection = http1::Builder::new()
        // The guard has better ones.
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(guard), served);
    if let Err(error) = member.run(connection).await {
        worker.metrics.connections_failed.add(1);
        let error = &error as &(dyn std::error::Error + 'static);
        tracing::debug!(target: "endpoints::access", error, %peer, "a client connection failed");
    }
    drop(place);
}

impl<I, S> Finish for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S::ResBody: hyper::body::Body + 'static,
    <S::ResBody as hyper::body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Self: Future,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
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
