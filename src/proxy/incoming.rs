//! The body of a request as it comes from the client, whatever version of HTTP that speaks.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of a request.
pub(super) enum Incoming {
    /// None.
    Empty,
    /// Of HTTP/1: read from its connection, in the connection's own task.
    Http1(Rc<dyn Source>),
    /// Of a stream of HTTP/2.
    Http2(hyper::body::Incoming),
}

/// A connection that a body is read from.
pub(super) trait Source {
    /// The next piece; a client that waits to be asked for it is asked.
    fn poll_frame(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>>;

    /// How many bytes are to come, if the client has said so.
    fn length(&self) -> Option<u64>;
}

/// The body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum IncomingError {
    /// Of HTTP/1.
    #[error("the connection cannot be read")]
    Http1(#[source] io::Error),
    /// Of a stream of HTTP/2.
    #[error("the stream cannot be read")]
    Http2(#[source] hyper::Error),
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = IncomingError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, IncomingError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Http1(source) => source.poll_frame(context).map_err(IncomingError::Http1),
            Self::Http2(incoming) => Pin::new(incoming)
                .poll_frame(context)
                .map_err(IncomingError::Http2),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(source) => source.length() == Some(0),
            Self::Http2(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(source) => source
                .length()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Http2(incoming) => incoming.size_hint(),
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Http1(_) => "Http1",
            Self::Http2(_) => "Http2",
        })
    }
}
