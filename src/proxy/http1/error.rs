//! What is wrong with a message.

use std::io;

use super::chunked::BadChunk;

/// Why there is no message, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum Error {
    /// The connection failed.
    #[error(transparent)]
    Io(io::Error),
    /// Closed before the message was whole.
    #[error("the connection was closed before the message was whole")]
    Closed,
    /// Over the bounds on heads.
    #[error("the head is too large")]
    TooLarge,
    /// The first line is none of HTTP/1.
    #[error("the first line is not one of HTTP/1")]
    FirstLine,
    /// A line that does not end with CR LF, or a control character in it.
    #[error("a line of the head has a control character, or does not end with CR LF")]
    Line,
    /// A field line that continues the one before it.
    #[error("a header is folded over several lines")]
    Folded,
    /// A field without a name that is a token.
    #[error("a header's name is not a token")]
    Name,
    /// A length that is no number, or several.
    #[error("the Content-Length is not a single number")]
    Length,
    /// A coding other than chunks, or one in HTTP/1.0.
    #[error("the Transfer-Encoding is not `chunked` alone")]
    Coding,
    /// Framed in two ways.
    #[error("the message has both Content-Length and Transfer-Encoding")]
    LengthAndCoding,
    /// 1xx without an end.
    #[error("there are too many informational answers")]
    Endless,
    /// The chunks are none.
    #[error("the body is not made of chunks")]
    Chunk,
}

impl From<BadChunk> for Error {
    fn from(_: BadChunk) -> Self {
        Self::Chunk
    }
}
