//! Paths: checked and normalised once, before anything else looks at them.

use std::borrow::Cow;

/// A path in its one spelling: dot segments resolved, slashes merged, unreserved characters
/// unescaped, remaining escapes in upper case. This is what is matched *and* forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalisedPath<'a>(pub Cow<'a, str>);

/// Why a path is refused; always 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `%` without two hexadecimal digits, or an escaped NUL.
    #[error("The request path has an invalid percent-escape.")]
    BadEscape,
    /// A backslash, a fragment, or a character that no path may hold.
    #[error("The request path has a character that is not allowed.")]
    BadCharacter,
    /// Not starting with a slash.
    #[error("The request target is not a path.")]
    NotAPath,
    /// `..` above the root.
    #[error("The request path leaves its root.")]
    AboveRoot,
}

/// Normalises a raw path (without query). Escaped slashes stay as they came (`Keep`).
///
/// # Errors
/// See [`PathError`].
pub fn normalise(_raw: &str) -> Result<NormalisedPath<'_>, PathError> {
    todo!("decision helper")
}
