//! Segments of which only parts are variables: `{stem}.{suffix}`.
//!
//! An escape is compared as one character: what a variable takes never ends in the middle of one.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::fmt;

/// Text and variables in turn; a variable takes at least one character and never a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partial {
    /// Before the first variable; may be empty.
    pub(super) prefix: String,
    /// Between variables, never empty; each variable takes as little as it can.
    middles: Vec<String>,
    /// After the last variable; may be empty.
    pub(super) suffix: String,
}

impl Partial {
    /// `texts`: what stands before, between and after the variables, normalised. `None` if nothing
    /// stands between two of them.
    pub(super) fn new(texts: &[String]) -> Option<Self> {
        let [prefix, middles @ .., suffix] = texts else {
            return None;
        };
        let fold = |text: &String| fold(text).into_owned();
        middles.iter().all(|text| !text.is_empty()).then(|| Self {
            prefix: fold(prefix),
            middles: middles.iter().map(fold).collect(),
            suffix: fold(suffix),
        })
    }

    /// Whether a segment ([`fold`]ed) matches, its variables taking what they may. Linear in its length.
    pub(super) fn matches(&self, segment: &str, may_take: impl Fn(&str) -> bool) -> bool {
        let mut all = true;
        self.split(segment, |value| all &= may_take(value))
            .is_some()
            && all
    }

    /// What the variables take of a segment that matches, escaped as it came.
    pub(super) fn values(&self, segment: &str) -> Option<Vec<String>> {
        let mut values = Vec::with_capacity(self.middles.len() + 1);
        self.split(&fold(segment), |value| {
            values.push(Unfolded(value).to_string());
        })?;
        Some(values)
    }

    /// Whether some segment matches both. What stands in the middle never hinders: a variable of the
    /// one can take all that the other asks for.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let starts = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
        let ends = |a: &str, b: &str| a.ends_with(b) || b.ends_with(a);
        starts(&self.prefix, &other.prefix) && ends(&self.suffix, &other.suffix)
    }

    /// With more text behind it.
    pub(super) fn ending_in(&self, text: &str) -> Self {
        Self {
            suffix: format!("{}{}", self.suffix, fold(text)),
            ..self.clone()
        }
    }

    /// Gives `each` what the variables take, in order.
    fn split<'s>(&self, segment: &'s str, mut each: impl FnMut(&'s str)) -> Option<()> {
        let mut rest = segment
            .strip_prefix(&*self.prefix)?
            .strip_suffix(&*self.suffix)?;
        for middle in &self.middles {
            let first = rest.chars().next()?.len_utf8();
            let at = first + rest[first..].find(&**middle)?;
            each(&rest[..at]);
            rest = &rest[at + middle.len()..];
        }
        if rest.is_empty() {
            return None;
        }
        each(rest);
        Some(())
    }

    /// Characters of text.
    fn weight(&self) -> usize {
        [&self.prefix, &self.suffix]
            .into_iter()
            .chain(&self.middles)
            .map(|text| text.chars().count())
            .sum()
    }
}

/// Which is tried first: the one with more text, then with more of it in front; else by spelling,
/// so that the order of a document does not matter.
impl Ord for Partial {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |own: &Self| (Reverse(own.weight()), Reverse(own.prefix.len()));
        key(self)
            .cmp(&key(other))
            .then_with(|| self.prefix.cmp(&other.prefix))
            .then_with(|| self.middles.cmp(&other.middles))
            .then_with(|| self.suffix.cmp(&other.suffix))
    }
}

impl PartialOrd for Partial {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// With `*` for each variable.
impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*", Unfolded(&self.prefix))?;
        for middle in &self.middles {
            write!(f, "{}*", Unfolded(middle))?;
        }
        write!(f, "{}", Unfolded(&self.suffix))
    }
}

/// Normalised text with each escape as one character, beyond those that a path holds.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        folded.push_str(before);
        let byte = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                folded.push(escape(byte));
                rest = &after[2..];
            }
            // Not normalised: itself.
            None => {
                folded.push('%');
                rest = after;
            }
        }
    }
    folded.push_str(rest);
    Cow::Owned(folded)
}

/// Normalised text holds ASCII alone.
const ESCAPES: u32 = 0x100;

fn escape(byte: u8) -> char {
    char::from_u32(ESCAPES + u32::from(byte)).expect("U+0100 to U+01FF are characters")
}

/// [`fold`], undone.
struct Unfolded<'t>(&'t str);

impl fmt::Display for Unfolded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match u32::from(character).checked_sub(ESCAPES) {
                Some(byte) => write!(f, "%{byte:02X}")?,
                None => write!(f, "{character}")?,
            }
        }
        Ok(())
    }
}
