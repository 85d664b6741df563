//! The bytes of one request head, checked as RFC 9112 writes it before they are parsed.
//!
//! Common readers accept more than the grammar (bare line feeds, a length beside a transfer coding, equal
//! duplicate lengths, `gzip, chunked`, a fragment) and hide what they repaired. Whatever two servers
//! might read differently is refused here, so what is read here, and behind us, has one reading.

mod upgrade;

use memchr::{memchr, memchr2};

use super::malformed::Malformed;
use crate::proxy::Limits;
use crate::proxy::http1::{Place, QUERY, TARGET, TOKEN, class, text, token};

/// What a look at the bytes says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The head is not complete, and right as far as it goes.
    Partial,
    /// The head ends before this many bytes.
    Complete(usize, Head),
    /// Not a head.
    Malformed(Malformed),
}

/// What the guard and the service need to know of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// How the body is framed.
    pub(super) framing: Framing,
    /// How many `Host` fields there are.
    pub(crate) hosts: u16,
    /// Whether it asks for another protocol, in a way that has one reading.
    pub(crate) upgrade: bool,
}

impl Head {
    /// Of a stream of HTTP/2, whose body frames itself.
    pub(crate) fn of_stream(hosts: u16) -> Self {
        Self {
            framing: Framing::Length(0),
            hosts,
            upgrade: false,
        }
    }
}

/// Bounds on a head.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct HeadLimits {
    /// Of the whole head.
    pub(in crate::proxy) bytes: usize,
    /// Of its fields.
    pub(in crate::proxy) count: usize,
    /// Of the target.
    uri_bytes: usize,
}

impl HeadLimits {
    /// What holds now.
    pub(in crate::proxy) fn of(limits: &Limits) -> Self {
        Self {
            bytes: limits.header_bytes,
            count: limits.header_count,
            uri_bytes: limits.uri_bytes,
        }
    }

    /// What holds now, on a connection that was made for less.
    pub(super) fn within(self, room: &Self) -> Self {
        Self {
            bytes: self.bytes.min(room.bytes),
            count: self.count.min(room.count),
            ..self
        }
    }

    /// Whether a growing head has just crossed one of them.
    pub(super) fn crossed(&self, from: usize, to: usize) -> bool {
        [self.uri_bytes + REQUEST_LINE_REST, self.bytes]
            .iter()
            .any(|limit| from <= *limit && to > *limit)
    }
}

/// How a request body is framed (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// This many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// The most that a request line takes beside its target: what is longer will not become a head.
const REQUEST_LINE_REST: usize = 64;

/// Looks at the bytes of a head, from its first on. `places`: where its fields are, if it is complete.
pub(super) fn scan(bytes: &[u8], limits: &HeadLimits, places: &mut Vec<Place>) -> Scan {
    places.clear();
    match checked(bytes, limits, places) {
        Ok((length, _)) if length > limits.bytes => Scan::Malformed(Malformed::TooLarge),
        Ok((length, head)) => Scan::Complete(length, head),
        Err(Stop::Malformed(malformed)) => Scan::Malformed(malformed),
        Err(Stop::Partial { in_request_line }) => {
            if in_request_line && bytes.len() > limits.uri_bytes + REQUEST_LINE_REST {
                Scan::Malformed(Malformed::TargetTooLong)
            } else if bytes.len() > limits.bytes {
                Scan::Malformed(Malformed::TooLarge)
            } else {
                Scan::Partial
            }
        }
    }
}

/// Whether an empty line may end the head: then it is worth scanning. `from`: what was looked at
/// before, so that a head that comes byte by byte is not read again and again.
pub(super) fn may_be_complete(bytes: &[u8], from: usize) -> bool {
    let tail = &bytes[from.saturating_sub(3)..];
    memchr::memmem::find(tail, b"\n\n").is_some() || memchr::memmem::find(tail, b"\n\r\n").is_some()
}

