//! When a certificate is valid: the one thing about X.509 that we read ourselves. What the
//! certificate says is the truth; nothing beside it has to agree with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(test)]
mod tests;

/// From when until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: SystemTime,
    /// The last second.
    pub not_after: SystemTime,
}

impl Validity {
    /// Reads it from a certificate (DER; RFC 5280 4.1). None: that is not one. Times before 1970
    /// count as 1970.
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Der(Der(der).take(SEQUENCE)?);
        let mut signed = Der(certificate.take(SEQUENCE)?);
        if signed.0.first() == Some(&VERSION) {
            signed.take(VERSION)?;
        }
        signed.take(INTEGER)?;
        // The algorithm, then the issuer.
        signed.take(SEQUENCE)?;
        signed.take(SEQUENCE)?;
        let mut validity = Der(signed.take(SEQUENCE)?);
        Some(Self {
            not_before: validity.time()?,
            not_after: validity.time()?,
        })
    }

    /// Whether it is valid at this time.
    pub fn holds(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`.
const VERSION: u8 = 0xa0;

/// What is left of a DER encoding.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // No certificate has more than 2^24 bytes.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        if found != tag {
            return None;
        }
        self.0 = rest;
        Some(content)
    }

    fn time(&mut self) -> Option<SystemTime> {
        let tag = *self.0.first()?;
        let text = self.take(tag)?;
        let (year, rest) = match tag {
            // Two digits stand for 1950 to 2049.
            UTC_TIME => match number(text.get(..2)?)? {
                year @ 0..50 => (2000 + year, text.get(2..)?),
                year => (1900 + year, text.get(2..)?),
            },
            GENERALIZED_TIME => (number(text.get(..4)?)?, text.get(4..)?),
            _ => return None,
        };
        let [digits @ .., b'Z'] = rest else {
            return None;
        };
        if digits.len() != 10 {
            return None;
        }
        let part = |at: usize| number(&digits[at..at + 2]);
        let (month, day) = (part(0)?, part(2)?);
        let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let days = days_since_epoch(year, month, day);
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
        let seconds = u64::try_from(seconds).unwrap_or(0);
        Some(UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// Days of the Gregorian calendar from 1970-01-01, counted in years that begin in March: the leap day
/// is their last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}
