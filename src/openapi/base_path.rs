//! The prefix of all paths: `basePath` of 2.0, the paths of `servers` in 3.x.

use super::diagnostic::quote;

/// The longest base path, in bytes.
const MAX_BASE_PATH: usize = 1024;

/// What is wrong with a base path, and what to write instead.
#[derive(Debug)]
pub(super) struct BadBasePath {
    /// Ends a sentence that begins with the name of the field.
    pub(super) what: String,
    /// What to write instead.
    pub(super) help: String,
}

/// A base path as a prefix of paths: without slashes at its end.
///
/// # Errors
/// One that is too long, that is a template, or that does not begin with a slash.
pub(super) fn prefix(written: &str) -> Result<&str, BadBasePath> {
    let base_path = written.trim_end_matches('/');
    let bad = |what: String, help: &str| BadBasePath {
        what,
        help: help.to_owned(),
    };
    if base_path.len() > MAX_BASE_PATH {
        return Err(bad(
            format!("is longer than {MAX_BASE_PATH} bytes"),
            "shorten it",
        ));
    }
    if base_path.contains(['{', '}', '*', '?', '#', ':']) {
        return Err(bad(
            format!("is {}, but it is no template", quote(written)),
            "write it without `{`, `}`, `*`, `?`, `#` and `:`; parameters belong into `paths`",
        ));
    }
    if !base_path.is_empty() && !base_path.starts_with('/') {
        return Err(BadBasePath {
            what: format!("is {}, but must begin with a slash", quote(written)),
            help: format!("write {}", quote(&format!("/{base_path}"))),
        });
    }
    Ok(base_path)
}
