//! The bytes of HTTP/1 heads, whoever sent them: what each may be part of.

/// A character of a token (RFC 9110 section 5.6.2).
pub(in crate::proxy) const TOKEN: u8 = 1;
/// A character that [`http::Uri`] takes in a target; the decision about paths is stricter.
pub(in crate::proxy) const TARGET: u8 = 2;
/// One that it takes in the query of a target, too.
pub(in crate::proxy) const QUERY: u8 = 4;

/// What a byte may be part of.
pub(in crate::proxy) fn class(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// How many bytes at the beginning are of a token.
pub(in crate::proxy) fn token(bytes: &[u8]) -> usize {
    let mut length = 0;
    for &byte in bytes {
        if class(byte) & TOKEN == 0 {
            break;
        }
        length += 1;
    }
    length
}

/// How many bytes at the beginning are text: neither control characters, but tabs, nor DEL. What comes
/// behind the value of a field is not.
pub(in crate::proxy) fn text(bytes: &[u8]) -> usize {
    let mut at = 0;
    'text: loop {
        let (words, rest) = bytes[at..].as_chunks::<8>();
        for word in words {
            let controls = controls(u64::from_le_bytes(*word));
            if controls != 0 {
                at += (controls.trailing_zeros() / 8) as usize;
                if bytes[at] == b'\t' {
                    at += 1;
                    continue 'text;
                }
                return at;
            }
            at += 8;
        }
        for &byte in rest {
            if (byte < b' ' && byte != b'\t') || byte == 0x7f {
                return at;
            }
            at += 1;
        }
        return at;
    }
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// The high bit of the first of eight bytes that is a control character, tabs too; bits above it mean
/// nothing.
fn controls(word: u64) -> u64 {
    let below_space = word.wrapping_sub(ONES * b' ' as u64) & !word;
    let from_delete = word ^ (ONES * 0x7f);
    let delete = from_delete.wrapping_sub(ONES) & !from_delete;
    (below_space | delete) & HIGH
}

/// A space or a tab.
pub(in crate::proxy) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without the spaces and tabs around it.
pub(in crate::proxy) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        let mut class = 0;
        if matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
            || byte.is_ascii_alphanumeric()
        {
            class |= TOKEN;
        }
        if byte > b' ' && !matches!(byte, b'#' | b'<' | b'>' | b'`' | 0x7f) {
            class |= TARGET;
            if byte != b'"' {
                class |= QUERY;
            }
        }
        classes[byte as usize] = class;
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests;
