//! Which extensions there are, and where each belongs.

use super::super::diagnostic::{Diagnostic, Findings, Severity, code, quote};
use super::super::lints;
use super::super::source::{Cursor, Kind};
use super::values::{list, nearest};
use super::{Context, Level, Spelling};

/// An extension.
struct Extension {
    name: &'static str,
    /// In which versions.
    spellings: &'static [Spelling],
    levels: &'static [Level],
    /// What to write in a version that does not have it; empty if there is nothing.
    instead: &'static str,
    /// Whether it decides about access, or about where requests go: at a wrong place it is an error.
    decides: bool,
}

use Level::{Document, Operation, Parameter, PathItem, Scheme, Server};
use Spelling::{V2, V3};

const EXTENSIONS: &[Extension] = &[
    decides(
        "x-google-endpoints",
        &[V2],
        &[Document],
        "write `x-google-endpoint: {}` at the server that names the service, and `allowCors` in it",
    ),
    decides(
        "x-google-allow",
        &[V2],
        &[Document],
        "remove it: requests to paths that the document does not list are refused",
    ),
    decides(
        "x-google-backend",
        &[V2, V3],
        &[Document, PathItem, Operation],
        "",
    ),
    decides("x-google-issuer", &[V2, V3], &[Scheme], ""),
    decides("x-google-jwks_uri", &[V2, V3], &[Scheme], ""),
    decides("x-google-audiences", &[V2, V3], &[Scheme], ""),
    decides("x-google-jwt-locations", &[V2, V3], &[Scheme], ""),
    decides("x-issuer", &[V2, V3], &[Scheme], ""),
    decides("x-jwks_uri", &[V2, V3], &[Scheme], ""),
    decides(
        "x-security",
        &[V2],
        &[Document, Operation],
        "demand a security scheme of its own, with these `audiences` in its `x-google-auth`",
    ),
    decides(
        "x-google-auth",
        &[V3],
        &[Scheme],
        "write `x-google-issuer`, `x-google-jwks_uri`, `x-google-audiences` and `x-google-jwt-locations`",
    ),
    decides(
        "x-google-api-management",
        &[V3],
        &[Document],
        "write `x-google-endpoints` for `allowCors`, and each backend as an `x-google-backend`",
    ),
    decides(
        "x-google-endpoint",
        &[V3],
        &[Server],
        "write `x-google-endpoints` with the document's `host` as `name`",
    ),
    decides(
        "x-google-parameter",
        &[V3],
        &[Parameter],
        "write `{name=**}` in the path",
    ),
    decides(
        "x-google-model-router",
        &[V3],
        &[Operation],
        "remove it, and give the operation an `x-google-backend`",
    ),
    decides("x-endpoints-cors", &[V2, V3], &[PathItem, Operation], ""),
    counts(
        "x-google-api-name",
        &[V2],
        &[Document],
        "write `apiName` in `x-google-api-management`",
    ),
    counts(
        "x-google-management",
        &[V2],
        &[Document],
        "write `metrics` and `quota` in `x-google-api-management`",
    ),
    counts("x-google-quota", &[V2, V3], &[PathItem, Operation], ""),
    counts("x-google-mcp-tool", &[V3], &[Operation], "remove it"),
];

const fn decides(
    name: &'static str,
    spellings: &'static [Spelling],
    levels: &'static [Level],
    instead: &'static str,
) -> Extension {
    Extension {
        name,
        spellings,
        levels,
        instead,
        decides: true,
    }
}

/// Counts calls or describes them for a console: passed over.
const fn counts(
    name: &'static str,
    spellings: &'static [Spelling],
    levels: &'static [Level],
    instead: &'static str,
) -> Extension {
    Extension {
        decides: false,
        ..decides(name, spellings, levels, instead)
    }
}

