//! Which protocol a client speaks, told by its first bytes: HTTP/2 with prior knowledge begins with a
//! preface that is no HTTP/1 request (RFC 9113 section 3.4).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::proxy::Limits;
use crate::proxy::drain::Finish;
use crate::proxy::timer::LazyTimer;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What is read at once before the protocol is known: most heads fit.
const FIRST_READ: usize = 2048;
/// How long a client that has said nothing yet is heard when the worker drains.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A socket with the bytes that were read from it already.
#[derive(Debug)]
pub(super) struct Begun<S> {
    first: BytesMut,
    socket: S,
}

/// Reads until the protocol is known. `None`: the client went, or said nothing for too long.
#[derive(Debug)]
pub(super) struct Detect<S> {
    /// None: over.
    socket: Option<S>,
    first: BytesMut,
    limits: Rc<Limits>,
    timer: LazyTimer,
}

impl<S> Detect<S> {
    pub(super) fn new(socket: S, limits: Rc<Limits>) -> Self {
        let mut timer = LazyTimer::default();
        timer.set(Instant::now() + limits.idle_timeout);
        Self {
            socket: Some(socket),
            first: BytesMut::new(),
            limits,
            timer,
        }
    }
}

impl<S: AsyncRead + Unpin> Future for Detect<S> {
    type Output = Option<(Protocol, Begun<S>)>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        while let Some(socket) = &mut this.socket {
            // Not kept beside a connection that says nothing.
            let mut buffer = [0; FIRST_READ];
            let mut fresh = ReadBuf::new(&mut buffer);
            match Pin::new(socket).poll_read(context, &mut fresh) {
                Poll::Ready(Ok(())) if !fresh.filled().is_empty() => {
                    this.first.extend_from_slice(fresh.filled());
                }
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(this.timer.poll(context));
                    break;
                }
            }
            if let Some(protocol) = protocol(&this.first) {
                let first = std::mem::take(&mut this.first);
                let begun = this.socket.take().map(|socket| Begun { first, socket });
                return Poll::Ready(begun.map(|begun| (protocol, begun)));
            }
            // Some of a preface: nobody who means it stops there.
            this.timer.set(Instant::now() + this.limits.head_timeout);
        }
        Poll::Ready(None)
    }
}

impl<S: Unpin> Finish for Detect<S> {
    const AT_ONCE: bool = true;

    /// A client that has just connected may be about to send.
    fn finish(self: Pin<&mut Self>) {
        let this = self.get_mut();
        this.timer.set(Instant::now() + LAST_CHANCE);
    }
}

fn protocol(first: &[u8]) -> Option<Protocol> {
    let length = first.len().min(PREFACE.len());
    if first[..length] != PREFACE[..length] {
        return Some(Protocol::Http1);
    }
    (length == PREFACE.len()).then_some(Protocol::Http2)
}

impl<S> Begun<S> {
    /// What was read, and the socket.
    pub(super) fn into_parts(self) -> (BytesMut, S) {
        (self.first, self.socket)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.socket).poll_read(context, out);
        }
        let count = this.first.len().min(out.remaining());
        out.put_slice(&this.first[..count]);
        this.first.advance(count);
        if this.first.is_empty() {
            this.first = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.socket).poll_shutdown(context))?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
