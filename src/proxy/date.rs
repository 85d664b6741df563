//! The time of day as answers say it, formatted once a second.

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

/// `Tue, 15 Nov 1994 08:12:31 GMT` (RFC 9110 section 5.6.7).
const BYTES: usize = 29;

/// What was formatted last, and of which second since 1970. Of one thread.
#[derive(Debug)]
pub(super) struct Date(Cell<(u64, [u8; BYTES])>);

impl Date {
    /// The value of `Date` at this second since 1970.
    pub(super) fn at(&self, second: u64) -> [u8; BYTES] {
        let (formatted, bytes) = self.0.get();
        if formatted == second {
            return bytes;
        }
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        let bytes = text.as_bytes().try_into().unwrap_or([b' '; BYTES]);
        self.0.set((second, bytes));
        bytes
    }
}

impl Default for Date {
    fn default() -> Self {
        Self(Cell::new((u64::MAX, [b' '; BYTES])))
    }
}

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn each_second_has_its_own() {
        let date = Date::default();
        for (second, expected) in [
            (784_887_151, b"Tue, 15 Nov 1994 08:12:31 GMT"),
            (784_887_151, b"Tue, 15 Nov 1994 08:12:31 GMT"),
            (784_887_152, b"Tue, 15 Nov 1994 08:12:32 GMT"),
            (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            assert_eq!(&date.at(second), expected);
        }
    }
}
