//! Whom tokens are for: `x-google-audiences`, `x-google-auth.audiences`, and those of `x-security`.

use super::super::diagnostic::{Diagnostic, Findings, quote};
use super::super::lints;
use super::super::source::{Cursor, Kind};
use super::values::{Found, sequence, text, wrong};

/// The longest text, in bytes: audiences with commas between them, or one of a list.
const MAX_TEXT: usize = 4096;
/// The most bytes in all of a list: many schemes may be aliases of one.
const MAX_LIST_BYTES: usize = 16 * 1024;
/// The most audiences.
const MAX_AUDIENCES: usize = 256;

/// `x-google-audiences`: one text with commas. A list says the same and is read with a warning:
/// Google's compiler refuses it.
pub(super) fn comma_separated(
    at: &Cursor<'_>,
    findings: &mut Findings,
) -> Result<Vec<String>, Found> {
    const NAME: &str = "x-google-audiences";
    if let Kind::Sequence(_) = at.kind() {
        let audiences = listed(at, NAME, findings)?;
        findings.push(
            Diagnostic::warning(
                lints::AUDIENCES_AS_LIST,
                at.place(),
                "`x-google-audiences` is a list, which Google's compiler refuses",
            )
            .help(match audiences.join(",") {
                joined if joined.len() <= 60 => format!("write `x-google-audiences: \"{joined}\"`"),
                _ => String::from("write one text with commas between the audiences"),
            }),
        );
        return Ok(audiences);
    }
    let Some(written) = at.string() else {
        findings.push(
            at.wrong_kind(NAME, "text")
                .help("write the audiences in one text, in quotes, with commas between them"),
        );
        return Err(Found);
    };
    // A block of several lines has line ends around its audiences.
    let audiences: Vec<_> = written
        .split(',')
        .map(str::trim)
        .filter(|audience| !audience.is_empty())
        .map(str::to_owned)
        .collect();
    if written.len() > MAX_TEXT || audiences.iter().any(|one| one.contains(char::is_control)) {
        text(at, NAME, MAX_TEXT, findings)?;
    }
    if audiences.len() > MAX_AUDIENCES {
        findings.push(
            wrong(
                at,
                format!("`{NAME}` has more than {MAX_AUDIENCES} audiences"),
            )
            .help("shorten the list"),
        );
        return Err(Found);
    }
    Ok(audiences)
}

/// A list of texts. One with a comma in it is refused: in the other spelling it would be two.
pub(super) fn listed(
    at: &Cursor<'_>,
    name: &str,
    findings: &mut Findings,
) -> Result<Vec<String>, Found> {
    if let Some(written) = at.string() {
        findings.push(
            at.wrong_kind(name, "a list")
                .help(format!("write `{name}: [{written}]`, one item an audience")),
        );
        return Err(Found);
    }
    sequence(at, name, MAX_AUDIENCES, findings)?;
    let bytes: usize = at
        .items()
        .filter_map(|item| item.string())
        .map(str::len)
        .sum();
    if bytes > MAX_LIST_BYTES {
        findings.push(
            wrong(
                at,
                format!("`{name}` is longer than {MAX_LIST_BYTES} bytes"),
            )
            .help("shorten the list"),
        );
        return Err(Found);
    }
    at.items()
        .map(|item| {
            let audience = text(&item, name, MAX_TEXT, findings)?.trim();
            if audience.is_empty() || audience.contains(',') {
                findings.push(
                    wrong(
                        &item,
                        format!("{} is not one audience of `{name}`", quote(audience)),
                    )
                    .help("write one audience an item, without commas"),
                );
                return Err(Found);
            }
            Ok(audience.to_owned())
        })
        .collect()
}
