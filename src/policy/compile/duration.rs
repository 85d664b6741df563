//! Durations as Go writes them (`time.ParseDuration`): `480h`, `1h30m`, `1.5s`.

use std::time::Duration;

/// Nanoseconds of each unit.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3600 * 1_000_000_000),
];
/// Go counts in a signed 64-bit number of nanoseconds (292 years).
const MAX_NANOSECONDS: u128 = i64::MAX as u128;

/// Parses a duration that is not negative.
///
/// # Errors
/// What is wrong, for people.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text.starts_with('-') {
        return Err(String::from("it is negative"));
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(String::from("it is empty"));
    }
    let mut rest = unsigned;
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, further) = after.split_at(unit_end);
        let Some((_, unit_nanoseconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" => format!("`{number}` has no unit"),
                unit => format!("`{unit}` is no unit"),
            });
        };
        nanoseconds = quantity(number, *unit_nanoseconds)
            .and_then(|part| nanoseconds.checked_add(part))
            .filter(|sum| *sum <= MAX_NANOSECONDS)
            .ok_or_else(|| format!("`{number}{unit}` is not a number that can be counted"))?;
        rest = further;
    }
    u64::try_from(nanoseconds)
        .map(Duration::from_nanos)
        .map_err(|_| String::from("it is too long"))
}

/// `number` units, in nanoseconds; fractions below one are cut off, as Go does.
fn quantity(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u128>().ok()?
    };
    // More than 18 digits behind the point are below a nanosecond of any unit.
    let digits = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(digits.len()).ok()?);
    let part = if digits.is_empty() {
        0
    } else {
        digits.parse::<u128>().ok()?
    };
    whole.checked_mul(unit)?.checked_add(part * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, seconds) in [
            ("480h", 1_728_000.0),
            ("1h30m", 5400.0),
            ("300s", 300.0),
            ("0", 0.0),
            ("1.5s", 1.5),
            (".5m", 30.0),
            ("1h0m0.25s", 3600.25),
            ("+10ms", 0.01),
            ("3µs", 0.000_003),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses_and_negatives() {
        for text in [
            "",
            "5",
            "h",
            "1d",
            "1h 30m",
            "-1s",
            "1..5s",
            ".s",
            "1,5s",
            "٣s",
            "3000000h",
            "1e3s",
            "+",
            "99999999999999999999999999999999999999999999h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