enum Stop {
    Partial { in_request_line: bool },
    Malformed(Malformed),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

fn checked(
    bytes: &[u8],
    limits: &HeadLimits,
    places: &mut Vec<Place>,
) -> Result<(usize, Head), Stop> {
    let mut lines = Lines { bytes, at: 0 };
    let partial = |in_request_line| move || Stop::Partial { in_request_line };

    // Empty lines before a request line are ignored (RFC 9112 section 2.2).
    let first = loop {
        let line = lines.next()?.ok_or_else(partial(true));
        match line {
            Ok([]) => {}
            Ok(line) => break line,
            Err(stop) => {
                // What cannot become a method is no HTTP: say so at once.
                return match bytes[lines.at..].first() {
                    Some(&b) if b != b'\r' && class(b) & TOKEN == 0 => {
                        Err(Malformed::RequestLine.into())
                    }
                    _ => Err(stop),
                };
            }
        }
    };
    let old = request_line(first, limits)?;

    let fields_at = lines.at;
    let mut head = Head {
        framing: Framing::Length(0),
        hosts: 0,
        upgrade: false,
    };
    let mut length = None;
    let mut chunked = false;
    let mut upgrade = false;
    let mut fields = 0;
    loop {
        let at = lines.at;
        let whole = lines.next_field();
        let line = match whole {
            Some(_) => &[][..],
            None => lines.next()?.ok_or_else(partial(false))?,
        };
        if whole.is_none() && line.is_empty() {
            break;
        }
        fields += 1;
        if fields > limits.count {
            return Err(Malformed::TooLarge.into());
        }
        let (name, value) = match whole {
            Some(field) => field,
            None => field(line)?,
        };
        let colon = at + name.len();
        let place = Place::new(bytes, [at, colon], colon + 1 + value.len());
        places.push(place.ok_or(Malformed::TooLarge)?);
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => head.hosts = head.hosts.saturating_add(1),
            7 if name.eq_ignore_ascii_case(b"upgrade") => upgrade = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let earlier = length.replace(number(value)?);
                if earlier.is_some() {
                    return Err(Malformed::ContentLength.into());
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if old || chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed::TransferEncoding.into());
                }
                chunked = true;
            }
            _ => {}
        }
    }
    head.framing = match (length, chunked) {
        (Some(_), true) => return Err(Malformed::LengthAndEncoding.into()),
        (length, false) => Framing::Length(length.unwrap_or(0)),
        (None, true) => Framing::Chunked,
    };
    if upgrade && !old && head.framing == Framing::Length(0) {
        head.upgrade = upgrade::is_asked(&bytes[fields_at..lines.at]);
    }
    Ok((lines.at, head))
}

/// Checks a request line; true: HTTP/1.0.
fn request_line(line: &[u8], limits: &HeadLimits) -> Result<bool, Malformed> {
    let space = memchr(b' ', line).ok_or(Malformed::RequestLine)?;
    let (method, rest) = (&line[..space], &line[space + 1..]);
    let space = memchr(b' ', rest).ok_or(Malformed::RequestLine)?;
    let (target, version) = (&rest[..space], &rest[space + 1..]);
    if method.is_empty() || method.iter().any(|&b| class(b) & TOKEN == 0) {
        return Err(Malformed::RequestLine);
    }
    if target.is_empty() {
        return Err(Malformed::RequestLine);
    }
    if target.len() > limits.uri_bytes {
        return Err(Malformed::TargetTooLong);
    }
    let classes = target.iter().fold(TARGET | QUERY, |all, &b| all & class(b));
    if classes & TARGET == 0 {
        return Err(match memchr(b'#', target) {
            Some(_) => Malformed::Fragment,
            None => Malformed::Target,
        });
    }
    // What is no target in any form the reader would refuse without a word.
    if (target[0] != b'/' || classes & QUERY == 0) && http::Uri::try_from(target).is_err() {
        return Err(Malformed::Target);
    }
    match version {
        b"HTTP/1.1" => Ok(false),
        b"HTTP/1.0" => Ok(true),
        _ => Err(Malformed::RequestLine),
    }
}

/// Splits a field line.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    if matches!(line[0], b' ' | b'\t') {
        return Err(Malformed::Folded);
    }
    let colon = memchr(b':', line).ok_or(Malformed::FieldName)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || name.iter().fold(TOKEN, |all, &b| all & class(b)) == 0 {
        return Err(Malformed::FieldName);
    }
    // Without an early exit, so that it is done many bytes at a time.
    let control = value.iter().fold(false, |bad, &b| {
        bad | ((b < b' ') & (b != b'\t')) | (b == 0x7f)
    });
    if control {
        return Err(Malformed::FieldValue);
    }
    Ok((name, value))
}

/// One decimal number, no sign, no list.
fn number(value: &[u8]) -> Result<u64, Malformed> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::ContentLength);
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok())
        // Readers keep the two largest values for themselves.
        .filter(|&length: &u64| length < u64::MAX - 1)
        .ok_or(Malformed::ContentLength)
}

/// Lines that end with CR LF and hold no other CR or LF.
struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Lines<'b> {
    /// The name and the value of the next line, in one look at each byte; None: the line is not whole,
    /// or no field, or not right. Then [`Self::next`] and [`field`] say what it is.
    fn next_field(&mut self) -> Option<(&'b [u8], &'b [u8])> {
        let rest = &self.bytes[self.at..];
        let colon = token(rest);
        if colon == 0 || rest.get(colon) != Some(&b':') {
            return None;
        }
        let (name, behind) = (&rest[..colon], &rest[colon + 1..]);
        let end = text(behind);
        if behind.get(end..end + 2) != Some(b"\r\n") {
            return None;
        }
        self.at += colon + 1 + end + 2;
        Some((name, &behind[..end]))
    }

    fn next(&mut self) -> Result<Option<&'b [u8]>, Malformed> {
        let rest = &self.bytes[self.at..];
        let Some(end) = memchr2(b'\r', b'\n', rest) else {
            return Ok(None);
        };
        match rest.get(end..end + 2) {
            Some(b"\r\n") => {
                self.at += end + 2;
                Ok(Some(&rest[..end]))
            }
            None if rest[end] == b'\r' => Ok(None),
            _ => Err(Malformed::LineEnd),
        }
    }
}

#[cfg(test)]
mod tests;
