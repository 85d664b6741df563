//! Kubernetes quantities (`100m`, `1.5`, `64Mi`, `1e3`), as far as adding and comparing them needs.
//! Grammar: `k8s.io/apimachinery/pkg/api/resource`, type Quantity.

use std::cmp::Ordering;

/// Quantities are whole numbers of nano units: the finest suffix there is.
const NANO: i128 = 1_000_000_000;

/// The sum, in a form that the API server takes; `None` when one of them is not a quantity.
pub fn sum(left: &str, right: &str) -> Option<String> {
    let sum = parse(left)?.checked_add(parse(right)?)?;
    let milli = NANO / 1000;
    if sum % NANO != 0 {
        return Some(if sum % milli == 0 {
            format!("{}m", sum / milli)
        } else {
            format!("{sum}n")
        });
    }
    let whole = sum / NANO;
    let suffixes = [(1 << 20, "Mi"), (1 << 10, "Ki")];
    let suffix = suffixes
        .into_iter()
        .find(|(factor, _)| whole != 0 && whole % factor == 0);
    let (factor, suffix) = suffix.unwrap_or((1, ""));
    Some(format!("{}{suffix}", whole / factor))
}

/// Whether two quantities are the same amount, whatever their spelling.
pub fn are_equal(left: &str, right: &str) -> bool {
    match (parse(left), parse(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

/// Which amount is more; `None` when one of them is not a quantity.
pub fn compare(left: &str, right: &str) -> Option<Ordering> {
    Some(parse(left)?.cmp(&parse(right)?))
}

/// Nano units; `None` for anything else, negative and absurdly large amounts included.
fn parse(text: &str) -> Option<i128> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 24 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scaled = digits
        .parse::<i128>()
        .ok()?
        .checked_mul(multiplier(suffix)?)?;
    let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    // What is finer than a nano unit is rounded up, as Kubernetes does.
    scaled
        .checked_add(divisor - 1)
        .map(|scaled| scaled / divisor)
}

fn multiplier(suffix: &str) -> Option<i128> {
    let decimal = |power: u32| 10_i128.checked_pow(9 + power);
    let binary = |power: u32| 2_i128.checked_pow(power).map(|factor| factor * NANO);
    match suffix {
        "n" => Some(1),
        "u" => Some(1_000),
        "m" => Some(1_000_000),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => match suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()? {
            power @ -9..=18 => 10_i128.checked_pow(u32::try_from(9 + power).ok()?),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests;
