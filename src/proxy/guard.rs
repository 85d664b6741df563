//! The socket of one client, with what must be seen to before HTTP is read: heads checked before they
//! are parsed, timeouts that fit each phase, and a close that lets the client read our last answer.
//!
//! A head that is refused is not passed on: the reader gets a harmless one in its place and `service`
//! finds the refusal beside it, so the answer is made where all answers are made, and comes after
//! those of the requests before it. Behind a head that asks for an upgrade nothing is passed on at all.

mod head;
mod malformed;
mod silence;
mod writing;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use self::head::{Framing, Scan};
pub(super) use self::head::{Head, HeadLimits};
use self::malformed::Malformed;
pub(super) use self::silence::StalledBody;
use super::client::Client;
use super::http1::{Chunked, Place};
use super::timer::LazyTimer;

/// What is read in place of a head that we refuse. Nobody knows its method.
const STAND_IN: &[u8] = b"- / HTTP/1.1\r\nconnection: close\r\n\r\n";

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
    found: Found,
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

/// A head that was passed on, so that nobody has to look for its fields again.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How many bytes it has; 0: it was not looked at.
    pub(super) length: usize,
    pub(super) places: Vec<Place>,
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
            found: Found::default(),
            looked_at: 0,
            reading: LazyTimer::default(),
            writing: LazyTimer::default(),
            lingered: 0,
            ended: false,
            write_closed: false,
        }
    }

    /// What was found in the head that was passed on last.
    pub(super) fn found(&self) -> &Found {
        &self.found
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
            self.found.length = 0;
            match head::scan(bytes, &limits, &mut self.found.places) {
                Scan::Partial => return Ok(Verdict::Pass(0)),
                Scan::Malformed(why) => return Ok(Verdict::Refuse(why)),
                Scan::Complete(length, head) => {
                    pass = length;
                    self.found.length = length;
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
        self.found.length = 0;
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

/// The client's body is not framed as HTTP has it.
#[derive(Debug, thiserror::Error)]
#[error("the request body is not framed as HTTP demands")]
pub(super) struct BadBody;
