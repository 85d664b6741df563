//! The client's body on its way to the backend.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::policy::headers::HeaderPlan;
use crate::proxy::client::Client;
use crate::proxy::guard::StalledBody;
use crate::proxy::incoming::{Incoming, IncomingError};
use crate::proxy::timer::LazyTimer;

/// A client's body. It is asked for (`100 Continue`) when it is first polled, which is when the backend
/// gets its head: never before the token has passed.
#[derive(Debug)]
pub(in crate::proxy) enum RequestBody {
    /// None.
    Empty,
    /// Streamed as it comes; over HTTP/1 the guard notices when it stalls.
    Stream(Incoming, Arc<HeaderPlan>, Rc<Client>),
    /// Streamed over HTTP/2, where other streams may go on while this one stalls, or of unknown length
    /// where the length has a bound.
    Watched(Box<Watched>),
}

/// A body, how long it may be silent, and how long it may be.
#[derive(Debug)]
pub(in crate::proxy) struct Watched {
    incoming: Incoming,
    plan: Arc<HeaderPlan>,
    /// Who is told of each piece.
    client: Rc<Client>,
    /// None: somebody else looks.
    silence: Option<Duration>,
    timer: LazyTimer,
    /// How many bytes may still come.
    left: u64,
}

/// A client's body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum RequestBodyError {
    /// It broke off, or is not framed as it should be.
    #[error("the request body cannot be read")]
    Broken(#[source] IncomingError),
    /// Nothing came for too long.
    #[error("the request body cannot be read")]
    Stalled(#[source] StalledBody),
    /// More came than the policy allows.
    #[error("the request body is cut off")]
    TooLarge(#[source] LargeBody),
}

/// The body is longer than the policy allows.
#[derive(Debug, thiserror::Error)]
#[error("the request body is too large")]
pub(in crate::proxy) struct LargeBody;

impl LargeBody {
    /// What its client is told.
    pub(in crate::proxy) const MESSAGE: &str = "The request body is too large.";
}

impl RequestBody {
    pub(in crate::proxy) fn new(
        incoming: Incoming,
        plan: &Arc<HeaderPlan>,
        client: &Rc<Client>,
    ) -> Self {
        if incoming.is_end_stream() {
            Self::Empty
        } else {
            Self::Stream(incoming, Arc::clone(plan), client.clone())
        }
    }

    /// The body of a stream, which may be silent for so long at most. A gRPC call may be silent while
    /// the other side speaks: its deadline, then its idle timeout, say for how long.
    pub(in crate::proxy) fn of_stream(
        incoming: Incoming,
        plan: &Arc<HeaderPlan>,
        client: &Rc<Client>,
        silence: Option<Duration>,
    ) -> Self {
        match incoming.is_end_stream() {
            true => Self::Empty,
            false => Self::Watched(Box::new(Watched {
                incoming,
                plan: Arc::clone(plan),
                client: client.clone(),
                silence,
                timer: LazyTimer::default(),
                left: u64::MAX,
            })),
        }
    }

    /// Cuts it off where it becomes longer than `most`. One that says its length was compared with it
    /// already, and cannot be longer than it says.
    pub(in crate::proxy) fn at_most(self, most: Option<u64>) -> Self {
        match (self, most) {
            (Self::Stream(incoming, plan, client), Some(left))
                if incoming.size_hint().exact().is_none() =>
            {
                Self::Watched(Box::new(Watched {
                    incoming,
                    plan,
                    client,
                    silence: None,
                    timer: LazyTimer::default(),
                    left,
                }))
            }
            (Self::Watched(mut body), Some(left)) => {
                body.left = left;
                Self::Watched(body)
            }
            (body, _) => body,
        }
    }
}

impl Watched {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            self.timer.clear();
            self.client.sent.update(|sent| sent + 1);
            let counted = |frame: Frame<Bytes>| {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                match self.left.checked_sub(length) {
                    Some(left) => {
                        self.left = left;
                        Ok(frame)
                    }
                    None => Err(RequestBodyError::TooLarge(LargeBody)),
                }
            };
            return Poll::Ready(
                frame.map(|frame| frame.map_err(RequestBodyError::Broken).and_then(counted)),
            );
        }
        let Some(silence) = self.silence else {
            return Poll::Pending;
        };
        if !self.timer.is_set() {
            self.timer.set(Instant::now() + silence);
        }
        ready!(self.timer.poll(context));
        Poll::Ready(Some(Err(RequestBodyError::Stalled(StalledBody))))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let (frame, plan, client) = match self.get_mut() {
            Self::Empty => return Poll::Ready(None),
            Self::Stream(incoming, plan, client) => {
                let frame = ready!(Pin::new(incoming).poll_frame(context));
                let frame = frame.map(|frame| frame.map_err(RequestBodyError::Broken));
                (frame, plan, client)
            }
            Self::Watched(body) => {
                let frame = ready!(body.poll_frame(context));
                (frame, &mut body.plan, &mut body.client)
            }
        };
        Poll::Ready(frame.map(|frame| {
            Ok(match frame?.into_trailers() {
                Ok(mut trailers) => {
                    plan.sanitise_trailers(&mut trailers);
                    Frame::trailers(trailers)
                }
                Err(frame) => {
                    let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                    let bytes = &client.request_bytes;
                    bytes.set(bytes.get() + length);
                    frame
                }
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(incoming, ..) => incoming.is_end_stream(),
            Self::Watched(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(incoming, ..) => incoming.size_hint(),
            Self::Watched(body) => body.incoming.size_hint(),
        }
    }
}
