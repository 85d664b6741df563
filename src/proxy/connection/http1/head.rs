//! The head of a request as it is read behind the guard, and the head of an answer as it is written.

use std::io;

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, EXPECT, TE, TRAILER, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};

use crate::proxy::guard::Found;
use crate::proxy::http1::{Error, Framing, Place, field, find, trim};

/// Fields that a request may get from us, so that its map need not grow.
const FIELDS_OF_OURS: usize = 6;
/// Fields of what stands for a head that is refused.
const STAND_IN_FIELDS: usize = 4;

/// A request without its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) request: Request<()>,
    pub(super) asked: Asked,
}

/// What of a request says how it is answered.
#[derive(Debug)]
pub(super) struct Asked {
    /// How its body is framed.
    pub(super) framing: Framing,
    /// The client waits to be asked for its body.
    pub(super) expects: bool,
    /// The client takes trailers.
    pub(super) trailers: bool,
    version: Version,
    is_head: bool,
    /// Another request may follow.
    keeps: bool,
    /// The client says that none does.
    closes: bool,
}

/// Takes a head out of what the guard has passed on, if it is complete. `found`: what the guard found in
/// it, if it is the client's.
pub(super) fn parse(buffer: &mut BytesMut, found: &Found) -> io::Result<Option<Head>> {
    parsed(buffer, found).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn parsed(buffer: &mut BytesMut, found: &Found) -> Result<Option<Head>, Error> {
    // Empty lines before a request line are ignored (RFC 9112 section 2.2).
    let mut begin = 0;
    while buffer[begin..].starts_with(b"\r\n") {
        begin += 2;
    }
    let Some(end) = memchr::memchr(b'\r', &buffer[begin..]).map(|end| begin + end) else {
        return Ok(None);
    };
    let mut few = [Place::default(); STAND_IN_FIELDS];
    let (places, length) = match found.length {
        0 if buffer.len() < end + 2 => return Ok(None),
        0 => match find(buffer, end + 2, &mut few, usize::MAX)? {
            Some(found) => (&few[..found.count], found.end),
            None => return Ok(None),
        },
        length if buffer.len() < length => return Ok(None),
        length => (&found.places[..], length),
    };
    let bytes = buffer.split_to(length).freeze();
    let line = &bytes[begin..end];
    let space = memchr::memchr(b' ', line).ok_or(Error::FirstLine)?;
    let last = memchr::memrchr(b' ', line).filter(|last| *last > space);
    let last = last.ok_or(Error::FirstLine)?;
    let version = match &line[last + 1..] {
        b"HTTP/1.0" => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(&line[..space]).map_err(|_| Error::FirstLine)?;
    let target = bytes.slice(begin + space + 1..begin + last);
    *request.uri_mut() = Uri::from_maybe_shared(target).map_err(|_| Error::FirstLine)?;
    *request.version_mut() = version;
    let mut asked = Asked {
        framing: Framing::None,
        expects: false,
        trailers: false,
        version,
        is_head: *request.method() == Method::HEAD,
        keeps: version == Version::HTTP_11,
        closes: false,
    };
    let mut headers = HeaderMap::with_capacity(places.len() + FIELDS_OF_OURS);
    for place in places {
        let (name, value) = place.field(&bytes)?;
        asked.note(&name, &value)?;
        headers.append(name, value);
    }
    *request.headers_mut() = headers;
    Ok(Some(Head { request, asked }))
}

impl Asked {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), Error> {
        // Most names are none of these, and that shows at their first letter.
        if !matches!(name.as_str().as_bytes().first(), Some(b'c' | b'e' | b't')) {
            return Ok(());
        }
        if *name == CONNECTION {
            for option in value.as_bytes().split(|&byte| byte == b',') {
                let option = trim(option);
                self.closes |= option.eq_ignore_ascii_case(b"close");
                self.keeps |= option.eq_ignore_ascii_case(b"keep-alive");
            }
            self.keeps &= !self.closes;
        } else if *name == CONTENT_LENGTH {
            // The guard has seen to it that there is one, and that it is a number.
            let digits = std::str::from_utf8(value.as_bytes()).ok();
            let length = digits.and_then(|digits| digits.parse().ok());
            self.framing = Framing::Length(length.ok_or(Error::Length)?);
        } else if *name == TRANSFER_ENCODING {
            self.framing = Framing::Chunked;
        } else if *name == EXPECT {
            self.expects = self.version == Version::HTTP_11;
        } else if *name == TE {
            let codings = value.as_bytes().split(|&byte| byte == b',');
            self.trailers |= codings.into_iter().any(|coding| {
                let name = coding.split(|&byte| byte == b';').next();
                name.is_some_and(|name| trim(name).eq_ignore_ascii_case(b"trailers"))
            });
        }
        Ok(())
    }
}

/// Writes the head of an answer; how its body is framed, and whether another request may follow.
/// `length`: of the body, if it is known; `last`: none may follow; `now`: for `Date`.
pub(super) fn write(
    head: &Parts,
    length: Option<u64>,
    asked: &Asked,
    last: bool,
    now: &[u8],
    out: &mut Vec<u8>,
) -> (Framing, bool) {
    let status = head.status;
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let has_none = asked.is_head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framing = match length {
        _ if has_none => Framing::None,
        Some(length) => Framing::Length(length),
        None if asked.version == Version::HTTP_10 => Framing::UntilClose,
        None => Framing::Chunked,
    };
    let mut keeps = asked.keeps && !last && !matches!(framing, Framing::UntilClose);
    status_line(asked.version, status, out);
    let (mut said, mut dated) = (false, false);
    for (name, value) in &head.headers {
        if *name == CONTENT_LENGTH {
            // Of what would be the answer to GET; elsewhere the length is ours to say.
            if !asked.is_head {
                continue;
            }
        } else if *name == TRANSFER_ENCODING || *name == TRAILER && framing != Framing::Chunked {
            continue;
        } else if *name == CONNECTION {
            said = true;
            let mut options = value.as_bytes().split(|&byte| byte == b',');
            keeps &= !options.any(|option| trim(option).eq_ignore_ascii_case(b"close"));
        } else if *name == DATE {
            dated = true;
        }
        field(name, value.as_bytes(), out);
    }
    let ours = asked.is_head && !head.headers.contains_key(CONTENT_LENGTH);
    match (framing, length) {
        (Framing::Length(length), _) => write_length(length, out),
        (Framing::Chunked, _) => field(&TRANSFER_ENCODING, b"chunked", out),
        (Framing::None, Some(length @ 1..)) if ours => write_length(length, out),
        _ => {}
    }
    if !said && !switches {
        match (keeps, asked.version) {
            (false, _) => field(&CONNECTION, b"close", out),
            (true, Version::HTTP_10) => field(&CONNECTION, b"keep-alive", out),
            (true, _) => {}
        }
    }
    if !dated {
        field(&DATE, now, out);
    }
    out.extend_from_slice(b"\r\n");
    (framing, keeps && !switches)
}

fn write_length(mut length: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (length % 10) as u8;
        length /= 10;
        if length == 0 {
            break;
        }
    }
    field(&CONTENT_LENGTH, &digits[at..], out);
}

fn status_line(version: Version, status: StatusCode, out: &mut Vec<u8>) {
    if version == Version::HTTP_11 && status == StatusCode::OK {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(match version {
        Version::HTTP_10 => b"HTTP/1.0 ",
        _ => b"HTTP/1.1 ",
    });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
