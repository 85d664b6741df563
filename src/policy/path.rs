//! Paths: checked and normalised once, before anything else looks at them.

use std::borrow::Cow;

/// A path in its one spelling: dot segments resolved, slashes merged, unreserved characters
/// unescaped, everything else that no path may hold raw escaped, escapes in upper case. This is
/// what is matched *and* forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalisedPath<'a>(pub Cow<'a, str>);

/// Why a path is refused; always 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `%` without two hexadecimal digits, or an escaped NUL.
    #[error("The request path has an invalid percent-escape.")]
    BadEscape,
    /// A backslash, or a control character.
    #[error("The request path has a character that is not allowed.")]
    BadCharacter,
    /// A fragment; ESPv2's sentence.
    #[error("Path cannot contain fragment identifier (#)")]
    Fragment,
    /// Not starting with a slash.
    #[error("The request target is not a path.")]
    NotAPath,
    /// `..` above the root.
    #[error("The request path leaves its root.")]
    AboveRoot,
}

/// Which of its steps a normalisation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Unreserved characters are unescaped, escapes put into upper case, dot segments resolved.
    pub resolve: bool,
    /// `//` becomes `/`.
    pub merge: bool,
}

impl Steps {
    /// All of them.
    pub const ALL: Self = Self {
        resolve: true,
        merge: true,
    };
}

/// Normalises a raw path (without query), as ESPv2's Envoy does: dot segments first (RFC 3986
/// section 5.2.4, escaped dots included), then `//` to `/`. Escaped slashes (`%2F`, `%5C`) are no
/// separators and stay escaped (`Keep`); so does everything behind a double escape (`%252e`).
/// Matrix parameters (`;`) are ordinary characters.
///
/// Normalising what is normalised changes nothing.
///
/// # Errors
/// See [`PathError`].
pub fn normalise(raw: &str) -> Result<NormalisedPath<'_>, PathError> {
    read(raw, Steps::ALL)
}

/// Checks a raw path and takes only these steps of its normalisation. What no path may hold raw is
/// escaped in any case, and what [`normalise`] refuses is refused.
///
/// # Errors
/// See [`PathError`].
pub fn read(raw: &str, steps: Steps) -> Result<NormalisedPath<'_>, PathError> {
    if !raw.starts_with('/') {
        return Err(PathError::NotAPath);
    }
    if is_plain(raw.as_bytes()) {
        return Ok(NormalisedPath(Cow::Borrowed(raw)));
    }
    let mut path = resolve(raw)?;
    if !steps.resolve {
        path.clear();
        push_escaped(&mut path, raw);
    }
    // Only now: had slashes been merged first, `..` would remove another segment. Merging makes no
    // new dot segments.
    if steps.merge {
        merge_slashes(&mut path);
        if !steps.resolve {
            // What `..` removes is another segment now: `///..` has become `/..`.
            resolve(&path)?;
        }
    }
    Ok(NormalisedPath(if path == raw {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(path)
    }))
}

/// Takes one step of a normalisation: unreserved characters unescaped, escapes put into upper case.
///
/// # Errors
/// See [`PathError`].
pub(super) fn unescape(path: &str) -> Result<String, PathError> {
    let mut unescaped = String::with_capacity(path.len());
    push_unescaped(&mut unescaped, path)?;
    Ok(unescaped)
}

/// Takes one step of a normalisation: dot segments resolved, escaped ones not.
///
/// # Errors
/// [`PathError::AboveRoot`].
pub(super) fn resolve_dot_segments(path: &str) -> Result<String, PathError> {
    resolve_dots(path, |out, segment| {
        out.push_str(segment);
        Ok(())
    })
}

/// Takes one step of a normalisation: `//` becomes `/`.
pub(super) fn merge_slashes(path: &mut String) {
    let mut after_slash = false;
    path.retain(|c| {
        let keep = !(after_slash && c == '/');
        after_slash = c == '/';
        keep
    });
}

