//! The head of a request as it is written, and the head of an answer as it is read (RFC 9112).

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};

use crate::policy::limits::{HEADER_BYTES, HEADER_COUNT};
use crate::proxy::http1::{Error, Framing, Place, Reading, field, find, text, trim};

/// Fields that an answer may get from us, so that its map need not grow.
const FIELDS_OF_OURS: usize = 6;

/// Writes the head of a request. What it says about its framing is said by us.
pub(super) fn write(head: &Parts, framing: Framing, out: &mut Vec<u8>) {
    let target = head.uri.path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut says_length = false;
    for (name, value) in &head.headers {
        let frames = *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING;
        // A length of none is said where the client said it.
        if frames && !(framing == Framing::None && value == "0") {
            continue;
        }
        says_length |= frames;
        field(name, value.as_bytes(), out);
    }
    match framing {
        // Servers wait for content of these, or answer 411 (RFC 9110 section 8.6); HTTP/2 has no need to say it.
        Framing::None if !says_length && expects_content(&head.method) => {
            field(&CONTENT_LENGTH, b"0", out);
        }
        Framing::None | Framing::UntilClose => {}
        Framing::Length(length) => {
            let length = HeaderValue::from(length);
            field(&CONTENT_LENGTH, length.as_bytes(), out);
        }
        Framing::Chunked => field(&TRANSFER_ENCODING, b"chunked", out),
    }
    out.extend_from_slice(b"\r\n");
}

fn expects_content(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// The head of an answer, and what follows from it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    /// What comes behind it.
    pub(super) reading: Reading,
    /// The backend will take another request over the connection.
    pub(super) keeps: bool,
}

impl Head {
    /// Whether the answer is still to come.
    pub(super) fn is_informational(&self) -> bool {
        let status = self.response.status();
        status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// Takes a head out of what was read, if it is complete. `to_head`: of an answer to HEAD.
pub(super) fn parse(buffer: &mut BytesMut, to_head: bool) -> Result<Option<Head>, Error> {
    let Some((version, status, at)) = status_line(buffer)? else {
        return Ok(None);
    };
    let mut places = [Place::default(); HEADER_COUNT];
    let Some(found) = find(buffer, at, &mut places, HEADER_BYTES)? else {
        return Ok(None);
    };
    let bytes = buffer.split_to(found.end).freeze();
    let mut framed = Framed::default();
    let mut headers = HeaderMap::with_capacity(found.count + FIELDS_OF_OURS);
    for place in &places[..found.count] {
        let (name, value) = place.field(&bytes)?;
        framed.note(&name, &value)?;
        headers.append(name, value);
    }
    let (reading, keeps) = framed.follows(version, status, to_head)?;
    let mut response = Response::new(());
    *response.version_mut() = version;
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(Some(Head {
        response,
        reading,
        keeps,
    }))
}

/// Version, status, and where the fields begin.
fn status_line(bytes: &[u8]) -> Result<Option<(Version, StatusCode, usize)>, Error> {
    const BEGINS: &[u8] = b"HTTP/1.";
    let known = bytes.len().min(BEGINS.len());
    if bytes[..known] != BEGINS[..known] {
        return Err(Error::FirstLine);
    }
    let end = text(bytes);
    let line = &bytes[..end];
    let is_whole = match bytes.get(end..end + 2) {
        Some(b"\r\n") => true,
        Some(_) => return Err(Error::Line),
        None if bytes.get(end).is_none_or(|&byte| byte == b'\r') => false,
        None => return Err(Error::Line),
    };
    if !is_whole {
        return match bytes.len() > HEADER_BYTES {
            true => Err(Error::TooLarge),
            false => Ok(None),
        };
    }
    let (version, code) = match line[BEGINS.len()..].split_at_checked(2) {
        Some((b"1 ", rest)) => (Version::HTTP_11, rest),
        Some((b"0 ", rest)) => (Version::HTTP_10, rest),
        _ => return Err(Error::FirstLine),
    };
    // The reason says nothing, and may be left out with its space.
    let code = match code {
        [_, _, _] | [_, _, _, b' ', ..] => &code[..3],
        _ => return Err(Error::FirstLine),
    };
    let status = StatusCode::from_bytes(code).map_err(|_| Error::FirstLine)?;
    Ok(Some((version, status, end + 2)))
}

/// What the fields of a head say about what comes behind it.
#[derive(Default)]
struct Framed {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
    stays: bool,
}

impl Framed {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), Error> {
        if *name == CONTENT_LENGTH {
            self.lengths(value.as_bytes())
        } else if *name == TRANSFER_ENCODING {
            let alone = !self.chunked && value.as_bytes().eq_ignore_ascii_case(b"chunked");
            self.chunked = true;
            alone.then_some(()).ok_or(Error::Coding)
        } else {
            if *name == CONNECTION {
                for option in value.as_bytes().split(|&byte| byte == b',') {
                    let option = trim(option);
                    self.closes |= option.eq_ignore_ascii_case(b"close");
                    self.stays |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            Ok(())
        }
    }

    /// Equal lengths, listed or repeated, are one (RFC 9110 section 8.6).
    fn lengths(&mut self, value: &[u8]) -> Result<(), Error> {
        for listed in value.split(|&byte| byte == b',') {
            let digits = trim(listed);
            if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
                return Err(Error::Length);
            }
            let length = digits
                .iter()
                .fold(0, |length, digit| length * 10 + u64::from(digit - b'0'));
            if self.length.replace(length).is_some_and(|it| it != length) {
                return Err(Error::Length);
            }
        }
        Ok(())
    }

    /// What comes behind the head (RFC 9112 section 6.3), and whether the connection may serve again.
    fn follows(
        &self,
        version: Version,
        status: StatusCode,
        to_head: bool,
    ) -> Result<(Reading, bool), Error> {
        if self.chunked && self.length.is_some() {
            return Err(Error::LengthAndCoding);
        }
        if self.chunked && version == Version::HTTP_10 {
            return Err(Error::Coding);
        }
        let has_none = to_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let reading = match self.length {
            _ if has_none => Reading::Over,
            Some(0) => Reading::Over,
            Some(length) => Reading::Length(length),
            None if self.chunked => Reading::chunks(),
            None => Reading::UntilClose,
        };
        let stays = match version {
            Version::HTTP_10 => self.stays,
            _ => true,
        };
        // What 204 announces may still come, and is nobody's answer.
        let strays =
            status == StatusCode::NO_CONTENT && (self.chunked || self.length.unwrap_or(0) > 0);
        let keeps = stays && !self.closes && !strays && !reading.ends_with_connection();
        Ok((reading, keeps))
    }
}

#[cfg(test)]
mod tests;
