//! `x-google-backend`: where requests go, how their paths change, how long an answer may take.

use std::sync::Arc;

use super::super::description::{Backend, BackendProtocol, PathTranslation};
use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::lints;
use super::super::source::{Cursor, Kind};
use super::values::{Found, boolean, mapping, nearest, text, wrong};
use super::{Context, Level, Spelling};

/// The longest address, in bytes.
const MAX_ADDRESS: usize = 2048;
/// The longest audience, in bytes.
const MAX_AUDIENCE: usize = 1024;
/// The longest deadline, in seconds: a day.
const MAX_DEADLINE: f64 = 86_400.0;
/// The shortest deadline, in seconds: Envoy counts milliseconds, and so do we.
const MIN_DEADLINE: f64 = 0.001;

/// The names of the fields: address, audience, whether to mint, translation, deadline, protocol.
struct Names {
    extension: &'static str,
    all: [&'static str; 6],
}

const V2_NAMES: Names = Names {
    extension: "x-google-backend",
    all: [
        "address",
        "jwt_audience",
        "disable_auth",
        "path_translation",
        "deadline",
        "protocol",
    ],
};
const V3_NAMES: Names = Names {
    extension: "backends",
    all: [
        "address",
        "jwtAudience",
        "disableAuth",
        "pathTranslation",
        "deadline",
        "protocol",
    ],
};

/// Reads `x-google-backend` of a document, path item or operation; `None` if it has none. The nearest
/// one counts as a whole: nothing is inherited from the one above.
///
/// An object is read in both versions (also in 3.x, where Google wants a name: what it says is clear);
/// a name only in 3.x, where there is a list of backends.
pub(in super::super) fn backend(
    at: &Cursor<'_>,
    level: Level,
    context: &Context,
    findings: &mut Findings,
) -> Option<Arc<Backend>> {
    let extension = at.get("x-google-backend")?;
    match extension.kind() {
        Kind::String(name) if context.spelling == Spelling::V3 => {
            named(&extension, &name.value, level, context, findings)
        }
        Kind::String(_) => {
            findings.push(
                wrong(
                    &extension,
                    "`x-google-backend` is a name, but only OpenAPI 3.x has named backends",
                )
                .help("write the backend here: `address:`, and below it what else it needs"),
            );
            None
        }
        _ => {
            let key = (std::ptr::from_ref(extension.node()), level);
            if let Some(known) = context.seen_backends.borrow().get(&key) {
                return known.clone();
            }
            let read = object(&extension, &V2_NAMES, findings)
                .ok()
                .map(|read| Arc::new(read.with_default(level.path_translation())));
            let mut seen = context.seen_backends.borrow_mut();
            seen.insert(key, read.clone());
            read
        }
    }
}

/// Reads an entry of `x-google-api-management.backends`.
pub(super) fn named_backend(
    at: &Cursor<'_>,
    findings: &mut Findings,
) -> Result<super::NamedBackend, Found> {
    let read = object(at, &V3_NAMES, findings)?;
    Ok(super::NamedBackend {
        append: Arc::new(
            read.clone()
                .with_default(PathTranslation::AppendPathToAddress),
        ),
        constant: Arc::new(read.with_default(PathTranslation::ConstantAddress)),
    })
}

fn named(
    at: &Cursor<'_>,
    name: &str,
    level: Level,
    context: &Context,
    findings: &mut Findings,
) -> Option<Arc<Backend>> {
    if let Some(backend) = context.backends.get(name) {
        return Some(match level.path_translation() {
            PathTranslation::AppendPathToAddress => Arc::clone(&backend.append),
            PathTranslation::ConstantAddress => Arc::clone(&backend.constant),
        });
    }
    if context.backends_complete {
        let finding = wrong(
            at,
            format!(
                "there is no backend {} in `x-google-api-management`",
                quote(name)
            ),
        );
        findings.push(match context.known_backends.as_str() {
            "" => finding.help(
                "define it under `backends:` of `x-google-api-management`, which has none yet",
            ),
            known => finding.help(format!("define it, or use one that is: {known}")),
        });
    }
    None
}

/// A backend whose path translation may still be its level's default.
#[derive(Clone)]
struct Read {
    backend: Backend,
    translation: Option<PathTranslation>,
}

impl Read {
    fn with_default(self, default: PathTranslation) -> Backend {
        Backend {
            path_translation: self.translation.unwrap_or(default),
            ..self.backend
        }
    }
}

fn object(at: &Cursor<'_>, names: &Names, findings: &mut Findings) -> Result<Read, Found> {
    if let Kind::Mapping(_) = at.kind() {
        check_other_spelling(at, names, findings)?;
    }
    mapping(at, names.extension, &names.all, findings)?;
    let [
        address_name,
        audience_name,
        disable_name,
        translation_name,
        deadline_name,
        protocol_name,
    ] = names.all;
    let address = at.get(address_name).map(|at| address(&at, findings));
    let jwt_audience = at.get(audience_name).map(|at| {
        let audience = text(&at, audience_name, MAX_AUDIENCE, findings)?;
        Ok((audience.to_owned(), at.place()))
    });
    let disable_auth = at
        .get(disable_name)
        .map(|at| boolean(&at, disable_name, findings));
    let translation = at
        .get(translation_name)
        .map(|at| translation(&at, translation_name, findings));
    let deadline = at.get(deadline_name).map(|at| deadline(&at, findings));
    let protocol = at.get(protocol_name).map(|at| protocol(&at, findings));
    Ok(Read {
        translation: translation.transpose()?.flatten(),
        backend: Backend {
            address: address.transpose()?,
            path_translation: PathTranslation::ConstantAddress,
            deadline: deadline.transpose()?.flatten(),
            protocol: protocol.transpose()?.unwrap_or_default(),
            jwt_audience: jwt_audience
                .transpose()?
                .filter(|(audience, _): &(String, _)| !audience.is_empty()),
            disable_auth: disable_auth.transpose()?.unwrap_or(false),
            place: at.key_place(),
            address_place: at
                .get(address_name)
                .map_or_else(|| at.key_place(), |address| address.place()),
        },
    })
}

/// `jwtAudience` where `jwt_audience` belongs: said for what it is, not as an unknown field.
fn check_other_spelling(
    at: &Cursor<'_>,
    names: &Names,
    findings: &mut Findings,
) -> Result<(), Found> {
    let mut result = Ok(());
    for (key, value) in at.entries() {
        if names.all.contains(&key) {
            continue;
        }
        let other = [V2_NAMES.all, V3_NAMES.all].concat();
        if other.contains(&key)
            && let Some(ours) = nearest(key, names.all)
        {
            result = Err(Found);
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    value.key_place(),
                    format!(
                        "`{}` has no field `{key}`: here it is `{ours}`",
                        names.extension
                    ),
                )
                .help(format!("write `{ours}`")),
            );
        }
    }
    result
}

