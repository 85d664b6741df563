//! The field lines of heads and trailers.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::error::Error;
use super::octets::{is_blank, text, token};

/// Writes a field line. Neither names nor values can hold line ends.
pub(in crate::proxy) fn field(name: &HeaderName, value: &[u8], out: &mut Vec<u8>) {
    let name = name.as_str().as_bytes();
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Where a field's name and value begin and end.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::proxy) struct Place {
    name: [u32; 2],
    value: [u32; 2],
}

/// Fields that were found: how many, and where the empty line behind them ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Fields {
    pub(in crate::proxy) count: usize,
    pub(in crate::proxy) end: usize,
}

impl Place {
    /// Of a name from there on and of a value between there, blanks around it left out; None: too far
    /// away.
    pub(in crate::proxy) fn new(bytes: &[u8], [at, colon]: [usize; 2], end: usize) -> Option<Self> {
        let (mut from, mut to) = (colon + 1, end);
        while from < to && is_blank(bytes[from]) {
            from += 1;
        }
        while from < to && is_blank(bytes[to - 1]) {
            to -= 1;
        }
        let numbers = [at, colon, from, to].map(u32::try_from);
        let [Ok(a), Ok(b), Ok(c), Ok(d)] = numbers else {
            return None;
        };
        Some(Self {
            name: [a, b],
            value: [c, d],
        })
    }

    /// The field, out of the bytes that it was found in.
    pub(in crate::proxy) fn field(
        &self,
        bytes: &Bytes,
    ) -> Result<(HeaderName, HeaderValue), Error> {
        let [from, to] = self.name.map(|at| at as usize);
        let name = HeaderName::from_bytes(&bytes[from..to]).map_err(|_| Error::Name)?;
        let [from, to] = self.value.map(|at| at as usize);
        let value = HeaderValue::from_maybe_shared(bytes.slice(from..to));
        Ok((name, value.map_err(|_| Error::Line)?))
    }
}

/// Finds the fields from there on, up to the empty line; None: more must come. There may be as many as
/// there are `places`, and so many bytes.
pub(in crate::proxy) fn find(
    bytes: &[u8],
    mut at: usize,
    places: &mut [Place],
    most: usize,
) -> Result<Option<Fields>, Error> {
    let mut count = 0;
    loop {
        let line = &bytes[at..];
        match line {
            [b'\r', b'\n', ..] if at + 2 > most => return Err(Error::TooLarge),
            [b'\r', b'\n', ..] => {
                let end = at + 2;
                return Ok(Some(Fields { count, end }));
            }
            [] | [b'\r'] => break,
            [b'\r' | b'\n', ..] => return Err(Error::Line),
            [b' ' | b'\t', ..] => return Err(Error::Folded),
            _ => {}
        }
        let colon = token(line);
        match line.get(colon) {
            Some(b':') if colon > 0 => {}
            None => break,
            _ => return Err(Error::Name),
        }
        let end = colon + 1 + text(&line[colon + 1..]);
        match line.get(end..end + 2) {
            Some(b"\r\n") => {}
            None if line.get(end).is_none_or(|&byte| byte == b'\r') => break,
            _ => return Err(Error::Line),
        }
        let place = places.get_mut(count).ok_or(Error::TooLarge)?;
        *place = Place::new(bytes, [at, at + colon], at + end).ok_or(Error::TooLarge)?;
        count += 1;
        at += end + 2;
    }
    match bytes.len() > most {
        true => Err(Error::TooLarge),
        false => Ok(None),
    }
}
