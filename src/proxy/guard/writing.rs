//! Writing to a client, as long as it reads; and a close that lets it read our last answer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::{Guard, Phase};
use crate::proxy::connection::Socket;

/// How long and how much we go on reading after our last answer, so that closing does not reset the
/// connection under an answer that the client has not read yet (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Closes, if that is not done.
    pub(in crate::proxy) async fn close(mut self) {
        if !self.write_closed {
            // A client that is gone need not be told.
            let _ = poll_fn(|context| Pin::new(&mut self).poll_shutdown(context)).await;
        }
    }

    /// Stands aside: the socket, and what the client sent behind its handshake. None: the client has
    /// not taken all of our answers, so the new protocol would begin with a gap.
    pub(in crate::proxy) fn into_raw(self) -> Option<(S, BytesMut)> {
        (!self.writing.is_set()).then_some((self.socket, self.held))
    }
}

impl<S: Socket> Guard<S> {
    /// See [`Socket::reset_at_close`].
    pub(in crate::proxy) fn reset_at_close(&self) {
        self.socket.reset_at_close();
    }
}

impl<S: AsyncWrite + Unpin> Guard<S> {
    fn poll_progress<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing.clear();
            return written;
        }
        if !self.writing.is_set() {
            self.writing
                .set(Instant::now() + self.client.limits().write_progress_timeout);
        }
        ready!(self.writing.poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, UnreadAnswer)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(context, bytes);
        this.poll_progress(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(context, pieces);
        this.poll_progress(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.write_closed {
            ready!(Pin::new(&mut this.socket).poll_shutdown(context))?;
            this.write_closed = true;
            // Only a client that is still sending needs the wait.
            if matches!(this.phase, Phase::Head | Phase::Upgrade) && this.held.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.reading.set(Instant::now() + LINGER);
        }
        let mut discarded = [0; 4096];
        while this.lingered < LINGER_BYTES && this.reading.is_set() {
            let mut out = ReadBuf::new(&mut discarded);
            match Pin::new(&mut this.socket).poll_read(context, &mut out) {
                Poll::Ready(Ok(())) if !out.filled().is_empty() => {
                    this.lingered += out.filled().len();
                }
                Poll::Ready(_) => break,
                Poll::Pending => ready!(this.reading.poll(context)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The client does not read our answer.
#[derive(Debug, thiserror::Error)]
#[error("the client does not read the answer")]
struct UnreadAnswer;
