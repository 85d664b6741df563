//! The body of a backend's answer; reading it drives the connection it comes over.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::Backend;
use super::connection::Connection;
use super::error::UpstreamError;
use crate::policy::headers::sanitise_response;
use crate::proxy::client::Client;

/// Gives its connection back when it is over; closes it when it is dropped before.
#[derive(Debug)]
pub(in crate::proxy) struct BackendBody {
    incoming: Incoming,
    /// None: given back.
    connection: Option<Box<Connection>>,
    backend: Rc<Backend>,
    client: Rc<Client>,
    /// A stream of events: not its end has a deadline, but each of its pauses.
    endless: bool,
}

impl BackendBody {
    pub(super) fn new(
        incoming: Incoming,
        connection: Box<Connection>,
        backend: Rc<Backend>,
        client: Rc<Client>,
        head: &Parts,
    ) -> Self {
        let mut body = Self {
            incoming,
            connection: Some(connection),
            backend,
            client,
            endless: false,
        };
        if body.incoming.is_end_stream() {
            body.give_back(None);
        } else if body.incoming.size_hint().exact().is_none() {
            body.endless = head.headers.get(CONTENT_TYPE).is_some_and(|kind| {
                let kind = kind.as_bytes();
                let stream = b"text/event-stream";
                kind.len() >= stream.len() && kind[..stream.len()].eq_ignore_ascii_case(stream)
            });
            body.postpone();
        }
        body
    }

    /// The connection has served: keep it, if it can serve again.
    fn give_back(&mut self, context: Option<&mut Context<'_>>) {
        if let Some(mut connection) = self.connection.take() {
            if let (false, Some(context)) = (connection.is_idle(), context) {
                // The end of a chunked body may still have to be read.
                connection.drive(context);
            }
            if connection.is_idle() {
                self.backend.keep(connection);
            }
        }
    }

    fn postpone(&mut self) {
        if self.endless {
            let deadline = Instant::now() + self.client.limits.backend_idle_timeout;
            self.client.deadline.borrow_mut().set(deadline);
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
        let mut polled = Pin::new(&mut this.incoming).poll_frame(context);
        if let (Poll::Pending, Some(connection)) = (&polled, &mut this.connection) {
            // Asking made room for one piece: now let the connection bring it.
            connection.drive(context);
            polled = Pin::new(&mut this.incoming).poll_frame(context);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if this.incoming.is_end_stream() {
                    this.give_back(Some(context));
                }
                this.postpone();
                Poll::Ready(Some(Ok(match frame.into_trailers() {
                    Ok(mut trailers) => {
                        sanitise_response(&mut trailers);
                        Frame::trailers(trailers)
                    }
                    Err(frame) => frame,
                })))
            }
            Poll::Ready(None) => {
                this.give_back(Some(context));
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.connection = None;
                Poll::Ready(Some(Err(UpstreamError::from_hyper(error))))
            }
            Poll::Pending => {
                if this.client.deadline.borrow_mut().poll(context).is_ready() {
                    this.connection = None;
                    return Poll::Ready(Some(Err(UpstreamError::Deadline)));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