/// Looks at the names of all extensions at one place: unknown ones, and known ones that belong
/// somewhere else, where nobody would read them.
pub(in super::super) fn check_extensions(
    at: &Cursor<'_>,
    level: Level,
    context: &Context,
    findings: &mut Findings,
) {
    // What stands at many places as an alias is looked at once.
    if !matches!(at.kind(), Kind::Mapping(_)) || !context.is_new(at, level) {
        return;
    }
    for (key, value) in at.entries() {
        // Most keys are no extensions.
        if !begins(key, "x-") {
            continue;
        }
        match EXTENSIONS.iter().find(|known| known.name == key) {
            Some(known) => {
                if let Some(finding) = misplaced(known, &value, level, context.spelling) {
                    findings.push(finding);
                } else if let Some(finding) = absent_feature(known, &value) {
                    findings.push(finding);
                }
            }
            None if let Some(known) = in_another_case(key) => findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    value.key_place(),
                    format!("nothing reads {}, which is not in lower case", quote(key)),
                )
                .help(format!("write `{}`", known.name)),
            ),
            None if begins(key, "x-google-") || begins(key, "x-endpoints-") => {
                let finding = unknown(key, &value);
                findings.push(match findings.is_full(Severity::Warning) {
                    true => finding,
                    false => finding.help(remedy(key, level, context.spelling)),
                });
            }
            None => {}
        }
    }
}

/// In any case: an extension that is not spelled in lower case is none that anybody reads.
fn begins(key: &str, prefix: &str) -> bool {
    key.as_bytes()
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// The extension that would decide about access, were it spelled in lower case.
fn in_another_case(key: &str) -> Option<&'static Extension> {
    EXTENSIONS
        .iter()
        .find(|known| known.decides && known.name.eq_ignore_ascii_case(key))
}

fn misplaced(
    known: &Extension,
    at: &Cursor<'_>,
    level: Level,
    spelling: Spelling,
) -> Option<Diagnostic> {
    let name = known.name;
    let (message, help) = if !known.spellings.contains(&spelling) {
        let other = match spelling {
            V2 => V3,
            V3 => V2,
        };
        (
            format!(
                "`{name}` is an extension of {}, and this is {}",
                other.version(),
                spelling.version()
            ),
            known.instead.to_owned(),
        )
    } else if !known.levels.contains(&level) {
        let homes: Vec<_> = known.levels.iter().map(|level| level.name()).collect();
        let homes = homes.join(" or ");
        let help = match (name, level) {
            ("x-endpoints-cors", Document) => String::from(
                "write the fields into `cors` of the EndpointsService, which holds for all operations, or move it to a path item or operation",
            ),
            _ => format!("move it to {homes}"),
        };
        (
            format!(
                "`{name}` belongs to {homes}: at {} nothing reads it",
                level.name()
            ),
            help,
        )
    } else {
        return None;
    };
    let place = at.key_place();
    Some(match known.decides {
        true => Diagnostic::error(code::INVALID_OPENAPI, place, message).help(help),
        false => Diagnostic::warning(lints::NO_EFFECT, place, message).help(help),
    })
}

/// The finding for what is at its place, but asks for something that this proxy does not do.
fn absent_feature(known: &Extension, at: &Cursor<'_>) -> Option<Diagnostic> {
    match known.name {
        "x-google-model-router" => Some(
            Diagnostic::error(
                code::UNSUPPORTED_FEATURE,
                at.key_place(),
                "`x-google-model-router` chooses a backend by the model that a body names, which this proxy does not do",
            )
            .help(known.instead),
        ),
        "x-google-management" => {
            let quota = at.get("quota")?;
            if matches!(quota.kind(), Kind::Null) {
                return None;
            }
            Some(
                Diagnostic::warning(
                    lints::NO_EFFECT,
                    quota.key_place(),
                    "`quota`: quotas are not counted here, so that no request is refused for them",
                )
                .help("remove it, or limit calls where they are counted"),
            )
        }
        _ => None,
    }
}

fn unknown(key: &str, at: &Cursor<'_>) -> Diagnostic {
    Diagnostic::warning(
        lints::UNKNOWN_EXTENSION,
        at.key_place(),
        format!("{} is not known and changes nothing", quote(key)),
    )
}

fn remedy(key: &str, level: Level, spelling: Spelling) -> String {
    if let Some(near) = nearest(key, EXTENSIONS.iter().map(|known| known.name)) {
        return format!("did you mean `{near}`?");
    }
    let here: Vec<_> = EXTENSIONS
        .iter()
        .filter(|known| known.levels.contains(&level) && known.spellings.contains(&spelling))
        .filter(|known| !matches!(known.name, "x-issuer" | "x-jwks_uri" | "x-security"))
        .map(|known| known.name)
        .collect();
    format!("{} may have {}", level.name(), list(&here))
}
