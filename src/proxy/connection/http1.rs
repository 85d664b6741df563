//! An HTTP/1 connection: hyper's server over the guarded socket.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::BytesMut;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::proxy::client::Client;
use crate::proxy::drain::{Finish, Member};
use crate::proxy::guard::{Guard, HeadLimits};
use crate::proxy::service;
use crate::proxy::upgrade;
use crate::proxy::upstream::Backend;
use crate::proxy::worker::Worker;

/// What is read or written at once, if no head may be larger.
const BUFFER_BYTES: usize = 64 * 1024;
/// What hyper needs beside a head.
const BUFFER_REST: usize = 4 * 1024;
/// Fields that hyper has room for without asking.
const FIELDS: usize = 100;

/// Serves until the client goes, or is idle for too long, or the worker drains; after an upgrade,
/// until that ends. `first`: what was read already.
pub(super) async fn serve(
    worker: Rc<Worker>,
    backend: Rc<Backend>,
    client: Rc<Client>,
    first: BytesMut,
    socket: impl AsyncRead + AsyncWrite + Unpin + 'static,
    mut member: Member,
) -> hyper::Result<()> {
    let mut room = HeadLimits::of(&client.limits());
    room.bytes = room.bytes.max(BUFFER_BYTES - BUFFER_REST);
    room.count = room.count.max(FIELDS);
    let guard = Guard::new(socket, first, client.clone(), room);
    let served = service_fn({
        let (worker, client) = (worker.clone(), client.clone());
        move |request| {
            // Now, not when the answer is first waited for: until then hyper may read on.
            let head = client.begin();
            let (worker, client) = (worker.clone(), client.clone());
            service::serve(worker, client, backend.clone(), head, request)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        // The guard has better ones.
        .header_read_timeout(None)
        .max_buf_size(room.bytes + BUFFER_REST);
    if room.count > FIELDS {
        // Makes hyper allocate for every head.
        builder.max_headers(room.count);
    }
    let mut connection = builder.serve_connection(TokioIo::new(guard), served);
    member.run(&mut connection).await?;
    let guard = connection.into_parts().io.into_inner();
    if client.upgrade.is_switched() {
        if let Some((socket, early)) = guard.into_raw() {
            Box::pin(upgrade::run(&worker, &client, socket, early)).await;
        }
    } else {
        guard.close().await;
    }
    Ok(())
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
    const AT_ONCE: bool = false;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
