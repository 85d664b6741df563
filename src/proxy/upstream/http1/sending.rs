//! A request on its way out: its head, then its body as it comes, as far as the backend takes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use http_body::Body as _;
use tokio::io::AsyncWrite as _;

use super::head;
use crate::proxy::body::RequestBody;
use crate::proxy::http1::{Error, Framing, Outgoing};
use crate::proxy::upstream::error::UpstreamError;
use crate::proxy::upstream::stream::Stream;

/// A request under way.
#[derive(Debug, Default)]
pub(super) struct Sending {
    out: Outgoing,
    /// What is still to come; None: nothing.
    body: Option<RequestBody>,
    progress: Progress,
    /// All that came of the request is sent, and more is to come.
    waits: bool,
    /// The backend takes no more.
    failure: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// Nothing was sent, and nothing taken of the body.
    Untouched,
    Begun,
    /// All of it is sent.
    #[default]
    Over,
    /// The rest of it will not be.
    Failed,
}

impl Sending {
    /// Takes up a request.
    pub(super) fn begin(&mut self, head: &Parts, body: RequestBody) {
        let framing = match body.size_hint().exact() {
            _ if body.is_end_stream() => Framing::None,
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        };
        self.failure = None;
        self.progress = Progress::Untouched;
        self.out.clear();
        self.out.frame(framing);
        head::write(head, framing, self.out.lines());
        self.body = (framing != Framing::None).then_some(body);
    }

    /// Whether all of it is sent.
    pub(super) fn is_over(&self) -> bool {
        self.progress == Progress::Over
    }

    /// Whether the client must send more before anything happens.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// After a failure: the body, if another connection may have the request.
    pub(super) fn take_unsent(&mut self) -> Option<RequestBody> {
        let untouched = self.progress == Progress::Untouched;
        untouched.then(|| self.body.take().unwrap_or(RequestBody::Empty))
    }

    /// Why the backend takes no more, if that is so.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Gives back what a large request has left behind.
    pub(super) fn rest(&mut self) {
        self.out.rest();
    }

    /// Sends as much as the backend takes. Ready: it is all sent, or the rest will not be.
    ///
    /// # Errors
    /// The client's body failed, or the backend took not even the first byte.
    pub(super) fn poll(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UpstreamError>> {
        self.waits = false;
        while !matches!(self.progress, Progress::Over | Progress::Failed) {
            // The first piece goes out with the head, if it is there already.
            let waits = self.poll_next(context)?;
            if !self.out.is_written() {
                match ready!(self.out.poll_write(stream, context)) {
                    Ok(()) => self.progress = Progress::Begun,
                    Err(error) if self.progress == Progress::Untouched => {
                        return Poll::Ready(Err(Error::Io(error).into()));
                    }
                    Err(error) => self.fail(error),
                }
            } else if waits {
                // What was written of the last piece must not wait for the next.
                let _ = Pin::new(&mut *stream).poll_flush(context);
                self.waits = true;
                return Poll::Pending;
            } else if self.body.is_none() {
                match ready!(Pin::new(&mut *stream).poll_flush(context)) {
                    Ok(()) => self.progress = Progress::Over,
                    Err(error) => self.fail(error),
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn fail(&mut self, error: io::Error) {
        self.progress = Progress::Failed;
        self.failure = Some(error);
        self.body = None;
        self.out.clear();
    }

    /// Takes the next piece of the body, if there is room; true: it must be waited for.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Result<bool, UpstreamError> {
        let Some(body) = self.body.as_mut().filter(|_| self.out.takes_more()) else {
            return Ok(false);
        };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            return Ok(true);
        };
        let other_length = |error| UpstreamError::ClientBody(Box::new(error));
        let Some(frame) = frame else {
            self.body = None;
            self.out.finish(None).map_err(other_length)?;
            return Ok(false);
        };
        self.progress = Progress::Begun;
        let frame = frame.map_err(|error| UpstreamError::ClientBody(error.into()))?;
        let is_last = match frame.into_data() {
            Ok(piece) => self.out.put(piece).map_err(other_length)?,
            Err(frame) => {
                let trailers = frame.into_trailers().ok();
                self.out.finish(trailers.as_ref()).map_err(other_length)?;
                true
            }
        };
        if is_last {
            self.body = None;
        }
        Ok(false)
    }
}
