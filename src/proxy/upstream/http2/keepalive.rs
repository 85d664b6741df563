//! Whether the backend of an HTTP/2 connection is there still, while streams wait for it.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::client;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::State;

#[cfg(test)]
mod tests;

/// How long nothing may come before the backend is asked whether it is there (ESPv2's).
const PING_AFTER: Duration = Duration::from_secs(30);
/// How long it may take to say so (ESPv2's).
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// Runs a connection until it is closed, or until the backend does not answer a PING: then its
/// streams end with an error.
pub(super) async fn run<S>(
    connection: client::Connection<S, Bytes>,
    pings: Option<PingPong>,
    state: Rc<State>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let running = drive(connection, &state);
    match pings {
        None => running.await,
        Some(pings) => tokio::select! {
            () = running => {}
            () = watch(pings, &state) => state.retired.set(true),
        },
    }
    state.note_end();
}

/// The connection itself. Its first frames say how many streams the backend allows.
async fn drive<S>(mut connection: client::Connection<S, Bytes>, state: &State)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|context| {
        let polled = Pin::new(&mut connection).poll(context);
        state.note_allowed(connection.max_concurrent_send_streams());
        polled.map(drop)
    })
    .await;
}

/// Ends when the backend is gone. It is only asked while it is waited for and says nothing: many a
/// server ends a connection that asks for no reason.
async fn watch(mut pings: PingPong, state: &State) {
    loop {
        sleep(PING_AFTER).await;
        let is_waited_for = state.streams.get() > 0;
        if is_waited_for && state.heard.get().elapsed() >= PING_AFTER {
            let pong = timeout(PONG_WITHIN, pings.ping(Ping::opaque())).await;
            match pong {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => return,
            }
        }
    }
}
