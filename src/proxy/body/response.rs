//! What the client gets: the backend's body, or ours.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::proxy::exchange::Exchange;
use crate::proxy::respond::Caller;
use crate::proxy::timer::LazyTimer;
use crate::proxy::upstream::{BackendBody, UpstreamError};

/// The body of an answer, with what is to be noted when it is over.
#[derive(Debug)]
pub(in crate::proxy) struct ResponseBody {
    content: Content,
    exchange: Option<Exchange>,
    caller: Caller,
    /// It streams, and ends with the token that let it in.
    expiry: Option<Box<LazyTimer>>,
}

#[derive(Debug)]
enum Content {
    Ours(Bytes),
    Backend(BackendBody),
    /// The backend's, broken off; the error is given once.
    BrokenOff(Option<UpstreamError>),
}

impl ResponseBody {
    pub(in crate::proxy) fn empty() -> Self {
        Self::full(Bytes::new())
    }

    pub(in crate::proxy) fn full(bytes: Bytes) -> Self {
        Self {
            content: Content::Ours(bytes),
            exchange: None,
            caller: Caller::Http,
            expiry: None,
        }
    }

    pub(in crate::proxy) fn backend(body: BackendBody) -> Self {
        Self {
            content: Content::Backend(body),
            exchange: None,
            caller: Caller::Http,
            expiry: None,
        }
    }

    /// Nothing of it is sent.
    pub(in crate::proxy) fn withhold(&mut self) {
        self.content = Content::Ours(Bytes::new());
    }

    /// Keeps the exchange open until this body is sent, or given up. What streams (its length is not
    /// known) ends when the exchange must.
    pub(in crate::proxy) fn closing(mut self, exchange: Exchange, caller: Caller) -> Self {
        self.caller = caller;
        if let Some(end) = exchange.ends()
            && let Content::Backend(body) = &self.content
            && body.size_hint().exact().is_none()
        {
            let mut timer = LazyTimer::default();
            timer.set(end);
            self.expiry = Some(Box::new(timer));
        }
        self.exchange = Some(exchange);
        self
    }
}

/// What comes next of an answer, unless its token has expired.
fn poll_unless(
    expired: bool,
    body: &mut BackendBody,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
    match expired {
        true => Poll::Ready(Some(Err(UpstreamError::TokenExpired))),
        false => Pin::new(body).poll_frame(context),
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = self.get_mut();
        let expired = match &mut this.expiry {
            Some(timer) => timer.poll(context).is_ready(),
            None => false,
        };
        match &mut this.content {
            Content::Ours(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Ours(bytes) => {
                this.exchange
                    .iter_mut()
                    .for_each(|it| it.wrote(bytes.len()));
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Content::Backend(body) => match ready!(poll_unless(expired, body, context)) {
                Some(Err(error)) => {
                    if let Some(exchange) = &mut this.exchange {
                        exchange.broken_off(&error);
                    }
                    if this.caller == Caller::Grpc {
                        // Its client learns more from a status than from a reset.
                        this.content = Content::Ours(Bytes::new());
                        return Poll::Ready(Some(Ok(Frame::trailers(error.grpc_trailers()))));
                    }
                    // The connection closes at once. What came before goes out first, at least the head: a
                    // browser that saw nothing of an answer sends its request again, whatever it was.
                    this.content = Content::BrokenOff(Some(error));
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                frame => {
                    if let (Some(Ok(frame)), Some(exchange)) = (&frame, &mut this.exchange) {
                        exchange.wrote(frame.data_ref().map_or(0, Bytes::len));
                    }
                    Poll::Ready(frame)
                }
            },
            Content::BrokenOff(error) => Poll::Ready(error.take().map(Err)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Ours(bytes) => bytes.is_empty(),
            Content::Backend(body) => body.is_end_stream(),
            Content::BrokenOff(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Ours(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Backend(body) => body.size_hint(),
            Content::BrokenOff(_) => SizeHint::default(),
        }
    }
}
