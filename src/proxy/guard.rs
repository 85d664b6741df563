//! The socket of one client, with what must be seen to before HTTP is read: heads checked before they
//! are parsed, timeouts that fit each phase, and a close that lets the client read our last answer.
//!
//! A head that is refused is not passed on: the reader gets a harmless one in its place and `service`
//! finds the refusal beside it, so the answer is made where all answers are made, and comes after
//! those of the requests before it. Behind a head that asks for an upgrade nothing is passed on at all.

mod head;
mod malformed;

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use self::head::{Framing, Scan};
pub(super) use self::head::{Head, HeadLimits};
use self::malformed::Malformed;
use super::client::Client;
use super::http1::Chunked;
use super::timer::LazyTimer;

/// What is read in place of a head that we refuse.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
/// How long and how much we go on reading after our last answer, so that closing does not reset the
/// connection under an answer that the client has not read yet (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;
/// How long a client that has sent its last may wait for the answer. Whether it waits, or is gone, cannot
/// be told apart: that is how long a request lasts that nobody waits for.
const HALF_CLOSED: Duration = Duration::from_secs(3);
/// What a client may send of a new protocol before it is agreed on.
const EARLY_BYTES: usize = 16 * 1024;

/// A client's socket. `S`: the plain socket.
#[derive(Debug)]
pub(super) struct Guard<S> {
    socket: S,
    client: Rc<Client>,
    /// What heads the reader behind this one has room for.
    room: HeadLimits,
    phase: Phase,
    /// Read from the socket, not yet passed on.
    held: BytesMut,
    /// How many of `held` may be passed on.
    released: usize,
    /// How many of `held` were looked at for the end of a head.
    looked_at: usize,
    /// When the head that is held began, or since when the body is silent.
    since: Option<Instant>,
    reading: LazyTimer,
    writing: LazyTimer,
    lingered: usize,
    /// The client sends no more.
    ended: bool,
    write_closed: bool,
}

#[derive(Debug)]
enum Phase {
    /// Before or in a head.
    Head,
    /// In a body, with so many bytes to come.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunked),
    /// Behind a head that asks for another protocol: nothing more is passed on.
    Upgrade,
    /// A head was refused; nothing more is read.
    Refused,
    /// A body is not framed as it should be; the next read says so.
    Broken,
}

enum Verdict {
    /// So many bytes may be passed on.
    Pass(usize),
    Refuse(Malformed),
}

impl<S> Guard<S> {
    /// `first`: what was read from the socket already. `room`: what heads the reader has room for,
    /// whatever bounds come later.
    pub(super) fn new(socket: S, first: BytesMut, client: Rc<Client>, room: HeadLimits) -> Self {
        Self {
            socket,
            client,
            room,
            phase: Phase::Head,
            since: (!first.is_empty()).then(Instant::now),
            held: first,
            released: 0,
            looked_at: 0,
            reading: LazyTimer::default(),
            writing: LazyTimer::default(),
            lingered: 0,
            ended: false,
            write_closed: false,
        }
    }

    /// Whether nothing of a head has come.
    pub(super) fn holds_nothing(&self) -> bool {
        self.held.is_empty()
    }

