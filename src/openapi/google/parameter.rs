//! `x-google-parameter` (3.x): a path parameter of several segments, where OpenAPI 2.0 writes
//! `{name=**}` in the path.

use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::source::Cursor;
use super::values::{mapping, text, wrong};

/// The longest name of a parameter, in bytes.
const MAX_NAME: usize = 256;

/// A path parameter that takes any number of segments.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct ManySegments {
    /// Its name.
    pub(in super::super) name: String,
    /// The finding if no path has it.
    unknown: Diagnostic,
}

/// Reads `x-google-parameter` of a parameter; `None` if the parameter is one segment, as usual.
pub(in super::super) fn path_pattern(
    parameter: &Cursor<'_>,
    findings: &mut Findings,
) -> Option<ManySegments> {
    let extension = parameter.get("x-google-parameter")?;
    mapping(&extension, "x-google-parameter", &["pattern"], findings).ok()?;
    let pattern = extension.get("pattern")?;
    match text(&pattern, "pattern", 64, findings).ok()? {
        // What every parameter is.
        "*" => return None,
        "**" => {}
        other => {
            findings.push(
                wrong(&pattern, format!("`pattern` is {}", quote(other)))
                    .help("write `pattern: \"**\"` for any number of segments, or remove it"),
            );
            return None;
        }
    }
    if parameter.get("in").and_then(|place| place.string()) != Some("path") {
        findings.push(
            wrong(
                &extension,
                "`x-google-parameter` belongs to a parameter with `in: path`",
            )
            .help("remove it, or move it to the parameter of the path"),
        );
        return None;
    }
    let Some(name) = parameter.get("name") else {
        findings.push(
            wrong(parameter, "the path parameter has no `name`")
                .help("write `name:` with the name that stands in the path"),
        );
        return None;
    };
    let written = text(&name, "name", MAX_NAME, findings).ok()?;
    Some(ManySegments {
        name: written.to_owned(),
        unknown: wrong(
            &name,
            format!("the path has no parameter {}", quote(written)),
        )
        .help("write it in braces in the path, as a whole segment"),
    })
}

/// The template in which these parameters take any number of segments: `{name}` becomes `{name=**}`.
pub(in super::super) fn with_patterns(
    template: &str,
    parameters: &[ManySegments],
    findings: &mut Findings,
) -> String {
    let mut template = template.to_owned();
    for parameter in parameters {
        let single = format!("{{{}}}", parameter.name);
        let many = format!("{{{}=**}}", parameter.name);
        if template.contains(&single) {
            template = template.replace(&single, &many);
        } else if !template.contains(&many) {
            findings.push(parameter.unknown.clone());
        }
    }
    template
}

/// Checks the template of a path of OpenAPI 3.x, where `{name=*}` and `{name=**}` are no parameters.
/// False when a finding was made.
pub(in super::super) fn check_template(
    template: &str,
    at: &Cursor<'_>,
    findings: &mut Findings,
) -> bool {
    let Some((name, pattern)) = template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .find_map(|variable| variable.split_once('='))
    else {
        return true;
    };
    findings.push(
        Diagnostic::error(
            code::INVALID_OPENAPI,
            at.key_place(),
            format!(
                "{} is how OpenAPI 2.0 writes a parameter, not OpenAPI 3.x",
                quote(&format!("{{{name}={pattern}}}"))
            ),
        )
        .help(match pattern {
            "**" => format!(
                "write {} in the path, and `x-google-parameter: {{pattern: \"**\"}}` at its parameter",
                quote(&format!("{{{name}}}"))
            ),
            _ => format!("write {} in the path", quote(&format!("{{{name}}}"))),
        }),
    );
    false
}
