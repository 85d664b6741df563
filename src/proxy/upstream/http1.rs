//! HTTP/1.1 towards a backend: one exchange at a time over a connection, polled by whoever waits for it.
//!
//! Nothing stands between a request and its connection: no task, no channel, no copy of the head. What
//! a backend says is taken for what RFC 9112 writes, and for nothing else; whatever could be read in two
//! ways is refused (`docs/backends.md`).

mod head;
mod pool;
mod sending;

use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf};
use tokio::time::Instant;

use self::head::Head;
pub(super) use self::pool::Pool;
use self::sending::Sending;
use super::error::UpstreamError;
use super::options::Options;
use super::places::Place;
use super::stream::Stream;
use crate::policy::limits::HEADER_BYTES;
use crate::proxy::body::RequestBody;
use crate::proxy::client::Client;
use crate::proxy::http1::{Error, Reading};

/// What is read at once, unless more is known to come.
const READ_BYTES: usize = 8 * 1024;
/// The most that is read at once.
const MOST_READ_BYTES: usize = 64 * 1024;
/// How many heads of 1xx may come before an answer.
const INFORMATIONAL: u8 = 16;

/// A connection; whoever holds it drives it.
pub(super) struct Connection {
    stream: Stream,
    /// What was read, and is not looked at yet.
    buffer: BytesMut,
    /// How much is read at once.
    room: usize,
    /// What came of the answer that is waited for, in bytes.
    came: usize,
    sending: Sending,
    reading: Reading,
    /// It may serve again when this exchange is over.
    keeps: bool,
    made: Instant,
    _place: Option<Place>,
}

/// Why an exchange did not come to an answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: UpstreamError,
    /// The request, if it was kept or nothing of it was sent.
    pub(super) request: Option<Box<Request<RequestBody>>>,
    /// Nothing of it was sent.
    pub(super) unsent: bool,
}

/// The head of an answer, and the request, if it was kept.
pub(super) type Answered = (Response<()>, Option<Request<RequestBody>>);

impl Connection {
    pub(super) fn new(stream: Stream, place: Option<Place>) -> Box<Self> {
        Box::new(Self {
            stream,
            buffer: BytesMut::new(),
            room: READ_BYTES,
            came: 0,
            sending: Sending::default(),
            reading: Reading::Over,
            keeps: true,
            made: Instant::now(),
            _place: place,
        })
    }

    /// Whether it may serve again as far as its age goes.
    pub(super) fn is_young(&self, options: &Options) -> bool {
        options
            .max_age
            .is_none_or(|most| self.made.elapsed() < most)
    }

    /// Whether the exchange is over and another one may follow.
    pub(super) fn is_free(&self) -> bool {
        // Bytes behind an answer are none that anybody asked for.
        self.keeps && self.reading.is_over() && self.sending.is_over() && self.buffer.is_empty()
    }

