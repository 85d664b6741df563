//! A listener of one worker, and who is let in there.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::Worker;
use crate::proxy::connection;
use crate::proxy::upstream::Backend;
use crate::shutdown::Shutdown;

/// How long accepting pauses when the process is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the shutdown, then takes what already waits, so that no client that was let in by
/// the kernel is reset.
pub(super) async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    backend: Rc<Backend>,
    workers: usize,
    mut shutdown: Shutdown,
) {
    let open = Rc::new(());
    let serve = |stream: TcpStream, peer: SocketAddr| {
        let most = worker.limits().connections.div_ceil(workers);
        if Rc::strong_count(&open) > most {
            worker.metrics.connections_refused.add(1);
            return;
        }
        let Ok(tls) = worker.client_tls() else {
            worker.metrics.connections_refused.add(1);
            return;
        };
        spawn_local(connection::serve(
            worker.clone(),
            backend.clone(),
            (stream, tls),
            peer,
            open.clone(),
        ));
    };
    loop {
        tokio::select! {
            biased;
            () = shutdown.wait() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => serve(stream, peer),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections; trying again");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // What the kernel let in before: once around the reactor, so that it is known here too.
    tokio::task::yield_now().await;
    while let Some(Ok((stream, peer))) = waiting(&listener).await {
        serve(stream, peer);
    }
}

async fn waiting(listener: &TcpListener) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    poll_fn(|context| match listener.poll_accept(context) {
        Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Errors of a connection that was gone before it was accepted: nothing is wrong with the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
