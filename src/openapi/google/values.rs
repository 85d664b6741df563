//! Reading single fields: kind, size and characters, each with its finding.

use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::source::{Cursor, Kind};

/// A finding was made.
#[derive(Debug)]
pub(super) struct Found;

/// An error in an extension.
pub(super) fn wrong(at: &Cursor<'_>, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code::INVALID_OPENAPI, at.place(), message)
}

/// Text of at most so many bytes, without control characters: it may end up in a header or a URL.
pub(super) fn text<'t>(
    at: &Cursor<'t>,
    name: &str,
    most: usize,
    findings: &mut Findings,
) -> Result<&'t str, Found> {
    let Some(text) = at.string() else {
        let finding = at.wrong_kind(name, "text");
        findings.push(match at.text() {
            Some(number) => finding.help(format!("write it in quotes: \"{number}\"")),
            None => finding.help(format!("write one text behind `{name}:`")),
        });
        return Err(Found);
    };
    if text.len() > most {
        findings
            .push(wrong(at, format!("`{name}` is longer than {most} bytes")).help("shorten it"));
        return Err(Found);
    }
    if text.chars().any(char::is_control) {
        findings.push(
            wrong(
                at,
                format!(
                    "`{name}` is {}, with a control character in it",
                    quote(text)
                ),
            )
            .help("write it on one line, without escapes like `\\n` and `\\0`"),
        );
        return Err(Found);
    }
    Ok(text)
}

/// True or false; Google's compiler takes the quoted form too.
pub(super) fn boolean(at: &Cursor<'_>, name: &str, findings: &mut Findings) -> Result<bool, Found> {
    match at.kind() {
        Kind::Bool(value) => Ok(*value),
        Kind::String(text) if text == "true" => Ok(true),
        Kind::String(text) if text == "false" => Ok(false),
        _ => {
            findings.push(
                at.wrong_kind(name, "true or false")
                    .help(format!("write `{name}: true` or `{name}: false`")),
            );
            Err(Found)
        }
    }
}

/// A mapping that holds nothing but these keys. All of its findings are made at once.
pub(super) fn mapping(
    at: &Cursor<'_>,
    name: &str,
    known: &[&str],
    findings: &mut Findings,
) -> Result<(), Found> {
    if !matches!(at.kind(), Kind::Mapping(_)) {
        findings.push(
            at.wrong_kind(name, "a mapping")
                .help(format!("write its fields below it: {}", list(known))),
        );
        return Err(Found);
    }
    let mut result = Ok(());
    for (key, value) in at.entries() {
        if known.contains(&key) {
            continue;
        }
        result = Err(Found);
        let finding = Diagnostic::error(
            code::INVALID_OPENAPI,
            value.key_place(),
            format!("{} is not a field of `{name}`", quote(key)),
        );
        findings.push(match nearest(key, known.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("it may have {}", list(known))),
        });
    }
    result
}

/// A list of at most so many items.
pub(super) fn sequence(
    at: &Cursor<'_>,
    name: &str,
    most: usize,
    findings: &mut Findings,
) -> Result<(), Found> {
    let Kind::Sequence(items) = at.kind() else {
        findings.push(
            at.wrong_kind(name, "a list")
                .help("write each of its items with a `-` in front"),
        );
        return Err(Found);
    };
    if items.len() > most {
        findings.push(
            wrong(at, format!("`{name}` has more than {most} items")).help("shorten the list"),
        );
        return Err(Found);
    }
    Ok(())
}

/// Names for a message: `a`, `b`, `c`.
pub(super) fn list<'k>(names: impl IntoIterator<Item = &'k &'k str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The name that was probably meant: the same but for case and `-` or `_`, or two typing errors away.
pub(super) fn nearest<'k>(
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    /// Longer names are not compared: hostile documents hold many.
    const LONGEST: usize = 48;
    if written.len() > LONGEST {
        return None;
    }
    let written = plain(written);
    known
        .into_iter()
        .filter_map(|name| Some((distance(&written, &plain(name))?, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Lower case, without `-` and `_`.
fn plain(name: &str) -> Vec<u8> {
    name.bytes()
        .filter(|byte| !b"-_".contains(byte))
        .map(|byte| byte.to_ascii_lowercase())
        .collect()
}

/// Levenshtein's distance, if it is at most 2 and less than half of the name.
fn distance(written: &[u8], name: &[u8]) -> Option<usize> {
    const MOST: usize = 2;
    if written.len().abs_diff(name.len()) > MOST {
        return None;
    }
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (index, byte) in written.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        let mut least = row[0];
        for (column, other) in name.iter().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
            least = least.min(row[column + 1]);
        }
        if least > MOST {
            return None;
        }
    }
    row.last()
        .copied()
        .filter(|&distance| distance <= MOST && 2 * distance < name.len())
}
