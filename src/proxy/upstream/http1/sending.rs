//! A request on its way out: its head, then its body as it comes, as far as the backend takes it.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::request::Parts;
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite as _;

use super::head::{self, Framing};
use crate::proxy::body::RequestBody;
use crate::proxy::upstream::error::UpstreamError;
use crate::proxy::upstream::stream::Stream;

/// What is kept for the next head, in bytes.
const KEPT_BYTES: usize = 2048;

/// What is to be sent, in this order: `lines`, `piece`, `end`; then what comes of `body`.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// The head, and what frames the pieces.
    lines: Vec<u8>,
    /// How much of `lines` is sent.
    sent: usize,
    piece: Bytes,
    /// What ends a chunk.
    end: &'static [u8],
    body: Option<RequestBody>,
    framing: Option<Framing>,
    progress: Progress,
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

/// What is left of a request that may be sent over another connection.
pub(super) enum Unsent {
    /// All of it; this is its body.
    Whole(RequestBody),
    /// Some of it is gone.
    Touched,
}

impl Sending {
    /// Takes up a request.
    pub(super) fn begin(&mut self, head: &Parts, body: RequestBody) {
        let framing = match body.size_hint().exact() {
            _ if body.is_end_stream() => Framing::None,
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        };
        self.lines.clear();
        self.sent = 0;
        self.failure = None;
        self.progress = Progress::Untouched;
        head::write(head, framing, &mut self.lines);
        match framing {
            Framing::None => {
                self.body = None;
                self.framing = None;
            }
            framing => {
                self.body = Some(body);
                self.framing = Some(framing);
            }
        }
    }

    /// Whether all of it is sent.
    pub(super) fn is_over(&self) -> bool {
        self.progress == Progress::Over
    }

    /// After a failure: the request, if another connection may have it.
    pub(super) fn take_unsent(&mut self) -> Unsent {
        match self.progress {
            Progress::Untouched => Unsent::Whole(self.body.take().unwrap_or(RequestBody::Empty)),
            _ => Unsent::Touched,
        }
    }

    /// Why the backend takes no more, if that is so.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// A large head does not stay in memory with an idle connection.
    pub(super) fn rest(&mut self) {
        if self.lines.capacity() > KEPT_BYTES {
            self.lines = Vec::new();
        }
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
        loop {
            if matches!(self.progress, Progress::Over | Progress::Failed) {
                return Poll::Ready(Ok(()));
            }
            // The first piece goes out with the head, if it is there already.
            let waits = self.poll_next(context)?;
            if self.is_written() {
                if waits {
                    // What was written of the last piece must not wait for the next.
                    let _ = Pin::new(&mut *stream).poll_flush(context);
                    return Poll::Pending;
                }
                if self.body.is_some() {
                    continue;
                }
                match ready!(Pin::new(&mut *stream).poll_flush(context)) {
                    Ok(()) => self.progress = Progress::Over,
                    Err(error) => self.fail(error),
                }
                continue;
            }
            match ready!(self.poll_write(stream, context)) {
                Ok(count) => self.advance(count),
                Err(error) if self.progress == Progress::Untouched => {
                    let error = super::Error::Io(error);
                    return Poll::Ready(Err(error.into()));
                }
                Err(error) => self.fail(error),
            }
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.progress = Progress::Failed;
        self.failure = Some(error);
        self.body = None;
        self.piece = Bytes::new();
    }

    fn is_written(&self) -> bool {
        self.sent == self.lines.len() && self.is_next_wanted()
    }

    fn is_next_wanted(&self) -> bool {
        self.piece.is_empty() && self.end.is_empty()
    }

    /// Takes the next piece of the body, if there is none; true: it must be waited for.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Result<bool, UpstreamError> {
        if !self.is_next_wanted() {
            return Ok(false);
        }
        let Some(body) = &mut self.body else {
            return Ok(false);
        };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            return Ok(true);
        };
        if self.sent == self.lines.len() {
            self.lines.clear();
            self.sent = 0;
        }
        match frame {
            None => self.finish(None)?,
            Some(Ok(frame)) => {
                self.progress = Progress::Begun;
                self.take_up(frame)?;
            }
            Some(Err(error)) => return Err(UpstreamError::ClientBody(error.into())),
        }
        Ok(false)
    }

    fn take_up(&mut self, frame: Frame<Bytes>) -> Result<(), UpstreamError> {
        let piece = match frame.into_data() {
            Ok(piece) => piece,
            Err(frame) => return self.finish(frame.into_trailers().ok().as_ref()),
        };
        match &mut self.framing {
            _ if piece.is_empty() => return Ok(()),
            Some(Framing::Length(left)) => {
                *left = left
                    .checked_sub(piece.len() as u64)
                    .ok_or_else(|| UpstreamError::ClientBody(OtherLength.into()))?;
                if *left == 0 {
                    self.body = None;
                }
            }
            _ => {
                // A vector takes all that is written to it.
                let _ = write!(self.lines, "{:x}\r\n", piece.len());
                self.end = b"\r\n";
            }
        }
        self.piece = piece;
        Ok(())
    }

    /// The end of the body.
    fn finish(&mut self, trailers: Option<&http::HeaderMap>) -> Result<(), UpstreamError> {
        self.body = None;
        match self.framing {
            Some(Framing::Chunked) => {
                self.lines.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.into_iter().flatten() {
                    head::field(name, value.as_bytes(), &mut self.lines);
                }
                self.lines.extend_from_slice(b"\r\n");
                Ok(())
            }
            Some(Framing::Length(1..)) => Err(UpstreamError::ClientBody(OtherLength.into())),
            _ => Ok(()),
        }
    }

    fn poll_write(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let lines = &self.lines[self.sent..];
        let stream = Pin::new(stream);
        let written = match (&*self.piece, self.end) {
            ([], []) => ready!(stream.poll_write(context, lines))?,
            (piece, end) => {
                let slices = [lines, piece, end].map(IoSlice::new);
                ready!(stream.poll_write_vectored(context, &slices))?
            }
        };
        Poll::Ready(match written {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => Ok(count),
        })
    }

    fn advance(&mut self, mut count: usize) {
        self.progress = Progress::Begun;
        let of_lines = count.min(self.lines.len() - self.sent);
        self.sent += of_lines;
        count -= of_lines;
        let of_piece = count.min(self.piece.len());
        self.piece.advance(of_piece);
        count -= of_piece;
        self.end = &self.end[count..];
    }
}

/// A body that is not as long as it was said to be.
#[derive(Debug, thiserror::Error)]
#[error("the body is not as long as its Content-Length says")]
struct OtherLength;
