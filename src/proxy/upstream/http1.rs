//! HTTP/1.1: connections kept for the next request; each is hyper's sender and its driver, in one
//! hand.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::bell::Bell;
use super::error::UpstreamError;
use super::options::Options;
use super::places::Place;
use super::replay;
use super::stream::Stream;
use super::watched::{Notes, Watched};
use crate::policy::limits::HEADER_BYTES;
use crate::proxy::body::RequestBody;
use crate::proxy::client::Client;

/// The largest head of an answer (Envoy's bound; its most fields, 100, are hyper's own), and what is
/// read or written at once.
const BUFFER_BYTES: usize = HEADER_BYTES;

/// The most idle connections kept: after a burst most of a proxy's memory is theirs.
const IDLE_CONNECTIONS: usize = 100;
/// What is kept for longer than this is swept away in time.
const SWEPT_WITHIN: Duration = Duration::from_secs(20);

/// Connections that wait for a request; most recently used last.
#[derive(Debug, Default)]
pub(super) struct Pool(RefCell<Vec<Idle>>);

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    /// When a sweep found it first: who comes and goes needs no clock, unless it is kept for so short a
    /// time that the sweep may come too late.
    since: Option<Instant>,
}

/// A connection; whoever holds it drives it.
pub(super) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    /// None: closed.
    driver: Option<Driver>,
    /// At its end, or no longer HTTP's after a 101.
    over: Option<Driver>,
    bell: Bell,
    notes: Rc<Notes>,
    made: Instant,
    _place: Option<Place>,
}

type Driver = http1::Connection<TokioIo<Watched>, RequestBody>;

/// Why an exchange did not come to an answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: UpstreamError,
    /// The request, if nothing of it was sent.
    pub(super) unsent: Option<Box<Request<RequestBody>>>,
}

impl Pool {
    /// Drops connections that are idle for long, or closed by the backend.
    pub(super) fn sweep(&self, options: &Options) {
        let now = Instant::now();
        self.0.borrow_mut().retain_mut(|idle| {
            let since = *idle.since.get_or_insert(now);
            now - since < options.keep
                && idle.connection.is_young(options)
                && idle.connection.is_usable()
        });
    }

    /// A connection that can serve.
    pub(super) fn take(&self, options: &Options) -> Option<Box<Connection>> {
        let mut idle = self.0.borrow_mut();
        while let Some(Idle {
            mut connection,
            since,
        }) = idle.pop()
        {
            let is_fresh = is_swept(options) || since.is_none_or(|it| it.elapsed() < options.keep);
            if is_fresh && connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose exchange is over.
    pub(super) fn keep(&self, connection: Box<Connection>, options: &Options) {
        connection.bell.leave();
        connection.notes.end();
        let since = match is_swept(options) {
            true => None,
            false => Some(Instant::now()),
        };
        let mut idle = self.0.borrow_mut();
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(Idle { connection, since });
        }
    }

    /// Closes the connection that has waited longest, if one waits.
    pub(super) fn close_one(&self) -> bool {
        let mut idle = self.0.borrow_mut();
        let closed = (!idle.is_empty()).then(|| idle.remove(0));
        drop(idle);
        closed.is_some()
    }
}

/// Whether the sweep finds what is too old in time.
fn is_swept(options: &Options) -> bool {
    options.keep > SWEPT_WITHIN
}

impl Connection {
    pub(super) async fn new(
        stream: Stream,
        place: Option<Place>,
    ) -> Result<Box<Self>, UpstreamError> {
        let (stream, notes) = Watched::new(stream);
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(UpstreamError::from_hyper)?;
        Ok(Box::new(Self {
            sender,
            driver: Some(driver),
            over: None,
            bell: Bell::new(),
            notes,
            made: Instant::now(),
            _place: place,
        }))
    }

    /// Whether it may serve again as far as its age goes.
    pub(super) fn is_young(&self, options: &Options) -> bool {
        options
            .max_age
            .is_none_or(|most| self.made.elapsed() < most)
    }

