//! A request's body on its way into an HTTP/2 stream, no faster than the backend takes it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h2::{Reason, SendStream};
use http_body::Body as _;

use crate::proxy::body::{RequestBody, RequestBodyError};

/// A body that is being sent. Whoever waits for the answer, or reads it, drives it.
pub(super) struct Sending {
    stream: SendStream<Bytes>,
    body: RequestBody,
    /// Read from the client, not yet allowed by the backend.
    piece: Bytes,
    /// Whether something of the body was read.
    touched: bool,
    /// All that came of it is sent, and more is to come.
    waits: bool,
}

impl Sending {
    pub(super) fn new(stream: SendStream<Bytes>, body: RequestBody) -> Self {
        Self {
            stream,
            body,
            piece: Bytes::new(),
            touched: false,
            waits: false,
        }
    }

    /// The body, if it is whole still.
    pub(super) fn untouched(self) -> Option<RequestBody> {
        (!self.touched).then_some(self.body)
    }

    /// Whether the client must send more before anything happens.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Ready: sent, or no longer wanted. What the backend has against it is told by its answer.
    ///
    /// # Errors
    /// The client's body cannot be read; the stream is reset.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), RequestBodyError>> {
        self.waits = false;
        loop {
            // A backend that has answered may not want the rest (RFC 9113 section 8.1).
            if self.stream.poll_reset(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if !self.piece.is_empty() {
                let capacity = match ready!(self.capacity(context)) {
                    Some(capacity) => capacity.min(self.piece.len()),
                    None => return Poll::Ready(Ok(())),
                };
                let part = self.piece.split_to(capacity);
                let last = self.piece.is_empty() && self.body.is_end_stream();
                if self.stream.send_data(part, last).is_err() || last {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let polled = Pin::new(&mut self.body).poll_frame(context);
            self.waits = polled.is_pending();
            let frame = match ready!(polled) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(error));
                }
                None => {
                    let _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(Ok(()));
                }
            };
            self.touched = true;
            match frame.into_data() {
                Ok(piece) => {
                    self.stream.reserve_capacity(piece.remaining());
                    self.piece = piece;
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        let _ = self.stream.send_trailers(trailers);
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }

    /// How much may be sent now; None: nothing ever again.
    fn capacity(&mut self, context: &mut Context<'_>) -> Poll<Option<usize>> {
        loop {
            match self.stream.capacity() {
                0 => match ready!(self.stream.poll_capacity(context)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(None),
                },
                capacity => return Poll::Ready(Some(capacity)),
            }
        }
    }
}
