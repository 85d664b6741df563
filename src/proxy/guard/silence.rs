//! Reading that comes to nothing: silence that is in order or lasts too long, the end of what a client
//! sends, and what it sends before a new protocol is agreed on.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use super::malformed::Malformed;
use super::{Guard, Phase};

/// How long a client that has sent its last may wait for the answer. Whether it waits, or is gone, cannot
/// be told apart: that is how long a request lasts that nobody waits for.
const HALF_CLOSED: Duration = Duration::from_secs(3);
/// What a client may send of a new protocol before it is agreed on.
const EARLY_BYTES: usize = 16 * 1024;

impl<S> Guard<S> {
    /// Nothing to read: is that in order, or has it lasted too long?
    pub(super) fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let limits = self.client.limits();
        let deadline = match self.phase {
            Phase::Upgrade | Phase::Refused | Phase::Broken => return Poll::Pending,
            Phase::Head if self.held.is_empty() => match self.client.idle_since() {
                Some(since) => since + limits.idle_timeout,
                // A request is being served: it has its own deadline. The timer is kept running
                // because the reader need not ask us again when the answer is sent.
                None if self.reading.is_set() => {
                    if self.reading.poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    Instant::now() + limits.idle_timeout
                }
                None => Instant::now() + limits.idle_timeout,
            },
            Phase::Head => *self.since.get_or_insert_with(Instant::now) + limits.head_timeout,
            Phase::Length(_) | Phase::Chunked(_) => {
                *self.since.get_or_insert_with(Instant::now) + limits.body_progress_timeout
            }
        };
        self.reading.set(deadline);
        ready!(self.reading.poll(context));
        match self.phase {
            Phase::Length(_) | Phase::Chunked(_) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, StalledBody)))
            }
            Phase::Head if !self.held.is_empty() => {
                self.refuse(Malformed::TimedOut);
                Poll::Ready(Ok(()))
            }
            // An end of input: the reader closes without a word.
            Phase::Head | Phase::Upgrade | Phase::Refused | Phase::Broken => Poll::Ready(Ok(())),
        }
    }

    /// The client sends no more. The reader takes that for its departure: it learns of it when the answer is
    /// made, for the client may only have closed its half (RFC 9112 section 9.6).
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let waits = matches!(self.phase, Phase::Head)
            && self.held.is_empty()
            && self.client.idle_since().is_none();
        if !waits {
            return Poll::Ready(Ok(()));
        }
        if !self.ended {
            self.ended = true;
            self.reading.set(Instant::now() + HALF_CLOSED);
        }
        if self.reading.is_set() {
            ready!(self.reading.poll(context));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// While a protocol is being agreed on, what comes is kept for it; the end of it is told.
    pub(super) fn poll_early(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.len() < EARLY_BYTES {
            let mut piece = [const { MaybeUninit::uninit() }; EARLY_BYTES];
            let mut fresh = ReadBuf::uninit(&mut piece[self.held.len()..]);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut fresh))?;
            if fresh.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.held.extend_from_slice(fresh.filled());
        }
        Poll::Pending
    }
}

/// The client stopped sending in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("the request body stalled")]
pub(in crate::proxy) struct StalledBody;