    /// The request that was sent last, if it was kept and nothing has come for it.
    pub(super) fn unanswered(&self) -> Option<Request<RequestBody>> {
        match self.notes.came() {
            0 => self.sent(),
            _ => None,
        }
    }

    /// The request that was sent last, if it was kept.
    pub(super) fn sent(&self) -> Option<Request<RequestBody>> {
        replay::read(&self.notes.take(), RequestBody::Empty)
    }

    /// Whether a request may be sent: the backend may have closed meanwhile.
    pub(super) fn is_usable(&mut self) -> bool {
        self.drive();
        self.is_idle()
    }

    /// Lets the connection go on as far as it can without waiting, if anything happened to it.
    fn drive(&mut self) {
        if self.bell.take()
            && let Some(driver) = &mut self.driver
        {
            // Its error reaches whoever waits for the answer or the body.
            if Pin::new(driver).poll(&mut self.bell.context()).is_ready() {
                self.over = self.driver.take();
            }
        }
    }

    /// Looks whether what is waited for has come, driving the connection if something happened to it.
    /// `look` is given the context to poll with.
    fn poll_with<T>(
        &mut self,
        context: &mut Context<'_>,
        mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.bell.mute();
        // Looking may make room for more: then once again.
        for _ in 0..3 {
            let found = look(&mut self.bell.context());
            if found.is_ready() {
                return found;
            }
            if !self.bell.is_rung() {
                break;
            }
            self.drive();
        }
        self.bell.wait(context.waker());
        Poll::Pending
    }

    /// The next piece of an answer's body.
    pub(super) fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        incoming: &mut Incoming,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.poll_with(context, |context| {
            Pin::new(&mut *incoming).poll_frame(context)
        })
    }

    /// Whether the exchange is over and another one may follow; the end of a chunked body may still
    /// have to be read.
    pub(super) fn is_over(&mut self) -> bool {
        self.is_idle() || self.is_usable()
    }

    fn is_idle(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of its answer, not longer than the client's deadline.
    /// `keeps`: it has no body, and is kept for [`Self::sent`].
    pub(super) async fn exchange(
        &mut self,
        client: &Rc<Client>,
        request: Request<RequestBody>,
        keeps: bool,
    ) -> Result<Response<Incoming>, Failure> {
        self.notes.begin(keeps);
        // Sending rings, and the connection is driven next.
        self.bell.mute();
        let mut answer = pin!(self.sender.try_send_request(request));
        let response = poll_fn(|context| {
            if let Poll::Ready(answer) =
                self.poll_with(context, |context| answer.as_mut().poll(context))
            {
                return Poll::Ready(answer.map_err(|mut failure| Failure {
                    unsent: failure.take_message().map(Box::new),
                    error: UpstreamError::from_hyper(failure.into_error()),
                }));
            }
            if client.deadline.borrow_mut().poll(context).is_ready() {
                return Poll::Ready(Err(UpstreamError::Deadline.into()));
            }
            Poll::Pending
        })
        .await?;
        // What came is the head, and perhaps some of the body: only then it has to be measured.
        if self.notes.came() > HEADER_BYTES && head_bytes(&response) > HEADER_BYTES {
            return Err(UpstreamError::HeadTooLarge.into());
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            if !client.upgrade.accepts(response.headers()) {
                return Err(UpstreamError::Unasked.into());
            }
            // hyper lets go of a connection that has switched at once.
            self.over = self.over.take().or(self.driver.take());
        }
        Ok(response)
    }

    /// After a 101 that was asked for: the bytes, and those that came behind the 101.
    pub(super) fn into_raw(self) -> Option<(Stream, BytesMut)> {
        let parts = self.over?.into_parts();
        let stream = parts.io.into_inner().stream;
        Some((stream, BytesMut::from(parts.read_buf)))
    }
}

/// What a head takes on the wire, about.
fn head_bytes(response: &Response<Incoming>) -> usize {
    let fields = response.headers().iter();
    fields
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("open", &self.driver.is_some())
            .finish_non_exhaustive()
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        Self {
            error,
            unsent: None,
        }
    }
}
