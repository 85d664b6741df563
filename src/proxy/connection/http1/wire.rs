//! The two directions of a client's connection: the body of a request may still come while its answer
//! goes out.

use std::cell::RefCell;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::buffers::Buffers;
use super::head::{self, Head};
use crate::proxy::guard::{BadBody, Guard};
use crate::proxy::http1::{Framing, Outgoing, Reading};
use crate::proxy::incoming::{Incoming, Source};

/// What is read at once: most heads fit.
const READ_BYTES: usize = 4 * 1024;
/// The most that is read at once of a body.
const MOST_READ_BYTES: usize = 64 * 1024;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection as bytes.
pub(super) struct Wire<S> {
    guard: Guard<S>,
    /// What the guard has passed on, and is not looked at yet.
    buffer: BytesMut,
    /// How much is read at once.
    room: usize,
    /// What is still to be read of the request's body.
    reading: Reading,
    /// The client waits to be asked for it.
    waits: bool,
    /// It cannot be read to its end.
    broken: bool,
    out: Outgoing,
    spare: Rc<Buffers>,
}

impl<S> Wire<S> {
    pub(super) fn new(guard: Guard<S>, spare: Rc<Buffers>) -> Self {
        Self {
            guard,
            buffer: BytesMut::new(),
            room: READ_BYTES,
            reading: Reading::Over,
            waits: false,
            broken: false,
            out: Outgoing::default(),
            spare,
        }
    }

    pub(super) fn guard(&self) -> &Guard<S> {
        &self.guard
    }

    pub(super) fn into_guard(self) -> Guard<S> {
        self.guard
    }

    /// Whether nothing of a request is there.
    pub(super) fn is_idle(&self) -> bool {
        self.buffer.is_empty() && self.guard.holds_nothing()
    }

    /// Whether the body of the request cannot be read to its end.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// For the head of an answer. What was not asked for by then is not asked for any more.
    pub(super) fn answer(&mut self) -> &mut Vec<u8> {
        self.waits = false;
        self.out.lines()
    }

    /// How the body of the answer is framed.
    pub(super) fn frame(&mut self, framing: Framing) {
        self.out.frame(framing);
    }

    pub(super) fn takes_more(&self) -> bool {
        self.out.takes_more()
    }

    pub(super) fn is_written(&self) -> bool {
        self.out.is_written()
    }

    /// Takes a piece of an answer; true: it was the last. `trailers`: the client wants them.
    pub(super) fn put(&mut self, frame: Frame<Bytes>, trailers: bool) -> io::Result<bool> {
        match frame.into_data() {
            Ok(data) => self.out.put(data).map_err(io::Error::other),
            Err(frame) => {
                let fields = frame.into_trailers().ok().filter(|_| trailers);
                self.put_end(fields.as_ref()).map(|()| true)
            }
        }
    }

    /// The end of an answer.
    pub(super) fn put_end(&mut self, trailers: Option<&http::HeaderMap>) -> io::Result<()> {
        self.out.finish(trailers).map_err(io::Error::other)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Wire<S> {
    /// The body of the request whose head came last.
    pub(super) fn body(wire: &Rc<RefCell<Self>>) -> Incoming {
        match wire.borrow().reading.is_over() {
            true => Incoming::Empty,
            false => Incoming::Http1(wire.clone()),
        }
    }

    /// The head of the next request; None: the client sends none.
    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Head>>> {
        loop {
            if !self.buffer.is_empty()
                && let Some(head) = head::parse(&mut self.buffer, self.guard.found())?
            {
                self.reading = match head.asked.framing {
                    Framing::None | Framing::Length(0) => Reading::Over,
                    Framing::Length(length) => Reading::Length(length),
                    Framing::Chunked | Framing::UntilClose => Reading::chunks(),
                };
                self.waits = head.asked.expects && !self.reading.is_over();
                return Poll::Ready(Ok(Some(head)));
            }
            let Poll::Ready(filled) = self.poll_fill(context) else {
                if self.buffer.is_empty() {
                    // A connection that waits for a request holds no room for it.
                    self.spare.give(std::mem::take(&mut self.buffer));
                }
                return Poll::Pending;
            };
            match filled {
                Ok(0) if self.buffer.is_empty() => return Poll::Ready(Ok(None)),
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Whether the client has gone, as far as that can be told: while a body is to come, its reader
    /// learns of it; what comes behind it is the next request.
    pub(super) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.reading.is_over() || !self.buffer.is_empty() {
            return Poll::Pending;
        }
        match ready!(self.poll_fill(context)) {
            Ok(0) | Err(_) => Poll::Ready(()),
            Ok(_) => Poll::Pending,
        }
    }

    /// Nobody wants the rest of the request's body: whether it has come, as far as can be told without
    /// waiting, so that another request may follow it.
    pub(super) fn give_up(&mut self) -> bool {
        self.waits = false;
        self.reading.is_over() || self.is_read()
    }

    /// When an answer is sent: whether the body of its request has come whole, as far as can be told
    /// without waiting. What is left of the exchange in memory is given back.
    pub(super) fn is_read(&mut self) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        while !self.reading.is_over() {
            match self.poll_body(&mut context) {
                Poll::Ready(Some(Ok(_))) => {}
                _ => break,
            }
        }
        self.out.rest();
        if self.room > READ_BYTES && self.buffer.is_empty() {
            // Too large to be of use to others.
            self.buffer = BytesMut::new();
            self.room = READ_BYTES;
        }
        self.reading.is_over()
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.waits {
            self.waits = false;
            if self.buffer.is_empty() {
                self.out.lines().extend_from_slice(CONTINUE);
            }
        }
        if !self.out.is_written() {
            let _ = self.poll_write(context)?;
        }
        loop {
            if self.reading.is_over() {
                return Poll::Ready(None);
            }
            if !self.buffer.is_empty() {
                let taken = self.reading.take(&mut self.buffer);
                match taken.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, BadBody)) {
                    Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                    Ok(None) => continue,
                    Err(error) => {
                        self.broken = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            let room = self.room;
            match ready!(self.poll_fill(context)) {
                Ok(0) => {
                    self.broken = true;
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                Ok(count) if count >= room => self.room = (room * 2).min(MOST_READ_BYTES),
                Ok(_) => {}
                Err(error) => {
                    self.broken = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() == 0 {
            self.buffer = self.spare.take();
        }
        if self.buffer.capacity() - self.buffer.len() < self.room / 2 {
            self.buffer.reserve(self.room);
        }
        pin!(self.guard.read_buf(&mut self.buffer)).poll(context)
    }

    /// Writes what is there, once; there must be something.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.out.poll_write(&mut self.guard, context)
    }

    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.guard).poll_flush(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Source for RefCell<Wire<S>> {
    fn poll_frame(&self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.borrow_mut().poll_body(context)
    }

    fn length(&self) -> Option<u64> {
        self.borrow().reading.length()
    }
}