    /// Whether the backend has left it alone meanwhile: neither closed it nor said anything.
    fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        let mut unasked = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream)
            .poll_read(&mut context, &mut unasked)
            .is_pending()
    }

    /// The exchange is over; what is kept of it is given back, or what a large one has left behind.
    fn rest(&mut self) {
        self.sending.rest();
        if self.buffer.capacity() > READ_BYTES || self.room > READ_BYTES {
            self.buffer = BytesMut::new();
            self.room = READ_BYTES;
        }
    }

    /// Sends a request and waits for the head of its answer, not longer than the client's deadline.
    /// `keeps`: it has no body, and is given back with the answer or the failure.
    pub(super) async fn exchange(
        &mut self,
        client: &Rc<Client>,
        request: Request<RequestBody>,
        keeps: bool,
    ) -> Result<Answered, Failure> {
        let (parts, body) = request.into_parts();
        self.came = 0;
        self.keeps = true;
        self.sending.begin(&parts, body);
        let to_head = parts.method == Method::HEAD;
        let mut informational = INFORMATIONAL;
        let answered =
            poll_fn(
                |context| match self.poll_head(context, to_head, &mut informational) {
                    Poll::Pending => client
                        .poll_deadline(self.sending.waits(), context)
                        .map(|()| Err(UpstreamError::Deadline)),
                    ready => ready,
                },
            )
            .await;
        match answered {
            Ok(head) => {
                client.release_deadline();
                let response = self.take_up(client, head).map_err(Failure::from)?;
                let kept = keeps.then(|| Request::from_parts(parts, RequestBody::Empty));
                Ok((response, kept))
            }
            Err(error) => {
                let unsent = match &error {
                    UpstreamError::Reset(_) => self.sending.take_unsent(),
                    _ => None,
                };
                let is_unsent = unsent.is_some();
                // Once something of an answer has come, a second request could be a second answer.
                let again = keeps && self.came == 0;
                let body = unsent.or_else(|| again.then_some(RequestBody::Empty));
                Err(Failure {
                    error,
                    request: body.map(|body| Box::new(Request::from_parts(parts, body))),
                    unsent: is_unsent,
                })
            }
        }
    }

    /// What follows from the head of an answer for what comes behind it.
    fn take_up(&mut self, client: &Client, head: Head) -> Result<Response<()>, UpstreamError> {
        let Head {
            response,
            reading,
            keeps,
        } = head;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && !client.upgrade.accepts(response.headers())
        {
            return Err(UpstreamError::Unasked);
        }
        self.keeps = keeps;
        if let Some(length) = reading.length() {
            let length = usize::try_from(length).unwrap_or(MOST_READ_BYTES);
            self.room = length.clamp(READ_BYTES, MOST_READ_BYTES);
        }
        self.reading = reading;
        Ok(response)
    }

    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        to_head: bool,
        informational: &mut u8,
    ) -> Poll<Result<Head, UpstreamError>> {
        self.poll_send(context)?;
        // Only new lines make a difference.
        let mut worth_a_look = !self.buffer.is_empty();
        loop {
            if worth_a_look {
                match head::parse(&mut self.buffer, to_head)? {
                    Some(head) if head.is_informational() => {
                        *informational = informational.checked_sub(1).ok_or(Error::Endless)?;
                        continue;
                    }
                    Some(head) => return Poll::Ready(Ok(head)),
                    None => {}
                }
            }
            let before = self.buffer.len();
            match ready!(self.poll_fill(context)) {
                Ok(0) => return Poll::Ready(Err(self.broken(Error::Closed))),
                Ok(count) => self.came += count,
                Err(error) => return Poll::Ready(Err(self.broken(Error::Io(error)))),
            }
            let fresh = &self.buffer[before..];
            worth_a_look = before == 0
                || memchr::memchr(b'\n', fresh).is_some()
                || self.buffer.len() > HEADER_BYTES;
        }
    }

    /// The next piece of an answer's body.
    pub(super) fn poll_body(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        if self.reading.is_over() {
            return Poll::Ready(None);
        }
        // An answer may come before its request is whole.
        if !self.sending.is_over() {
            self.poll_send(context)?;
        }
        loop {
            if !self.buffer.is_empty()
                && let Some(frame) = self.reading.take(&mut self.buffer)?
            {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.reading.is_over() {
                return Poll::Ready(None);
            }
            let room = self.room;
            match ready!(self.poll_fill(context)) {
                Ok(0) if self.reading.ends_with_connection() => {
                    self.reading = Reading::Over;
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(Some(Err(self.broken(Error::Closed)))),
                Ok(count) if count >= room => self.room = (room * 2).min(MOST_READ_BYTES),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(self.broken(Error::Io(error))))),
            }
        }
    }

    /// Why the backend broke off: its refusal of what we sent says more than its end.
    fn broken(&mut self, error: Error) -> UpstreamError {
        match self.sending.take_failure() {
            Some(failure) => Error::Io(failure).into(),
            None => error.into(),
        }
    }

    /// Goes on sending, as far as the backend takes it. That it takes no more is told when there is no
    /// answer either: it may have answered before.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Result<(), UpstreamError> {
        match self.sending.poll(&mut self.stream, context) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() - self.buffer.len() < self.room / 4 {
            self.buffer.reserve(self.room);
        }
        pin!(self.stream.read_buf(&mut self.buffer)).poll(context)
    }

    /// Whether nothing of a body is left to be read.
    pub(super) fn is_read(&self) -> bool {
        self.reading.is_over()
    }

    /// What is left of the body.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self.reading.length() {
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }

    /// After a 101 that was asked for: the bytes, and those that came behind the 101.
    pub(super) fn into_raw(self) -> (Stream, BytesMut) {
        (self.stream, self.buffer)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("reading", &self.reading)
            .finish_non_exhaustive()
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        Self {
            error,
            request: None,
            unsent: false,
        }
    }
}
