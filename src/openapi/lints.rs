//! The lints: findings with stable names, in lower case with hyphens, documented in `docs/lints.md`.
//!
//! Whoever reports one takes its name from here; most are made in `policy/lint`, some where a thing is
//! read.

use super::diagnostic::code;

/// What is said of a lint everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Its stable name.
    pub name: &'static str,
    /// One line: what it finds.
    pub summary: &'static str,
    /// The reason of `Accepted=False`, where it is an error.
    pub reason: &'static str,
}

macro_rules! lints {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal, $summary:literal;)*) => {
        $($(#[doc = $doc])+ pub const $constant: &str = $name;)*

        /// All of them, by name.
        pub const LINTS: &[Lint] = &[$(Lint { name: $name, summary: $summary, reason: code::INVALID_OPENAPI }),*];
    };
}

lints! {
    /// An alternative of `security` that cannot be enforced, beside one that can.
    ALTERNATIVE_LEFT_OUT = "alternative-left-out", "an alternative of security that cannot be enforced is not offered";
    /// A field that changes nothing.
    NO_EFFECT = "no-effect", "a field that changes nothing";
    /// `serviceName` and the document's `host` differ.
    SERVICE_NAME_DIFFERS = "service-name-differs", "serviceName is not the document's host";
    /// An extension that nobody knows.
    UNKNOWN_EXTENSION = "unknown-extension", "an x-google- extension that is not known";
    /// A scheme that no operation demands.
    UNUSED_SCHEME = "unused-scheme", "a security scheme that no operation demands";
}

/// The lint with this name.
pub fn lint(name: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.name == name)
}