/// The address as written; what its parts mean is the compiler's business.
fn address(at: &Cursor<'_>, findings: &mut Findings) -> Result<String, Found> {
    let address = text(at, "address", MAX_ADDRESS, findings)?;
    if address.is_empty() || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        findings.push(
            wrong(
                at,
                format!(
                    "`address` is {}, which is empty or holds something else than visible ASCII",
                    quote(address)
                ),
            )
            .help("write it like `https://orders.example.com/v1`, or leave `address` out for the service's own backend"),
        );
        return Err(Found);
    }
    Ok(address.to_owned())
}

/// `None`: the default of the level.
fn translation(
    at: &Cursor<'_>,
    name: &str,
    findings: &mut Findings,
) -> Result<Option<PathTranslation>, Found> {
    match text(at, name, 64, findings)? {
        "APPEND_PATH_TO_ADDRESS" => Ok(Some(PathTranslation::AppendPathToAddress)),
        "CONSTANT_ADDRESS" => Ok(Some(PathTranslation::ConstantAddress)),
        "PATH_TRANSLATION_UNSPECIFIED" => Ok(None),
        other => {
            findings.push(
                wrong(at, format!("`{name}` is {}", quote(other))).help(
                    "write `APPEND_PATH_TO_ADDRESS` (the request's path follows the address's) or \
                     `CONSTANT_ADDRESS` (the address's path alone, path variables as query parameters)",
                ),
            );
            Err(Found)
        }
    }
}

/// Seconds; `None`: the default, as ESPv2 has it for zero and less.
fn deadline(at: &Cursor<'_>, findings: &mut Findings) -> Result<Option<f64>, Found> {
    let Kind::Number(written) = at.kind() else {
        findings.push(
            at.wrong_kind("deadline", "a number of seconds")
                .help("write it without quotes and without a unit: `deadline: 30.0`"),
        );
        return Err(Found);
    };
    match written.parse::<f64>() {
        Ok(seconds) if seconds <= 0.0 => {
            findings.push(
                Diagnostic::warning(
                    lints::NO_EFFECT,
                    at.place(),
                    format!(
                        "`deadline` is {}, which no answer can keep: the default of 15 seconds holds",
                        quote(written)
                    ),
                )
                .help("write a positive number of seconds, or remove it"),
            );
            Ok(None)
        }
        Ok(seconds) if (MIN_DEADLINE..=MAX_DEADLINE).contains(&seconds) => Ok(Some(seconds)),
        _ => {
            findings.push(
                wrong(
                    at,
                    format!(
                        "`deadline` is {}, but must be between {MIN_DEADLINE} and {MAX_DEADLINE} seconds",
                        quote(written)
                    ),
                )
                .help("write a decimal number of seconds: `deadline: 30.0`"),
            );
            Err(Found)
        }
    }
}

fn protocol(at: &Cursor<'_>, findings: &mut Findings) -> Result<BackendProtocol, Found> {
    match text(at, "protocol", 64, findings)? {
        "" | "http/1.1" => Ok(BackendProtocol::Http1),
        "h2" => Ok(BackendProtocol::Http2),
        other => {
            findings.push(
                wrong(at, format!("`protocol` is {}", quote(other))).help(
                    "write `http/1.1` (the default) or `h2`; gRPC backends have an address that begins with `grpc://` or `grpcs://`",
                ),
            );
            Err(Found)
        }
    }
}
