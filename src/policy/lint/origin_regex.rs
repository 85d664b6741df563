//! `allowOriginRegex`: does it say what was meant?
//!
//! From the expression's syntax tree come a few origins that it is about, and for each of their
//! characters whether the expression names it or takes any other as well. Where it takes others, a
//! foreign origin is tried in their place: what the finding shows is an origin that really matches.

mod samples;

use std::collections::HashSet;
use std::ops::Range;

use regex::Regex;

use super::cors::field;
use crate::api::endpoints_service::CorsSpec;
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, Place, lints};
use crate::policy::compile::{NOBODYS_ORIGIN, canonical_origin, origin_regex};
use samples::{Kind, Sample, Samples};

/// The most expressions that are looked at.
const MAX_EXPRESSIONS: usize = 16;
/// The most foreign origins that are tried on one of them.
const MAX_PROBES: usize = 1000;

/// Looks at each expression once.
pub(super) fn check<'a>(
    rules: impl Iterator<Item = (&'a CorsSpec, Place)>,
    findings: &mut Findings,
) {
    let mut seen = HashSet::new();
    let expressions = rules
        .filter_map(|(rules, place)| Some((rules.allow_origin_regex.as_deref()?, rules, place)))
        .filter(|(pattern, ..)| seen.insert(*pattern))
        .take(MAX_EXPRESSIONS);
    for (pattern, rules, place) in expressions {
        findings.extend(judge(pattern, rules, field(&place, "allowOriginRegex")));
    }
}

fn judge(pattern: &str, rules: &CorsSpec, place: Place) -> Option<Diagnostic> {
    // One that does not compile has its error already.
    let regex = origin_regex(pattern).ok()?;
    let broad = |message: String, help: &str| {
        Some(
            Diagnostic::warning(lints::BROAD_ORIGIN_REGEX, place.clone(), message)
                .help(help.to_owned()),
        )
    };
    let quoted = quote(pattern);
    if regex.is_match(NOBODYS_ORIGIN) {
        // With credentials that is an error of its own, or said on purpose.
        if rules.allow_credentials == Some(true) {
            return None;
        }
        return broad(
            format!("{quoted} matches every origin, like `*`"),
            "name your domain (`https://.+\\.example\\.com`), or leave the expression out if everybody is meant",
        );
    }
    let samples = samples::of(pattern)?;
    let origins: Vec<_> = samples
        .list
        .iter()
        .filter(|sample| is_origin(&sample.text()))
        .collect();
    let mut probes = Probes {
        regex: &regex,
        left: MAX_PROBES,
    };
    let foreign = origins
        .iter()
        .find_map(|sample| probes.excess(sample).map(|found| (sample, found)));
    if let Some((origin, (foreign, excess))) = foreign {
        let (why, help) = excess.words();
        return broad(
            format!(
                "{quoted} is about {}, but also matches {}: {why}",
                quote(&origin.text()),
                quote(&foreign)
            ),
            help,
        );
    }
    (origins.is_empty() && samples.are_complete).then(|| dead(&quoted, &samples, place.clone()))
}

/// Why a foreign origin matches.
#[derive(Clone, Copy)]
enum Excess {
    Dot,
    Scheme,
    Start,
    End,
}

impl Excess {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Dot => (
                "a dot without a backslash stands for any character",
                "write `\\.` for a dot",
            ),
            Self::Scheme => (
                "it does not name the scheme, and over `http://` anybody on the way can speak for the site",
                "begin it with `https://`: it is compared with the whole origin",
            ),
            Self::Start => (
                "nothing parts the domain from what goes before it",
                "put `\\.` before the domain: `https://(.+\\.)?example\\.com`",
            ),
            Self::End => (
                "the domain may go on at its end",
                "end it with the domain, and name a port if there is one: `https://example\\.com(:[0-9]+)?`",
            ),
        }
    }
}

/// Foreign origins, tried on an expression.
struct Probes<'r> {
    regex: &'r Regex,
    left: usize,
}

impl Probes<'_> {
    /// A foreign origin that matches as well.
    fn excess(&mut self, sample: &Sample) -> Option<(String, Excess)> {
        let characters = &sample.characters;
        let text = sample.text();
        let host = text.find("://").map(|at| at + 3)?;
        for (at, character) in characters.iter().enumerate().skip(host) {
            if *character == ('.', Kind::Any)
                && let Some(foreign) = self.spliced(&text, at..at + 1, "x")
            {
                return Some((foreign, Excess::Dot));
            }
        }
        let leaves_scheme_open = characters[..host]
            .iter()
            .all(|(_, kind)| *kind == Kind::Run);
        if leaves_scheme_open && let Some(foreign) = self.spliced(&text, 0..host - 3, "http") {
            return Some((foreign, Excess::Scheme));
        }
        let end = text[host..].find(':').map_or(text.len(), |at| host + at);
        self.open_stretch(sample, &text, host..end)
    }

    /// A stretch of the host that the expression leaves open, where a foreign domain fits.
    fn open_stretch(
        &mut self,
        sample: &Sample,
        text: &str,
        host: Range<usize>,
    ) -> Option<(String, Excess)> {
        let mut at = host.start;
        while at < host.end {
            let length = sample.characters[at..host.end]
                .iter()
                .take_while(|(_, kind)| *kind == Kind::Run)
                .count();
            let stretch = at..at + length;
            at = stretch.end.max(at + 1);
            if length == 0 {
                continue;
            }
            let (before, after) = (
                &text[host.start..stretch.start],
                &text[stretch.end..host.end],
            );
            let found = if after.is_empty() && before.contains('.') {
                [".evil.net", "evil.net", "1.evil.net"]
                    .into_iter()
                    .find_map(|stranger| self.spliced(text, stretch.clone(), stranger))
                    .map(|foreign| (foreign, Excess::End))
            } else if after.starts_with(|first: char| first.is_ascii_alphanumeric())
                && after.contains('.')
            {
                self.spliced(text, stretch, "evil")
                    .map(|foreign| (foreign, Excess::Start))
            } else {
                None
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The origin with something else in one place, if it matches too.
    fn spliced(&mut self, origin: &str, place: Range<usize>, stranger: &str) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        let foreign = format!(
            "{}{stranger}{}",
            &origin[..place.start],
            &origin[place.end..]
        );
        (self.regex.is_match(&foreign) && is_origin(&foreign)).then_some(foreign)
    }
}

/// No browser sends anything that it matches.
fn dead(quoted: &str, samples: &Samples, place: Place) -> Diagnostic {
    let example = samples.list.first().map(Sample::text).unwrap_or_default();
    let (why, help) = if example.contains('\\') {
        (
            "it demands a backslash, which no origin has",
            String::from(
                "write `\\.` with one backslash: YAML needs no second one outside of double quotes",
            ),
        )
    } else {
        match canonical_origin(&example) {
            Err((why, help)) => (why, help),
            Ok(origin) => (
                "browsers write origins in lower case and without default port",
                format!("write it to match {}", quote(&origin)),
            ),
        }
    };
    Diagnostic::warning(
        lints::DEAD_ORIGIN_REGEX,
        place,
        format!(
            "{quoted} matches no origin: what it is about ({}) is none, for {why}",
            quote(&example)
        ),
    )
    .help(help)
}

/// An origin as browsers write it.
fn is_origin(text: &str) -> bool {
    canonical_origin(text).is_ok_and(|origin| origin == text)
}
