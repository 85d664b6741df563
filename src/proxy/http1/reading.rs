//! The body of a message, out of the bytes that come.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::Frame;

use super::chunked::Chunked;
use super::error::Error;
use super::fields::{Place, find};

/// Fields that may stand behind a body.
const TRAILERS: usize = 100;

/// What is still to be read of a body.
#[derive(Debug)]
pub(in crate::proxy) enum Reading {
    /// Nothing.
    Over,
    /// This many bytes.
    Length(u64),
    /// Chunks.
    Chunks(Box<Chunks>),
    /// All that comes.
    UntilClose,
}

/// A chunked body under way.
#[derive(Debug)]
pub(in crate::proxy) struct Chunks {
    chunked: Chunked,
    /// The lines behind the last chunk, as far as they came.
    trailers: Vec<u8>,
}

impl Reading {
    pub(in crate::proxy) fn chunks() -> Self {
        Self::Chunks(Box::new(Chunks {
            chunked: Chunked::padded(),
            trailers: Vec::new(),
        }))
    }

    pub(in crate::proxy) fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    pub(in crate::proxy) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// How many bytes are to come, if the backend has said so.
    pub(in crate::proxy) fn length(&self) -> Option<u64> {
        match self {
            Self::Over => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunks(_) | Self::UntilClose => None,
        }
    }

    /// The next piece of the body that is in what was read; None: there is none in it.
    pub(in crate::proxy) fn take(
        &mut self,
        buffer: &mut BytesMut,
    ) -> Result<Option<Frame<Bytes>>, Error> {
        let data = match self {
            Self::Over => return Ok(None),
            Self::UntilClose => buffer.split(),
            Self::Length(left) => {
                let (taken, rest) = at_most(*left, buffer);
                match rest {
                    0 => *self = Self::Over,
                    rest => *left = rest,
                }
                taken
            }
            Self::Chunks(chunks) => {
                let Chunks { chunked, trailers } = &mut **chunks;
                while chunked.data() == 0 && !chunked.is_done() {
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let passed = chunked.frame(buffer, trailers)?;
                    let _framing = buffer.split_to(passed);
                }
                if chunked.is_done() {
                    let trailers = std::mem::take(trailers);
                    *self = Self::Over;
                    // The empty line alone: there are none.
                    return Ok(match trailers.len() {
                        0..=2 => None,
                        _ => Some(Frame::trailers(fields(trailers.into())?)),
                    });
                }
                if buffer.is_empty() {
                    return Ok(None);
                }
                let (taken, rest) = at_most(chunked.data(), buffer);
                chunked.passed(chunked.data() - rest);
                taken
            }
        };
        Ok(Some(Frame::data(data.freeze())))
    }
}

/// The fields behind a chunked body, with the empty line. What frames a message means nothing here.
fn fields(bytes: Bytes) -> Result<HeaderMap, Error> {
    let mut places = [Place::default(); TRAILERS];
    let mut trailers = HeaderMap::new();
    let most = bytes.len();
    if let Some(found) = find(&bytes, 0, &mut places, most)? {
        for place in &places[..found.count] {
            let (name, value) = place.field(&bytes)?;
            if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
                trailers.append(name, value);
            }
        }
    }
    Ok(trailers)
}

/// So many bytes of it, as far as they came; and how many are missing.
fn at_most(bytes: u64, buffer: &mut BytesMut) -> (BytesMut, u64) {
    let count = usize::try_from(bytes).map_or(buffer.len(), |bytes| bytes.min(buffer.len()));
    (buffer.split_to(count), bytes - count as u64)
}

#[cfg(test)]
mod tests;
