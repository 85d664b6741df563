//! `x-google-allow` (2.0): what becomes of paths that the document does not list.

use super::super::diagnostic::{Diagnostic, Findings, Place, code, quote};
use super::super::source::Cursor;

/// Where `x-google-allow: all` stands: undefined paths go to the backend without a token. `None`:
/// they are refused (`configured`, the default).
pub(in super::super) fn allow_all(root: &Cursor<'_>, findings: &mut Findings) -> Option<Place> {
    let allow = root.get("x-google-allow")?;
    match allow.string() {
        Some("all") => return Some(allow.key_place()),
        Some("configured") => {}
        _ => {
            let found = allow
                .text()
                .map_or_else(|| allow.kind_name().to_owned(), quote);
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    allow.place(),
                    format!("`x-google-allow` is {found}"),
                )
                .help("write `configured` (only what the document lists) or `all`"),
            );
        }
    }
    None
}
