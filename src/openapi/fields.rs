//! Names of fields: what a version does not know is an error, for a mistyped `security` would leave the
//! API open.

use super::diagnostic::{Diagnostic, Findings, code, quote};
use super::source::Cursor;

/// Findings for keys that are neither one of these fields nor extensions; `foreign` are fields of
/// another version, and what to write instead.
pub(super) fn check<'f>(
    at: &Cursor<'_>,
    what: &str,
    fields: impl Iterator<Item = &'f str> + Clone,
    foreign: &[(&str, &str)],
    findings: &mut Findings,
) {
    for (key, value) in at.entries() {
        if key.starts_with("x-") || fields.clone().any(|field| field == key) {
            continue;
        }
        let finding = Diagnostic::error(
            code::INVALID_OPENAPI,
            value.key_place(),
            format!("{} is not a field of {what}", quote(key)),
        );
        if let Some((_, instead)) = foreign.iter().find(|(name, _)| *name == key) {
            findings.push(finding.help(*instead));
            continue;
        }
        if key == "security" {
            findings.push(finding.help(
                "move it to the top of the document, or to each operation that is to demand it",
            ));
            continue;
        }
        if matches!(key, "true" | "false") && value.key_place().position.is_none() {
            // The structure was YAML 1.1 once, where `on:`, `yes:` and `n:` are booleans.
            findings.push(finding.help(
                "it was written `on:`, `yes:` or the like, which YAML 1.1 takes for a boolean: write the key in quotes",
            ));
            continue;
        }
        findings.push(match nearest(key, fields.clone()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help("remove it, or begin its name with `x-`"),
        });
    }
}

/// The field that a mistyped key means, if one is near enough.
pub(crate) fn nearest<'f>(key: &str, mut fields: impl Iterator<Item = &'f str>) -> Option<&'f str> {
    fields.find(|field| is_near(field, key))
}

/// Equal but for upper and lower case, or one character too many, too few or wrong.
fn is_near(field: &str, key: &str) -> bool {
    if field.eq_ignore_ascii_case(key) {
        return true;
    }
    let (field, key) = (field.as_bytes(), key.as_bytes());
    let start = field.iter().zip(key).take_while(|(a, b)| a == b).count();
    let (field, key) = (&field[start..], &key[start..]);
    let end = field
        .iter()
        .rev()
        .zip(key.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    field.len().max(key.len()) - end <= 1
        || (field.len() == key.len()
            && field.len() - end == 2
            && field[0] == key[1]
            && field[1] == key[0])
}