    /// Looks at bytes that follow what was passed on; at most one head is passed at a time, so that
    /// the service finds what was noted of it.
    fn examine(&mut self, bytes: &[u8]) -> io::Result<Verdict> {
        let mut pass = 0;
        if let Phase::Head = self.phase {
            let limits = HeadLimits::of(&self.client.renew_limits()).within(&self.room);
            match head::scan(bytes, &limits) {
                Scan::Partial => return Ok(Verdict::Pass(0)),
                Scan::Malformed(why) => return Ok(Verdict::Refuse(why)),
                Scan::Complete(length, head) => {
                    pass = length;
                    self.since = None;
                    self.client.note_head(Ok(head));
                    self.phase = match head.framing {
                        Framing::Length(0) if head.upgrade => Phase::Upgrade,
                        Framing::Length(0) => Phase::Head,
                        Framing::Length(length) => Phase::Length(length),
                        Framing::Chunked => Phase::Chunked(Chunked::new()),
                    };
                }
            }
        }
        let rest = &bytes[pass..];
        match &mut self.phase {
            Phase::Length(left) => {
                let take = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                pass += take;
                *left -= take as u64;
                if *left == 0 {
                    self.phase = Phase::Head;
                }
            }
            Phase::Chunked(body) => match body.advance(rest) {
                Ok(count) => {
                    pass += count;
                    if body.is_done() {
                        self.phase = Phase::Head;
                    }
                }
                // The head before it is right: there will be an answer.
                Err(_) if pass > 0 => self.phase = Phase::Broken,
                Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, BadBody)),
            },
            Phase::Broken => return Err(io::Error::new(io::ErrorKind::InvalidData, BadBody)),
            Phase::Head | Phase::Upgrade | Phase::Refused => {}
        }
        Ok(Verdict::Pass(pass))
    }

    fn refuse(&mut self, why: Malformed) {
        self.client.note_head(Err(why.refusal()));
        self.phase = Phase::Refused;
        self.held.clear();
        self.held.extend_from_slice(STAND_IN);
        self.released = STAND_IN.len();
        self.reading.clear();
    }

    /// Passes on what is held, or looks whether it may be; false: more must be read first.
    fn pass_held(&mut self, out: &mut ReadBuf<'_>) -> io::Result<bool> {
        let length = self.held.len();
        if self.released == 0 && length > self.looked_at {
            let from = std::mem::replace(&mut self.looked_at, length);
            // A head that grows byte by byte is scanned when it may be complete, and when it
            // crosses a limit.
            let crossed = || {
                HeadLimits::of(&self.client.limits())
                    .within(&self.room)
                    .crossed(from, length)
            };
            if matches!(self.phase, Phase::Head)
                && from > 0
                && !crossed()
                && !head::may_be_complete(&self.held, from)
            {
                return Ok(false);
            }
            let held = std::mem::take(&mut self.held);
            let verdict = self.examine(&held);
            self.held = held;
            match verdict? {
                Verdict::Pass(count) => self.released = count,
                Verdict::Refuse(why) => self.refuse(why),
            }
        }
        if self.released == 0 {
            return Ok(false);
        }
        let count = self.released.min(out.remaining());
        out.put_slice(&self.held[..count]);
        self.held.advance(count);
        self.released -= count;
        self.looked_at = 0;
        if self.held.is_empty() {
            // Most connections never hold anything again.
            self.held = BytesMut::new();
        }
        Ok(true)
    }

    /// Nothing to read: is that in order, or has it lasted too long?
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// While a protocol is being agreed on, what comes is kept for it; the end of it is told.
    fn poll_early(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Closes, if that is not done.
    pub(super) async fn close(mut self) {
        if !self.write_closed {
            // A client that is gone need not be told.
            let _ = poll_fn(|context| Pin::new(&mut self).poll_shutdown(context)).await;
        }
    }

    /// Stands aside: the socket, and what the client sent behind its handshake. None: the client has
    /// not taken all of our answers, so the new protocol would begin with a gap.
    pub(super) fn into_raw(self) -> Option<(S, BytesMut)> {
        (!self.writing.is_set()).then_some((self.socket, self.held))
    }
}

impl<S> Guard<S> {
    /// The client sends no more. The reader takes that for its departure: it learns of it when the answer is
    /// made, for the client may only have closed its half (RFC 9112 section 9.6).
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.pass_held(out)? {
                return Poll::Ready(Ok(()));
            }
            match this.phase {
                Phase::Refused => return Poll::Pending,
                Phase::Upgrade => return this.poll_early(context),
                _ => {}
            }
            if this.ended {
                return this.poll_end(context);
            }
            let before = out.filled().len();
            if Pin::new(&mut this.socket)
                .poll_read(context, out)?
                .is_pending()
            {
                ready!(this.poll_silence(context))?;
                if let Phase::Refused = this.phase {
                    continue;
                }
                return Poll::Ready(Ok(()));
            }
            let fresh = &out.filled()[before..];
            if fresh.is_empty() {
                return this.poll_end(context);
            }
            let pass = if this.held.is_empty() {
                if !matches!(this.phase, Phase::Head) {
                    this.since = None;
                }
                match this.examine(fresh)? {
                    Verdict::Pass(count) => count,
                    Verdict::Refuse(why) => {
                        out.set_filled(before);
                        this.refuse(why);
                        continue;
                    }
                }
            } else {
                0
            };
            if pass < fresh.len() {
                let partial_head = pass == 0 && this.held.is_empty();
                this.held.extend_from_slice(&fresh[pass..]);
                if partial_head {
                    this.looked_at = this.held.len();
                }
                out.set_filled(before + pass);
            }
            if pass > 0 {
                return Poll::Ready(Ok(()));
            }
        }
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

/// The client's body is not framed as HTTP has it.
#[derive(Debug, thiserror::Error)]
#[error("the request body is not framed as HTTP demands")]
pub(super) struct BadBody;

/// The client stopped sending in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("the request body stalled")]
pub(super) struct StalledBody;

/// The client does not read our answer.
#[derive(Debug, thiserror::Error)]
#[error("the client does not read the answer")]
struct UnreadAnswer;
