//! Origins: that of a request, and which ones match.

use std::collections::BTreeSet;

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};
use regex::Regex;

use crate::policy::compile::{MAX_ORIGIN_BYTES, origin_regex};
use crate::policy::format::OriginRule;

/// The request's `Origin`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RequestOrigin<'h> {
    /// Absent or empty.
    None,
    One(&'h HeaderValue),
    /// No browser sends two: which one would the backend, or a cache, look at?
    Several,
}

/// Which origins match.
#[derive(Debug)]
pub(super) enum Rule {
    /// The literal `*`, whoever asks.
    Any,
    /// Any origin but `null`, reflected: credentials do not go with `*`.
    Reflect,
    Exact(BTreeSet<String>),
    Regex(Regex),
}

impl<'h> RequestOrigin<'h> {
    pub(super) fn of(headers: &'h HeaderMap) -> Self {
        let Some(first) = headers.get(ORIGIN) else {
            return Self::None;
        };
        match headers.get_all(ORIGIN).iter().nth(1) {
            Some(_) => Self::Several,
            None if first.is_empty() => Self::None,
            None => Self::One(first),
        }
    }
}

impl Rule {
    /// `credentials`: browsers refuse a literal `*` with them.
    ///
    /// # Errors
    /// A regular expression that the compiler never lets through.
    pub(super) fn new(origins: &OriginRule, credentials: bool) -> Result<Self, String> {
        Ok(match origins {
            OriginRule::Any if credentials => Self::Reflect,
            OriginRule::Any => Self::Any,
            OriginRule::Exact(origins) => Self::Exact(origins.clone()),
            OriginRule::Regex(pattern) => Self::Regex(
                origin_regex(pattern).map_err(|error| format!("origin pattern: {error}"))?,
            ),
        })
    }

    pub(super) fn matches(&self, origin: &HeaderValue) -> bool {
        let Ok(text) = origin.to_str() else {
            return false;
        };
        match self {
            Self::Any => true,
            // Browsers send origins in lower case (URL standard) and compare byte by byte (Fetch,
            // CORS check): so do we.
            Self::Exact(origins) => origins.contains(text),
            Self::Reflect => names_a_site(text),
            Self::Regex(pattern) => names_a_site(text) && pattern.is_match(text),
        }
    }
}

/// Whether a value of `Origin` can be one that a site has: neither `null` nor `*`, and not longer
/// than any site's, so that an expression never runs over what a client makes up.
fn names_a_site(origin: &str) -> bool {
    origin.len() <= MAX_ORIGIN_BYTES && origin.contains("://")
}
