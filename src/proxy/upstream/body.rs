//! The body of a backend's answer; reading it drives the connection it comes over.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::Backend;
use super::error::UpstreamError;
use super::http1::Connection;
use super::http2::Receiving;
use crate::policy::headers::sanitise_response_trailers;
use crate::proxy::client::Client;

/// Gives its connection back, or its place on one, when it is over; closes it when it is dropped
/// before.
#[derive(Debug)]
pub(in crate::proxy) struct BackendBody {
    content: Content,
    client: Rc<Client>,
    /// A stream: not its end has a deadline, but each of its pauses, which may last so long.
    pauses: Option<Duration>,
    /// How much the client had sent when something came last: its pieces break the silence too.
    sent: u64,
}

#[derive(Debug)]
enum Content {
    Http1 {
        /// None: given back.
        connection: Option<Box<Connection>>,
        backend: Rc<Backend>,
    },
    Http2(Box<Receiving>),
    /// Nothing, or nothing any more.
    Given,
}

impl BackendBody {
    pub(super) fn http1(
        connection: Box<Connection>,
        backend: Rc<Backend>,
        client: Rc<Client>,
        head: &Parts,
    ) -> Self {
        let connection = Some(connection);
        let pauses = backend.options.idle_timeout;
        let content = Content::Http1 {
            connection,
            backend,
        };
        let mut body = Self::new(content, client, head, pauses);
        if body.is_end_stream() {
            body.content.give_back();
        }
        body
    }

    /// Of an answer that has none and whose connection is no longer ours.
    pub(super) fn none(client: Rc<Client>) -> Self {
        Self {
            content: Content::Given,
            client,
            pauses: None,
            sent: 0,
        }
    }

    /// `pauses`: how long a stream may be silent.
    pub(super) fn http2(
        receiving: Receiving,
        client: Rc<Client>,
        head: &Parts,
        pauses: Duration,
    ) -> Self {
        Self::new(Content::Http2(Box::new(receiving)), client, head, pauses)
    }

    fn new(content: Content, client: Rc<Client>, head: &Parts, pauses: Duration) -> Self {
        let mut body = Self {
            content,
            client,
            pauses: None,
            sent: 0,
        };
        if !body.is_end_stream() && body.size_hint().exact().is_none() {
            let is_endless = head.headers.get(CONTENT_TYPE).is_some_and(is_endless);
            body.pauses = is_endless.then_some(pauses);
            body.postpone();
        }
        body
    }

    /// Whether only its pauses have a deadline.
    pub(super) fn is_endless(&self) -> bool {
        self.pauses.is_some()
    }

    fn postpone(&mut self) {
        if let Some(pauses) = self.pauses {
            self.sent = self.client.sent.get();
            let deadline = Instant::now() + pauses;
            self.client.deadline.borrow_mut().set(deadline);
        }
    }
}

/// Whether an answer of this kind may last for as long as something comes: events, and gRPC (whose
/// calls may be streams).
fn is_endless(kind: &HeaderValue) -> bool {
    let kind = kind.as_bytes();
    [&b"text/event-stream"[..], b"application/grpc"]
        .iter()
        .any(|stream| {
            kind.len() >= stream.len() && kind[..stream.len()].eq_ignore_ascii_case(stream)
        })
}

impl Content {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        match self {
            Self::Http1 { connection, .. } => match connection {
                Some(connection) => connection.poll_body(context),
                None => Poll::Ready(None),
            },
            Self::Http2(receiving) => receiving.poll_frame(context),
            Self::Given => Poll::Ready(None),
        }
    }

    /// The connection has served: keep it, if it can serve again.
    fn give_back(&mut self) {
        let Self::Http1 {
            connection,
            backend,
            ..
        } = self
        else {
            *self = Self::Given;
            return;
        };
        if let Some(connection) = connection.take()
            && connection.is_free()
        {
            backend.keep(connection);
        }
    }

    /// It will not be read to its end: close.
    fn give_up(&mut self) {
        match self {
            Self::Http1 { connection, .. } => *connection = None,
            Self::Http2(_) | Self::Given => *self = Self::Given,
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1 { connection, .. } => connection.as_ref().is_none_or(|it| it.is_read()),
            Self::Http2(receiving) => receiving.is_end_stream(),
            Self::Given => true,
        }
    }
}

impl Body for BackendBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = self.get_mut();
        match this.content.poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if this.content.is_end_stream() {
                    this.content.give_back();
                }
                this.postpone();
                Poll::Ready(Some(Ok(match frame.into_trailers() {
                    Ok(mut trailers) => {
                        sanitise_response_trailers(&mut trailers);
                        Frame::trailers(trailers)
                    }
                    Err(frame) => frame,
                })))
            }
            Poll::Ready(None) => {
                this.content.give_back();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.content.give_up();
                Poll::Ready(Some(Err(error)))
            }
            Poll::Pending => {
                while this.client.deadline.borrow_mut().poll(context).is_ready() {
                    if this.pauses.is_none() || this.sent == this.client.sent.get() {
                        this.content.give_up();
                        return Poll::Ready(Some(Err(UpstreamError::Deadline)));
                    }
                    this.postpone();
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Http1 { connection, .. } => match connection {
                Some(connection) => connection.size_hint(),
                None => SizeHint::with_exact(0),
            },
            Content::Http2(receiving) => receiving.size_hint(),
            Content::Given => SizeHint::with_exact(0),
        }
    }
}
