//! What is on its way out over a connection: lines, then a piece of a body, in one write where possible.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use tokio::io::AsyncWrite;

use super::Framing;
use super::fields::field;

/// What is kept for the next head, in bytes.
const KEPT_BYTES: usize = 2048;

/// Sent in this order: `lines`, `piece`, `end`.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Outgoing {
    /// A head, and what frames the pieces.
    lines: Vec<u8>,
    /// How much of `lines` is sent.
    sent: usize,
    piece: Bytes,
    /// What ends a chunk.
    end: &'static [u8],
    framing: Framing,
}

/// A body that is not as long as it was said to be.
#[derive(Debug, thiserror::Error)]
#[error("the body is not as long as its Content-Length says")]
pub(in crate::proxy) struct OtherLength;

impl Outgoing {
    /// For lines to be written to; what is sent is gone.
    pub(in crate::proxy) fn lines(&mut self) -> &mut Vec<u8> {
        if self.sent == self.lines.len() {
            self.lines.clear();
            self.sent = 0;
        }
        &mut self.lines
    }

    /// How the pieces that follow are framed.
    pub(in crate::proxy) fn frame(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Forgets what is not sent.
    pub(in crate::proxy) fn clear(&mut self) {
        self.lines.clear();
        self.sent = 0;
        self.piece = Bytes::new();
        self.end = b"";
    }

    /// A large head does not stay in memory with an idle connection.
    pub(in crate::proxy) fn rest(&mut self) {
        if self.lines.capacity() > KEPT_BYTES {
            self.lines = Vec::new();
        }
    }

    /// Whether there is room for the next piece.
    pub(in crate::proxy) fn takes_more(&self) -> bool {
        self.piece.is_empty() && self.end.is_empty()
    }

    /// Whether all of it is written.
    pub(in crate::proxy) fn is_written(&self) -> bool {
        self.sent == self.lines.len() && self.takes_more()
    }

    /// Takes the next piece of the body; true: it is the last.
    pub(in crate::proxy) fn put(&mut self, piece: Bytes) -> Result<bool, OtherLength> {
        if piece.is_empty() {
            return Ok(false);
        }
        let mut last = false;
        match &mut self.framing {
            Framing::None => return Err(OtherLength),
            Framing::Length(left) => {
                *left = left.checked_sub(piece.len() as u64).ok_or(OtherLength)?;
                last = *left == 0;
            }
            Framing::Chunked => {
                let length = piece.len();
                // A vector takes all that is written to it.
                let _ = write!(self.lines(), "{length:x}\r\n");
                self.end = b"\r\n";
            }
            Framing::UntilClose => {}
        }
        self.piece = piece;
        Ok(last)
    }

    /// The end of the body.
    pub(in crate::proxy) fn finish(
        &mut self,
        trailers: Option<&HeaderMap>,
    ) -> Result<(), OtherLength> {
        match self.framing {
            Framing::Chunked => {
                let lines = self.lines();
                lines.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.into_iter().flatten() {
                    field(name, value.as_bytes(), lines);
                }
                lines.extend_from_slice(b"\r\n");
                Ok(())
            }
            Framing::Length(1..) => Err(OtherLength),
            Framing::None | Framing::Length(0) | Framing::UntilClose => Ok(()),
        }
    }

    /// Writes what is there, once; there must be something.
    pub(in crate::proxy) fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let lines = &self.lines[self.sent..];
        let stream = Pin::new(stream);
        let written = match (&*self.piece, self.end) {
            ([], []) => ready!(stream.poll_write(context, lines))?,
            (piece, end) => {
                let slices = [lines, piece, end].map(IoSlice::new);
                ready!(stream.poll_write_vectored(context, &slices))?
            }
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let of_lines = written.min(self.lines.len() - self.sent);
        self.sent += of_lines;
        let of_piece = (written - of_lines).min(self.piece.len());
        self.piece.advance(of_piece);
        self.end = &self.end[written - of_lines - of_piece..];
        Poll::Ready(Ok(()))
    }
}
