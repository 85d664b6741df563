//! Two connections as one pipe: bytes pass both ways, no faster than they are taken, with little of
//! them held.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::proxy::timer::LazyTimer;

/// What is read at once, and the most that is held in each direction.
const PIECE: usize = 16 * 1024;

/// A client and a backend that speak to each other.
#[derive(Debug)]
pub(super) struct Pipe<C, B> {
    client: C,
    backend: B,
    /// From the client to the backend.
    sending: Direction,
    receiving: Direction,
    idle: Duration,
    silence: LazyTimer,
    end: LazyTimer,
}

/// Why a pipe is over.
#[derive(Debug)]
pub(super) enum End {
    /// Both sides have closed.
    Closed,
    /// Nothing passed for too long.
    Idle,
    /// Its time is over.
    Expired,
    /// One side broke off.
    Broken(io::Error),
}

/// One way through the pipe.
#[derive(Debug, Default)]
struct Direction {
    /// Read, not yet taken by the other side.
    held: BytesMut,
    /// What the other side has taken may still be on its way there.
    unflushed: bool,
    state: State,
    passed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The end is read; the other side does not know of it yet.
    Ending,
    Over,
}

impl<C, B> Pipe<C, B>
where
    C: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    /// `sent`, `received`: what was read of the client and of the backend already. `idle`: how long
    /// nothing may pass. `ends`: when it is over in any case.
    pub(super) fn new(
        client: C,
        sent: BytesMut,
        backend: B,
        received: BytesMut,
        idle: Duration,
        ends: Option<Instant>,
    ) -> Self {
        let mut end = LazyTimer::default();
        if let Some(ends) = ends {
            end.set(ends);
        }
        let mut silence = LazyTimer::default();
        silence.set(Instant::now() + idle);
        Self {
            client,
            backend,
            sending: Direction::beginning_with(sent),
            receiving: Direction::beginning_with(received),
            idle,
            silence,
            end,
        }
    }

    /// Passes bytes until both sides have closed, or it cannot go on. A side that closes only its own
    /// direction still hears the other.
    pub(super) async fn run(&mut self) -> End {
        poll_fn(|context| self.poll(context)).await
    }

    /// How many bytes the backend and the client have taken.
    pub(super) fn passed(&self) -> (u64, u64) {
        (self.sending.passed, self.receiving.passed)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let before = self.passed();
        let sending = self
            .sending
            .poll(context, &mut self.client, &mut self.backend);
        let receiving = self
            .receiving
            .poll(context, &mut self.backend, &mut self.client);
        match (sending, receiving) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(End::Closed),
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => {
                return Poll::Ready(End::Broken(error));
            }
            _ => {}
        }
        if self.passed() != before {
            self.silence.set(Instant::now() + self.idle);
        }
        if self.end.poll(context).is_ready() {
            return Poll::Ready(End::Expired);
        }
        self.silence.poll(context).map(|()| End::Idle)
    }
}

impl Direction {
    fn beginning_with(held: BytesMut) -> Self {
        Self {
            held,
            ..Self::default()
        }
    }

    /// Passes on what is there. Ready: the end has come and is passed on, or one side is broken.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.held.is_empty() {
                let taken = ready!(Pin::new(&mut *to).poll_write(context, &self.held))?;
                self.took(taken)?;
                self.held.advance(taken);
            }
            match self.state {
                State::Over => return Poll::Ready(Ok(())),
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(context))?;
                    self.state = State::Over;
                    continue;
                }
                State::Open => {}
            }
            // Not kept beside a pipe that says nothing.
            self.held = BytesMut::new();
            let mut piece = [const { MaybeUninit::uninit() }; PIECE];
            let mut fresh = ReadBuf::uninit(&mut piece);
            if Pin::new(&mut *from)
                .poll_read(context, &mut fresh)?
                .is_pending()
            {
                if self.unflushed {
                    ready!(Pin::new(&mut *to).poll_flush(context))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
            if fresh.filled().is_empty() {
                self.state = State::Ending;
                continue;
            }
            let taken = match Pin::new(&mut *to).poll_write(context, fresh.filled()) {
                Poll::Ready(taken) => taken?,
                Poll::Pending => 0,
            };
            if taken > 0 {
                self.took(taken)?;
            }
            self.held.extend_from_slice(&fresh.filled()[taken..]);
        }
    }

    fn took(&mut self, taken: usize) -> io::Result<()> {
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.passed += taken as u64;
        self.unflushed = true;
        Ok(())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("both sides closed"),
            Self::Idle => f.write_str("nothing passed for too long"),
            Self::Expired => f.write_str("its time is over"),
            Self::Broken(error) => write!(f, "one side broke off: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
