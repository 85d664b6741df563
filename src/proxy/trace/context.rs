//! The headers of W3C Trace Context (Recommendation of 2021-11-23), read strictly.

use http::{HeaderMap, HeaderName};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `VERSION-TRACE-SPAN-FLAGS` in version 00; later versions begin likewise (section 3.2).
const LENGTH: usize = 55;
/// The most members of a `tracestate` (section 3.3.1.1).
const MAX_MEMBERS: usize = 32;
/// The longest key, and the longest value (section 3.3.1.3).
const MAX_BYTES: usize = 256;

/// Whose child the request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) sampled: bool,
}

impl Parent {
    /// Reads `traceparent`; none, two, or one that is not valid: the trace begins anew.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let bytes = value.as_bytes();
        let version = hexadecimal(bytes.get(..2)?)?;
        let known_length = match version {
            0xff => false,
            0 => bytes.len() == LENGTH,
            // What a later version adds stands behind another dash.
            _ => bytes.len() == LENGTH || bytes.get(LENGTH) == Some(&b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
        if !known_length || !dashes {
            return None;
        }
        let trace = hexadecimal(bytes.get(3..35)?)?;
        let span = u64::try_from(hexadecimal(bytes.get(36..52)?)?).ok()?;
        let flags = hexadecimal(bytes.get(53..LENGTH)?)?;
        (trace != 0 && span != 0).then_some(Self {
            trace,
            span,
            sampled: flags & 1 == 1,
        })
    }
}

/// Lower-case digits only.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// Whether `tracestate`, over all its fields, is one that may go on; none may.
pub(super) fn is_state(headers: &HeaderMap) -> bool {
    let mut keys: Vec<&[u8]> = Vec::new();
    for value in headers.get_all(TRACESTATE) {
        for member in value.as_bytes().split(|byte| *byte == b',') {
            let member = member.trim_ascii();
            if member.is_empty() {
                continue;
            }
            let Some(at) = member.iter().position(|byte| *byte == b'=') else {
                return false;
            };
            let (key, value) = (&member[..at], &member[at + 1..]);
            if keys.len() == MAX_MEMBERS || keys.contains(&key) || !is_key(key) || !is_value(value)
            {
                return false;
            }
            keys.push(key);
        }
    }
    true
}

/// A vendor, or a tenant of one (`TENANT@VENDOR`).
fn is_key(key: &[u8]) -> bool {
    let name = |name: &[u8], most: usize, digit_first: bool| {
        let first = name.first().is_some_and(|first| {
            first.is_ascii_lowercase() || digit_first && first.is_ascii_digit()
        });
        let of_a_key = |byte: &u8| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'_' | b'-' | b'*' | b'/')
        };
        first && name.len() <= most && name.iter().all(of_a_key)
    };
    match key.iter().position(|byte| *byte == b'@') {
        None => name(key, MAX_BYTES, false),
        Some(at) => name(&key[..at], 241, true) && name(&key[at + 1..], 14, false),
    }
}

/// Printable, without the separators.
fn is_value(value: &[u8]) -> bool {
    !value.is_empty()
        && value.len() <= MAX_BYTES
        && value
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_parent_is_read() {
        let read = |value: &str| Parent::read(&headers(TRACEPARENT, &[value]));
        let parent = Parent {
            trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span: 0x00f0_67aa_0ba9_02b7,
            sampled: true,
        };
        assert_eq!(read(GOOD), Some(parent));
        let not_sampled = Parent {
            sampled: false,
            ..parent
        };
        assert_eq!(read(&GOOD.replace("-01", "-02")), Some(not_sampled));
        assert_eq!(read(&GOOD.replace("-01", "-ff")), Some(parent));
        // A later version may say more.
        assert_eq!(read(&GOOD.replacen("00-", "01-", 1)), Some(parent));
        let longer = format!("{}-more", GOOD.replacen("00-", "cc-", 1));
        assert_eq!(read(&longer), Some(parent));
    }

    #[test]
    fn a_parent_that_is_not_valid_is_none() {
        for value in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}0"),
            &format!("{GOOD}-more"),
            &GOOD.to_uppercase(),
            &GOOD.replacen("00-", "ff-", 1),
            &GOOD.replacen("00-", "0g-", 1),
            &format!("{}.more", GOOD.replacen("00-", "cc-", 1)),
            &GOOD.replace('-', "_"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &GOOD.replace("4736", "47 6"),
        ] {
            assert_eq!(
                Parent::read(&headers(TRACEPARENT, &[value])),
                None,
                "{value}"
            );
        }
        assert_eq!(Parent::read(&headers(TRACEPARENT, &[GOOD, GOOD])), None);
        assert_eq!(Parent::read(&HeaderMap::new()), None);
    }

    #[test]
    fn a_state_is_a_list_of_members() {
        let is_state = |values: &[&str]| is_state(&headers(TRACESTATE, values));
        let long = format!("a={}", "x".repeat(256));
        for good in [
            &[][..],
            &[""],
            &["a=1"],
            &["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"],
            &["a=1 , ,\tb=2", "tenant@vendor=x y", "0t@v=1"],
            &[&long],
        ] {
            assert!(is_state(good), "{good:?}");
        }
        let longer = format!("{long}x");
        let many = (0..33).map(|n| format!("a{n}=1")).collect::<Vec<_>>();
        let many = many.join(",");
        for bad in [
            &["a"][..],
            &["a="],
            &["=1"],
            &["A=1"],
            &["1=1"],
            &["a=1=2"],
            &["a=1", "a=2"],
            &["a@b@c=1"],
            &["a=\u{e9}"],
            &[&longer],
            &[&many],
        ] {
            assert!(!is_state(bad), "{bad:?}");
        }
    }
}