/// Whether the path is certainly normalised: only bytes that stay, no empty segment but the last,
/// no segment that starts with a dot (a dot file takes the slow way).
pub(super) fn is_plain(path: &[u8]) -> bool {
    let mut after_slash = false;
    for &byte in path {
        if class(byte) != Class::Plain || (after_slash && matches!(byte, b'/' | b'.')) {
            return false;
        }
        after_slash = byte == b'/';
    }
    true
}

/// Escapes what no path may hold raw; everything else stays, escapes in any case.
fn push_escaped(out: &mut String, raw: &str) {
    for byte in raw.bytes() {
        match class(byte) {
            Class::Escape => push_escape(out, byte),
            // What is refused was refused before.
            _ => out.push(char::from(byte)),
        }
    }
}

/// Appends `segment` to `out` with its escapes in their one spelling. A slash is copied, so that a
/// run of segments may be given as well.
///
/// # Errors
/// [`PathError::BadEscape`], [`PathError::BadCharacter`] or [`PathError::Fragment`].
pub(super) fn push_unescaped(out: &mut String, segment: &str) -> Result<(), PathError> {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match class(byte) {
            Class::Plain => out.push(char::from(byte)),
            Class::Escape => push_escape(out, byte),
            Class::Percent => {
                let (Some(high), Some(low)) = (hex(bytes.next()), hex(bytes.next())) else {
                    return Err(PathError::BadEscape);
                };
                match high << 4 | low {
                    0 => return Err(PathError::BadEscape),
                    escaped if is_unreserved(escaped) => out.push(char::from(escaped)),
                    escaped => push_escape(out, escaped),
                }
            }
            Class::Fragment => return Err(PathError::Fragment),
            Class::Refused => return Err(PathError::BadCharacter),
        }
    }
    Ok(())
}

/// Unescapes and resolves dot segments; slashes stay as many as they are.
fn resolve(raw: &str) -> Result<String, PathError> {
    resolve_dots(raw, push_unescaped)
}

/// Resolves dot segments of what `push` makes of each segment.
fn resolve_dots(
    raw: &str,
    push: impl Fn(&mut String, &str) -> Result<(), PathError>,
) -> Result<String, PathError> {
    let mut out = String::with_capacity(raw.len());
    let mut segments = raw[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let start = out.len();
        out.push('/');
        push(&mut out, segment)?;
        let dots = &out[start..];
        if dots != "/." && dots != "/.." {
            continue;
        }
        let up = dots == "/..";
        out.truncate(start);
        if up {
            // An empty segment counts as one: `/a//../b` is `/a/b`, as RFC 3986 and Envoy have it.
            let parent = out.rfind('/').ok_or(PathError::AboveRoot)?;
            out.truncate(parent);
        }
        if segments.peek().is_none() {
            out.push('/');
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    Ok(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Stays as it is.
    Plain,
    /// `%`.
    Percent,
    /// Escaped when it comes raw: what RFC 3986 does not let stand in a path, but clients send.
    Escape,
    /// `#`.
    Fragment,
    /// Never in a path.
    Refused,
}

fn class(byte: u8) -> Class {
    const CLASSES: [Class; 256] = {
        let mut classes = [Class::Escape; 256];
        let mut byte = 0_u8;
        loop {
            classes[byte as usize] = match byte {
                0..=0x1f | 0x7f | b'\\' | b'?' => Class::Refused,
                b'#' => Class::Fragment,
                b'%' => Class::Percent,
                b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                    Class::Escape
                }
                _ => Class::Plain,
            };
            if byte == u8::MAX {
                break classes;
            }
            byte += 1;
        }
    };
    CLASSES[usize::from(byte)]
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_escape(out: &mut String, byte: u8) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    out.push('%');
    out.push(DIGITS[usize::from(byte >> 4)]);
    out.push(DIGITS[usize::from(byte & 0xf)]);
}

fn hex(digit: Option<u8>) -> Option<u8> {
    match digit? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
