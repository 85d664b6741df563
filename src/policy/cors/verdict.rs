//! What CORS comes to, as one value.

use std::fmt;

/// ESPv2's sentence; what failed is added to it.
const PREFLIGHT_SENTENCE: &str = "The CORS preflight request is missing one (or more) of the \
    following required headers [Origin, Access-Control-Request-Method] or has an unmatched Origin \
    header.";

/// What CORS came to for one request. Stable names: metrics have them as labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CorsVerdict {
    /// No rule of ours: CORS is off here, or the backend's business.
    NotOurs,
    /// A preflight passed on to the backend, without a token (`allowCors`).
    PreflightPassedOn,
    /// A preflight of an origin that matches: answered 200.
    PreflightAnswered,
    /// Refused: neither `Origin` nor `Access-Control-Request-Method`.
    PreflightOriginAndMethodMissing,
    /// Refused: no `Origin`, or an empty one.
    PreflightOriginMissing,
    /// Refused: no `Access-Control-Request-Method`, or an empty one.
    PreflightMethodMissing,
    /// Refused: several `Origin` fields.
    PreflightOriginRepeated,
    /// Refused: the origin does not match.
    PreflightOriginUnmatched,
    /// Another request, of an origin that matches.
    OriginMatched,
    /// Another request, of an origin that does not: answered, but no script may read it.
    OriginUnmatched,
    /// Another request, without `Origin`.
    OriginAbsent,
}

impl CorsVerdict {
    /// Every one of them; the place of each is [`Self::index`].
    pub const ALL: [Self; 11] = [
        Self::NotOurs,
        Self::PreflightPassedOn,
        Self::PreflightAnswered,
        Self::PreflightOriginAndMethodMissing,
        Self::PreflightOriginMissing,
        Self::PreflightMethodMissing,
        Self::PreflightOriginRepeated,
        Self::PreflightOriginUnmatched,
        Self::OriginMatched,
        Self::OriginUnmatched,
        Self::OriginAbsent,
    ];

    /// Its place in [`Self::ALL`], for a table of counters.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotOurs => "NotOurs",
            Self::PreflightPassedOn => "PreflightPassedOn",
            Self::PreflightAnswered => "PreflightAnswered",
            Self::PreflightOriginAndMethodMissing => "PreflightOriginAndMethodMissing",
            Self::PreflightOriginMissing => "PreflightOriginMissing",
            Self::PreflightMethodMissing => "PreflightMethodMissing",
            Self::PreflightOriginRepeated => "PreflightOriginRepeated",
            Self::PreflightOriginUnmatched => "PreflightOriginUnmatched",
            Self::OriginMatched => "OriginMatched",
            Self::OriginUnmatched => "OriginUnmatched",
            Self::OriginAbsent => "OriginAbsent",
        }
    }

    /// The message of the 400 to a refused preflight: ESPv2's sentence, and what failed.
    pub fn refusal(self) -> String {
        let failed = match self {
            Self::PreflightOriginAndMethodMissing => {
                "Origin and Access-Control-Request-Method are missing."
            }
            Self::PreflightOriginMissing => "Origin is missing.",
            Self::PreflightMethodMissing => "Access-Control-Request-Method is missing.",
            Self::PreflightOriginRepeated => "There are several Origin headers.",
            Self::PreflightOriginUnmatched => "The Origin does not match.",
            _ => return PREFLIGHT_SENTENCE.to_owned(),
        };
        format!("{PREFLIGHT_SENTENCE} {failed}")
    }
}

impl fmt::Display for CorsVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_a_place_and_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = CorsVerdict::ALL
            .iter()
            .map(|verdict| verdict.as_str())
            .collect();
        assert_eq!(names.len(), CorsVerdict::ALL.len());
        for (place, verdict) in CorsVerdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict.index(), place, "{verdict}");
        }
    }
}
